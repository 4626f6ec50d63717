"""The main job in small: generate a 4 x 8 matrix unit from the example and verify it at every level."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fastprefill import boards, models, tools
from fastprefill.build.plan import BuildPlan
from fastprefill.cli import main
from fastprefill.golden import quantise, reference

TINY = Path(__file__).parents[3] / "examples" / "tiny-llama"
SIZE = ("--rows", "4", "--dsp-columns", "4", "--lut-columns", "4", "--k-parallel", "2", "--drain-rows", "2")
PROMPT = "The code of MAPLE is"  # 21 tokens with the start token: the last tile is not full


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def generate(out: Path, prompt: Path, *more: str) -> Result:
    return run(
        "generate", "--model", TINY, "--board", "kv260", "--out", out, "--prompt", prompt, *SIZE, *more
    )


@pytest.fixture(scope="module")
def prompt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("prompt") / "prompt.txt"
    file.write_text(PROMPT)
    return file


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory, prompt: Path) -> Path:
    out = tmp_path_factory.mktemp("project") / "tiny"
    result = generate(out, prompt)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture
def project(generated: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    folder = tmp_path / "tiny"
    shutil.copytree(generated, folder)
    return folder


def test_manifest(generated: Path) -> None:
    manifest = json.loads((generated / "manifest.json").read_text())
    assert manifest["generator"] == "fastprefill"
    assert manifest["parameters"] == {
        "arrays": 1, "rows": 4, "dsp_columns": 4, "lut_columns": 4, "k_parallel": 2, "drain_rows": 2, "context": 4096,
        "clock_mhz": 200.0,
    }  # fmt: skip
    (unit,) = manifest["units"]
    assert unit["name"] == "mpu"
    assert unit["inputs"] == {"a": 64, "b": 128} and unit["outputs"] == {"c": 512}
    on_disk = {p.relative_to(generated).as_posix() for p in generated.rglob("*") if p.is_file()}
    assert on_disk == {*manifest["files"], "manifest.json", "steps.json"}
    for folder in ("hls/mpu.cpp", "rtl/mpu.sv", "ir/mpu.mlir", "registers.json", "host/mpu_registers.h"):
        assert folder in manifest["files"]


def test_steps_have_names_and_times(generated: Path) -> None:
    steps = json.loads((generated / "steps.json").read_text())
    assert list(steps) == ["generate"]
    assert {"kernel to IR", "RTL", "Vitis HLS C++", "test vectors"} <= {
        step["name"] for step in steps["generate"]["steps"]
    }
    assert all(step["seconds"] >= 0 for step in steps["generate"]["steps"])


def test_the_same_input_gives_the_same_bytes(generated: Path, tmp_path: Path, prompt: Path) -> None:
    again = tmp_path / "elsewhere" / "other"
    result = generate(again, prompt, "--json")
    assert json.loads(result.stdout)["digest"] == digest(generated)
    assert json.loads((generated / "manifest.json").read_text())["digest"] == digest(generated)
    for file in sorted(p for p in generated.rglob("*") if p.is_file() and p.name != "steps.json"):
        assert file.read_bytes() == (again / file.relative_to(generated)).read_bytes(), file


def test_the_bytes_do_not_depend_on_where_the_model_lies(
    generated: Path, tmp_path: Path, prompt: Path
) -> None:
    moved = tmp_path / "another name"
    shutil.copytree(TINY, moved)
    out = tmp_path / "out"
    result = run("generate", "--model", moved, "--board", "kv260", "--out", out, "--prompt", prompt, *SIZE)
    assert result.exit_code == 0, result.output
    assert (out / "manifest.json").read_bytes() == (generated / "manifest.json").read_bytes()


def digest(folder: Path) -> str:
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return BuildPlan({path: data for path, data in files.items() if path != "steps.json"}).digest()


def test_generated_files_hold_no_path_and_no_date(generated: Path) -> None:
    for file in sorted((*generated.glob("rtl/*"), *generated.glob("hls/*"), *generated.glob("host/*"))):
        text = file.read_text()
        assert str(generated) not in text and str(TINY.parent) not in text, file


def test_vectors_are_the_query_projection(generated: Path) -> None:
    """The stored words against the codes' product, computed here without the tiling code."""
    model = models.load(TINY)
    tokens = [256, *PROMPT.encode()]
    x = quantise.rows(reference.query_projection_input(model, np_array(tokens)))
    w = quantise.rows(model.weights.layer(0).query)
    product = x.codes.astype(int) @ w.codes.astype(int).T
    words = (generated / "vectors/layer0_q_proj/c.hex").read_text().split()
    assert len(words) == 6 * 16 * 2  # token tiles, channel tiles, pairs of rows
    for token, channel in ((0, 0), (5, 13), (20, 127), (17, 64)):
        tile = (token // 4) * 16 + channel // 8
        word = int(words[tile * 2 + token % 4 // 2], 16)
        element = word >> 32 * (token % 2 * 8 + channel % 8) & 0xFFFFFFFF
        assert element == product[token, channel] & 0xFFFFFFFF
    assert int(words[-1], 16) == 0  # the last rows of the last token tile are filling


def np_array(tokens: list[int]):
    import numpy as np

    return np.array(tokens, dtype=np.int64)


@pytest.mark.slow
def test_verify(project: Path) -> None:
    for tool in ("g++", "verilator", "yosys"):
        if not tools.available(tool):
            pytest.skip(f"{tool} is not installed")
    result = run("verify", project)
    assert result.exit_code == 0, result.output
    found = json.loads((project / "verify.json").read_text())
    assert found["ok"]
    levels = {level["level"]: level for level in found["levels"]}
    assert [level["result"] for level in found["levels"]] == ["pass"] * 5
    assert levels["interpreter"]["tokens"] == levels["C-sim"]["tokens"] == 6 * 16 * 2
    tiles, steps = 6 * 16, 128 // 2
    assert tiles * steps <= levels["RTL"]["cycles"] < tiles * steps * 1.02 + 200
    useful = 21 * 128 * 128
    assert levels["RTL"]["utilisation"] == pytest.approx(useful / (64 * levels["RTL"]["cycles"]))
    assert found["resources"]["used"]["dsp"] == 2 * 4 * 2
    assert 0 < found["errors"][0]["relative"] < 0.01
    assert "vivado NOT run: not installed" in found["tiers"] or tools.available("vivado")
    steps = json.loads((project / "steps.json").read_text())
    assert list(steps) == ["generate", "verify"]
    assert [step["name"] for step in steps["verify"]["steps"]][-3:] == ["lint", "RTL", "synthesis"]
    text = result.stdout
    assert text.splitlines()[-1] == found["tiers"]
    for word in (
        "golden",
        "interpreter",
        "C-sim",
        "RTL",
        "utilisation",
        "DSP",
        "quantisation error",
        "tiers:",
    ):
        assert word in text


def test_a_wrong_expectation_fails(project: Path) -> None:
    """The golden level computes the outputs anew: a changed vector file is noticed, with index and values."""
    file = project / "vectors/layer0_q_proj/c.hex"
    words = file.read_text().split()
    words[7] = f"{int(words[7], 16) ^ 1:0128x}"
    file.write_text("\n".join(words) + "\n")
    from fastprefill.checks import levels
    from fastprefill.checks.project import Project

    opened = Project.open(project)
    found = levels.golden(opened, opened.vectors())
    assert found.result == "FAIL"
    assert found.detail.startswith("layer0_q_proj: stream 'c' differs first at index 7, bits 0 to 63: expected 0x")
    found = levels.interpreter(opened, opened.vectors())
    assert found.result == "FAIL" and "index 7" in found.detail


def test_changed_ir_fails_in_the_interpreter(project: Path) -> None:
    file = project / "ir/mpu.mlir"
    text = file.read_text()
    assert "arith.extsi" in text
    file.write_text(text.replace("arith.extsi", "arith.extui"))
    from fastprefill.checks import levels
    from fastprefill.checks.project import Project

    opened = Project.open(project)
    found = levels.interpreter(opened, opened.vectors())
    assert found.result == "FAIL" and "stream 'c' differs first at index" in found.detail
    file.write_text(text[: len(text) // 2])
    found = levels.interpreter(opened, opened.vectors())
    assert found.result == "FAIL" and found.detail.startswith("the IR cannot be read: ")


@pytest.mark.skipif(not tools.available("g++"), reason="g++ is not installed")
def test_changed_cpp_fails_in_csim(project: Path) -> None:
    file = project / "hls/mpu.cpp"
    text = file.read_text()
    assert "+=" in text or " + " in text
    file.write_text(text.replace("+=", "-=").replace(" + ", " - "))
    result = run("csim", project)
    assert result.exit_code == 1, result.output
    assert result.stdout.startswith("C-sim: FAIL; layer0_q_proj: ")


@pytest.mark.slow
def test_changed_rtl_fails_in_cosim(project: Path) -> None:
    if not tools.available("verilator") or not tools.available("g++"):
        pytest.skip("verilator or g++ is not installed")
    file = project / "rtl/mpu_array_lane.sv"
    text = file.read_text()
    assert "= even + " in text
    file.write_text(text.replace("= even + ", "= even - "))
    result = run("cosim", project, "--seed", "7")
    assert result.exit_code == 1, result.output
    assert result.stdout.startswith("RTL: FAIL; case 'layer0_q_proj', seed ")
    assert "stream 'c' differs first at index" in result.stdout
    assert "waveform: " in result.stdout


def test_generate_reports_the_board_in_the_tcl(generated: Path) -> None:
    assert boards.load("kv260").part in "".join(file.read_text() for file in generated.glob("hls/*.tcl"))
