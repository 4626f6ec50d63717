"""The testbench finds what it is there to find: each broken copy of a hand-written unit fails in its own way."""

import os
from pathlib import Path

import numpy as np
import pytest

from fastprefill.errors import FastprefillError
from fastprefill.system.case import Case
from fastprefill.system.ports import Ports
from fastprefill.tools import _verilated, icarus, testbench, verilator

SOURCE = (Path(__file__).parent / "rtl/addup.sv").read_text()
PORTS = Ports("addup", {"count": 16, "bias": 32}, {"x": 16}, {"y": 32})

needs_verilator = pytest.mark.skipif(verilator.missing() is not None, reason=str(verilator.missing()))
needs_icarus = pytest.mark.skipif(icarus.missing() is not None, reason=str(icarus.missing()))


def case(name: str, count: int, bias: int) -> Case:
    x = np.random.default_rng(count).integers(0, 1 << 16, count).tolist()
    y = [(bias + sum(x[: i + 1])) % (1 << 32) for i in range(count)]
    return Case(name, {"count": count, "bias": bias}, {"x": x}, {"y": y})


CASES = [case("none", 0, 5), case("one", 1, -1), case("many", 300, 0xFFFFFFF0)]


def broken(old: str, new: str) -> dict[str, str]:
    assert SOURCE.count(old) == 1
    return {"addup.sv": SOURCE.replace(old, new)}


def simulate(rtl: dict[str, str], tmp_path: Path, **options: object) -> testbench.SimulationResult:
    return verilator.run(verilator.build(rtl, PORTS), CASES, folder=tmp_path, patience=2000, **options)


@needs_verilator
def test_all_cases_resets_and_stalls_pass(tmp_path: Path) -> None:
    result = simulate({"addup.sv": SOURCE}, tmp_path, stall=(0, 40, 160), resets=3, seed=7)
    assert result.ok, result.failure and result.failure.describe()
    assert [step.kind for step in result.steps] == ["run"] * 15 + ["reset", "run"] * 3
    assert [step.case for step in result.steps[9:15:2]] == ["3 x none", "3 x one", "3 x many"]
    assert result.cycles("many") == 303  # one token a cycle, one cycle to start, two to end
    slow = result.cycles("many", stall=160)
    assert slow is not None and slow > 600
    assert result.waveform is None


@needs_verilator
def test_the_same_seed_gives_the_same_cycles(tmp_path: Path) -> None:
    runs = [simulate({"addup.sv": SOURCE}, tmp_path, seed=seed) for seed in (3, 3, 4)]
    cycles = [[step.cycles for step in run.steps] for run in runs]
    assert cycles[0] == cycles[1]
    assert cycles[0] != cycles[2]


@needs_verilator
def test_a_wrong_token_is_named_and_leaves_a_waveform(tmp_path: Path) -> None:
    rtl = broken("sum <= sum + {16'h0, x_data};", "sum <= sum + {16'h0, x_data} + {31'h0, left == 16'd100};")
    result = simulate(rtl, tmp_path)
    failure = result.failure
    assert failure is not None and failure.difference is not None
    stream, index, expected, bits, count = failure.difference
    assert (stream, index, expected) == ("y", 200, CASES[2].outputs["y"][200])
    assert int(bits, 2) == CASES[2].outputs["y"][200] + 1
    assert count == 100
    assert "case 'many'" in failure.describe()
    assert f"expected {expected:#x}, got {expected + 1:#x} (100 tokens differ)" in failure.describe()
    assert result.waveform is not None and result.waveform.stat().st_size > 1000


