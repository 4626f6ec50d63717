"""How long operators take: a model from the board's delay table, not a timing analysis."""

from __future__ import annotations

from math import ceil, log2, prod

from xdsl.dialects import arith, memref
from xdsl.ir import Operation

from fastprefill.boards import Board
from fastprefill.ir.dialect import GetSliceOp, SetSliceOp
from fastprefill.ir.pipe import CascadeOp, FirstOp, LastOp, LiveOp
from fastprefill.ir.query import constant, is_scalar_argument, width
from fastprefill.passes.lanes import is_lane_constant
from fastprefill.passes.storage import storage_of

_WIRES = frozenset({arith.ExtSIOp, arith.ExtUIOp, arith.TruncIOp, arith.IndexCastOp, arith.ConstantOp})
_SLICES = frozenset({GetSliceOp, SetSliceOp})
_SHIFTS = frozenset({arith.ShLIOp, arith.ShRSIOp, arith.ShRUIOp})
_PRODUCTS = frozenset({arith.MuliOp, arith.DivUIOp, arith.RemUIOp})
_SUMS = frozenset({arith.AddiOp, arith.SubiOp})


def is_wire(op: Operation) -> bool:
    """Ops that cost nothing: changes of width, constants, slices and shifts by constants."""
    kind = type(op)
    if kind in _WIRES:
        return True
    if kind in _SLICES:
        return is_lane_constant(op.operands[1])
    if kind in _SHIFTS:
        return constant(op.operands[1]) is not None
    if kind in _PRODUCTS:
        factor = constant(op.operands[1])
        return is_lane_constant(op.results[0]) or (
            factor is not None and factor > 0 and factor & (factor - 1) == 0
        )
    return kind in _SUMS and is_lane_constant(op.results[0])


def is_multiplier(op: Operation) -> bool:
    """Products that are built as multipliers, with a register in front and behind."""
    if isinstance(op, CascadeOp):
        return True
    return type(op) in _PRODUCTS and not is_wire(op)


def delay(op: Operation, board: Board) -> float:
    """Delay of a combinational op in ns; wires 0. Of a load or store without its address, see ``addresses.py``."""
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
            return 0.0 if is_scalar_argument(op.memref) else read_delay(op, board)
    return d.lut


def read_delay(op: memref.LoadOp, board: Board) -> float:
    """Delay in ns from the address to the data of a load, or from the clock where the memory reads at the clock.

    Banks that are only known at run time have multiplexers behind them.
    """
    d, storage = board.delays, storage_of(op.memref)
    dynamic = [not is_lane_constant(index) for index in op.indices]
    if storage.memory == "rom":
        return d.lut * max(1, ceil(log2(max(2, prod(storage.shape))) / 2 - 2)) if any(dynamic) else 0.0
    choices = prod(factor for factor, chosen in zip(storage.factors, dynamic, strict=True) if chosen)
    multiplexers = d.lut * ceil(log2(choices) / 2)
    return {"register": 0.0, "distributed": 2 * d.lut}.get(storage.memory, d.bram) + multiplexers
