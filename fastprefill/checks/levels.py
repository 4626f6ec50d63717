"""One result per level of a project: golden, interpreter, C-sim, lint, RTL; those that run use the stored vectors."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from xdsl.utils.exceptions import ParseError, VerifyException

from fastprefill.build.in_memory import FOLDER, VECTORS
from fastprefill.build.manifest import GOLDEN
from fastprefill.checks.compare import difference
from fastprefill.checks.project import Project, Vectors
from fastprefill.errors import FastprefillError, counted
from fastprefill.golden import projection
from fastprefill.tools import tiers

PASSED, FAILED, SKIPPED = "pass", "FAIL", "NOT RUN"
REFERENCE = "reference"
"""The level whose outputs the others are compared with, where there is no golden model."""

SMALLER = "RTL, smaller"
"""The RTL level of a design of another size than the one that was generated."""

NO_VECTORS = (
    "the project has no test vectors: its kernel has no cases(seed), and random inputs do not exercise it"
)


@dataclass(frozen=True)
class LevelResult:
    """What one level gave.

    Attributes:
        level: ``golden``, ``interpreter``, ``C-sim``, ``lint``, ``RTL``, `SMALLER`, ``RTL, 4-state`` or ``structure``.
        result: `PASSED`, `FAILED`, `SKIPPED` or `REFERENCE`.
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
        if self.cycles is not None:
            parts.append(f"{self.cycles:,} cycles")
        if self.utilisation is not None:
            parts.append(f"utilisation {self.utilisation:.2%}")
        if self.cycles_per_second is not None:
            parts.append(f"{self.cycles_per_second:,.0f} simulated cycles/s")
        return "; ".join(parts)


def golden(project: Project, vectors: Sequence[Vectors]) -> LevelResult:
    """The stored outputs against the golden model computed anew from the stored inputs, where it is ours."""
    started = time.perf_counter()
    ours = [one for one in vectors if one.projection is not None]
    if not ours:
        source = "are those of the kernel's cases()" if _has_golden(project) else "come from the interpreter"
        return LevelResult("golden", SKIPPED, f"the expected outputs {source}, as stored")
    tiers.note("python")
    for one in ours:
        assert one.projection is not None
        words = projection.expected_words(one.case.inputs, one.projection.shape)
        wrong = difference(words, one.case.outputs)
        if wrong:
            return LevelResult("golden", FAILED, f"{one.case.name}: {wrong}")
    return LevelResult("golden", PASSED, tokens=_tokens(ours), seconds=time.perf_counter() - started)


def interpreter(project: Project, vectors: Sequence[Vectors]) -> LevelResult:
    """The IR, run by the interpreter."""
    from fastprefill.ir.text import parse
    from fastprefill.targets.interpreter import Program

    if not vectors:
        return LevelResult("interpreter", SKIPPED, NO_VECTORS)
    try:
        program = Program(parse(project.ir(), project.unit["ir"]))
    except (ParseError, VerifyException) as error:
        return LevelResult("interpreter", FAILED, f"the IR cannot be read: {error}")

    def outputs(one: Vectors) -> Mapping[str, Sequence[int]]:
        return program.run(one.case)

    found = _compared("interpreter", outputs, vectors, "python")
    return found if _has_golden(project) or not found.ok else replace(found, result=REFERENCE)


def csim(project: Project, vectors: Sequence[Vectors]) -> LevelResult:
    """The generated C++, compiled with g++."""
    from fastprefill.tools import csim as driver

    lacking = project.lacks("hls") or ("" if vectors else NO_VECTORS) or driver.missing()
    if lacking:
        return LevelResult("C-sim", SKIPPED, lacking)
    project.need("hls")
    executable = driver.build(project.folder / "hls")

    def outputs(one: Vectors) -> Mapping[str, Sequence[int]]:
        return driver.run(executable, one.folder)

    found = _compared("C-sim", outputs, vectors, "g++")
    return _from_memory(project, found) if found.ok else found


