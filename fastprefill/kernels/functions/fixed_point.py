"""Shifts, rounding, saturation and bit length: the operations of ``golden.fixed_point`` at the widths of a datapath.

Each function here takes widths and gives the helper function for them.
"""

from collections.abc import Callable

from allo.ir.types import Int, UInt

from fastprefill.errors import FastprefillError
from fastprefill.kernels.functions import table


def shift_round(bits: int, lowest: int, highest: int) -> Callable:
    """A helper for x * 2**-amount, rounded half up; a negative amount shifts left.

    Args:
        bits: of x, signed.
        lowest: amount, at most 0: the result has `bits` - `lowest` bits.
        highest: amount; more than bits + 1 is as good as any more.

    Returns:
        (x: Int(bits), amount: Int) -> Int(bits - lowest). The amount is lowest to highest.

    Raises:
        FastprefillError: a range that does not hold 0.
    """
    if not lowest <= 0 <= highest:
        raise FastprefillError(f"a shift by {lowest} to {highest}; the range must hold 0")
    Number, Result = Int(bits), Int(bits - lowest)
    Amount = Int(max(-lowest, highest).bit_length() + 1)
    Places = UInt((highest - lowest).bit_length())
    Wide = Int(bits - lowest + 1)
    left = 1 - lowest

    def shift_round(x: Number, amount: Amount) -> Result:
        # as far to the left as ever, and a place more: the bit that is rounded by; then to the right alone
        wide: Wide = x
        wide = wide << left
        places: Places = amount - lowest
        wide = wide >> places
        return (wide + 1) >> 1

    return shift_round


def shift(bits: int, lowest: int, highest: int) -> Callable:
    """A helper for x * 2**amount: to the left, or to the right and rounded down where the amount is negative.

    Args:
        bits: of x, signed.
        lowest: amount; less than -bits is as good as any less.
        highest: amount, at least 0: the result has `bits` + `highest` bits.

    Returns:
        (x: Int(bits), amount: Int) -> Int(bits + highest). The amount is lowest to highest.

    Raises:
        FastprefillError: a range that does not hold 0.
    """
    if not lowest <= 0 <= highest:
        raise FastprefillError(f"a shift by {lowest} to {highest}; the range must hold 0")
    Number, Result = Int(bits), Int(bits + highest)
    Amount = Int(max(-lowest, highest).bit_length() + 1)
    Places = UInt((highest - lowest).bit_length())

    def shift(x: Number, amount: Amount) -> Result:
        wide: Result = x
        wide = wide << highest
        places: Places = highest - amount
        return wide >> places

    return shift


def saturate(bits: int, to: int) -> Callable:
    """A helper that limits a signed integer to what fewer bits hold: (x: Int(bits)) -> Int(to)."""
    Number, Result = Int(bits), Int(to)
    above = bits - to

    def saturate(x: Number) -> Result:
        # whether it fits is whether all bits above are the sign; what does not fit has the sign's limit
        high: Int(above + 1) = x >> to - 1
        fits: UInt(1) = high == 0 or high == -1
        negative: UInt(1) = x < 0
        limit: Result = 0 if negative == 1 else -1
        limit[to - 1] = negative
        kept: Result = x
        return kept if fits == 1 else limit

    def unchanged(x: Number) -> Result:
        return x

    return saturate if above > 0 else unchanged


def rescale(bits: int, amount: int, to: int) -> Callable:
    """A helper for x * 2**-amount, rounded half up and saturated: (x: Int(bits)) -> Int(to).

    Args:
        bits: of x, signed.
        amount: a constant, -40 to 62; a negative one shifts left.
        to: bits of the result.
    """
    Number, Result = Int(bits), Int(to)
    left, right = max(-amount, 0), max(amount, 0)
    inner = bits + left + 1  # rounding may carry
    Wide = Int(inner)
    half = (1 << right) >> 1
    limited = saturate(inner, to)

    def rescale(x: Number) -> Result:
        wide: Wide = x
        rounded: Wide = ((wide << left) + half) >> right
        return limited(rounded)

    return rescale


def bit_length(bits: int) -> Callable:
    """A helper for the bit length of an integer: (n: UInt(bits)) -> UInt(6); 0 for 0. `bits` is 1 to 62."""
    Number, Length = UInt(bits), UInt(6)
    normalise = table.normalise(bits)

    def bit_length(n: Number) -> Length:
        word: UInt(26) = normalise(n)
        exponent: Length = word[20:26]
        return exponent + 1 if n != 0 else 0

    return bit_length
