"""1 / sqrt(n) of an integer by a table of 256 segments over two octaves."""

from collections.abc import Callable

from allo.ir.types import UInt

from fastprefill.golden.functions.rsqrt import TABLE
from fastprefill.kernels.functions import table


def rsqrt(bits: int) -> Callable:
    """A helper for integers of `bits` bits: 1 / sqrt(n) = mantissa * 2**(-16 - half); 0 is taken as 1.

    Returns:
        (n: UInt(bits)) -> UInt(22): the mantissa, 2**15 to 2**16, in bits 0 to 16, half in bits 17 to 21.
    """
    Number, Result = UInt(bits), UInt(22)
    normalise, interpolate = table.normalise(bits), table.interpolate(TABLE, 13)

    def rsqrt(n: Number) -> Result:
        word: UInt(26) = normalise(n)
        # the exponent's lowest bit says which of the two octaves
        result: Result = interpolate(word[0:21])
        result[17:22] = word[21:26]
        return result

    return rsqrt
