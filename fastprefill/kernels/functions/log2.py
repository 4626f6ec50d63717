"""log2 of an integer: its bit length, and a table of 256 segments for the mantissa."""

from collections.abc import Callable

from allo.ir.types import UInt

from fastprefill.golden.functions.log2 import TABLE
from fastprefill.kernels.functions import table


def log2(bits: int) -> Callable:
    """A helper for integers of `bits` bits: (n: UInt(bits)) -> UInt(22), 16 fraction bits; log2 0 is given as 0."""
    Number, Result = UInt(bits), UInt(22)
    normalise, interpolate = table.normalise(bits), table.interpolate(TABLE, 12)

    def log2(n: Number) -> Result:
        word: UInt(26) = normalise(n)
        whole: Result = word[20:26]
        return (whole << 16) + interpolate(word[0:20])

    return log2
