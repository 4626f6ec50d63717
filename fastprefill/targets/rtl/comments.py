"""Comments in generated SystemVerilog: what a module is, above it, and the kernel's line behind its signals.

Lines are found by the name of what is declared (``Module.sources``), not by CIRCT's locations, which it merges
whenever it shares or folds an expression.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import CallOp, FuncOp
from xdsl.ir import Operation

from fastprefill.ir.dialect import CreateOp
from fastprefill.ir.query import regions, text
from fastprefill.passes.schedule import ProcessSchedule
from fastprefill.passes.storage import Storage
from fastprefill.targets.rtl.hw import Module

WIDTH = 110

_DECLARED = re.compile(
    r"""^\ \ (?:
      (?:wire|reg)\s+(?:\[\d+:0\]\s*)?(?P<signal>\w+)(?:;|\ =.*)  # a register, or a wire with or without its value
    | assign\ (?P<output>\w+)\ =.*                                 # an output; the value may follow on more lines
    | (?:\w+|\))\ (?P<instance>\w+)\ \(                            # an instance, behind its module or its parameters
    )$""",
    re.VERBOSE,
)

_MEMORIES = {
    "register": "registers",
    "distributed": "LUTRAM",
    "block": "block RAM",
    "ultra": "UltraRAM",
    "rom": "constants",
}


def commented(module: Module, body: str) -> str:
    """The text of a module with its comments."""
    head = [line for part in module.about for line in _wrapped(part)]
    return "".join(f"// {line}\n" for line in head) + "".join(
        _with_source(module.sources, line) for line in body.splitlines(keepends=True)
    )


def _with_source(sources: dict[str, str], line: str) -> str:
    match = _DECLARED.match(line)
    src = sources.get(match["signal"] or match["output"] or match["instance"], "") if match else ""
    return f"{line.rstrip()}  // {src}\n" if src else line


def _wrapped(text: str) -> list[str]:
    indent = "  " if text.startswith("  ") else ""
    return textwrap.wrap(text.strip(), WIDTH - 3, initial_indent=indent, subsequent_indent=indent + "  ")


def process_head(func: FuncOp, schedule: ProcessSchedule) -> list[str]:
    """About the module of a process: its instances, its pipelines and how signals are named."""
    name = func.sym_name.data
    used = [f"{region}.{instance}" for region, instance in instances(func)]
    lines = [f"{name}: process {_listed(used)}{_from(source_range(func))}."]
    for body in schedule.tree.bodies:
        ii, stages = schedule.ii[body], schedule.depth(body)
        src = text(body.op, "src")
        lines.append(
            f"  pipeline {body.name}{f' ({src})' if src else ''}: initiation interval {ii}, "
            f"{stages} stage{'s' if stages > 1 else ''}, latency {stages - 1}"
            + (f"; {schedule.reasons[body]}" if ii > body.asked and body in schedule.reasons else "")
        )
    lines.append(
        "  P_turn: pipeline P is next to issue; P_issue, or P_gate's: it does. X_s2: X in stage 2; X_v2: another X."
    )
    return lines


def region_head(func: FuncOp) -> list[str]:
    """About the module of a region: what runs in it and what joins that."""
    ops = list(func.body.block.ops)
    calls = [text(op, "instance") or op.callee.string_value() for op in ops if isinstance(op, CallOp)]
    streams = [op.stream_name.data for op in ops if isinstance(op, CreateOp)]
    lines = [
        f"{func.sym_name.data}: region of {_listed(calls)}"
        + (f", joined by {_listed(streams)}" if streams else "")
        + f"{_from(source_range(func))}.",
        "  start samples the scalars and begins a run; done ends it. Streams: a token moves when valid and ready.",
    ]
    if func.next_op is None:
        lines.append("  error is the value for the status register first_error, for one cycle.")
    return lines


def blocks_head(
    name: str, create: CreateOp, storage: Storage, buffers: int, *, writer_reads: bool
) -> list[str]:
    """About the module with the buffers of a block stream."""
    count = f"{buffers} buffer{'s' if buffers > 1 else ''}"
    shape = " x ".join(map(str, storage.shape))
    banks = f"{storage.banks} bank{'s' if storage.banks > 1 else ''}"
    words = storage.depth * buffers
    lines = [
        f"{name}: block stream '{create.stream_name.data}'{_from(text(create, 'src'))}: {count} of {shape} x "
        f"{storage.width} bits in {_MEMORIES[storage.memory]}, {banks} of {words} word{'s' if words > 1 else ''}.",
        "  Bank n has bit n of we and field n of the addresses and data; its addresses count through the buffers.",
    ]
    if storage.memory == "register":
        lines[-1] = (
            "  Bank n has bit n of we and field n of waddr and wdata; rdata has all registers, bank by bank."
        )
    elif writer_reads:
        lines.append("  own_raddr and own_rdata are for the process that writes, from memories of its own.")
    return lines


def element_head(name: str, process: str, body: Iterable[Operation]) -> list[str]:
    """About the module of an unrolled loop's body."""
    return [
        f"{name}: the body of an unrolled loop of {process}{_from(_range(body))}; an instance for each iteration.",
        "  enable_s2: an iteration is in stage 2 of the pipeline around it. There is no reset.",
    ]


def source_range(func: FuncOp) -> str:
    """``file:first-last``, the lines of the kernel that a function comes from; empty where they are not known."""
    module = func.parent_op()
    assert isinstance(module, ModuleOp)
    called = {op.callee.string_value() for op in func.walk() if isinstance(op, CallOp)}
    ranges = [source_range(f) for f in module.ops if isinstance(f, FuncOp) and f.sym_name.data in called]
    own = _range(func.walk())
    return _merged([own, *ranges])


def _range(ops: Iterable[Operation]) -> str:
    return _merged([text(op, "src") for op in ops])


def _merged(places: Iterable[str]) -> str:
    """One range per file of places ``file:line`` and ``file:first-last``."""
    files: dict[str, list[int]] = {}
    for place in places:
        for part in place.split(", ") if place else ():
            file, _, lines = part.rpartition(":")
            files.setdefault(file, []).extend(int(line) for line in lines.split("-") if line.isdigit())
    spans = {file: (min(lines), max(lines)) for file, lines in files.items() if lines}
    return ", ".join(
        f"{file}:{first}-{last}" if last > first else f"{file}:{first}"
        for file, (first, last) in spans.items()
    )


def _from(place: str) -> str:
    return f", {place}" if place else ""


def instances(func: FuncOp) -> Iterable[tuple[str, str]]:
    """Region and label of each instance of a process."""
    module = func.parent_op()
    assert isinstance(module, ModuleOp)
    for region in regions(module):
        for op in region.body.block.ops:
            if isinstance(op, CallOp) and op.callee.string_value() == func.sym_name.data:
                yield region.sym_name.data, text(op, "instance") or func.sym_name.data


def _listed(names: list[str]) -> str:
    if len(names) > 8:
        return f"{', '.join(names[:3])} ... {names[-1]} ({len(names)})"
    return ", ".join(names)
