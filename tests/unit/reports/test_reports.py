"""Results of a verification as data and as text."""

import json
from pathlib import Path

from fastprefill.boards import Resources
from fastprefill.build.plan import Changes
from fastprefill.build.steps import Steps
from fastprefill.checks.compare import difference
from fastprefill.checks.levels import FAILED, PASSED, SKIPPED, LevelResult
from fastprefill.reports.tables import aligned
from fastprefill.reports.use import ResourceUse
from fastprefill.reports.verify import QuantisationError, Verification

BOARD = Resources(117120, 234240, 1248, 144, 0)
UNCHANGED = Changes()
USE = ResourceUse(Resources(1500, 10, 16, 0, 0), BOARD, "kv260", "synthesised by Yosys")


def verification(
    *levels: LevelResult, use: ResourceUse | None = USE, changes: Changes = UNCHANGED
) -> Verification:
    errors = [QuantisationError("layer0_q_proj", 0.0026, 0.0034)]
    return Verification(
        "mpu 4 x 4",
        levels,
        errors,
        use,
        "" if use else "yosys is not installed",
        "tiers: python ran",
        changes,
    )


def test_difference() -> None:
    assert difference({"c": [1, 2]}, {"c": [1, 2]}) == ""
    assert (
        difference({"c": [1, 3]}, {"c": [1, 2]})
        == "stream 'c' differs first at index 1: expected 0x2, got 0x3"
    )
    assert (
        difference({"c": [5 << 160 | 1]}, {"c": [1 << 200 | 4 << 160 | 1]})
        == "stream 'c' differs first at index 0, bits 160 to 223: expected 0x10000000004, got 0x5"
    )
    assert difference({"c": [1]}, {"c": [1, 2]}) == "stream 'c' has 1 tokens; 2 were expected"
    assert difference({"c": [1, 2, 3]}, {"c": [1, 2]}) == "stream 'c' has 3 tokens; 2 were expected"
    assert difference({}, {"c": [1]}) == "stream 'c' has 0 tokens; 1 were expected"


def test_a_failed_level_fails_and_a_missing_tool_does_not() -> None:
    passed = LevelResult("golden", PASSED, tokens=4)
    assert verification(passed, LevelResult("RTL", SKIPPED, "verilator is not installed")).ok
    assert not verification(passed, LevelResult("RTL", FAILED, "stream 'c' ...")).ok


def test_table() -> None:
    rtl = LevelResult("RTL", PASSED, "2 runs, 1 reset", 1024, 1.5, 65600, 0.999, 200000.0)
    text = verification(LevelResult("C-sim", SKIPPED, "g++ is not installed"), rtl).text()
    assert text.splitlines() == [
        "mpu 4 x 4",
        "",
        "level  result   tokens compared  cycles  utilisation  cycles/s  seconds",
        "C-sim  NOT RUN                -       -            -         -        -  g++ is not installed",
        "RTL    pass               1,024  65,600       99.90%   200,000      1.5  2 runs, 1 reset",
        "",
        "quantisation error of layer0_q_proj: 0.26% of the float32 result (norm), largest 0.34% of its range",
        "",
        "resources on kv260 (synthesised by Yosys)",
        "resource   used  available  share",
        "LUT       1,500    117,120   1.3%",
        "FF           10    234,240   0.0%",
        "DSP          16      1,248   1.3%",
        "BRAM36        0        144   0.0%",
        "URAM          0          0      -",
        "",
        "tiers: python ran",
    ]


def test_resources_that_were_not_counted_are_loud() -> None:
    assert "resources: NOT RUN: yosys is not installed" in verification(use=None).text()


def test_the_result_is_json() -> None:
    data = json.loads(json.dumps(verification(LevelResult("golden", PASSED)).as_dict()))
    assert data["ok"] and data["levels"][0]["result"] == "pass" and data["resources"]["used"]["dsp"] == 16


def test_aligned() -> None:
    assert aligned([("a", "b"), ("long", "12")]) == ["a      b", "long  12"]


def test_steps() -> None:
    lines: list[str] = []
    steps = Steps("verify", lines.append)
    with steps.step("one"):
        pass
    assert lines[0] == "one ..." and lines[1].startswith("one: ") and lines[1].endswith(" s")
    data = json.loads(steps.to_json())
    assert [step["name"] for step in data["verify"]["steps"]] == ["one"]


def test_every_command_keeps_its_own_steps(tmp_path: Path) -> None:
    for command in ("generate", "cosim", "generate"):
        steps = Steps(command)
        with steps.step("one"):
            pass
        steps.save(tmp_path)
    kept = json.loads((tmp_path / "steps.json").read_text())
    assert list(kept) == ["cosim", "generate"]
    assert kept["cosim"]["seconds"] == kept["cosim"]["steps"][0]["seconds"]
    assert [file.name for file in tmp_path.iterdir()] == ["steps.json"]


def test_changed_files_are_named() -> None:
    changed = Changes(("rtl/mpu.sv",), ("notes.txt",), tuple(f"f{i}" for i in range(7)))
    found = verification(LevelResult("golden", PASSED), changes=changed)
    sentence = (
        "the folder is no longer what fastprefill wrote (changed: rtl/mpu.sv; added: notes.txt; "
        "missing: f0, f1, f2, f3, f4 and 2 more)"
    )
    assert f"warning: {sentence}" in found.text().splitlines()
    assert found.as_dict()["as_generated"] is False and verification().as_dict()["as_generated"] is True
