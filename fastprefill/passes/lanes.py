"""Values that are known for each lane of an unrolled loop when the hardware is built."""

from __future__ import annotations

from xdsl.dialects import arith
from xdsl.ir import BlockArgument, Operation, SSAValue

from fastprefill.ir.query import is_lane_loop, strip_casts, width

FOLDED = (
    arith.AddiOp,
    arith.SubiOp,
    arith.MuliOp,
    arith.IndexCastOp,
    arith.ExtSIOp,
    arith.TruncIOp,
)


_PLAIN = frozenset(FOLDED)  # asked of every bit of every lane, where isinstance would take most of the time


_CHOOSING = (arith.SelectOp, arith.CmpiOp, arith.AndIOp, arith.OrIOp, arith.XOrIOp)


def only_chooses(op: Operation) -> bool:
    """Whether an op does no more than choose: a selection, or a condition of one bit."""
    return isinstance(op, _CHOOSING) and (isinstance(op, arith.SelectOp) or width(op.results[0]) == 1)


def is_lane_constant(value: SSAValue) -> bool:
    """Constants, variables of unrolled loops, and sums, products and casts of these."""
    value = strip_casts(value)
    if isinstance(value, BlockArgument):
        parent = value.block.parent_op()
        return parent is not None and is_lane_loop(parent)
    op = value.owner
    if type(op) is arith.ConstantOp:
        return True
    if type(op) not in _PLAIN or not isinstance(op, Operation):
        return False
    return all(is_lane_constant(operand) for operand in op.operands)
