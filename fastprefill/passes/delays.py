"""How long operators take: a model from the board's delay table, not a timing analysis."""

from __future__ import annotations

from math import ceil, log2, prod

from xdsl.dialects import arith, memref
from xdsl.ir import Operation

from fastprefill.boards import Board
from fastprefill.ir.dialect import GetSliceOp, SetSliceOp
from fastprefill.ir.pipe import CascadeOp, FirstOp, LastOp, LiveOp
from fastprefill.ir.query import constant, is_scalar_argument, strip_casts, width
from fastprefill.passes.storage import storage_of

Wire = (arith.ExtSIOp, arith.ExtUIOp, arith.TruncIOp, arith.IndexCastOp, arith.ConstantOp)


def is_wire(op: Operation) -> bool:
    """Ops that cost nothing: changes of width, constants, slices and shifts by constants."""
    if isinstance(op, Wire):
        return True
    if isinstance(op, GetSliceOp | SetSliceOp):
        return _is_lane_constant(op.operands[1])
    if isinstance(op, arith.ShLIOp | arith.ShRSIOp | arith.ShRUIOp):
        return constant(op.rhs) is not None
    if isinstance(op, arith.MuliOp | arith.DivUIOp | arith.RemUIOp):
        factor = constant(op.rhs)
        return _is_lane_constant(op.results[0]) or (
            factor is not None and factor > 0 and factor & (factor - 1) == 0
        )
    return isinstance(op, arith.AddiOp | arith.SubiOp) and _is_lane_constant(op.results[0])


def _is_lane_constant(value: object) -> bool:
    """Known for each lane when the hardware is built."""
    from xdsl.ir import BlockArgument, SSAValue

    from fastprefill.ir.query import is_lane_loop

    assert isinstance(value, SSAValue)
    value = strip_casts(value)
    if isinstance(value, BlockArgument):
        parent = value.block.parent_op()
        return parent is not None and is_lane_loop(parent)
    op = value.owner
    if isinstance(op, arith.ConstantOp):
        return True
    return isinstance(
        op, arith.AddiOp | arith.SubiOp | arith.MuliOp | arith.IndexCastOp | arith.ExtSIOp | arith.TruncIOp
    ) and all(_is_lane_constant(operand) for operand in op.operands)


is_lane_constant = _is_lane_constant


def is_multiplier(op: Operation) -> bool:
    """Products that are built as multipliers, with a register in front and behind."""
    if isinstance(op, CascadeOp):
        return True
    return isinstance(op, arith.MuliOp | arith.DivUIOp | arith.RemUIOp) and not is_wire(op)


def delay(op: Operation, board: Board) -> float:
    """Delay of a combinational op in ns; wires 0."""
    d = board.delays
    if is_wire(op):
        return 0.0
    match op:
        case arith.AddiOp() | arith.SubiOp():
            return d.lut + d.carry_per_bit * width(op.results[0])
        case arith.CmpiOp():
            return d.lut + d.carry_per_bit * width(op.lhs)
        case arith.AndIOp() | arith.OrIOp() | arith.XOrIOp() | arith.SelectOp():
            return d.lut
        case arith.ShLIOp() | arith.ShRSIOp() | arith.ShRUIOp() | GetSliceOp() | SetSliceOp():
            return d.lut * ceil(log2(max(2, width(op.operands[0]))) / 2)
        case FirstOp():
            return 0.0
        case LastOp() | LiveOp():
            return d.lut + d.carry_per_bit * 32
        case memref.LoadOp():
            return _load_delay(op, board)
    return d.lut


def _load_delay(op: memref.LoadOp, board: Board) -> float:
    d = board.delays
    if is_scalar_argument(op.memref):
        return 0.0
    storage = storage_of(op.memref)
    if storage.memory == "distributed":
        return 2 * d.lut
    if storage.memory == "rom":
        return (
            0.0
            if all(_is_lane_constant(i) for i in op.indices)
            else d.lut * max(1, ceil(log2(max(2, prod(storage.shape))) / 2 - 2))
        )
    if storage.memory == "register" and not all(_is_lane_constant(i) for i in op.indices):
        return d.lut * ceil(log2(max(2, storage.banks)) / 2)
    return 0.0