def _from_memory(project: Project, found: LevelResult) -> LevelResult:
    """The C++ of a system with its movers, on its memories, after its streams; `found` where it has none."""
    from fastprefill.tools import csim as driver

    folders = sorted({Path(path).parent for path in project.manifest["files"] if path.startswith(f"{VECTORS}/")})
    if not folders:
        return found
    project.need(FOLDER)
    started = time.perf_counter()
    program = driver.build(project.folder / FOLDER)
    for folder in folders:
        if wrong := driver.run_memory(program, project.folder / folder):
            return LevelResult("C-sim", FAILED, f"{folder.name}, from memory to memory: {wrong}")
    seconds = found.seconds + time.perf_counter() - started
    return replace(found, detail=f"{counted(len(folders), 'case')} from memory to memory as well", seconds=seconds)


def lint(project: Project) -> LevelResult:
    """Verilator's warnings on the generated SystemVerilog, the unit and its shell: none is allowed."""
    from fastprefill.tools import verilator

    lacking = project.lacks("rtl") or ("" if verilator.find() else verilator.missing())
    if lacking:
        return LevelResult("lint", SKIPPED, lacking)
    project.need("rtl")
    started = time.perf_counter()
    top = project.unit["rtl_top"]
    verilator.lint(project.folder / "rtl", f"{top}_shell")  # which has the unit inside
    tiers.note("verilator")
    return LevelResult("lint", PASSED, f"-Wall: {top}, {top}_shell", seconds=time.perf_counter() - started)


def rtl(project: Project, vectors: Sequence[Vectors], *, seed: int = 1, full: bool = False) -> LevelResult:
    """The generated SystemVerilog in cocotb on Verilator: at full speed, then with random gaps and a reset.

    A design that is too large for that is simulated smaller (``checks.reduced``) and the result says so; not if `full`.
    """
    from fastprefill.checks.reduced import reduced
    from fastprefill.tools import verilator

    lacking = project.lacks("rtl") or ("" if vectors else NO_VECTORS) or verilator.missing()
    if lacking:
        return LevelResult("RTL", SKIPPED, lacking)
    project.need("rtl")
    smaller = None if full else reduced(project, list(vectors))
    if smaller is None:
        build = verilator.build(project.folder / "rtl", project.ports)
    else:
        build, vectors = verilator.build(smaller.texts, smaller.ports), smaller.vectors
    started = time.perf_counter()
    found = verilator.run(build, [one.case for one in vectors], seed=seed)
    seconds = time.perf_counter() - started
    tiers.note("verilator")
    failure = found.failure
    if failure is not None:
        where = f"; waveform: {found.waveform}" if found.waveform else ""
        name = "RTL" if smaller is None else SMALLER
        return LevelResult(name, FAILED, failure.describe() + where, seconds=seconds)
    cycles = sum(found.cycles(one.case.name) or 0 for one in vectors)
    complete = [step for step in found.steps if step.kind == "run"]
    compared = sum(_compared_in(step.case, vectors) for step in complete)
    label = f"{smaller.title} (--full simulates that); " if smaller else ""
    return LevelResult(
        "RTL" if smaller is None else SMALLER, PASSED,
        f"{label}{len(complete)} runs, {len(found.steps) - len(complete)} reset", compared, seconds,
        cycles=cycles, utilisation=_utilisation(vectors, cycles), cycles_per_second=found.cycles_per_second,
    )  # fmt: skip


def _has_golden(project: Project) -> bool:
    return bool(project.manifest["expected"] == GOLDEN)


def _compared_in(run: str, vectors: Sequence[Vectors]) -> int:
    """Tokens of a run: of a case, or of several starts in a row, ``3 x <case>``."""
    times, _, repeated = run.partition(" x ")
    tokens = {one.case.name: _tokens([one]) for one in vectors}
    return int(times) * tokens[repeated] if repeated else tokens[run]


def _utilisation(vectors: Sequence[Vectors], cycles: int) -> float | None:
    """Useful multiplications per multiplier and cycle; None for a unit that is not the matrix unit."""
    shapes = [one.projection.shape for one in vectors if one.projection is not None]
    if len(shapes) < len(vectors):
        return None
    return sum(shape.macs for shape in shapes) / (shapes[0].macs_per_cycle * cycles)


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
