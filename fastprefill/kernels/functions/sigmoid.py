"""Logistic function and SiLU by a table of 512 segments over [0, 16)."""

from collections.abc import Callable

from allo.ir.types import Int, UInt

from fastprefill.errors import FastprefillError
from fastprefill.golden.functions.sigmoid import FRACTION, LIMIT, TABLE
from fastprefill.kernels.functions import fixed_point, table

_interpolate = table.interpolate(TABLE, 11)
ONE = 1 << FRACTION


def sigmoid(x: Int(22)) -> UInt(17):
    """1 / (1 + e**-x), argument and result with 16 fraction bits; saturate wider arguments to 22 bits."""
    size: UInt(22) = -x if x < 0 else x
    place: UInt(20) = min(size, LIMIT)
    right: UInt(17) = _interpolate(place)
    return ONE - right if x < 0 else right


def silu(fraction: int) -> Callable:
    """A helper for x * sigmoid(x) in the format of x: (x: Int(24)) -> Int(24).

    Args:
        fraction: fraction bits of x and of the result, -7 to 40.

    Raises:
        FastprefillError: a fraction that is not allowed.
    """
    if not -7 <= fraction <= 40:
        raise FastprefillError(f"SiLU of a format with {fraction} fraction bits; choose -7 to 40")
    Number = Int(24)
    Argument = Int(22)
    to_argument = fixed_point.rescale(24, fraction - FRACTION, 22)

    def silu(x: Number) -> Number:
        argument: Argument = to_argument(x)
        product = x * sigmoid(argument)
        return (product + (ONE >> 1)) >> FRACTION

    return silu
