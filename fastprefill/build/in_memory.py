"""The memory side of a system's project: C++ with its movers, test vectors, and what links it to a board's memory."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xdsl.dialects.builtin import ModuleOp

from fastprefill import boards, resources
from fastprefill.boards import Board
from fastprefill.build import deploy
from fastprefill.errors import FastprefillError
from fastprefill.system.mover import Memory, MemoryCase
from fastprefill.system.ports import ports
from fastprefill.targets.vitis_hls.in_memory import MOVERS, STATUS, emit_in_memory, top_name

FOLDER = "memory"
VECTORS = f"{FOLDER}/vectors"


@dataclass(frozen=True)
class Buffer:
    """A buffer in memory.

    Attributes:
        name: the scalar with its byte address.
        ports: of the kernel, that reach it.
        first, last: memory channels that it lies in.
        memory: as the vendor's link takes it, ``HBM[1:5]``.
    """

    name: str
    ports: tuple[str, ...]
    first: int
    last: int
    memory: str


def buffers(memory: Memory, board: boards.Memory) -> list[Buffer]:
    """Each buffer in channels of its own: one, and of those that are left as many as its share of the bytes.

    Raises:
        FastprefillError: there are more buffers than channels.
    """
    spare, total = board.ports - len(memory.buffers), sum(memory.buffers.values())
    if spare < 0:
        raise FastprefillError(
            f"{len(memory.buffers)} buffers and {board.ports} channels of {board.name}; each needs one of its own"
        )
    found, at = list[Buffer](), 0
    for name, weight in memory.buffers.items():
        ports = memory.ports_of(name)
        if name == list(memory.buffers)[-1] and memory.status:
            ports.append(STATUS)
        last = at + (spare * weight // total if total else 0)
        where = f"{board.name}[{at}]" if last == at else f"{board.name}[{at}:{last}]"
        found.append(Buffer(name, tuple(ports), at, last, where))
        at = last + 1
    return found


def shared_ports(memory: Memory, count: int) -> dict[str, int]:
    """Port of the kernel -> port of a memory that all of them reach alike: the least loaded one, largest first."""
    weights = {port: weight for name, weight in memory.buffers.items() for port in memory.ports_of(name)}
    if memory.status:
        weights[STATUS] = 0
    loads, found = [0] * count, {}
    for port in sorted(weights, key=lambda port: -weights[port]):
        found[port] = loads.index(min(loads))
        loads[found[port]] += weights[port] or 1
    return {port: found[port] for port in weights}


def files(module: ModuleOp, memory: Memory, cases: Sequence[MemoryCase], board: Board) -> dict[str, bytes]:
    """The folder ``memory/`` with C++ and vectors, and ``bitstream/`` where the board has a build.

    Args:
        module: of the system, linked.
        memory: its movers, buffers and status outputs.
        cases: runs for the testbench.
        board: its first memory is what the buffers lie in.

    Raises:
        FastprefillError: what ``emit_in_memory`` refuses, or a board whose memory cannot serve the buffers.
    """
    made = {f"{FOLDER}/{path}": text.encode() for path, text in emit_in_memory(module, memory, board=board).items()}
    for case in cases:
        made |= {f"{VECTORS}/{case.name}/{path}": content for path, content in case.files().items()}
    folder = deploy.build_folder(board)
    if folder is not None:
        made |= {path: text.encode() for path, text in _bitstream(folder, module, memory, board).items()}
    return made


def _bitstream(folder: Path, module: ModuleOp, memory: Memory, board: Board) -> dict[str, str]:
    if not board.memories:
        raise FastprefillError(
            f"board '{board.name}' has no [[memory]]: its bitstream needs one that the host and the kernel share"
        )
    unit = ports(module).name
    first, top = board.memories[0], top_name(unit)
    sources = [f"../{FOLDER}/{name}" for name in (f"{top}.cpp", f"{top}.h", MOVERS)]
    context: dict[str, Any] = {
        "unit": top, "board": board, "platform": board.platform, "memory": first, "sources": sources,
        "source": f"../{sources[0]}",
    }  # fmt: skip
    own = folder / "memory"
    steps = tomllib.loads(deploy.render(own, f"{deploy.STEPS}.j2", context))
    if steps["device"] == "xrt":
        context["buffers"] = buffers(memory, first)
    else:
        shared = shared_ports(memory, first.ports)
        context["ports"] = [
            [port for port, number in shared.items() if number == one] for one in range(first.ports)
        ]
    context |= deploy.tool_context(board, steps)
    made = {
        f"bitstream/{deploy.named(template, context)}": deploy.render(own, template, context)
        for template in sorted(path.name for path in own.glob("*.j2"))
    }
    made["bitstream/Makefile"] = deploy.render(resources.path("bitstreams/common"), "Makefile.j2", context)
    return made


def readme(unit: str, board: Board, files: Mapping[str, bytes]) -> str:
    """The part of a project's README about memory and board; empty where the project has none."""
    if not any(path.startswith(f"{FOLDER}/") for path in files):
        return ""
    top = top_name(unit)
    text = f"""
## From memory to memory

`{FOLDER}/{top}.cpp` is `{unit}` with its movers: a Vitis kernel whose ports are memory (m_axi), each with the commands
and beats of one mover. Its testbench fills a memory, starts it once and compares every byte afterwards;
`fastprefill csim .` runs it on all of `{VECTORS}/`.
"""
    if f"bitstream/{deploy.STEPS}" not in files:
        return text
    return (
        text
        + f"""
**No vendor tool and no board has run this where the project was generated.** It needs {deploy.needs(board)}.

    make -C bitstream         # logs in bitstream/build/
    fastprefill bitstream .   # the same, but looks for tools and versions first and explains what a log says

The kernel is compiled from the C++; which buffer lies in which memory channel is in `bitstream/`. A pointer is the
beginning of a buffer, and the addresses among the scalars are offsets in it. There is no host program yet.
"""
    )
