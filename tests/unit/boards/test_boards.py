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
        ('part = "', 'prt = "', "the board file '{}' has no 'part'; compare with kv260.toml"),
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
