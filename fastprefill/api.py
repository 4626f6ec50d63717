"""What the command line does, as functions: one for each verb. Imports are made when a verb needs them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fastprefill.boards import Board, Resources
from fastprefill.errors import FastprefillError

if TYPE_CHECKING:
    from fastprefill.accuracy import Report
    from fastprefill.build.plan import BuildPlan
    from fastprefill.build.steps import Steps
    from fastprefill.caching import Balance, Comparison
    from fastprefill.checks.levels import LevelResult
    from fastprefill.checks.project import Project
    from fastprefill.reports.bitstream import Bitstream
    from fastprefill.reports.levels import KernelCheck, Run
    from fastprefill.reports.synth import Synthesis
    from fastprefill.reports.use import ResourceUse
    from fastprefill.reports.verify import Verification
    from fastprefill.system.system import System
    from fastprefill.system.unit import Unit
    from fastprefill.tools.doctor import Finding

Show = Callable[[str], None]
EMITS = ("mlir", "hls", "rtl")
_DRAWN = 1
"""Seed of the weights and prompt of a shape without weights."""
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
    """What was written.

    Attributes:
        folder: where.
        digest: the manifest's, of everything but times and manifest.
        files: their number.
        note: one sentence that a reader must know; empty where there is none.
    """

    folder: Path
    digest: str
    files: int
    note: str = ""


def generate(
    model: Path,
    board: str,
    out: Path,
    *,
    size: Mapping[str, int | None] | None = None,
    context: int | None = None,
    arrays: int | None = None,
    prompt: Path | None = None,
    force: bool = False,
    show: Show = quiet,
) -> Generated:
    """Generate the project for a model on a board.

    Args:
        model: folder with ``config.json`` and ``model.safetensors``, or the name of a shape without weights, whose
            weights, and prompt where none is given, are then drawn at random.
        board: name, or the path of a board file.
        out: the project's folder; all of it is written, or nothing.
        size: parameters of the matrix unit (``golden.mpu.Size``); what is missing or None comes from the board.
        context: longest sequence in tokens; default: the model's.
        arrays: matrix units; default: one for each super logic region of the board.
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
        if checkpoint.source is None:
            checkpoint = models.random_weights(checkpoint, _DRAWN)
        parameters = config.resolve(checkpoint.config, target, size=size or {}, context=context, arrays=arrays)
        if checkpoint.drawn and prompt is None:
            tokens = models.drawn_prompt(checkpoint.config, _DRAWN)[: parameters.context]
        else:
            tokens = models.read_prompt(checkpoint.config, checkpoint.folder, prompt)
    if len(tokens) > parameters.context:
        raise FastprefillError(
            f"the prompt has {len(tokens)} tokens; the context is {parameters.context}: give a shorter --prompt, "
            "or a longer --context if the model has one"
        )
    plan = project.plan(checkpoint, tokens, parameters, steps)
    note = ""
    if checkpoint.drawn:
        note = (
            f"'{model}' is a shape without weights: they were drawn at random, so the test vectors check the hardware "
            "and say nothing about the model"
        )
    return replace(_written(plan, out, force, steps), note=note)


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
    from fastprefill.build.kernel import load_kernel

    if after is not None and emit != "mlir":
        raise FastprefillError(
            f"--after {after} shows the IR; it goes with --emit mlir, not with --emit {emit}"
        )
    target = data.load(board)
    texts: dict[str, str] = {}
    for unit in load_kernel(kernel, parameters or {}).units:
        texts |= _compiled(unit, emit, after, frontend, target)
    return texts


def compile_project(
    kernel: str,
    out: Path,
    *,
    emit: str | None = None,
    parameters: Mapping[str, int] | None = None,
    frontend: str = "embedded",
    board: str = "kv260",
    seed: int = 1,
    force: bool = False,
    show: Show = quiet,
) -> Generated:
    """Compile one kernel into a project folder that `csim`, `cosim`, `synth` and `verify` take.

    Args:
        kernel: a built-in kernel's name or a Python file with one unit or system.
        out: the project's folder; all of it is written, or nothing.
        emit: ``mlir``, ``hls`` or ``rtl`` for that alone; None: everything.
        parameters: arguments of the kernel file's ``unit``.
        frontend: ``embedded``, or ``allo`` to go through an installed Allo.
        board: clock, delays, resources and tool versions.
        seed: of the test vectors.
        force: replace an earlier project of this generator whose files were changed.
        show: gets lines of progress.

    Raises:
        FastprefillError: an unknown name, a kernel outside the language or larger than the board, or a disk that
            refuses.
    """
    from fastprefill import boards as data
    from fastprefill.build import project
    from fastprefill.build.kernel import load_kernel
    from fastprefill.build.plan import check_replaceable
    from fastprefill.build.steps import Steps

    steps = Steps("compile", show)
    check_replaceable(out, force=force)
    target = data.load(board)
    with steps.step("read the kernel"):
        found = load_kernel(kernel, parameters or {})
    targets = project.TARGETS if emit is None else tuple(t for t in project.TARGETS if t == emit)
    plan = project.kernel_plan(found, target, targets, seed, steps, frontend)
    return _written(plan, out, force, steps)


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


