"""What is known of a value before the hardware runs: its number in a lane, whether it is wires alone, its name."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from xdsl.dialects import arith, memref
from xdsl.ir import Operation, SSAValue

from fastprefill.ir.dialect import AcquireOp, GetOp, GetSliceOp, PutOp, ReleaseOp, SetSliceOp
from fastprefill.ir.pipe import StoreOp
from fastprefill.ir.query import array_name, constant, is_lane_loop, is_scalar_argument, strip_casts, width
from fastprefill.passes.lanes import FOLDED, is_lane_constant

Lane = dict[SSAValue, int]
"""Loop variable of each unrolled loop around an op -> its value."""

_View = arith.ExtSIOp | arith.ExtUIOp | arith.IndexCastOp | GetSliceOp
_OPERATORS: dict[type, Callable[[int, int], int]] = {
    arith.AddiOp: operator.add,
    arith.SubiOp: operator.sub,
    arith.MuliOp: operator.mul,
}

_RESULTS = {
    arith.AddiOp: "sum",
    arith.SubiOp: "difference",
    arith.MuliOp: "product",
    arith.DivUIOp: "quotient",
    arith.RemUIOp: "remainder",
    arith.SelectOp: "chosen",
}


def name_of(value: SSAValue) -> str:
    """What a value is called in hardware: the user's name for it, else what it is for, else what it is."""
    if value.name_hint:
        return value.name_hint
    for use in value.uses:
        op = use.operation
        if isinstance(op, StoreOp) and op.predicate is value:
            return f"{array_name(op.memref)}_write"
        if isinstance(op, PutOp | GetOp | AcquireOp | ReleaseOp) and op.predicate is value:
            return f"{array_name(op.stream)}_wanted"
    owner = value.owner
    if isinstance(owner, memref.LoadOp):
        return array_name(owner.memref)
    if isinstance(owner, GetOp):
        return array_name(owner.stream)
    return _RESULTS.get(type(owner), "condition" if width(value) == 1 else "bits")


@lru_cache(maxsize=1 << 16)
def is_view(op: Operation) -> bool:
    """Ops that are wires in every stage."""
    if isinstance(op, SetSliceOp):
        return _is_word(op)
    return isinstance(op, _View) and (not isinstance(op, GetSliceOp) or is_lane_constant(op.lo))


@lru_cache(maxsize=1 << 16)  # words are put together of hundreds of parts
def _is_word(op: SetSliceOp) -> bool:
    """Whether a slice is put into a constant, or into a word of slices put into a constant."""
    owner = op.value.owner
    return is_lane_constant(op.lo) and (
        isinstance(owner, arith.ConstantOp) or (isinstance(owner, SetSliceOp) and _is_word(owner))
    )


def is_scalar_load(op: object) -> bool:
    """A load of a run-time scalar: stable during a run."""
    return isinstance(op, memref.LoadOp) and is_scalar_argument(op.memref)


def lanes_around(op: Operation) -> tuple[SSAValue, ...]:
    """Loop variables of the unrolled loops around an op, outermost first."""
    found: list[SSAValue] = []
    at = op.parent_op()
    while at is not None:
        if is_lane_loop(at):
            found.append(at.regions[0].block.args[0])
        at = at.parent_op()
    return tuple(reversed(found))


def lane_number(value: SSAValue, lane: Lane) -> int | None:
    """The number of a value that is known when the hardware is built, in this lane."""
    return _evaluated(_known(value), lane)


@dataclass(frozen=True, slots=True)
class _Sum:
    """A sum, difference or product, or with one operand a change of width, of `bits` bits."""

    kind: type
    bits: int
    operands: tuple[_Known, ...]


_Known = int | SSAValue | _Sum | None
"""A number, the variable of an unrolled loop, what is computed from these; None: not known before the hardware runs."""


@lru_cache(maxsize=1 << 16)  # asked for every bit of every lane, while what is known is the same for all lanes
def _known(value: SSAValue) -> _Known:
    value = strip_casts(value)
    op = value.owner
    if type(op) is arith.ConstantOp:
        number = constant(value)
        return None if number is None else signed(number, width(value))
    if not isinstance(op, Operation):
        return value
    if not isinstance(op, FOLDED):
        return None
    operands = tuple(_known(operand) for operand in op.operands)
    return None if None in operands else _Sum(type(op), width(value), operands)


def _evaluated(known: _Known, lane: Lane) -> int | None:
    if known is None or isinstance(known, int):
        return known
    if not isinstance(known, _Sum):
        return lane.get(known)  # seen from inside a processing element, the variable of a lane is one of its ports
    number = _evaluated(known.operands[0], lane)
    if number is None:
        return None
    if len(known.operands) > 1:
        second = _evaluated(known.operands[1], lane)
        if second is None:
            return None
        number = _OPERATORS[known.kind](number, second)
    return signed(number, known.bits)  # what wraps here must be wrapped before it is extended elsewhere


def signed(number: int, bits: int) -> int:
    """The number that the lowest `bits` bits mean in two's complement."""
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number
