"""The verbs that make files: a project for a model, and a kernel's IR, C++ and RTL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fastprefill.api.progress import Show, quiet
from fastprefill.boards import Board
from fastprefill.errors import FastprefillError

if TYPE_CHECKING:
    from fastprefill.build.plan import BuildPlan
    from fastprefill.build.steps import Steps
    from fastprefill.system.system import System
    from fastprefill.system.unit import Unit

EMITS = ("mlir", "hls", "rtl")
FRONTENDS = ("embedded", "allo")
_DRAWN = 1
"""Seed of the weights and prompt of a shape without weights."""


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

    module = build(unit, frontend)
    if emit != "mlir":
        check_unit(module, board)
    if emit == "hls":
        from fastprefill.targets import vitis_hls

        vitis_hls.validate(module)
        return vitis_hls.emit(module, board=board)
    if emit == "rtl":
        from fastprefill.targets import rtl

        rtl.validate(module)
        return rtl.emit(module, board)
    if after is not None:
        passes.run(module, board.name, after)
    return {f"{unit.name}.mlir": to_text(module)}