def _written(plan: BuildPlan, out: Path, force: bool, steps: Steps) -> Generated:
    from fastprefill.build.steps import STEPS

    plan.write(out, beside={STEPS: steps.to_json().encode()}, force=force)
    return Generated(out, plan.digest(), len(plan.files))


def _compiled(
    unit: Unit | System, emit: str, after: str | None, frontend: str, board: Board
) -> dict[str, str]:
    from fastprefill import passes
    from fastprefill.build.kernel import build
    from fastprefill.estimate.unit import check_unit
    from fastprefill.ir.text import to_text
    from fastprefill.targets import rtl, vitis_hls

    module = build(unit, frontend)
    if emit != "mlir":
        check_unit(module, board)
    if emit == "hls":
        vitis_hls.validate(module)
        return vitis_hls.emit(module, board=board)
    if emit == "rtl":
        rtl.validate(module)
        return rtl.emit(module, board)
    if after is not None:
        passes.run(module, board.name, after)
    return {f"{unit.name}.mlir": to_text(module)}


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


def synth(
    what: str, *, parameters: Mapping[str, int] | None = None, board: str | None = None, show: Show = quiet
) -> Synthesis:
    """Synthesise the RTL of a project or kernel with Yosys: resources, depth between registers, loads.

    Args:
        what: a project's folder, a built-in kernel's name or a Python file with one unit or system.
        parameters: of a kernel: arguments of its ``unit``.
        board: of a kernel: name or board file, kv260 by default. A project has its own.
        show: gets lines of progress.

    Raises:
        FastprefillError: bad input, or no Yosys.
    """
    from fastprefill.build.kernel import builtin_kernels, is_kernel

    if not Path(what).is_dir() and not is_kernel(what):
        raise FastprefillError(
            f"there is no project folder '{what}'; make one with 'fastprefill generate', or name a kernel: "
            f"{', '.join(builtin_kernels())}, or the path of a .py file"
        )
    if Path(what).is_dir():
        if parameters or board is not None:
            raise FastprefillError(
                f"'{what}' is a project, which has its parameters and its board; --param and --board go with a kernel"
            )
        return _project_synthesis(Path(what), show)
    return _kernel_synthesis(what, parameters or {}, board or "kv260", show)


def _project_synthesis(folder: Path, show: Show) -> Synthesis:
    from fastprefill import tools
    from fastprefill.build.steps import Steps
    from fastprefill.checks.project import Project
    from fastprefill.ir.text import parse
    from fastprefill.reports import synth

    project = Project.open(folder)
    tools.find("yosys")
    if why := project.lacks("rtl"):
        raise FastprefillError(f"'{folder}' cannot be synthesised: {why}")
    project.need("rtl", "ir")
    steps = Steps("synth", show)
    board = project.manifest["board"]
    place = synth.Place(
        board["name"], board["clock_mhz"], tuple(Resources(**region) for region in board["resources"])
    )
    with steps.step("synthesis"):
        result = synth.measure(
            project.manifest["title"],
            sorted((folder / "rtl").glob("*.sv")),
            parse(project.ir(), project.unit["ir"]),
            project.unit["rtl_top"],
            place,
        )
    steps.save(folder)
    return replace(result, changes=project.changes, tiers=tier_line())


def _kernel_synthesis(kernel: str, parameters: Mapping[str, int], board: str, show: Show) -> Synthesis:
    from tempfile import TemporaryDirectory

    from fastprefill import boards as data
    from fastprefill import tools
    from fastprefill.build.kernel import build, load_kernel
    from fastprefill.build.steps import Steps
    from fastprefill.reports import synth
    from fastprefill.targets import rtl

    steps = Steps("synth", show)
    target = data.load(board)
    found = load_kernel(kernel, parameters)
    unit = found.only()
    tools.find("yosys")
    with steps.step("kernel to RTL"):
        module = build(unit)
        rtl.validate(module)
        texts = rtl.emit(module, target)
    with TemporaryDirectory(prefix="fastprefill-synth-") as scratch, steps.step("synthesis"):
        for name, text in texts.items():
            (Path(scratch) / name).write_text(text)
        files = [Path(scratch) / name for name in texts if name.endswith(".sv")]
        given = "".join(f", {name} = {value}" for name, value in found.parameters.items())
        place = synth.Place(target.name, target.clock_mhz, target.slrs)
        result = synth.measure(f"{unit.name} of {found.name}{given}", files, module, unit.name, place)
    return replace(result, tiers=tier_line())


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


