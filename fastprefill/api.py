"""What the command line does, as functions: one for each verb. Imports are made when a verb needs them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fastprefill.boards import Board, Resources
from fastprefill.errors import FastprefillError

if TYPE_CHECKING:
    from fastprefill.checks.levels import LevelResult
    from fastprefill.checks.project import Project, Vectors
    from fastprefill.reports.use import ResourceUse
    from fastprefill.reports.verify import Verification
    from fastprefill.system.system import System
    from fastprefill.system.unit import Unit
    from fastprefill.tools.doctor import Finding

Show = Callable[[str], None]
EMITS = ("mlir", "hls", "rtl")
FRONTENDS = ("embedded", "allo")


def quiet(line: str) -> None:
    """Shows no progress."""


def doctor() -> list[Finding]:
    """Python, packages and tools: what is here, and what to do about the others."""
    from fastprefill.tools import doctor

    return doctor.doctor()


def boards() -> list[Board]:
    """The boards that come with the package."""
    from fastprefill import boards as data

    return [data.load(name) for name in data.names()]


@dataclass(frozen=True)
class Generated:
    """What `generate` wrote: where, the digest of everything but the times, and the number of files."""

    folder: Path
    digest: str
    files: int


def generate(
    model: Path,
    board: str,
    out: Path,
    *,
    rows: int | None = None,
    cols: int | None = None,
    context: int | None = None,
    prompt: Path | None = None,
    force: bool = False,
    show: Show = quiet,
) -> Generated:
    """Generate the project for a model on a board.

    Args:
        model: folder with ``config.json`` and ``model.safetensors``.
        board: name, or the path of a board file.
        out: the project's folder; all of it is written, or nothing.
        rows: outputs of the matrix unit down a tile; default by board.
        cols: outputs across; default by board.
        context: longest sequence in tokens; default: the model's.
        prompt: text for the test vectors; default: ``prompt.txt`` of the model.
        force: replace an earlier project of this generator whose files were changed.
        show: gets lines of progress.

    Raises:
        FastprefillError: bad input, or a disk that refuses.
    """
    from fastprefill import boards as data
    from fastprefill import config, models
    from fastprefill.build import project
    from fastprefill.build.plan import check_replaceable
    from fastprefill.build.steps import Steps

    steps = Steps("generate", show)
    check_replaceable(out, force=force)
    with steps.step("read the model"):
        target = data.load(board)
        checkpoint = models.load(model)
        parameters = config.resolve(checkpoint.config, target, rows=rows, cols=cols, context=context)
        tokens = models.read_prompt(checkpoint.config, checkpoint.folder, prompt)
    if len(tokens) > parameters.context:
        raise FastprefillError(f"the prompt has {len(tokens)} tokens; the context is {parameters.context}")
    plan = project.plan(checkpoint, tokens, parameters, steps)
    plan.write(out, beside={"steps.json": steps.to_json().encode()}, force=force)
    return Generated(out, plan.digest(), len(plan.files))


def compile_kernel(
    kernel: str,
    *,
    emit: str = "mlir",
    after: str | None = None,
    parameters: Mapping[str, int] | None = None,
    frontend: str = "embedded",
    board: str = "kv260",
) -> dict[str, str]:
    """Compile one kernel and return texts by path.

    Args:
        kernel: a built-in kernel's name or a Python file.
        emit: ``mlir``, ``hls`` or ``rtl``.
        after: for ``mlir``: the name of the last pass to apply; None: the IR as the front end made it.
        parameters: arguments of the kernel file's ``unit``.
        frontend: ``embedded``, or ``allo`` to go through an installed Allo.
        board: clock, delays and tool versions.

    Raises:
        FastprefillError: an unknown name, or a kernel outside the language.
    """
    from fastprefill import boards as data
    from fastprefill.build.kernel import load_units

    if after is not None and emit != "mlir":
        raise FastprefillError(
            f"--after {after} shows the IR; it goes with --emit mlir, not with --emit {emit}"
        )
    target = data.load(board)
    texts: dict[str, str] = {}
    for unit in load_units(kernel, parameters or {}):
        texts |= _compiled(unit, emit, after, frontend, target)
    return texts


def _compiled(
    unit: Unit | System, emit: str, after: str | None, frontend: str, board: Board
) -> dict[str, str]:
    from fastprefill import passes
    from fastprefill.ir.text import to_text
    from fastprefill.system.build import build_unit
    from fastprefill.system.system import System, link
    from fastprefill.targets import rtl, vitis_hls

    module = link(unit) if isinstance(unit, System) else build_unit(unit, frontend)
    if emit == "hls":
        vitis_hls.validate(module)
        return vitis_hls.emit(module, board=board)
    if emit == "rtl":
        rtl.validate(module)
        return rtl.emit(module, board)
    if after is not None:
        passes.run(module, board.name, after)
    return {f"{unit.name}.mlir": to_text(module)}


def csim(folder: Path, *, show: Show = quiet) -> LevelResult:
    """Run the generated C++ of a project on its vectors.

    Raises:
        FastprefillError: not a project, or no compiler.
    """
    from fastprefill import tools
    from fastprefill.checks import levels

    project, vectors = _open(folder)
    tools.find("g++")
    show("C-sim ...")
    return levels.csim(project, vectors)


def cosim(folder: Path, *, seed: int = 1, show: Show = quiet) -> LevelResult:
    """Run the generated RTL of a project on its vectors, with random gaps on every stream and a reset.

    Raises:
        FastprefillError: not a project, or no simulator.
    """
    from fastprefill import tools
    from fastprefill.checks import levels

    project, vectors = _open(folder)
    tools.find("verilator")
    show(f"RTL in Verilator (seed {seed}) ...")
    return levels.rtl(project, vectors, seed=seed)


def synth(folder: Path, *, show: Show = quiet) -> ResourceUse:
    """Count the resources of a project's RTL with Yosys.

    Raises:
        FastprefillError: not a project, or no Yosys.
    """
    from fastprefill import tools
    from fastprefill.checks.project import Project

    project = Project.open(folder)
    tools.find("yosys")
    show("synthesis in Yosys ...")
    return _synthesised(project)


def verify(folder: Path, *, seed: int = 1, show: Show = quiet) -> Verification:
    """Check a project at every level that can run here, and write ``verify.json`` and ``steps.json`` into it.

    Args:
        folder: of a generated project.
        seed: of the gaps and resets in RTL simulation.
        show: gets lines of progress.

    Raises:
        FastprefillError: not a project. A level that fails is part of the result.
    """
    from fastprefill import tools
    from fastprefill.build.steps import Steps
    from fastprefill.checks import levels
    from fastprefill.reports import verify

    steps = Steps("verify", show)
    with steps.step("read the project"):
        project, vectors = _open(folder)
    found: list[LevelResult] = []
    with steps.step("golden"):
        found.append(levels.golden(project, vectors))
    with steps.step("interpreter"):
        found.append(levels.interpreter(project, vectors))
    with steps.step("C-sim"):
        found.append(_attempt("C-sim", lambda: levels.csim(project, vectors)))
    with steps.step("lint"):
        found.append(_attempt("lint", lambda: levels.lint(project)))
    with steps.step("RTL"):
        found.append(_attempt("RTL", lambda: levels.rtl(project, vectors, seed=seed)))
    use, why = None, ""
    if tools.available("yosys"):
        with steps.step("synthesis"):
            try:
                use = _synthesised(project)
            except FastprefillError as error:
                why = str(error)
    else:
        why = f"yosys is not installed: {tools.TOOLS['yosys'].install}"
    result = verify.Verification(
        title=verify.title(project.manifest),
        levels=found,
        errors=[verify.quantisation_error(one) for one in vectors],
        resources=use,
        resources_detail=why,
        tiers=tier_line(),
    )
    # results are printed all the same when the project lies on a read-only disk
    with suppress(OSError):
        (folder / "verify.json").write_text(json.dumps(result.as_dict(), indent=1) + "\n")
        (folder / "steps.json").write_text(steps.to_json())
    return result


def tier_line() -> str:
    """The line that names the tools which checked something in this process, and those that did not."""
    from fastprefill.tools import tiers

    return tiers.line(tiers.ran())


def _open(folder: Path) -> tuple[Project, list[Vectors]]:
    from fastprefill.checks.project import Project

    project = Project.open(folder)
    return project, project.vectors()


def _attempt(level: str, run: Callable[[], LevelResult]) -> LevelResult:
    """A tool that breaks makes its level fail; the other levels still run."""
    from fastprefill.checks import levels

    try:
        return run()
    except FastprefillError as error:
        return levels.LevelResult(level, levels.FAILED, str(error))


def _synthesised(project: Project) -> ResourceUse:
    """Yosys' counts against the region of the board that the unit is placed in."""
    from fastprefill.reports.use import ResourceUse
    from fastprefill.tools import yosys

    files = sorted((project.folder / "rtl").glob("*.sv"))
    regions, slr = project.manifest["board"]["resources"], project.unit["slr"]
    found = yosys.synthesise(files, project.unit["rtl_top"], use_uram=regions[slr]["uram"] > 0)
    cells = found.total
    used = Resources(cells.lut, cells.ff, cells.dsp, math.ceil(cells.bram36), cells.uram)
    where = project.manifest["board"]["name"] + (f" SLR {slr}" if len(regions) > 1 else "")
    return ResourceUse(used, Resources(**regions[slr]), where, f"synthesised by Yosys {found.version}")
