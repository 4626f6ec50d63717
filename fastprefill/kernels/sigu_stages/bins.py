"""Logarithmic bins of a histogram."""

from collections.abc import Callable

from allo.ir.types import UInt

from fastprefill.golden.sigu.histogram import BIN_BITS, FINE_BITS, LOWEST_OCTAVE
from fastprefill.kernels.functions import normalise

FRACTION = 20
"""Bits that are kept below a value's leading one."""


def bins(bits: int) -> Callable:
    """A helper that gives, for a value, its bin and above it, from bit 8, its place within the bin: UInt(16)."""
    Number, normalised = UInt(bits), normalise(bits)
    FINE, END = FRACTION - BIN_BITS - FINE_BITS, FRACTION - BIN_BITS

    def bins(value: Number) -> UInt(16):
        parts: UInt(26) = normalised(value)
        octave: UInt(6) = parts[FRACTION:26]
        result: UInt(16) = 0
        if octave >= LOWEST_OCTAVE:
            high: UInt(6) = octave - LOWEST_OCTAVE
            result[0:BIN_BITS] = parts[END:FRACTION]
            result[BIN_BITS:8] = high
        result[8:16] = parts[FINE:END]
        return result

    return bins
