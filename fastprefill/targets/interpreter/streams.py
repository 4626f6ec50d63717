"""``fp.get``, ``put``, ``acquire`` and ``release``: where a process may wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Operation, SSAValue

from fastprefill.errors import FastprefillError
from fastprefill.ir import query
from fastprefill.ir.dialect import AcquireOp, GetOp, PutOp, ReleaseOp
from fastprefill.targets.interpreter.builder import ArrayInfo
from fastprefill.targets.interpreter.values import NotVector, full

if TYPE_CHECKING:
    from fastprefill.targets.interpreter.process import ProcessBuilder


@dataclass(frozen=True)
class Wait:
    """A place where a process may wait.

    Attributes:
        argument: index of the stream among the process's arguments.
        reads: True when it waits for a token or a full buffer, False for room or a free buffer.
        src: ``file:line``.
    """

    argument: int
    reads: bool
    src: str


def get(builder: ProcessBuilder, op: Operation) -> None:
    """``fp.get``; where a predicate is false the value is 0."""
    assert isinstance(op, GetOp)
    width, text = query.width(op.value), builder.name("t")
    if op.predicate is None:
        _take(builder, op, text)
    else:
        builder.emit(f"{text} = {'False' if width == 1 else '0'}")
        with builder.block(f"if {builder.value(op.predicate).text}:"):
            _take(builder, op, text)
    builder.values[op.value] = full(text, width)


def put(builder: ProcessBuilder, op: Operation) -> None:
    """``fp.put``."""
    assert isinstance(op, PutOp)
    if op.predicate is None:
        _give(builder, op)
    else:
        with builder.block(f"if {builder.value(op.predicate).text}:"):
            _give(builder, op)


def acquire(builder: ProcessBuilder, op: Operation) -> None:
    """``fp.acquire``: the next free buffer, all unwritten, or the oldest full one."""
    assert isinstance(op, AcquireOp) and isinstance(op.block.type, MemRefType)
    _refuse_predicate(op, op.predicate)
    reads = op.mode.data == "read"
    queue = "{s}_items" if reads else "{s}_free"
    stream = _wait(builder, op, op.stream, f"not {queue}", reads=reads)
    width, label = query.width(op.block.type.element_type), query.array_name(op.block)
    info = ArrayInfo(builder.name(label), label, op.block.type.get_shape(), width, lanes=width <= 64)
    builder.arrays[op.block] = info
    builder.emit(f"{info.text} = {queue.format(s=stream)}.popleft()")
    if not reads:
        builder.emit(f"{info.text}.reset()")
    builder.emit(f"{info.text}.name = {label!r}")
    builder.emit(f"{info.data} = {info.text}.data")


def release(builder: ProcessBuilder, op: Operation) -> None:
    """``fp.release``: to the other end."""
    assert isinstance(op, ReleaseOp)
    _refuse_predicate(op, op.predicate)
    if builder.nest:
        raise NotVector(f"'{op.name}' in the loop")
    index, stream = builder.streams[op.stream]
    owner = op.block.owner
    reads = isinstance(owner, AcquireOp) and owner.mode.data == "read"
    builder.emit(f"{stream}_{'free' if reads else 'items'}.append({builder.arrays[op.block].text})")
    if not reads:
        builder.emit(f"puts_{index} += 1")


def _take(builder: ProcessBuilder, op: GetOp, text: str) -> None:
    stream = _wait(builder, op, op.stream, "not {s}_items", reads=True)
    builder.emit(f"{text} = {stream}_items.popleft()")


def _give(builder: ProcessBuilder, op: PutOp) -> None:
    stream = _wait(builder, op, op.stream, "len({s}_items) >= {s}_depth", reads=False)
    builder.emit(f"{stream}_items.append({builder.value(op.value).text})")
    builder.emit(f"puts_{builder.streams[op.stream][0]} += 1")


def _wait(builder: ProcessBuilder, op: Operation, stream: SSAValue, condition: str, *, reads: bool) -> str:
    """Wait while `condition` holds; returns the name of the stream."""
    if builder.nest:
        raise NotVector(f"'{op.name}' in the loop")
    index, text = builder.streams[stream]
    builder.emit(f"while {condition.format(s=text)}: yield {len(builder.waits)}")
    builder.waits.append(Wait(index, reads, query.text(op, "src", "?")))
    return text


def _refuse_predicate(op: Operation, predicate: SSAValue | None) -> None:
    if predicate is not None:
        raise FastprefillError(
            f"the interpreter does not run '{op.name}' with a predicate; run it before flatten"
        )
