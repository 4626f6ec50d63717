"""Square root of an integer by a table of 256 segments over two octaves."""

from collections.abc import Callable

from allo.ir.types import UInt

from fastprefill.golden.functions.sqrt import TABLE
from fastprefill.kernels.functions import table


def sqrt(bits: int) -> Callable:
    """A helper for integers of `bits` bits: sqrt(n) = mantissa * 2**(half - 16).

    Returns:
        (n: UInt(bits)) -> UInt(23): the mantissa, 2**16 to 2**17, in bits 0 to 17 (0 for n = 0), half in bits 18 to 22.
    """
    Number, Result = UInt(bits), UInt(23)
    normalise, interpolate = table.normalise(bits), table.interpolate(TABLE, 13)

    def sqrt(n: Number) -> Result:
        word: UInt(26) = normalise(n)
        mantissa: UInt(18) = interpolate(word[0:21])
        result: Result = mantissa if n != 0 else 0
        result[18:23] = word[21:26]
        return result

    return sqrt