@needs_verilator
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("left <= count;", "left <= count - {15'h0, count > 16'd9};", "stream 'y': 299 of 300 tokens came out"),
        (
            "left <= count;",
            "left <= count + {15'h0, count > 16'd9};",
            "stream 'y' differs first at index 300: expected no further token",
        ),
        ("done <= !rst && running && left == 0;", "done <= !rst && left == 0 && credit;", "hung"),
        ("done <= !rst && running && left == 0;", "done <= !rst && left == 0;", "done was given outside a run"),
        ("if (rst) running <= 1'b0;", "if (rst && reset_works) running <= 1'b0;", "reset under traffic"),
        ("wire accepted = start && !running;", "wire accepted = start;", "differs first at index"),
        (".take(issue)", ".take(issue && left != 16'd50)", "Assertion failed in tb.dut.space"),
        ("assign idle = !running;", "assign idle = !running && slots != 0;", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(tmp_path: Path, old: str, new: str, message: str) -> None:
    rtl = broken(old, new)
    once = "  logic reset_works = 1;\n  always_ff @(posedge clk) if (start) reset_works <= 0;\n"
    rtl["addup.sv"] = rtl["addup.sv"].replace("  logic running;\n", once + "  logic running;\n")
    result = simulate(rtl, tmp_path, waveform=False)
    if not message:
        assert result.ok
        return
    assert result.failure is not None
    assert message in result.failure.describe()


@needs_verilator
def test_a_token_too_many_is_told(tmp_path: Path) -> None:
    rtl = broken("put <= !rst && issue;", "put <= !rst && (issue || (accepted && count == 0));")
    rtl["addup.sv"] = rtl["addup.sv"].replace(".take(issue)", ".take(issue || (accepted && count == 0))")
    failure = simulate(rtl, tmp_path, waveform=False).failure
    assert failure is not None
    assert "case 'none'" in failure.describe()
    assert "stream 'y' differs first at index 0: expected no further token" in failure.describe()


@needs_verilator
def test_a_withdrawn_token_is_seen(tmp_path: Path) -> None:
    rtl = broken(".valid(y_valid), .data(y_data), .ready(y_ready)",
                 ".valid(held), .data(y_data), .ready(y_ready && turn)")  # fmt: skip
    extra = "  logic turn;\n  wire held;\n  always_ff @(posedge clk) turn <= !turn;\n  assign y_valid = held && turn;\n"
    rtl["addup.sv"] = rtl["addup.sv"].replace("  logic running;\n", extra + "  logic running;\n")
    failure = simulate(rtl, tmp_path, waveform=False).failure
    assert failure is not None
    assert "stream 'y': an offered token was withdrawn or changed" in failure.describe()


@needs_verilator
def test_a_put_without_a_credit_fails(tmp_path: Path) -> None:
    rtl = broken("fp_credit #(.INITIAL(5), .MAXIMUM(5))", "fp_credit #(.INITIAL(7), .MAXIMUM(7))")
    failure = simulate(rtl, tmp_path, waveform=False).failure
    assert failure is not None
    assert "put without a credit" in failure.describe()


@needs_verilator
def test_lint_refuses_warnings() -> None:
    verilator.lint({"addup.sv": SOURCE}, "addup")
    with pytest.raises(FastprefillError, match="WIDTHEXPAND"):
        verilator.lint(broken("sum + {16'h0, x_data}", "sum + x_data"), "addup")


@needs_verilator
def test_sources_that_do_not_compile_are_told_with_their_line() -> None:
    with pytest.raises(FastprefillError, match=r"addup\.sv:\d+"):
        verilator.build(broken("assign idle = !running;", "assign idle = nothing;"), PORTS)


@needs_verilator
def test_a_second_build_comes_from_the_cache() -> None:
    verilator.build({"addup.sv": SOURCE}, PORTS)
    assert verilator.build({"addup.sv": SOURCE}, PORTS).seconds == 0


@needs_icarus
def test_four_state_run_passes_and_sees_unknown_values(tmp_path: Path) -> None:
    good = icarus.build({"addup.sv": SOURCE}, PORTS)
    result = testbench.run(good, CASES, folder=tmp_path / "good", stall=(64,))
    assert result.ok, result.failure and result.failure.describe()
    forgot = broken("      sum <= bias;\n", "")
    failure = testbench.run(icarus.build(forgot, PORTS), CASES, folder=tmp_path / "bad", patience=2000).failure
    assert failure is not None and failure.difference is not None
    assert "x" in failure.difference[3].lower()


@needs_verilator
def test_a_run_that_follows_at_once_finds_what_the_one_before_left(tmp_path: Path) -> None:
    """A sum that is loaded only when the output is empty is right for every single run."""
    rtl = broken("      sum <= bias;\n", "      if (!y_valid) sum <= bias;\n")
    failure = simulate(rtl, tmp_path, waveform=False, stall=(0, 96)).failure
    assert failure is not None
    assert failure.case.startswith("3 x ")


@needs_verilator
def test_a_unit_that_starts_by_itself_is_seen(tmp_path: Path) -> None:
    rtl = broken("if (rst) running <= 1'b0;", "if (rst) running <= 1'b1;")
    failure = simulate(rtl, tmp_path, waveform=False).failure
    assert failure is not None
    assert "not idle 64 cycles after power-up" in failure.describe()


def test_the_cache_keeps_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(_verilated, "KEPT", 3)
    folders = []
    for number in range(6):
        folder = _verilated.cached("things", f"key {number}")
        folder.mkdir()
        os.utime(folder, (1000 + number, 1000 + number))
        folders.append(folder)
    _verilated.cached("things", "key 6")
    assert [folder.exists() for folder in folders] == [False, False, False, True, True, True]


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(FastprefillError, match=r"cannot be written.*set XDG_CACHE_HOME"):
        _verilated.cached("things", "key")
