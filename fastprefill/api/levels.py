"""The verbs that compare: a kernel or a project with its golden model, at one level or all."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fastprefill.api.progress import Show, quiet, tier_line
from fastprefill.boards import Resources
from fastprefill.errors import FastprefillError

if TYPE_CHECKING:
    from fastprefill.checks.levels import LevelResult
    from fastprefill.checks.project import Project
    from fastprefill.reports.levels import KernelCheck, Run
    from fastprefill.reports.use import ResourceUse
    from fastprefill.reports.verify import Verification


def check(
    kernel: str,
    *,
    parameters: Mapping[str, int] | None = None,
    board: str = "kv260",
    seed: int = 1,
    asked: Sequence[str] = (),
    show: Show = quiet,
) -> KernelCheck:
    """Compare a kernel's unit with its golden model at every level that can run here.

    Args:
        kernel: a built-in kernel's name or a Python file with one unit or system, and ``cases(seed)`` beside it; a
            file without cases is run on random inputs with the interpreter as the reference.
        parameters: arguments of the kernel file's ``unit`` and ``cases``.
        board: clock and parts that it is built for.
        seed: of the cases, the gaps and the initial state.
        asked: levels of ``checks.contract.LEVELS`` to run; none of them: all.
        show: gets lines of progress.

    Raises:
        FastprefillError: bad input. A level that fails is part of the result.
    """
    from fastprefill import boards as data
    from fastprefill.build.kernel import load_kernel
    from fastprefill.build.steps import Steps
    from fastprefill.checks import contract
    from fastprefill.checks import kernel as levels
    from fastprefill.reports.levels import KernelCheck

    target = data.load(board)
    found = load_kernel(kernel, parameters or {})
    result = levels.run(found, target.name, seed, Steps("check", show), asked or contract.LEVELS)
    return KernelCheck(result, found.parameters, target.name, seed, tier_line())


def csim(folder: Path, *, show: Show = quiet) -> Run:
    """Run the generated C++ of a project on its vectors.

    Raises:
        FastprefillError: not a project, or no compiler.
    """
    from fastprefill import tools
    from fastprefill.checks import levels
    from fastprefill.checks.project import Project

    project = Project.open(folder)
    tools.find("g++")
    return _run("csim", project, "C-sim", lambda: levels.csim(project, project.vectors()), show)


def cosim(folder: Path, *, seed: int = 1, full: bool = False, show: Show = quiet) -> Run:
    """Run the generated RTL of a project on its vectors, with random gaps on every stream and a reset.

    A large matrix unit is simulated smaller, and the result says so, unless `full`.

    Raises:
        FastprefillError: not a project, or no simulator.
    """
    from fastprefill import tools
    from fastprefill.checks import levels
    from fastprefill.checks.project import Project

    project = Project.open(folder)
    tools.find("verilator")
    return _run("cosim", project, "RTL", lambda: levels.rtl(project, project.vectors(), seed=seed, full=full), show)


def verify(folder: Path, *, seed: int = 1, full: bool = False, show: Show = quiet) -> Verification:
    """Check a project at every level that can run here, and write ``verify.json`` and ``steps.json`` into it.

    Args:
        folder: of a generated project.
        seed: of the gaps and resets in RTL simulation.
        full: simulate a large design as it was generated, and not smaller.
        show: gets lines of progress.

    Raises:
        FastprefillError: not a project, or one with files missing. A level that fails is part of the result.
    """
    from fastprefill import tools
    from fastprefill.build.steps import Steps, replace_text
    from fastprefill.checks import levels
    from fastprefill.checks.project import Project
    from fastprefill.reports import verify

    steps = Steps("verify", show)
    with steps.step("read the project"):
        project = Project.open(folder)
        project.need()
        vectors = project.vectors()
    found: list[LevelResult] = []
    for name, level in (
        ("golden", lambda: levels.golden(project, vectors)),
        ("interpreter", lambda: levels.interpreter(project, vectors)),
        ("C-sim", lambda: levels.csim(project, vectors)),
        ("lint", lambda: levels.lint(project)),
        ("RTL", lambda: levels.rtl(project, vectors, seed=seed, full=full)),
    ):
        with steps.step(name):
            found.append(_attempt(name, level))
    use, why = None, project.lacks("rtl")
    if not why and not tools.available("yosys"):
        why = f"yosys is not installed: {tools.TOOLS['yosys'].install}"
    if not why:
        with steps.step("synthesis"):
            try:
                use = _synthesised(project)
            except FastprefillError as error:
                why = str(error)
    result = verify.Verification(
        title=verify.title(project.manifest),
        levels=found,
        errors=verify.quantisation_errors(vectors),
        resources=use,
        resources_detail=why,
        tiers=tier_line(),
        changes=project.changes,
    )
    replace_text(folder / "verify.json", json.dumps(result.as_dict(), indent=1) + "\n")
    steps.save(folder)
    return result


def _run(command: str, project: Project, step: str, run: Callable[[], LevelResult], show: Show) -> Run:
    """One step of a project's check, with its time in ``steps.json``; asked for by name, it must be able to run."""
    from fastprefill.build.steps import Steps
    from fastprefill.checks.levels import SKIPPED
    from fastprefill.reports.levels import Run

    steps = Steps(command, show)
    with steps.step(step):
        found = run()
    if found.result == SKIPPED:
        raise FastprefillError(f"{found.level} of '{project.folder}' cannot run: {found.detail}")
    steps.save(project.folder)
    return Run(found, project.changes, tier_line())


def _attempt(level: str, run: Callable[[], LevelResult]) -> LevelResult:
    """A tool that breaks makes its level fail; the other levels still run."""
    from fastprefill.checks import levels

    try:
        return run()
    except FastprefillError as error:
        return levels.LevelResult(level, levels.FAILED, str(error))


def _synthesised(project: Project) -> ResourceUse:
    """Yosys' counts against the regions of the board that the unit is placed in."""
    from fastprefill.reports.use import ResourceUse
    from fastprefill.tools import yosys

    if why := project.lacks("rtl"):
        raise FastprefillError(f"'{project.folder}' cannot be synthesised: {why}")
    project.need("rtl")
    files = sorted((project.folder / "rtl").glob("*.sv"))
    where, available = project.place
    found = yosys.synthesise(files, project.unit["rtl_top"], use_uram=available.uram > 0)
    cells = found.total
    used = Resources(cells.lut, cells.ff, cells.dsp, math.ceil(cells.bram36), cells.uram)
    return ResourceUse(used, available, where, f"synthesised by Yosys {found.version}")
