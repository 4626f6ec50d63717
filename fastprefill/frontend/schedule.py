"""The schedule object that a unit's ``schedule`` function gets: Allo's primitives, as attributes of the IR."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from xdsl.dialects.builtin import ArrayAttr, IntegerAttr, StringAttr, i32
from xdsl.ir import Operation

from fastprefill.errors import KernelError
from fastprefill.frontend.process import Local, Loop, Process
from fastprefill.frontend.source import Source

_ELSEWHERE = {
    "split": "write the two loops in the kernel",
    "reorder": "write the loops in that order in the kernel",
    "fuse": "write one loop; nests are flattened anyway",
    "unfold": "use mapping=[...] for copies of a kernel, or s.unroll",
    "parallel": "use s.unroll, or kernels that run side by side",
    "inline": "helper functions are always inlined",
    "dataflow": "kernels of a region always run side by side",
    "compute_at": "merge the loops in the kernel",
    "buffer_at": "declare the local array in the kernel",
    "reuse_at": "declare the line or window buffer in the kernel",
    "reshape": "declare the array with that shape",
    "to": "declare a Stream in the region",
    "compose": "call pipeline, unroll and partition with 'kernel:loop' and 'kernel:array' names",
    "get_loops": "name loops as 'kernel:loop'",
    "build": "use 'fastprefill compile'",
}
_KINDS = {"complete": "complete", "block": "block", "cyclic": "cyclic"}


class Schedule:
    """Schedules the loops and arrays of a unit's kernels, named ``"kernel:loop"`` and ``"kernel:array"``."""

    def __init__(self, processes: Sequence[Process], streams: Mapping[str, Operation]) -> None:
        self._processes = processes
        self._streams = streams

    def pipeline(self, axis: str, initiation_interval: int = 1, rewind: bool = False) -> None:
        """Start an iteration of a loop every `initiation_interval` cycles."""
        number = _integer(initiation_interval, "pipeline", axis, "initiation_interval", 1)
        for loop in self._loops("pipeline", axis):
            loop.op.attributes["pipeline_ii"] = IntegerAttr(number, i32)

    def unroll(self, axis: str, factor: int = 0) -> None:
        """Execute `factor` iterations of a loop at once, all of them for 0."""
        number = _integer(factor, "unroll", axis, "factor", 0)
        for loop in self._loops("unroll", axis):
            if loop.op.name == "scf.while":
                raise _error(f"s.unroll('{axis}') of a while loop; write the iterations in its body")
            if number == 0 and not loop.static:
                raise _error(
                    f"s.unroll('{axis}') of a loop whose trip count is known only at run time; give a factor"
                )
            loop.op.attributes["unroll"] = IntegerAttr(number, i32)

    def partition(self, target: str, partition_type: Any = "complete", dim: int = 0, factor: int = 0) -> None:
        """Split an array into banks along dimension `dim` (1-based, 0 for all)."""
        kind = _KINDS.get(str(getattr(partition_type, "name", partition_type)).lower())
        if kind is None:
            raise _error(
                f"s.partition('{target}') with partition_type {partition_type!r}; "
                f"write Partition.Complete, Partition.Block or Partition.Cyclic"
            )
        banks = _integer(factor, "partition", target, "factor", 0)
        if kind != "complete" and banks < 2:
            raise _error(f"s.partition('{target}') {kind} with factor {factor}; give a factor of 2 or more")
        word = kind if kind == "complete" else f"{kind} {banks}"
        for local in self._arrays(target):
            if not isinstance(dim, int) or not 0 <= dim <= len(local.shape):
                raise _error(
                    f"s.partition('{target}') along dim {dim}; the array has dimensions 1 to {len(local.shape)} "
                    f"(0 is all)"
                )
            op = self._streams.get(local.stream) if local.stream else local.op
            if op is None:
                raise _error(
                    f"s.partition('{target}'): the array belongs to the port '{local.stream}', whose other end is "
                    f"outside of the unit"
                )
            _set_partition(op, local, dim, word)

    def _loops(self, primitive: str, axis: str) -> list[Loop]:
        kernels, name = self._kernels(primitive, axis)
        found = [loop for process in kernels for loop in process.loops if loop.name == name]
        known = {f"{p.kernel}:{loop.name}" for p in self._processes for loop in p.loops}
        _one_place(primitive, axis, "loop", [(loop.place, loop.name) for loop in found], known)
        return found

    def _arrays(self, target: str) -> list[Local]:
        kernels, name = self._kernels("partition", target)
        found = [local for process in kernels for local in process.locals if local.name == name]
        known = {f"{p.kernel}:{local.name}" for p in self._processes for local in p.locals}
        _one_place("partition", target, "array", [(local.place, local.name) for local in found], known)
        return found

    def _kernels(self, primitive: str, target: object) -> tuple[list[Process], str]:
        if not isinstance(target, str) or target.count(":") != 1:
            raise _error(f"s.{primitive}({target!r}); name it as 'kernel:name'")
        kernel, name = target.split(":")
        found = [process for process in self._processes if process.kernel == kernel]
        if not found:
            raise _error(
                f"s.{primitive}('{target}'): no kernel '{kernel}'; {_known({p.kernel for p in self._processes})}"
            )
        return found, name

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        instead = _ELSEWHERE.get(name, "the primitives are pipeline, unroll and partition")
        raise _error(f"schedule primitive '{name}' is not built; {instead}")


def _error(message: str) -> KernelError:
    """The error that points at the line of the schedule function which called a primitive."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    if frame is None:
        return KernelError(message)
    return KernelError(message, f"{Source(frame.f_code.co_filename).shown}:{frame.f_lineno}")


def _integer(value: object, primitive: str, target: object, what: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise _error(f"s.{primitive}({target!r}) with {what} {value!r}; write an integer of at least {least}")
    return int(value)


def _known(names: Iterable[str]) -> str:
    listed = ", ".join(sorted(names))
    return f"known: {listed}" if listed else "there are none"


def _one_place(
    primitive: str, target: str, what: str, found: list[tuple[tuple[str, int, int], str]], known: set[str]
) -> None:
    if not found:
        raise _error(f"s.{primitive}('{target}'): no such {what}; {_known(known)}")
    lines = sorted({line for (_, line, _), _ in found})
    if len({place for place, _ in found}) > 1:
        raise _error(
            f"s.{primitive}('{target}') names {len(lines)} {what}s, at lines {', '.join(map(str, lines))}; "
            f"give them different names"
        )


def _set_partition(op: Operation, local: Local, dim: int, word: str) -> None:
    present = op.attributes.get("partition")
    words = ["none"] * len(local.shape)
    if isinstance(present, ArrayAttr):
        words = [entry.data for entry in present if isinstance(entry, StringAttr)]
    for position in range(len(words)) if dim == 0 else [dim - 1]:
        if words[position] not in ("none", word):
            raise _error(
                f"array '{local.name}' is partitioned '{words[position]}' and '{word}' along dimension "
                f"{position + 1}; keep one of them"
            )
        words[position] = word
    op.attributes["partition"] = ArrayAttr([StringAttr(entry) for entry in words])
