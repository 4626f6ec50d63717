"""Board files: what they say, and what is refused."""

from pathlib import Path

import pytest

from fastprefill import boards
from fastprefill.errors import FastprefillError


def test_kv260() -> None:
    board = boards.load("kv260")
    assert board.part == "xck26-sfvc784-2LV-c"
    assert board.resources == boards.Resources(lut=117120, ff=234240, dsp=1248, bram36=144, uram=64)
    assert board.clock_ns == pytest.approx(5.0)
    assert board.memories[0].gigabytes_per_second == 64 * 2400e6 / 8 / 1e9


def test_u280_leaves_the_platform_its_share() -> None:
    board = boards.load("u280")
    assert len(board.slrs) == 3
    assert board.resources.uram == 960
    for name, whole in {"lut": 1303680, "ff": 2607360, "dsp": 9024, "bram36": 2016}.items():
        assert 0.7 * whole < getattr(board.resources, name) < whole


def test_device_is_regions_and_platform() -> None:
    share = boards.load("u280").platform_share
    assert share.as_dict() == {"lut": 234680, "ff": 457360, "dsp": 534, "bram36": 529, "uram": 0}
    assert boards.load("kv260").platform_share == boards.Resources()


def test_pseudo_channels_of_the_u280() -> None:
    hbm = boards.load("u280").memories[0]
    assert (hbm.name, hbm.ports, hbm.port_bits) == ("HBM", 32, 256)
    assert hbm.port_gigabytes_per_second == 14.375
    assert hbm.bytes // hbm.ports == 256 << 20


@pytest.mark.parametrize("name", boards.names())
def test_a_mover_takes_what_its_memory_port_gives(name: str) -> None:
    board = boards.load(name)
    memory = board.memories[0]
    ceiling = memory.port_bits / 8 * board.clock_mhz / 1000  # of a port that runs at the design's clock
    wanted = memory.port_gigabytes_per_second if memory.mover_bits > memory.port_bits else ceiling
    assert memory.mover_bits / 8 * board.clock_mhz / 1000 >= wanted


@pytest.mark.parametrize("version", ["2022.1", "2022.1.1", "2022.2", "2023.1", "2023.2", "2023.2.1"])
def test_versions_that_build_for_the_u280(version: str) -> None:
    assert boards.load("u280").refuses_tool("vivado", version) == ""


@pytest.mark.parametrize("version", ["2021.2", "2024.1", "2025.2"])
def test_versions_that_do_not(version: str) -> None:
    assert boards.load("u280").refuses_tool("vitis", version) == (
        f"vitis {version} cannot build for AMD Alveo U280; versions that can: 2022.1 to 2023.2 (2023.2 is the last "
        "Vivado that knows the U280's part; 2023.1 the last release with packages for the card); install one of them, "
        "best 2023.2, and source its settings64.sh"
    )


def test_scripts_are_written_for_a_version_that_can_build() -> None:
    for board in map(boards.load, boards.names()):
        for tool, supported in board.tool_ranges.items():
            assert supported.holds(board.tool_versions[tool])


def test_an_open_range_takes_later_releases() -> None:
    assert boards.load("kv260").refuses_tool("vivado", "2026.1") == ""
    assert "2022.1 or later" in boards.load("kv260").refuses_tool("vivado", "2020.2")


@pytest.mark.parametrize("name", boards.names())
def test_one_operator_fits_the_clock(name: str) -> None:
    board = boards.load(name)
    assert board.delays.ff_setup + max(board.delays.dsp, board.delays.bram) < board.clock_ns


def test_unknown_board() -> None:
    with pytest.raises(FastprefillError) as caught:
        boards.load("zcu102")
    assert (
        str(caught.value) == "unknown board 'zcu102'; known boards: kv260, u280, or the path of a .toml file"
    )


