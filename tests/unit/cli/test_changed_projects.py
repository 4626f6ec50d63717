"""Projects whose files were edited, removed or written by another version: named, never a traceback."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fastprefill import tools
from fastprefill.cli import main

EXAMPLE = Path(__file__).parents[3] / "examples" / "moving-sum" / "moving_sum.py"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("project") / "sum"
    result = run("compile", EXAMPLE, "--out", out)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture
def project(compiled: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    folder = tmp_path / "sum"
    shutil.copytree(compiled, folder)
    return folder


def sentence(result: Result) -> str:
    """The one object that --json prints on an error: nothing else is on stdout."""
    assert result.exit_code != 0 and "Traceback" not in result.output
    found = json.loads(result.stdout)
    assert set(found) == {"ok", "error", "place"} and found["ok"] is False
    return str(found["error"])


@pytest.mark.skipif(not tools.available("g++"), reason="g++ is not installed")
def test_an_edited_file_is_a_warning(project: Path) -> None:
    assert json.loads(run("csim", project, "--json").stdout)["as_generated"] is True
    with (project / "rtl/moving_sum.sv").open("a") as file:
        file.write("// edited\n")
    (project / "notes.txt").write_text("mine")
    result = run("csim", project)
    assert result.exit_code == 0, result.output
    assert (
        "warning: the folder is no longer what fastprefill wrote (changed: rtl/moving_sum.sv; added: notes.txt)"
        in result.stdout.splitlines()
    )
    found = json.loads(run("csim", project, "--json").stdout)
    assert found["as_generated"] is False and found["result"] == "pass"
    assert found["changes"] == {"changed": ["rtl/moving_sum.sv"], "added": ["notes.txt"], "missing": []}
    assert list(json.loads((project / "steps.json").read_text())) == ["compile", "csim"]


@pytest.mark.parametrize(
    ("verb", "file"),
    [
        ("csim", "hls/moving_sum.cpp"),
        ("csim", "vectors/random/x.hex"),
        ("cosim", "rtl/fp_fifo.sv"),
        ("synth", "rtl/fp_ram.sv"),
        ("verify", "README.md"),
    ],
)
def test_a_missing_file_is_a_sentence(project: Path, verb: str, file: str) -> None:
    needed = {"csim": "g++", "cosim": "verilator", "synth": "yosys"}.get(verb)
    if needed is not None and not tools.available(needed):
        pytest.skip(f"{needed} is not installed")
    (project / file).unlink()
    assert sentence(run(verb, project, "--json")) == (
        f"'{project}' lacks files that it was written with: {file}; generate the project again"
    )


def test_a_project_never_takes_parts_from_the_package(project: Path) -> None:
    """A manifest edited to hide the loss does not help: Verilator would find the package's own part."""
    from fastprefill.tools import verilator

    if verilator.find() is None:
        pytest.skip("verilator is not installed")
    (project / "rtl/fp_fifo.sv").unlink()
    with pytest.raises(Exception, match=r"instantiates the module fp_fifo and has no fp_fifo\.sv"):
        verilator.lint(project / "rtl", "moving_sum")


@pytest.mark.parametrize("verb", ["csim", "cosim", "synth", "verify"])
def test_a_manifest_of_another_format_is_refused(project: Path, verb: str) -> None:
    manifest = json.loads((project / "manifest.json").read_text())
    (project / "manifest.json").write_text(json.dumps(manifest | {"format": 77}))
    assert sentence(run(verb, project, "--json")) == (
        f"'{project}' has a manifest of format 77; this version reads format 2: "
        "generate the project again, or use the version that wrote it"
    )


def test_a_manifest_without_its_fields_is_refused(project: Path) -> None:
    manifest = json.loads((project / "manifest.json").read_text())
    del manifest["board"], manifest["units"][0]["placement"]
    (project / "manifest.json").write_text(json.dumps(manifest))
    assert sentence(run("verify", project, "--json")) == (
        f"the manifest.json of '{project}' has no board, units[0].placement; generate the project again"
    )


def test_usage_errors_are_json_too() -> None:
    result = run("generate", "--json")
    assert result.exit_code == 2
    assert sentence(result).startswith("Missing option '--model'")
    result = run("compile", "mpu", "--emit", "vhdl", "--json")
    assert result.exit_code == 2 and "'vhdl' is not one of" in sentence(result)


def test_the_place_in_a_kernel_is_a_field(tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    file.write_text(EXAMPLE.read_text().replace("total += sample", "total **= sample"))
    found = json.loads(run("check", file, "--json").stdout)
    line = next(i for i, text in enumerate(file.read_text().splitlines(), 1) if "**=" in text)
    assert found["place"].startswith(f"{file}:{line}:") and found["error"].startswith(found["place"])
