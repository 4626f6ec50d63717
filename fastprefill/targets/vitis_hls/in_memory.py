"""A system with its movers as a Vitis HLS project: a kernel with m_axi ports, and a testbench with a memory.

The system is a dataflow region as in ``emit``; a process around it, `serve`, runs it and then ends the movers, each a
process of its own that takes commands until it gets one of all ones. Every pointer is the beginning of the buffer that
its commands count from.
"""

from __future__ import annotations

from typing import Any

from xdsl.dialects.builtin import ModuleOp

from fastprefill import resources
from fastprefill.errors import FastprefillError
from fastprefill.extern.axi import Port
from fastprefill.ir.dialect import StreamType
from fastprefill.ir.query import strings
from fastprefill.system.mover import COMMAND_BITS, Memory, prefix
from fastprefill.targets.vitis_hls.channels import Argument, analyse
from fastprefill.targets.vitis_hls.emit import (
    BoardLike,
    check_pragmas,
    common,
    constants,
    functions,
    inner_top,
    render,
)
from fastprefill.targets.vitis_hls.names import Names
from fastprefill.targets.vitis_hls.pragmas import pragma
from fastprefill.targets.vitis_hls.region import outside_limits, refused_body
from fastprefill.targets.vitis_hls.validate import validate

MOVERS = "fp_axi_movers.h"
STATUS = "w_status"
"""The port through which the words of the status outputs go to memory."""

STATUS_BITS = 32
BURST, OUTSTANDING = 16, 16
"""As for the movers of a project's streams (``build.movers``)."""


def top_name(unit: str) -> str:
    """Of the kernel."""
    return f"{unit}_in_memory"


def emit_in_memory(module: ModuleOp, memory: Memory, *, board: BoardLike) -> dict[str, str]:
    """The HLS project of a system and its movers.

    Args:
        module: of the system, linked.
        memory: its movers and status outputs.
        board: part, clock and version of the vendor's tool.

    Returns:
        Text by path: ``<top>.cpp``, ``<top>.h``, ``<top>_tb.cpp``, ``run.tcl``, ``fp_axi_movers.h``; `top_name`.

    Raises:
        FastprefillError: what ``validate`` refuses, movers that do not fit the system's streams, or an output that
            neither a mover nor the status takes.
    """
    validate(module)
    found = analyse(module)
    if refused_body(found, "")[1]:
        raise FastprefillError(
            f"'{found.top.sym_name.data}' puts out words in a start that is refused, which no movers write yet"
        )
    unit = found.top.sym_name.data
    known = dict(zip(strings(found.top, "arg_names"), found.arguments[unit], strict=True))
    depths = {
        name: argument.type.depth.data
        for name, argument in zip(known, found.top.body.block.args, strict=True)
        if isinstance(argument.type, StreamType)
    }
    movers = [_mover(unit, name, memory, known) for name in memory.movers]
    served = {stream for one in movers for stream in one["streams"]} | set(memory.status)
    _check_all_served(unit, known, served)
    for name in memory.status:
        token = known[name].stream if name in known else None
        if token is None or token.width > STATUS_BITS:
            raise FastprefillError(f"'{unit}' has no output '{name}' of at most {STATUS_BITS} bits for its status")
    status = [(known[name], count) for name, count in memory.status.items()]
    names = Names(
        set(found.functions) | {one["name"] for one in movers} | {argument.name for argument in known.values()}
    )
    calls = {what: names.new(f"{unit}_{what}") for what in ("run", "serve", "moved", "report")}
    for one in movers:
        one["function"] = names.new(f"{unit}_{one['name']}")
    kernel = [*constants(module, found), *functions(module, found, lambda it, _: inner_top(it, calls["run"]))]
    scalars = [argument for argument in known.values() if argument.scalar is not None]
    top = top_name(unit)
    context: dict[str, object] = {
        **common(module, found, board),
        "unit": unit,
        "top": top,
        "cyclic": True,  # commands, beats and answers go round
        "signature": f'extern "C" {_signature(top, movers, status, scalars)}',
        "kernel": "\n".join(kernel),
        "calls": calls,
        "movers": movers,
        "status": status,
        "status_port": STATUS,
        "scalars": scalars,
        "arguments": found.arguments[unit],
        "channels": _channels(known, depths, memory),
        "refused": outside_limits(found),
        "interfaces": _interfaces(movers, status, scalars),
        "bits": max(one["bits"] for one in movers),
        "vectors": "vectors",
    }
    files = {
        f"{top}.cpp": render("in_memory.cpp.j2", context),
        f"{top}.h": render("kernel.h.j2", context),
        f"{top}_tb.cpp": render("in_memory_tb.cpp.j2", context),
        "run.tcl": render("run.tcl.j2", context),
        MOVERS: (resources.path("extern/cpp") / MOVERS).read_text(),
    }
    check_pragmas(files[f"{top}.cpp"])
    return files


