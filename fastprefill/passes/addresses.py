"""Address arithmetic of arrays: what it is made of, and how long it takes.

A subscript of an array with `extent` elements needs only ``bits(extent)`` bits. From it come the bank, where the
dimension is partitioned, and the offset in the bank; the offsets of all dimensions, times their strides, add up to
the address. Products with constants are sums of shifted copies, one for each digit of the constant in canonical
signed digits (Reitwiesner, 1960), so that no multiplier or divider is needed. ``targets/rtl/addresses.py`` builds
exactly this.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil, log2, prod

from xdsl.dialects import memref
from xdsl.ir import SSAValue

from fastprefill.boards import Delays
from fastprefill.ir.dialect import BlocksType
from fastprefill.ir.pipe import StoreOp, WindowOp
from fastprefill.passes.lanes import is_lane_constant
from fastprefill.passes.storage import Storage, storage_of

TABLE_BITS = 6
"""Subscripts up to this width are divided by a table: one LUT6 for each bit of the result."""


def bits(count: int) -> int:
    """Width of a number below `count`, at least 1."""
    return max(1, (count - 1).bit_length())


def power_of_two(number: int) -> bool:
    return number & (number - 1) == 0


def digits(number: int) -> list[tuple[int, int]]:
    """A positive number as the sum of ``sign << shift`` with as few terms as possible: (shift, sign) each."""
    found = []
    shift = 0
    while number:
        if number & 1:
            sign = 2 - (number & 3)  # 1 below a 0, -1 below a 1: runs of ones become two digits
            found.append((shift, sign))
            number -= sign
        number >>= 1
        shift += 1
    return found


def reciprocal(divisor: int, width: int) -> tuple[int, int]:
    """(factor, shift) with ``value // divisor == value * factor >> shift`` for every value of `width` bits.

    Exact where ``factor * divisor - 2**shift <= 2**(shift - width)`` (Granlund and Montgomery, 1994, theorem 4.2).
    """
    shift = width
    while True:
        factor = -(-(1 << shift) // divisor)
        if (factor * divisor - (1 << shift)) << width <= 1 << shift:
            return factor, shift
        shift += 1


def divisor_of(storage: Storage, dimension: int) -> int | None:
    """What a subscript is divided by to find its bank, or None: no partition, or a bank for each element."""
    return {"cyclic": storage.factors[dimension], "block": storage.depths[dimension]}.get(
        storage.kinds[dimension]
    )


def unpartitioned(storage: Storage) -> Storage:
    """Constants lie in one piece, whatever the partition: they are logic."""
    if storage.memory != "rom":
        return storage
    rank = len(storage.shape)
    return replace(storage, kinds=("none",) * rank, factors=(1,) * rank)


def strides(extents: tuple[int, ...]) -> list[int]:
    """Distance of neighbours along each dimension, row-major."""
    return [prod(extents[dimension + 1 :]) for dimension in range(len(extents))]


def is_concatenation(parts: list[tuple[int, int]]) -> bool:
    """Whether numbers of some widths, times strides, fill separate bits: (width, stride) each."""
    above = 0
    for width, stride in sorted(parts, key=lambda part: part[1]):
        if not power_of_two(stride) or 1 << above > stride:
            return False
        above = stride.bit_length() - 1 + width
    return True


def address_delay(op: memref.LoadOp | StoreOp, delays: Delays) -> float:
    """Delay in ns from the subscripts of an access to the bank and address of its element."""
    storage = unpartitioned(storage_of(op.memref))
    dynamic = [not is_lane_constant(index) for index in op.indices]
    division = 0.0
    offsets = []
    for dimension, stride in enumerate(strides(storage.depths)):
        divisor = divisor_of(storage, dimension)
        if divisor is not None and dynamic[dimension]:
            division = max(division, _division_delay(divisor, bits(storage.shape[dimension]), delays))
        if storage.depths[dimension] > 1:
            offsets.append((bits(storage.depths[dimension]), stride, dynamic[dimension]))
    buffers = _buffers(op.memref)
    if buffers > 1:
        offsets.append((bits(buffers), storage.depth, True))
    if is_concatenation([(width, stride) for width, stride, _ in offsets]):
        return division
    terms = sum(len(digits(stride)) for _, stride, moves in offsets if moves)
    terms += not all(moves for _, _, moves in offsets)  # constants add up to one
    return division + _sum_delay(terms, bits(storage.depth * buffers), delays)


def _division_delay(divisor: int, width: int, delays: Delays) -> float:
    """From a subscript to its quotient and remainder."""
    if power_of_two(divisor):
        return 0.0
    if width <= TABLE_BITS:
        return delays.lut
    factor, _ = reciprocal(divisor, width)
    product = _sum_delay(len(digits(factor)), width + factor.bit_length(), delays)
    return product + _sum_delay(len(digits(divisor)) + 1, width, delays)


def _sum_delay(terms: int, width: int, delays: Delays) -> float:
    """Of a tree of adders."""
    return ceil(log2(max(1, terms))) * (delays.lut + delays.carry_per_bit * width)


def _buffers(array: SSAValue) -> int:
    """Buffers of a block stream that share a memory; 1 for other arrays."""
    owner = array.owner
    if isinstance(owner, WindowOp) and isinstance(owner.stream.type, BlocksType):
        return owner.stream.type.depth.data
    return 1
