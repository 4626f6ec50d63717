"""A table with linear interpolation, and the normalisation in front of it: what all functions share."""

from collections.abc import Callable

import allo
import numpy as np
from allo.ir.types import ConstExpr, Int, UInt, int32

from fastprefill.errors import FastprefillError
from fastprefill.golden.functions.table import MANTISSA_BITS

EXPONENT_BITS = 6


def interpolate(table: np.ndarray, rest_bits: int) -> Callable:
    """A helper that gives the table between its entries.

    Args:
        table: segments + 1 entries of at most 18 bits, none negative; the number of segments a power of two.
        rest_bits: of the place inside a segment.

    Returns:
        (position: the segment, and below it the `rest_bits` of the place) -> the value, as many bits as the largest
        entry.
    """
    segments = len(table) - 1
    bases, steps = table[:-1], np.diff(table)
    index_bits = (segments - 1).bit_length()
    Position = UInt(index_bits + rest_bits)
    Value = UInt(int(table.max()).bit_length())
    Step = Int(int(np.abs(steps).max()).bit_length() + 1)
    half = 1 << rest_bits - 1

    def interpolate(position: Position) -> Value:
        base_table: Value[segments] = bases
        step_table: Step[segments] = steps
        segment: UInt(index_bits) = position[rest_bits : index_bits + rest_bits]
        rest: UInt(rest_bits) = position[0:rest_bits]
        step = step_table[segment] * rest
        return base_table[segment] + ((step + half) >> rest_bits)

    return interpolate


def align(bits: int) -> Callable:
    """A helper that shifts an integer's leading one to the top; 0 stays 0, with the exponent of 1.

    Args:
        bits: of the integer, 1 to 62.

    Returns:
        (n: UInt(bits)) -> UInt(width + 6), `width` the power of two from `bits` up, at least 2: n * 2**(width - 1 -
        exponent), and above it the exponent, floor(log2 n).

    Raises:
        FastprefillError: a width that is not allowed.
    """
    if not 1 <= bits <= 62:
        raise FastprefillError(f"integers of {bits} bits cannot be normalised; choose 1 to 62")
    levels = max(1, (bits - 1).bit_length())
    width = 1 << levels
    Number, Aligned, Word = UInt(bits), UInt(width), UInt(width + EXPONENT_BITS)

    def align(n: Number) -> Word:
        aligned: Aligned = n
        word: Word = 0
        # A step asks whether the upper half of what may still hold the leading one is empty: a bit of the exponent.
        with allo.meta_for(levels) as i:
            half: ConstExpr[int32] = width >> i + 1
            high: UInt(1) = aligned[width - half : width] != 0
            aligned = aligned if high == 1 else aligned << half
            word[width + levels - 1 - i] = high
        word[0:width] = aligned
        return word

    return align


def normalise(bits: int) -> Callable:
    """A helper that takes an integer apart: n = (1 + f / 2**20) * 2**exponent; 0 is taken as 1.

    Args:
        bits: of the integer, 1 to 62.

    Returns:
        (n: UInt(bits)) -> UInt(26): f in bits 0 to 19, the exponent, floor(log2 n), in bits 20 to 25.

    Raises:
        FastprefillError: a width that is not allowed.
    """
    to_top = align(bits)
    width = 1 << max(1, (bits - 1).bit_length())
    # bits below the leading one, of which 20 are kept, or filled up to 20
    below = min(width - 1, MANTISSA_BITS)
    Number, Aligned, Word = UInt(bits), UInt(width + EXPONENT_BITS), UInt(MANTISSA_BITS + EXPONENT_BITS)

    def normalise(n: Number) -> Word:
        aligned: Aligned = to_top(n)
        word: Word = 0
        word[MANTISSA_BITS - below : MANTISSA_BITS] = aligned[width - 1 - below : width - 1]
        word[MANTISSA_BITS : MANTISSA_BITS + EXPONENT_BITS] = aligned[width : width + EXPONENT_BITS]
        return word

    return normalise