def _mover(unit: str, name: str, memory: Memory, known: dict[str, Argument]) -> dict[str, Any]:
    """What the templates know of a mover."""
    mover = memory.movers[name]
    streams = [mover.commands, mover.beats, *([mover.done] if mover.done else [])]
    for stream in streams:
        if stream not in known or known[stream].stream is None:
            raise FastprefillError(f"mover '{name}': '{unit}' has no stream '{stream}'")
    beats, commands = known[mover.beats].stream, known[mover.commands].stream
    assert beats is not None and commands is not None
    if commands.width != (COMMAND_BITS if mover.bytes is None else 64):
        raise FastprefillError(f"mover '{name}': commands of {commands.width} bits in '{mover.commands}' of '{unit}'")
    Port(beats.width, 1, BURST, OUTSTANDING, BURST * OUTSTANDING)  # refuses a width that no port has
    return {
        "name": prefix(name, mover),
        "writes": mover.writes,
        "bits": beats.width,
        "bytes": mover.bytes,
        "streams": streams,
        "commands": known[mover.commands],
        "beats": known[mover.beats],
        "done": known[mover.done] if mover.done else None,
    }


def _check_all_served(unit: str, known: dict[str, Argument], served: set[str]) -> None:
    for name, argument in known.items():
        if argument.scalar is None and name not in served:
            raise FastprefillError(f"stream '{name}' of '{unit}' has no mover and is no status output")


def _channels(
    known: dict[str, Argument], depths: dict[str, int], memory: Memory
) -> list[tuple[Argument, int]]:
    """The streams between system and movers with their depths: beats wait for whole bursts, status for its words."""
    beats = {mover.beats for mover in memory.movers.values()}
    found = []
    for name, depth in depths.items():
        least = 2 * BURST if name in beats else memory.status.get(name, 2)
        found.append((known[name], max(depth, least)))
    return found


def _signature(
    top: str, movers: list[dict[str, Any]], status: list[tuple[Argument, int]], scalars: list[Argument]
) -> str:
    parameters = [
        f"{'' if one['writes'] else 'const '}ap_uint<{one['bits']}> *{one['name']}" for one in movers
    ]
    parameters += [f"ap_uint<{STATUS_BITS}> *{STATUS}"] if status else []
    parameters += [argument.parameter() for argument in scalars]
    return f"void {top}(\n    " + ",\n    ".join(parameters) + ")"


def _interfaces(
    movers: list[dict[str, Any]], status: list[tuple[Argument, int]], scalars: list[Argument]
) -> list[str]:
    """The interface pragmas of the kernel."""
    lines = []
    for one in movers:
        way = "write" if one["writes"] else "read"
        bursts = {f"max_{way}_burst_length": BURST, f"num_{way}_outstanding": OUTSTANDING}
        lines.append(
            pragma("INTERFACE", mode="m_axi", port=one["name"], bundle=one["name"], offset="slave", **bursts)
        )
    if status:
        lines.append(pragma("INTERFACE", mode="m_axi", port=STATUS, bundle=STATUS, offset="slave"))
    ports = [one["name"] for one in movers] + ([STATUS] if status else [])
    ports += [argument.name for argument in scalars] + ["return"]
    return lines + [pragma("INTERFACE", mode="s_axilite", port=port) for port in ports]
