"""A user's own kernel on the command line: the commands of the worked example, and what `check` finds."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fastprefill import tools
from fastprefill.cli import main

EXAMPLE = Path(__file__).parents[3] / "examples" / "moving-sum"
README = (EXAMPLE / "README.md").read_text()
COMMANDS = re.findall(r"^    fastprefill (.*)$", README, re.MULTILINE)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def all_tools() -> None:
    for tool in ("g++", "verilator", "yosys"):
        if not tools.available(tool):
            pytest.skip(f"{tool} is not installed")


@pytest.mark.slow
def test_commands_of_the_example(all_tools: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "examples" / "moving-sum")
    monkeypatch.chdir(tmp_path)
    assert len(COMMANDS) == 6
    printed = []
    for command in COMMANDS:
        result = run(*shlex.split(command))
        assert result.exit_code == 0, f"{command}\n{result.output}"
        printed.append(result.stdout)
    check, rtl, ir, written, verified, synthesised = printed
    rows = [line.split() for line in check.splitlines()]
    assert ["interpreter", "pass"] in [row[:2] for row in rows] and ["RTL", "pass"] in [
        row[:2] for row in rows
    ]
    assert check.splitlines()[1] == "compared with cases() of moving_sum.py: 5 cases"
    assert check.splitlines()[-1].startswith("tiers: python, g++, verilator")
    assert "module moving_sum_add" in rtl and "pipe.body" in ir
    assert written.startswith("wrote ") and "next: fastprefill verify build/moving-sum" in written
    assert "golden" in verified and "NOT RUN" in verified  # its golden model is the file's, not the package's
    assert json.loads(synthesised)["used"]["lut"] > 0


def levels(result: Result) -> dict[str, dict[str, str]]:
    return {level["level"]: level for level in json.loads(result.stdout)["levels"]}


@pytest.mark.slow
def test_a_wrong_golden_model_fails_every_level(all_tools: None, tmp_path: Path) -> None:
    file = tmp_path / "wrong.py"
    file.write_text((EXAMPLE / "moving_sum.py").read_text().replace("& mask for", "+ 1 & mask for"))
    result = run("check", file, "--json", "--seed", "3")
    assert result.exit_code == 1
    found = levels(result)
    for name in ("interpreter", "C-sim", "RTL"):
        assert found[name]["result"] == "FAIL"
        assert "stream 'y' differs first at index 0: expected " in found[name]["detail"]
        assert "seed 3" in found[name]["detail"]
    assert "waveform: " in found["RTL"]["detail"]
    assert json.loads(result.stdout)["tiers"].startswith("tiers: python, g++, verilator")


@pytest.mark.slow
def test_a_kernel_without_golden_model_is_labelled(all_tools: None, tmp_path: Path) -> None:
    file = tmp_path / "plain.py"
    text = (EXAMPLE / "moving_sum.py").read_text()
    file.write_text(text[: text.index("def golden")])
    result = run("check", file, "--json")
    assert result.exit_code == 0, result.output
    data, found = json.loads(result.stdout), levels(result)
    assert data["golden"] is False and "plain.py has no golden model" in data["reference"]
    assert found["interpreter"]["result"] == "reference"
    assert found["RTL"]["result"] == "pass" and int(found["RTL"]["tokens"]) > 100
    project = tmp_path / "project"
    assert run("compile", file, "--emit", "hls", "--out", project).exit_code == 0
    result = run("verify", project, "--json")
    verified = levels(result)
    assert verified["interpreter"]["result"] == "reference" and verified["C-sim"]["result"] == "pass"
    assert verified["RTL"]["result"] == "NOT RUN" and "compiled for hls only" in verified["RTL"]["detail"]


def sentence(result: Result) -> str:
    assert result.exit_code == 1 and "Traceback" not in result.output
    return result.stderr.splitlines()[-1]


def test_only_the_levels_asked_for() -> None:
    result = run("check", EXAMPLE / "moving_sum.py", "--level", "interpreter", "--json")
    assert result.exit_code == 0, result.output
    found = levels(result)
    assert found.pop("interpreter")["result"] == "pass"
    assert {level["result"] for level in found.values()} == {"NOT RUN"}
    assert {level["detail"] for level in found.values()} == {"not among the levels asked for"}
    assert sentence(run("check", EXAMPLE / "moving_sum.py", "--level", "verilog")) == (
        "fastprefill: there is no level 'verilog'; choose from interpreter, csim, rtl, four_state, structure"
    )


def test_refusals(tmp_path: Path) -> None:
    text = (EXAMPLE / "moving_sum.py").read_text()
    file = tmp_path / "k.py"
    file.write_text(text.replace("window: int = 4", "window: int"))
    assert sentence(run("check", file)) == (
        f"fastprefill: parameters of unit() in '{file}': missing a required argument: 'window'; "
        "it takes: window: int; give --param window=NUMBER"
    )
    file.write_text(text.replace("def cases(seed: int, window: int = 4)", "def cases(seed: int)"))
    assert "cases() in " in sentence(run("check", file, "--param", "window=4"))
    file.write_text(text + "\ndef cases(seed):\n    return [3]\n")
    assert sentence(run("check", file)).endswith("gives int; return a list of Case")
    file.write_text(text.replace('inputs={"x"', 'inputs={"z"'))
    assert "has the inputs ['z']; the unit has ['x']" in run("check", file).output
    file.write_text(text + "\none = unit\ndef unit():\n    return [one(3), one(4)]\n")
    assert "has 2 units: 'moving_sum', 'moving_sum'" in sentence(run("check", file))
    assert sentence(run("compile", file, "--out", tmp_path / "out", "--after", "flatten")) == (
        "fastprefill: --after flatten prints the IR; it does not go with --out"
    )


def test_random_inputs_that_do_not_exercise_a_unit(tmp_path: Path) -> None:
    """A start that waits for a token of 7777 does not come to its end with random ones."""
    file = tmp_path / "waits.py"
    file.write_text(
        "import allo.dataflow as df\nfrom allo.ir.types import Stream, UInt, int32\n"
        "from fastprefill.system.unit import Unit\n\n"
        "@df.region()\ndef waits(n: int32[1]):\n    x: Stream[UInt(60), 2]\n    y: Stream[int32, 2]\n\n"
        "    @df.kernel(mapping=[1], args=[n])\n    def seek(ln: int32[1]):\n        v: UInt(60) = x.get()\n"
        "        while v != 7777:\n            v = x.get()\n        y.put(ln[0])\n\n"
        "def unit():\n    return Unit('waits', waits, inputs=('x',), outputs=('y',))\n"
    )
    text = sentence(run("check", file))
    assert text.startswith("fastprefill: random inputs do not exercise 'waits' (")
    assert text.endswith(
        "write a function cases(seed) beside unit() that returns inputs with expected outputs"
    )
    assert run("compile", file, "--out", tmp_path / "out").exit_code == 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["vectors"] == []
    assert "has no test vectors" in sentence(run("csim", tmp_path / "out"))
