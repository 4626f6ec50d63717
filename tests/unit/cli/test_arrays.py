"""The main job in small on a board of three super logic regions: one array in each, the projection split over them."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fastprefill import tools
from fastprefill.checks import reduced
from fastprefill.checks.project import Project
from fastprefill.cli import main
from fastprefill.tools import csim

TINY = Path(__file__).parents[3] / "examples" / "tiny-llama"
SIZE = ("--rows", "4", "--dsp-columns", "3", "--lut-columns", "1", "--k-parallel", "2")
PROMPT = "The code of MAPLE is"  # 21 tokens with the start token: the last tile is not full


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("arrays")
    (folder / "prompt.txt").write_text(PROMPT)
    out = folder / "u280"
    result = run(
        "generate", "--model", TINY, "--board", "u280", "--out", out, "--prompt", folder / "prompt.txt", *SIZE
    )
    assert result.exit_code == 0, result.output
    return out


def test_an_array_in_each_region(project: Path) -> None:
    manifest = json.loads((project / "manifest.json").read_text())
    assert manifest["parameters"]["arrays"] == 3
    (unit,) = manifest["units"]
    assert [(part["instance"], part["unit"], part["slr"]) for part in unit["placement"]] == [
        ("dispatch", "dispatch", 0), ("mpu0", "mpu", 0), ("mpu1", "mpu", 1), ("mpu2", "mpu", 2),
    ]  # fmt: skip
    assert unit["inputs"] == {"a": 64, **{f"b_{n}": 64 for n in range(3)}}
    assert unit["outputs"] == {f"c_{n}": 256 for n in range(3)}
    assert list(unit["scalars"]) == ["steps", "chain", "sums"]  # shared, so that they cannot disagree


def test_arrays_share_their_modules(project: Path) -> None:
    """Each module is emitted once, under the name that it has in a project of one array."""
    names = {path.stem for path in (project / "rtl").glob("*.sv") if not path.stem.startswith("fp_")}
    lanes = {name for name in names if name.startswith("mpu_array_lane")}
    assert names - lanes == {
        "dispatch", "dispatch_hand_out", "mpu", "mpu_array", "mpu_control", "mpus", "mpus_shell",
    }  # fmt: skip
    top = (project / "rtl/mpus.sv").read_text()
    assert re.findall(r"^  mpu (\w+) \(", top, re.MULTILINE) == ["mpu0", "mpu1", "mpu2"]
    # A relay for both operands of the arrays that are not where the dispatcher is, twice as long to the far one.
    relays = re.findall(r"\.HOPS\((\d)\).*?\) (\w+_relay) \(", top, re.DOTALL)
    assert sorted(relays, key=lambda pair: pair[1]) == [
        ("2", "mpu1_a_relay"), ("2", "mpu1_b_relay"), ("4", "mpu2_a_relay"), ("4", "mpu2_b_relay"),
    ]  # fmt: skip
    kernel = (project / "hls/mpus.cpp").read_text()
    assert len(re.findall(r"^static void mpu\(", kernel, re.MULTILINE)) == 1
    assert len(re.findall(r"DATAFLOW_PROCESS\(mpu\d, mpu\(", kernel)) == 3


def test_link_of_arrays_in_three_regions(project: Path) -> None:
    """One kernel over the regions; each mover has a pseudo-channel of its own and is beside its end of the stream."""
    link = (project / "bitstream/link.cfg").read_text()
    movers = ["mm2s_a", *(f"mm2s_b_{n}" for n in range(3)), *(f"s2mm_c_{n}" for n in range(3))]
    assert re.findall(r"^nk=(\w+):1:", link, re.MULTILINE) == ["mpus", *movers]
    ports = re.findall(r"^sp=(\w+)_1\.\w+:(HBM\[\d+\])$", link, re.MULTILINE)
    assert [mover for mover, _ in ports] == movers and len({port for _, port in ports}) == len(movers)
    placed = dict(re.findall(r"^slr=(\w+)_1:SLR(\d)$", link, re.MULTILINE))
    assert placed == {mover: mover[-1] if mover.startswith("s2mm") else "0" for mover in movers}
    tcl = (project / "bitstream/slr.tcl").read_text()
    parts = dict(re.findall(r"\*/unit/(\w+)\}\]\n.*?ASSIGNMENT SLR(\d)", tcl, re.DOTALL))
    assert parts == {"dispatch": "0", "mpu0": "0", "mpu1": "1", "mpu2": "2"}
    steps = tomllib.loads((project / "bitstream/steps.toml").read_text())["step"]
    assert [step["name"] for step in steps][-2:] == ["package mpus", "link"]
    assert "slr.tcl" in steps[-1]["needs"]


@pytest.mark.long
def test_every_level_passes(project: Path) -> None:
    for tool in ("g++", "verilator", "yosys"):
        if not tools.available(tool):
            pytest.skip(f"{tool} is not installed")
    result = run("verify", project, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    words = 3 * 6 * 11 * 2  # arrays, tiles of 4 tokens, of 12 channels, pairs of rows
    compared = {level["level"]: level["tokens"] for level in found["levels"] if level["result"] == "pass"}
    runs = compared.pop("RTL")  # at full speed and with gaps, alone and in a row
    assert compared == {"golden": words, "interpreter": words, "C-sim": words, "lint": 0}
    assert runs >= 2 * words and runs % words == 0
    # K = 128 at two a cycle: 64 steps for each of the tiles, of which the last is filled up in both directions.
    (rtl,) = (level for level in found["levels"] if level["level"] == "RTL")
    filling = 21 * 128 / (6 * 4 * 11 * 12)
    assert 0.97 * filling < rtl["utilisation"] < filling
    assert found["errors"][0]["relative"] < 0.01


def test_a_large_design_is_simulated_smaller_and_says_so(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not tools.available("verilator"):
        pytest.skip("verilator is not installed")
    monkeypatch.setattr(reduced, "LARGEST", 95)
    monkeypatch.setattr(reduced, "SIDE", 4)
    monkeypatch.setattr(reduced, "TILES", 2)
    result = run("cosim", project, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["level"] == "RTL, smaller"
    assert found["detail"].startswith(
        "simulated 3 x (4 x 4: 3 DSP + 1 LUT columns), generated 3 x (4 x 4: 3 DSP + 1 LUT columns) "
        "(--full simulates that); "
    )
    assert found["tokens"] % (3 * 2 * 11 * 2) == 0 < found["tokens"]


def test_no_smaller_design_in_place_of_one_that_can_be_simulated(project: Path) -> None:
    opened = Project.open(project)
    vectors = opened.vectors()
    assert vectors[0].projection is not None and vectors[0].projection.shape.macs_per_cycle == 96
    assert reduced.reduced(opened, vectors) is None


def test_each_array_has_words_of_its_own(project: Path) -> None:
    """Were they equal, an array that computes another's tiles would not be noticed."""
    case = project / "vectors/layer0_q_proj"
    for streams in ("c_{}", "b_{}"):
        assert len({(case / f"{streams.format(n)}.hex").read_text() for n in range(3)}) == 3


@pytest.mark.long
def test_host_programs_on_the_c_simulation(project: Path) -> None:
    if csim.missing():
        pytest.skip(str(csim.missing()))
    done = subprocess.run(
        ["make", "-C", project / "host", "check", f"PYTHON={sys.executable}"],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("mpus on csim: equal to the golden vectors") == 2
    assert "WARNING" not in done.stdout + done.stderr


def test_bitstream_names_what_is_missing(project: Path) -> None:
    result = run("bitstream", project, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "v++ --link" in result.output and "slr.tcl" in result.output
