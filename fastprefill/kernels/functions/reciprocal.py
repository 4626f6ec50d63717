"""1 / n of an integer by a table of 256 segments."""

from collections.abc import Callable

from allo.ir.types import UInt

from fastprefill.golden.functions.reciprocal import TABLE
from fastprefill.kernels.functions import table


def reciprocal(bits: int) -> Callable:
    """A helper for integers of `bits` bits: 1 / n = mantissa * 2**(-16 - exponent); 0 is taken as 1.

    Returns:
        (n: UInt(bits)) -> UInt(23): the mantissa, 2**15 to 2**16, in bits 0 to 16, the exponent in bits 17 to 22.
    """
    Number, Result = UInt(bits), UInt(23)
    normalise, interpolate = table.normalise(bits), table.interpolate(TABLE, 12)

    def reciprocal(n: Number) -> Result:
        word: UInt(26) = normalise(n)
        result: Result = interpolate(word[0:20])
        result[17:23] = word[20:26]
        return result

    return reciprocal
