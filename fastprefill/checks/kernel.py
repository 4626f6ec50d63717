"""A user's own kernel through every level of the contract, one result for each."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from fastprefill import boards
from fastprefill.build.cases import random_cases
from fastprefill.build.kernel import Kernel, build
from fastprefill.build.steps import Steps
from fastprefill.checks import contract
from fastprefill.checks.contract import Contract
from fastprefill.checks.levels import FAILED, PASSED, REFERENCE, SKIPPED, LevelResult
from fastprefill.errors import FastprefillError, counted
from fastprefill.estimate.unit import check_unit
from fastprefill.tools import tiers

_NAMES = {
    "interpreter": "interpreter", "csim": "C-sim", "rtl": "RTL", "four_state": "RTL, 4-state", "structure": "structure",
}  # fmt: skip
_TIERS = {
    "interpreter": "python",
    "csim": "g++",
    "rtl": "verilator",
    "four_state": "icarus",
    "structure": "verilator",
}


@dataclass(frozen=True)
class KernelLevels:
    """What every level said.

    Attributes:
        unit: name of the unit or system.
        reference: what outputs were compared with, in words.
        golden: whether that is a golden model of the kernel's own.
        cases: how many.
        levels: in the order of the flow.
    """

    unit: str
    reference: str
    golden: bool
    cases: int
    levels: list[LevelResult]


def run(
    kernel: Kernel, board: str, seed: int, steps: Steps, asked: Collection[str] = contract.LEVELS
) -> KernelLevels:
    """Run the contract of a kernel's one unit.

    Args:
        kernel: with one unit or system; its cases, or random inputs with the interpreter as the reference.
        board: name of the board whose clock and parts it is built for.
        seed: of the cases, the gaps and the initial state.
        steps: times each level.
        asked: the levels to run, of ``contract.LEVELS``; the others are skipped, and said to be.

    Raises:
        FastprefillError: an unknown level; the kernel is outside the language or larger than the board; its cases do
            not fit it, or it has none and random inputs do not exercise it. A level that fails is part of the result.
    """
    if unknown := sorted(set(asked) - set(contract.LEVELS)):
        raise FastprefillError(f"there is no level '{unknown[0]}'; choose from {', '.join(contract.LEVELS)}")
    unit = kernel.only()
    with steps.step("kernel to IR"):
        module = build(unit)
        check_unit(module, boards.load(board))
    with steps.step("cases"):
        cases = kernel.cases(seed) if kernel.cases else random_cases(module, seed)
    if kernel.cases:
        reference = f"cases() of {kernel.name}: {counted(len(cases), 'case')}"
    else:
        reference = (
            f"the interpreter, on {len(cases)} random starts; {kernel.name} has no golden model: "
            "write cases(seed) to compare with one"
        )
    declared = Contract(unit.name, lambda: build(unit), lambda _: cases, board)
    found = []
    folder = Path(tempfile.mkdtemp(prefix="fastprefill-check-"))
    try:
        for level in contract.LEVELS:
            if level not in asked:
                found.append(LevelResult(_NAMES[level], SKIPPED, "not among the levels asked for"))
                continue
            with steps.step(_NAMES[level]):
                found.append(_level(declared, level, seed, folder / level, golden=kernel.cases is not None))
    finally:
        if not any(level.result == FAILED for level in found):  # else the waveform and the log stay
            shutil.rmtree(folder, ignore_errors=True)
    return KernelLevels(unit.name, reference, kernel.cases is not None, len(cases), found)


def _level(declared: Contract, level: str, seed: int, folder: Path, *, golden: bool) -> LevelResult:
    lacking = contract.missing(level)
    if lacking is not None:
        return LevelResult(_NAMES[level], SKIPPED, lacking)
    folder.mkdir(parents=True)
    started = time.perf_counter()
    tiers.note(_TIERS[level])
    try:
        passed = contract.check(declared, level, seed=seed, folder=folder)
    except FastprefillError as error:
        return LevelResult(_NAMES[level], FAILED, str(error), seconds=time.perf_counter() - started)
    return LevelResult(
        _NAMES[level],
        PASSED if golden or level != "interpreter" else REFERENCE,
        _DETAILS[level](passed),
        passed.tokens,
        time.perf_counter() - started,
        sum(passed.cycles.values()) or None,
        cycles_per_second=passed.cycles_per_second or None,
    )


_DETAILS: dict[str, Callable[[contract.Passed], str]] = {
    "interpreter": lambda passed: counted(passed.cases, "case"),
    "csim": lambda passed: counted(passed.cases, "case"),
    "rtl": lambda passed: f"{counted(passed.cases, 'step')}: random gaps, starts in a row, resets under traffic",
    "four_state": lambda passed: counted(passed.cases, "step"),
    "structure": lambda passed: "lint, no latches, no loops, no path from ready to ready or valid",
}