def test_own_board(tmp_path: Path) -> None:
    text = (Path(boards.__file__).parent / "kv260.toml").read_text()
    file = tmp_path / "mine.toml"
    file.write_text(text.replace('"kv260"', '"mine"').replace("lut = 117120", "lut = 5000"))
    assert boards.load(str(file)).resources.lut == 5000
    assert boards.load("mine").resources.lut == 5000
    assert "mine" not in boards.names()


def test_own_board_needs_a_name_of_its_own() -> None:
    file = Path(boards.__file__).parent / "kv260.toml"
    with pytest.raises(FastprefillError) as caught:
        boards.load(str(file))
    assert str(caught.value) == (
        f"the board file '{file}' calls its board 'kv260', which comes with the package; give it another name"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('part = "', '#', "the board file '{}' has no 'part'; compare with kv260.toml"),
        (
            "dsp = 1248",
            "dsp = -1",
            "the board file '{}' is wrong: dsp is -1; it must be a whole number of at least 0",
        ),
        (
            "clock_mhz = 200.0",
            "clock_mhz = 0",
            "the board file '{}' is wrong: clock_mhz is 0; it must be a number above 0",
        ),
        (
            'vivado = ["2022.1"]',
            'vivado = ["2023.1", "2022.1"]',
            "the board file '{}' is wrong: the tool range ['2023.1', '2022.1'] ends before it begins",
        ),
        (
            'vivado = ["2022.1"]',
            'vivado = ["v2022"]',
            "the board file '{}' is wrong: 'v2022' is no version of the form 2023.2",
        ),
        (
            'vitis = "2024.2"',
            'vitis = "new"',
            "the board file '{}' is wrong: 'new' is no version of the form 2023.2",
        ),
        (
            'vitis = "2024.2"',
            'vitis = "2021.2"',
            "the board file '{}' is wrong: vitis of [tool_versions] is outside [tool_ranges]: vitis 2021.2 cannot "
            "build for AMD Kria KV260",
        ),
        (
            "clock_mhz = 200.0",
            "clock_mhz = nan",
            "the board file '{}' is wrong: clock_mhz is nan; it must be a number above 0",
        ),
        (
            "clock_mhz = 200.0",
            "clock_mhz = 5000",
            "the board file '{}' is wrong: clock_mhz is 5000: a cycle of 0.20 ns is not longer than ff_setup and the "
            "slowest of lut, dsp and bram in [delays], 2.63 ns; lower the clock or correct the delays",
        ),
        (
            "lut = 117120",
            "lut = true",
            "the board file '{}' is wrong: lut is True; it must be a whole number of at least 0",
        ),
        (
            "lut = 117120",
            "luts = 117120",
            "the board file '{}' is wrong: the field 'luts' is unknown; there are bram36, dsp, ff, lut, uram",
        ),
        (
            "ports = 4",
            "ports = 0",
            "the board file '{}' is wrong: ports is 0; it must be a whole number of at least 1",
        ),
        (
            "port_bits = 128",
            "port_bits = 100",
            "the board file '{}' is wrong: port_bits is 100; it must be a power of two from 8 to 1024",
        ),
        (
            'name = "kv260"',
            'name = "a/b"',
            "the board file '{}' is wrong: name is 'a/b'; choose letters, digits, '_', '-' and '.'",
        ),
        (
            "[[memory]]",
            "[other]",
            "the board file '{}' is wrong: the field 'other' is unknown; there are build, clock_mhz, delays, device, "
            "memory, name, part, platform, slr, speed_grade, status, title, tool_note, tool_ranges, tool_versions",
        ),
    ],
)
def test_bad_board_file(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (Path(boards.__file__).parent / "kv260.toml").read_text()
    assert old in text
    file = tmp_path / "bad.toml"
    file.write_text(text.replace(old, new))
    with pytest.raises(FastprefillError) as caught:
        boards.load(str(file))
    assert str(caught.value) == message.format(file)


def test_missing_board_file() -> None:
    with pytest.raises(FastprefillError, match=r"^there is no board file 'nowhere/x.toml'$"):
        boards.load("nowhere/x.toml")