def bitstream(folder: Path, *, dry_run: bool = False, show: Show = quiet) -> Bitstream:
    """Build the bitstream of a project with AMD's tools, step by step; nothing is run where something is missing.

    Args:
        folder: of a generated project.
        dry_run: only say what would be run, and what is missing.
        show: gets lines of progress.

    Raises:
        FastprefillError: not a project, no bitstream build for its board, or a step that failed: the text quotes the
            message of its log and explains it.
    """
    from fastprefill.reports.bitstream import Bitstream
    from fastprefill.tools import vendor

    build = vendor.open_build(folder)
    found = vendor.look(build)
    steps = tuple((step.name, tuple(words)) for step, words in vendor.commands(build, found))
    runs = not dry_run and not found.missing
    notes = vendor.run(build, found, show) if runs else []
    return Bitstream(
        build.folder / "build",
        build.folder / build.result,
        steps,
        found.missing,
        runs,
        tuple(notes),
        tier_line(),
    )


def accuracy(
    model: Path,
    tasks: tuple[str, ...],
    lengths: tuple[int, ...],
    gammas: tuple[float, ...],
    *,
    text: Path | None = None,
    samples: int = 8,
    seed: int = 1,
    tau: float = 0.1,
    min_budget: int = 512,
    max_budget: int | None = None,
    block: int = 128,
    corrected: bool = False,
    transform: str = "both",
    group: int | None = None,
    plant_outliers: float | None = None,
    out: Path | None = None,
    show: Show = quiet,
) -> Report:
    """Measure tasks in float and integers, dense and with chosen blocks.

    Args:
        model: folder of a checkpoint.
        tasks: names of `fastprefill.accuracy.TASKS`, or ``perplexity``.
        lengths: tokens of a prompt with its answer.
        gammas: shares of the attention mass to keep.
        text: file for perplexity and as filler.
        samples: prompts of each task and length.
        seed: of the prompts.
        tau: heads with a distance below this are query-aware.
        min_budget: least tokens to keep.
        max_budget: most tokens to keep; None: all.
        block: tokens per block.
        corrected: select without the errors of FlexPrefill's code.
        transform: before quantisation: ``plain``, ``balance``, ``rotate`` or ``both``.
        group: inputs that share a scale; None: all of a token's or channel's.
        plant_outliers: factor by which some channels are made larger; None: the weights as they are.
        out: folder for the results; what it holds of an earlier run is not measured again.
        show: gets lines of progress.

    Raises:
        FastprefillError: bad input, or a folder with results of other settings.
    """
    from fastprefill.accuracy import Selection, Settings, measure

    settings = Settings(
        model, tasks, lengths, gammas, text, samples, seed,
        Selection(tau, min_budget, max_budget, block, not corrected), transform, group, plant_outliers,
    )  # fmt: skip
    return measure(settings, out, show)


def tier_line() -> str:
    """The line that names the tools which checked something in this process, and those that did not."""
    from fastprefill.tools import tiers

    return tiers.line(tiers.ran())


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


def cache_policies(
    names: tuple[str, ...],
    *,
    text: Path | None = None,
    window: int = 8,
    parts: tuple[int, ...] = (16, 8, 4, 2, 1),
    gamma: float = 0.9,
    min_budget: int = 1024,
    plot: Path | None = None,
    show: Show = quiet,
) -> Comparison:
    """Replay job lists under the KV cache's policy and others.

    Args:
        names: traces, see `fastprefill.caching.load`.
        text: what a checkpoint reads.
        window: open query blocks.
        parts: capacities as fractions of the key blocks.
        gamma: share of the attention mass that SIGU keeps where it selects.
        min_budget: least tokens that it keeps.
        plot: file for an SVG picture.
        show: gets lines of progress.

    Raises:
        FastprefillError: no such trace, or a file that cannot be written.
    """
    from fastprefill import caching
    from fastprefill.caching.plot import svg

    traces = []
    for name in names:
        show(f"loading {name}")
        traces += caching.load(name, text=text, gamma=gamma, min_budget=min_budget)
    found = caching.compare(traces, window=window, parts=parts, show=show)
    if plot is not None:
        plot.write_text(svg(found))
    return found


def cache_balance(
    names: tuple[str, ...],
    *,
    contexts: tuple[int, ...],
    densities: tuple[float, ...],
    windows: tuple[int, ...],
    head_dim: int = 64,
    show: Show = quiet,
) -> Balance:
    """Compute time against memory time of attention, and the cache that each board needs.

    Args:
        names: boards; none: those of the package.
        contexts: tokens.
        densities: of the block masks.
        windows: open query blocks.
        head_dim: width of a head.
        show: gets lines of progress.

    Raises:
        FastprefillError: an unknown board, or a number that cannot be.
    """
    from fastprefill import boards as data
    from fastprefill import caching

    return caching.balance(
        names or data.names(), contexts=contexts, densities=densities, windows=windows, head_dim=head_dim, show=show
    )
