"""The contract of a unit: at every level it turns the inputs of its cases into the outputs of its golden model.

A unit declares itself once, as a `Contract`; ``check(contract, level, ...)`` runs one level and raises one sentence
with unit, level, seed, case, first difference and both values when it does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from fastprefill.build.cases import check_cases
from fastprefill.checks.compare import difference
from fastprefill.errors import FastprefillError
from fastprefill.system.case import Case
from fastprefill.system.ports import Ports, ports

LEVELS = ("interpreter", "csim", "rtl", "four_state", "structure")
"""Interpreter; g++; Verilator with random gaps, resets and initial state; Icarus; lint and structural checks."""

FOUR_STATE_TOKENS = 400
"""Cases with more tokens are left out of the four-state run, which is about 30 times slower, if any is left."""

STALL, RESETS = (0, 24, 96, (0, 224), (224, 0), 192), 9
"""Of the RTL level: chances of a gap in 1/256 (of two: for inputs, outputs) with every case; resets under traffic."""


@dataclass(frozen=True)
class Contract:
    """A unit and what it has to do.

    Attributes:
        name: shown in failures.
        build: makes its module.
        cases: inputs with expected outputs, from a seed.
        board: whose clock and parts it is built for.
        cycles: what a case takes in RTL at full speed, from start to done; None when nothing is promised.
    """

    name: str
    build: Callable[[], ModuleOp]
    cases: Callable[[int], Sequence[Case]]
    board: str = "kv260"
    cycles: Callable[[Case], int] | None = None


@dataclass(frozen=True)
class Passed:
    """What a level did.

    Attributes:
        level: of `LEVELS`.
        cases: how many were run.
        tokens: output tokens that were compared.
        cycles: RTL cycles by case at full speed.
        cycles_per_second: simulated.
        timing: of each step of the RTL level: case, gaps in and out in 1/256, cycles. The same seed gives the same.
    """

    level: str
    cases: int
    tokens: int
    cycles: Mapping[str, int] = field(default_factory=dict)
    cycles_per_second: float = 0.0
    timing: Sequence[tuple[str, int, int, int]] = ()


def missing(level: str) -> str | None:
    """What `level` lacks on this machine, as a reason for skipping it; None when it can run."""
    from fastprefill import tools
    from fastprefill.tools import csim, icarus, verilator

    if level == "csim":
        return csim.missing()
    if level == "rtl":
        return verilator.missing()
    if level == "four_state":
        return icarus.missing()
    if level == "structure":
        if verilator.find() is None:
            return "verilator is not installed"
        return None if tools.available("yosys") else "yosys is not installed"
    return None


def check(contract: Contract, level: str, *, seed: int, folder: Path) -> Passed:
    """Run one level of a contract.

    Args:
        contract: of the unit.
        level: of `LEVELS`.
        seed: of the inputs, the gaps and the initial state.
        folder: for generated files, logs and the waveform of a failure.

    Raises:
        FastprefillError: it does not hold; or a tool is missing.
    """
    if level not in LEVELS:
        raise FastprefillError(f"unknown level {level!r}; a contract has {', '.join(LEVELS)}")
    lacking = missing(level)
    if lacking is not None:
        raise FastprefillError(f"unit {contract.name!r}, level {level}: cannot run: {lacking}")
    module = contract.build()
    module.verify()
    cases = list(contract.cases(seed))
    found = ports(module)
    check_cases(contract.name, cases, found)
    try:
        return _RUN[level](contract, module, found, cases, seed, folder)
    except FastprefillError as error:
        raise FastprefillError(f"unit {contract.name!r}, level {level}, seed {seed}: {error}") from error


def unpromised(
    cases: Sequence[Case], cycles: Mapping[str, int], promised: Callable[[Case], int]
) -> str | None:
    """The first case that does not take the cycles it is promised to take, in words; None when all do."""
    for case in cases:
        if cycles[case.name] != promised(case):
            return f"case {case.name!r} takes {cycles[case.name]} cycles at full speed; {promised(case)} are promised"
    return None


def _compare(case: Case, outputs: Mapping[str, Sequence[int]]) -> None:
    wrong = difference(outputs, case.outputs)
    if wrong:
        raise FastprefillError(f"case {case.name!r}: {wrong}")


def _tokens(cases: Sequence[Case]) -> int:
    return sum(len(tokens) for case in cases for tokens in case.outputs.values())


def _interpreter(
    contract: Contract, module: ModuleOp, found: Ports, cases: Sequence[Case], seed: int, folder: Path
) -> Passed:
    from fastprefill.targets import interpreter

    for case in cases:
        _compare(case, interpreter.run(module, case))
    return Passed("interpreter", len(cases), _tokens(cases))


def _csim(
    contract: Contract, module: ModuleOp, found: Ports, cases: Sequence[Case], seed: int, folder: Path
) -> Passed:
    from fastprefill import boards
    from fastprefill.targets import vitis_hls
    from fastprefill.tools import csim

    files = vitis_hls.emit(module, board=boards.load(contract.board))
    work = folder / "hls"
    for path, text in files.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_text(text)
    program = csim.build(work)
    for index, case in enumerate(cases):
        case.save(folder / "cases" / str(index), found.widths)
        _compare(case, csim.run(program, folder / "cases" / str(index)))
    return Passed("csim", len(cases), _tokens(cases))


def _emit_rtl(contract: Contract, module: ModuleOp) -> dict[str, str]:
    from fastprefill import boards
    from fastprefill.targets import rtl

    return rtl.emit(module, boards.load(contract.board))


def _rtl(
    contract: Contract, module: ModuleOp, found: Ports, cases: Sequence[Case], seed: int, folder: Path
) -> Passed:
    from fastprefill.tools import verilator

    build = verilator.build(_emit_rtl(contract, module), found)
    result = verilator.run(build, cases, seed=seed, stall=STALL, resets=RESETS, folder=folder)
    if result.failure is not None:
        where = f"; waveform: {result.waveform}" if result.waveform else ""
        raise FastprefillError(f"{result.failure.describe()}{where}")
    cycles = {case.name: result.cycles(case.name) or 0 for case in cases}
    wrong = contract.cycles and unpromised(cases, cycles, contract.cycles)
    if wrong:
        raise FastprefillError(wrong)
    timing = [(step.case, step.stall, step.hold, step.cycles) for step in result.steps]
    return Passed(
        "rtl", len(result.steps), len(STALL) * _tokens(cases), cycles, result.cycles_per_second, timing
    )


def _four_state(
    contract: Contract, module: ModuleOp, found: Ports, cases: Sequence[Case], seed: int, folder: Path
) -> Passed:
    from fastprefill.tools import icarus, testbench

    def size(case: Case) -> int:
        return sum(len(tokens) for tokens in (*case.inputs.values(), *case.outputs.values()))

    few = [case for case in cases if size(case) <= FOUR_STATE_TOKENS]
    if not _tokens(few):  # cases that put nothing out show nothing
        few.append(min(cases, key=lambda case: (not _tokens([case]), size(case))))
    build = icarus.build(_emit_rtl(contract, module), found)
    result = testbench.run(build, few, seed=seed, stall=(64,), resets=1, folder=folder)
    if result.failure is not None:
        raise FastprefillError(f"{result.failure.describe()} (in Icarus, log: {folder / 'simulation.log'})")
    return Passed("four_state", len(result.steps), _tokens(few))


def _structure(
    contract: Contract, module: ModuleOp, found: Ports, cases: Sequence[Case], seed: int, folder: Path
) -> Passed:
    from fastprefill.tools import verilator, yosys

    rtl = _emit_rtl(contract, module)
    if rtl != _emit_rtl(contract, contract.build()):
        raise FastprefillError("the same unit gave other RTL the second time")
    verilator.lint(rtl, found.name)
    files = []
    for path, text in rtl.items():
        (folder / "rtl" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "rtl" / path).write_text(text)
        if path.endswith(".sv"):
            files.append(folder / "rtl" / path)
    problems = yosys.structure(files, found.name).problems()
    if problems:
        raise FastprefillError("; ".join(problems))
    return Passed("structure", 0, 0)


_RUN = {
    "interpreter": _interpreter, "csim": _csim, "rtl": _rtl, "four_state": _four_state, "structure": _structure,
}  # fmt: skip
