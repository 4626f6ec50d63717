"""RTL target: scheduled processes -> SystemVerilog through CIRCT, with valid/ready streams and credits."""

from __future__ import annotations

import re
from dataclasses import dataclass

from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.dialects.func import CallOp, FuncOp

from fastprefill import passes, resources
from fastprefill.boards import Board
from fastprefill.errors import KernelError
from fastprefill.ir.query import array_name, is_scalar_argument, number, processes, regions, text
from fastprefill.ir.text import context
from fastprefill.passes.schedule import ProcessSchedule, annotate, schedule
from fastprefill.targets.rtl.circt import export
from fastprefill.targets.rtl.comments import commented
from fastprefill.targets.rtl.hw import Design, Module
from fastprefill.targets.rtl.process import ProcessModule, build_process
from fastprefill.targets.rtl.region import RegionBuilder


@dataclass(frozen=True)
class PipelineReport:
    """One pipeline of a process.

    Attributes:
        process: module name.
        body: name of the pipeline, after its loop.
        asked: initiation interval that the kernel asks for.
        ii: initiation interval reached.
        depth: stages.
        reason: why `ii` is larger than asked, or empty.
    """

    process: str
    body: str
    asked: int
    ii: int
    depth: int
    reason: str


@dataclass(frozen=True)
class Rtl:
    """What the target makes: files by path, and the schedule of each pipeline."""

    files: dict[str, str]
    pipelines: tuple[PipelineReport, ...]


def validate(module: ModuleOp) -> None:
    """Refuse what cannot be built as RTL.

    Raises:
        KernelError: an array argument that is not a run-time scalar.
    """
    for func in [*processes(module), *regions(module)]:
        for arg in func.body.block.args:
            if isinstance(arg.type, MemRefType) and not is_scalar_argument(arg):
                raise KernelError(
                    f"array argument '{array_name(arg)}' of '{func.sym_name.data}' is memory outside the unit, "
                    "which the RTL target reaches only through streams; give the unit a stream port for it"
                )


def build(module: ModuleOp, board: Board) -> Rtl:
    """SystemVerilog of a unit. The module is not changed.

    Returns:
        One file per hardware module, the hand-written parts that are used, and the schedule.
    """
    validate(module)
    _check_placement(module, board)
    scheduled = schedules(module, board)
    design = Design()
    built: dict[str, ProcessModule] = {}
    for name, (process, result) in scheduled.items():
        built[name] = build_process(design, process, result)
    done: dict[str, Module] = {}
    for func in regions(module):
        done[func.sym_name.data] = RegionBuilder(design, func, built, done).build()
    modules = {f"{m.name}.sv": m for m in design.modules}
    files = {path: commented(modules[path], body) for path, body in split(export(design.text())).items()}
    parts = resources.path("extern") / "sv"
    for part in _with_their_parts({part.module for part in design.parts}):
        files[f"{part}.sv"] = (parts / f"{part}.sv").read_text(encoding="utf-8")
    reports = [
        PipelineReport(
            name, b.name, b.asked, s.ii[b], s.depth(b), s.reasons.get(b, "") if s.ii[b] > b.asked else ""
        )
        for name, (_, s) in scheduled.items()
        for b in s.tree.bodies
    ]
    return Rtl(files, tuple(reports))


def _check_placement(module: ModuleOp, board: Board) -> None:
    """Refuse calls that the board has no region for, and clocks that nothing joins."""
    calls = [op for op in module.walk() if isinstance(op, CallOp)]
    domains = sorted({text(call, "domain", "kernel") for call in calls})
    if len(domains) > 1:
        raise KernelError(
            f"clock domains {', '.join(repr(d) for d in domains)} in one design: streams between two clocks are not "
            "built yet; give every unit the same domain"
        )
    for call in calls:
        slr = number(call, "slr") or 0
        if slr >= len(board.slrs):
            raise KernelError(
                f"'{text(call, 'instance')}' is placed in SLR {slr}, but board '{board.name}' has SLRs 0 to "
                f"{len(board.slrs) - 1}; choose one of these",
                text(call, "src") or None,
            )


def emit(module: ModuleOp, board: Board) -> dict[str, str]:
    """The files of ``build``: path -> text."""
    return build(module, board).files


def schedules(module: ModuleOp, board: Board) -> dict[str, tuple[FuncOp, ProcessSchedule]]:
    """Every process, scheduled. One whose merged loops cost an initiation interval keeps its loops apart."""
    found = _schedule_all(module, board, merge=True)
    slow = [name for name, (_, result) in found.items() if _cost(result) > 0]
    if slow:
        apart = _schedule_all(module, board, merge=False)
        for name in slow:
            if _cost(apart[name][1]) < _cost(found[name][1]):
                found[name] = apart[name]
    for _, result in found.values():
        annotate(result)
    return found


def _schedule_all(module: ModuleOp, board: Board, merge: bool) -> dict[str, tuple[FuncOp, ProcessSchedule]]:
    module, ctx = module.clone(), context()
    for step in passes.pipeline(board.name, merge)[:-1]:
        step.apply(ctx, module)
    return {f.sym_name.data: (f, schedule(f, board)) for f in processes(module)}


def _cost(result: ProcessSchedule) -> int:
    """Worst excess of an initiation interval over what was asked."""
    return max((result.ii[b] - b.asked for b in result.tree.bodies), default=0)


def split(text: str) -> dict[str, str]:
    """One file per module of CIRCT's output."""
    files: dict[str, str] = {}
    for match in re.finditer(r"^module (\w+).*?^endmodule[^\n]*\n", text, re.MULTILINE | re.DOTALL):
        files[f"{match.group(1)}.sv"] = match.group(0)
    return files


def _with_their_parts(names: set[str]) -> list[str]:
    needs = {
        "fp_fifo": {"fp_ram"},
        "fp_wide_fifo": {"fp_fifo", "fp_ram"},
        "fp_relay": {"fp_fifo", "fp_credit", "fp_ram"},
        "fp_wide_relay": {"fp_relay", "fp_fifo", "fp_credit", "fp_ram"},
        "fp_dsp_cascade": {"fp_dsp48e2"},
    }
    closed = set(names)
    for name in names:
        closed |= needs.get(name, set())
    return sorted(closed)
