"""One result per level of a project: golden, interpreter, C-sim, lint, RTL; those that run use the stored vectors."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from xdsl.utils.exceptions import ParseError, VerifyException

from fastprefill.checks.compare import difference
from fastprefill.checks.project import Project, Vectors
from fastprefill.errors import FastprefillError
from fastprefill.golden import projection
from fastprefill.tools import tiers

PASSED, FAILED, SKIPPED = "pass", "FAIL", "NOT RUN"


@dataclass(frozen=True)
class LevelResult:
    """What one level gave.

    Attributes:
        level: ``golden``, ``interpreter``, ``C-sim``, ``lint`` or ``RTL``.
        result: `PASSED`, `FAILED` or `SKIPPED`.
        detail: why not, or the first difference.
        tokens: output tokens compared with the golden model.
        seconds: wall time of the run, builds not counted.
        cycles: clock cycles from start to done, measured in RTL.
        utilisation: useful multiplications per multiplier and cycle, 0 to 1.
        cycles_per_second: simulated.
    """

    level: str
    result: str
    detail: str = ""
    tokens: int = 0
    seconds: float = 0.0
    cycles: int | None = None
    utilisation: float | None = None
    cycles_per_second: float | None = None

    @property
    def ok(self) -> bool:
        """Whether it did not fail; a level that did not run is no failure."""
        return self.result != FAILED

    def line(self) -> str:
        """As one line of text."""
        parts = [f"{self.level}: {self.result}"]
        if self.detail:
            parts.append(self.detail)
        if self.tokens:
            parts.append(f"{self.tokens:,} tokens compared in {self.seconds:.1f} s")
        if self.cycles is not None and self.utilisation is not None and self.cycles_per_second is not None:
            parts.append(
                f"{self.cycles:,} cycles, utilisation {self.utilisation:.2%}, "
                f"{self.cycles_per_second:,.0f} simulated cycles/s"
            )
        return "; ".join(parts)


def golden(project: Project, vectors: Sequence[Vectors]) -> LevelResult:
    """The stored outputs against the golden model computed anew from the stored inputs."""
    started = time.perf_counter()
    for one in vectors:
        wrong = difference({"c": projection.expected_words(one.case.inputs, one.shape)}, one.case.outputs)
        if wrong:
            return LevelResult("golden", FAILED, f"{one.case.name}: {wrong}")
    tiers.note("python")
    return LevelResult("golden", PASSED, tokens=_tokens(vectors), seconds=time.perf_counter() - started)


def interpreter(project: Project, vectors: Sequence[Vectors]) -> LevelResult:
    """The IR, run by the interpreter."""
    from fastprefill.ir.text import parse
    from fastprefill.targets.interpreter import run

    try:
        module = parse(project.ir(), project.unit["ir"])
    except (ParseError, VerifyException) as error:
        return LevelResult("interpreter", FAILED, f"the IR cannot be read: {error}")

    def outputs(one: Vectors) -> Mapping[str, Sequence[int]]:
        return run(module, one.case)

    return _compared("interpreter", outputs, vectors, "python")


def csim(project: Project, vectors: Sequence[Vectors]) -> LevelResult:
    """The generated C++, compiled with g++."""
    from fastprefill.tools import csim as driver

    lacking = driver.missing()
    if lacking is not None:
        return LevelResult("C-sim", SKIPPED, lacking)
    executable = driver.build(project.folder / "hls")

    def outputs(one: Vectors) -> Mapping[str, Sequence[int]]:
        return driver.run(executable, one.folder)

    return _compared("C-sim", outputs, vectors, "g++")


def lint(project: Project) -> LevelResult:
    """Verilator's warnings on the generated SystemVerilog, the unit and its shell: none is allowed."""
    from fastprefill.tools import verilator

    if verilator.find() is None:
        return LevelResult("lint", SKIPPED, verilator.missing() or "")
    started = time.perf_counter()
    top = project.unit["rtl_top"]
    for module in (top, f"{top}_shell"):
        verilator.lint(project.folder / "rtl", module)
    tiers.note("verilator")
    return LevelResult("lint", PASSED, f"-Wall: {top}, {top}_shell", seconds=time.perf_counter() - started)


def rtl(project: Project, vectors: Sequence[Vectors], *, seed: int = 1) -> LevelResult:
    """The generated SystemVerilog in cocotb on Verilator: at full speed, then with random gaps and a reset."""
    from fastprefill.tools import verilator

    lacking = verilator.missing()
    if lacking is not None:
        return LevelResult("RTL", SKIPPED, lacking)
    build = verilator.build(project.folder / "rtl", project.ports)
    started = time.perf_counter()
    found = verilator.run(build, [one.case for one in vectors], seed=seed)
    seconds = time.perf_counter() - started
    tiers.note("verilator")
    failure = found.failure
    if failure is not None:
        where = f"; waveform: {found.waveform}" if found.waveform else ""
        return LevelResult("RTL", FAILED, failure.describe() + where, seconds=seconds)
    cycles = sum(found.cycles(one.case.name) or 0 for one in vectors)
    complete = [step for step in found.steps if step.kind == "run"]
    compared = _tokens(vectors) * len(complete) // len(vectors)
    macs = sum(one.shape.macs for one in vectors)
    multipliers = vectors[0].shape.rows * vectors[0].shape.cols
    return LevelResult(
        "RTL", PASSED, f"{len(complete)} runs, {len(found.steps) - len(complete)} reset", compared, seconds,
        cycles=cycles, utilisation=macs / (multipliers * cycles), cycles_per_second=found.cycles_per_second,
    )  # fmt: skip


def _compared(
    level: str,
    outputs: Callable[[Vectors], Mapping[str, Sequence[int]]],
    vectors: Sequence[Vectors],
    tier: str,
) -> LevelResult:
    started = time.perf_counter()
    for one in vectors:
        try:
            wrong = difference(outputs(one), one.case.outputs)
        except FastprefillError as error:
            wrong = str(error)
        tiers.note(tier)
        if wrong:
            return LevelResult(
                level, FAILED, f"{one.case.name}: {wrong}", seconds=time.perf_counter() - started
            )
    return LevelResult(level, PASSED, tokens=_tokens(vectors), seconds=time.perf_counter() - started)


def _tokens(vectors: Sequence[Vectors]) -> int:
    return sum(len(tokens) for one in vectors for tokens in one.case.outputs.values())
