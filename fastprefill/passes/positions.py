"""Comparisons of a loop variable with the ends of its loop: facts that the sequencer keeps in registers.

``i == low`` is true in the first iteration, ``i > low`` and ``i != low`` in the others, and ``i == high - 1`` in the
last one of a loop that counts by one. Loops with few iterations, known now, are left alone: comparing is a LUT.
"""

from __future__ import annotations

from xdsl.dialects import arith, memref, scf
from xdsl.dialects.builtin import IntegerAttr, i1
from xdsl.ir import Block, Operation, SSAValue

from fastprefill.ir.pipe import FirstOp, LastOp
from fastprefill.ir.query import (
    INDEX_BITS,
    constant,
    is_scalar_argument,
    strip_casts,
    text,
    trip_count,
    width,
)

_EQ, _NE, _SGT = 0, 1, 4


def position(op: arith.CmpiOp) -> Operation | None:
    """The fact that a comparison states, or its opposite; what it needs is inserted in front of the comparison.

    Both hold in iterations; a loop without any issues once with everything predicated off.
    """
    loop = _loop(op.lhs)
    predicate = op.predicate.value.data
    if loop is None or trip_count(loop) is not None:
        return None
    low, other = constant(loop.lb), constant(op.rhs)
    fact: FirstOp | LastOp
    step = constant(loop.step) or 0
    if step > 0 and low is not None and other == low and predicate in (_EQ, _NE, _SGT):
        fact = FirstOp(loop.body.block.args[0])
        fact.result.name_hint = f"{text(loop, 'loop_name')}_first"
    elif step == 1 and predicate in (_EQ, _NE) and _is_last(op.rhs, loop.ub):
        fact = LastOp(loop.body.block.args[0])
        fact.result.name_hint = f"{text(loop, 'loop_name')}_last"
    else:
        return None
    if predicate == _EQ:
        return fact
    block = op.parent_block()
    assert block is not None
    one = arith.ConstantOp(IntegerAttr(-1, i1))
    block.insert_ops_before([fact, one], op)
    return arith.XOrIOp(fact.result, one.result)


def _loop(value: SSAValue) -> scf.ForOp | None:
    """The loop whose variable a value is, behind casts that keep it."""
    value = _widened(value)
    if not isinstance(value.owner, Block):
        return None
    loop = value.owner.parent_op()
    return loop if isinstance(loop, scf.ForOp) and value is loop.body.block.args[0] else None


def _is_last(value: SSAValue, bound: SSAValue) -> bool:
    """Whether a value is one less than a bound, without having wrapped."""
    less, high = value.owner, strip_casts(bound)
    if not isinstance(less, arith.SubiOp) or constant(less.rhs) != 1 or width(value) <= INDEX_BITS:
        return False
    return _scalar(_widened(less.lhs)) is not None and _scalar(_widened(less.lhs)) is _scalar(high)


def _scalar(value: SSAValue) -> SSAValue | None:
    """The run-time scalar that a value is."""
    load = value.owner
    return load.memref if isinstance(load, memref.LoadOp) and is_scalar_argument(load.memref) else None


def _widened(value: SSAValue) -> SSAValue:
    """The value behind casts of signed numbers that lose nothing."""
    while isinstance(op := value.owner, arith.IndexCastOp | arith.ExtSIOp) and width(op.operands[0]) <= width(value):
        value = op.operands[0]
    return value
