"""fuse-lanes: join unrolled loops over the same lanes in a body, so that a lane is one processing element."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith, memref, scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.rewriter import Rewriter

from fastprefill.ir.dialect import AcquireOp, ReleaseOp
from fastprefill.ir.pipe import BodyOp, FirstOp, LastOp, LiveOp, StoreOp, WindowOp
from fastprefill.ir.query import PURE_ARITH, constant, is_lane_loop, processes, strip_casts, text
from fastprefill.passes.base import Pass
from fastprefill.passes.delays import is_wire
from fastprefill.passes.lanes import only_chooses

_FREE = PURE_ARITH | {FirstOp, LastOp, LiveOp}
"""Ops that may stand anywhere behind their operands."""


@dataclass(frozen=True)
class FuseLanes(Pass):
    """Make lane nests perfect, then move each into the next one over the same lanes where nothing forbids it."""

    name = "fuse-lanes"
    summary = "lane loops over the same lanes become one, the body of a processing element"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for func in processes(op):
            for body in [inner for inner in func.walk() if isinstance(inner, BodyOp)]:
                for loop in list(body.body.block.ops):
                    if isinstance(loop, scf.ForOp):
                        _make_perfect(loop)
                _fuse(body.body.block)


def nest(loop: scf.ForOp) -> list[scf.ForOp]:
    """The loops of a perfect lane nest, outermost first."""
    loops = [loop]
    while True:
        first = loops[-1].body.block.first_op
        if not (isinstance(first, scf.ForOp) and is_lane_loop(first)):
            return loops
        loops.append(first)


def _make_perfect(loop: scf.ForOp) -> None:
    """Move pure ops beside an inner lane loop into it, when it is the only inner loop."""
    block = loop.body.block
    inner = [op for op in block.ops if isinstance(op, scf.ForOp)]
    if len(inner) != 1:
        return
    target = inner[0]
    for operand in target.operands:  # constants of the bounds move out
        owner = operand.owner
        if isinstance(owner, Operation) and owner.parent_block() is block:
            owner.detach()
            outer = loop.parent_block()
            assert outer is not None
            outer.insert_op_before(owner, loop)
    others = [op for op in block.ops if op is not target and not isinstance(op, scf.YieldOp)]
    before = list(block.ops)
    position = before.index(target)
    if all((type(op) in PURE_ARITH or isinstance(op, memref.LoadOp)) and before.index(op) < position for op in others):
        anchor = target.body.block.first_op
        assert anchor is not None
        for op in others:
            op.detach()
            target.body.block.insert_op_before(op, anchor)
    _make_perfect(target)


def _fuse(block: Block) -> None:
    loops = [op for op in block.ops if isinstance(op, scf.ForOp)]
    for number, first in enumerate(loops):
        for second in loops[number + 1 :]:
            if not (
                _bounds(first) == _bounds(second)
                and _share_an_array(first, second)
                and _elementwise(first, second)
            ):
                continue
            if _takes_out(first, second):
                continue
            if not _may_sink(first, second, block):
                needed = _hoistable(first, second, block)
                if needed is None:
                    continue
                for op in needed:
                    op.detach()
                    block.insert_op_before(op, first)
                second.detach()
                block.insert_op_after(second, first)
            _merge(first, second)
            break


def _takes_out(first: scf.ForOp, second: scf.ForOp) -> bool:
    """Whether lanes only move what others finish to arrays that these do not know: that stays outside the elements."""
    return (
        not _computes(first)
        and _computes(second)
        and not _touched(first)[1] & set().union(*_touched(second))
    )


def _computes(loop: scf.ForOp) -> bool:
    """Whether lanes do more than choose and move elements."""
    moves = (memref.LoadOp, StoreOp, arith.ConstantOp, scf.ForOp, scf.YieldOp)
    return any(not (isinstance(op, moves) or only_chooses(op) or is_wire(op)) for op in loop.walk())


def _share_an_array(first: scf.ForOp, second: scf.ForOp) -> bool:
    return bool(set().union(*_touched(first)) & set().union(*_touched(second)))


def _bounds(loop: scf.ForOp) -> list[tuple[int | None, ...]]:
    return [tuple(constant(v) for v in level.operands) for level in nest(loop)]


def _touched(op: Operation) -> tuple[set[SSAValue], set[SSAValue]]:
    """Arrays read and written by an op and what is inside it."""
    read = {o.memref for o in op.walk() if isinstance(o, memref.LoadOp)}
    written = {o.memref for o in op.walk() if isinstance(o, StoreOp)}
    return read, written


def _between(first: scf.ForOp, second: scf.ForOp, block: Block) -> list[Operation]:
    ops = list(block.ops)
    return ops[ops.index(first) + 1 : ops.index(second)]


def _pass(loop: scf.ForOp, others: list[Operation]) -> bool:
    """Whether a loop may change places with other ops.

    None of them may touch what the loop writes, write what it reads, or take or hand on a buffer that it uses.
    """
    read, written = _touched(loop)
    held = {array.owner.stream for array in read | written if isinstance(array.owner, WindowOp)}
    for op in others:
        if isinstance(op, AcquireOp | ReleaseOp) and op.stream in held:
            return False
        op_read, op_written = _touched(op)
        if (op_read | op_written) & written or op_written & read:
            return False
    return True


def _may_sink(first: scf.ForOp, second: scf.ForOp, block: Block) -> bool:
    """Whether `first` may move down to `second`."""
    return _pass(first, _between(first, second, block))


def _hoistable(first: scf.ForOp, second: scf.ForOp, block: Block) -> list[Operation] | None:
    """What must move up together with `second` for it to follow `first`; None when it may not."""
    between = _between(first, second, block)
    needed: set[Operation] = set()
    waiting = [value for op in second.walk() for value in op.operands]
    while waiting:
        owner = waiting.pop().owner
        if owner not in between or owner in needed:
            continue
        if not isinstance(owner, Operation) or type(owner) not in _FREE:
            return None
        needed.add(owner)
        waiting += owner.operands
    if not _pass(second, [op for op in between if op not in needed]):
        return None
    return [op for op in between if op in needed]


def _elementwise(first: scf.ForOp, second: scf.ForOp) -> bool:
    """Whether every array that both touch, and one writes, is used by each lane at the lane's own element."""
    first_loops, second_loops = nest(first), nest(second)
    variables: dict[SSAValue, int] = {
        loop.body.block.args[0]: number
        for loops in (first_loops, second_loops)
        for number, loop in enumerate(loops)
    }
    indices: dict[SSAValue, set[tuple[object, ...]]] = {}
    owners: dict[SSAValue, set[int]] = {}
    written: set[SSAValue] = set()
    for which, loop in enumerate((first, second)):
        for op in loop.walk():
            if isinstance(op, memref.LoadOp | StoreOp):
                tagged = tuple(_tag(i, variables) for i in op.indices)
                indices.setdefault(op.memref, set()).add(tagged)
                owners.setdefault(op.memref, set()).add(which)
                if isinstance(op, StoreOp):
                    written.add(op.memref)
    depth = len(first_loops)
    for array in written:
        if owners[array] != {0, 1}:
            continue
        if len(indices[array]) != 1:
            return False
        (only,) = indices[array]
        if not all(("lane", number) in only for number in range(depth)):
            return False
    return True


def _tag(index: SSAValue, variables: dict[SSAValue, int]) -> object:
    """A subscript that can be compared across two lane loops."""
    inner = strip_casts(index)
    if inner in variables:
        return ("lane", variables[inner])
    number = constant(index)
    return index if number is None else number


def _merge(first: scf.ForOp, second: scf.ForOp) -> None:
    """Put the ops of `first` in front of those of `second`."""
    mine, theirs = nest(first), nest(second)
    for old, new in zip(mine, theirs, strict=True):
        old.body.block.args[0].replace_all_uses_with(new.body.block.args[0])
    source, target = mine[-1].body.block, theirs[-1].body.block
    anchor = target.first_op
    assert anchor is not None
    for op in list(source.ops):
        if not isinstance(op, scf.YieldOp):
            op.detach()
            target.insert_op_before(op, anchor)
    if not text(second, "src") and "src" in first.attributes:
        second.attributes["src"] = first.attributes["src"]
    Rewriter.erase_op(first)
