"""Sine and cosine of a fraction of a turn by a table of 256 segments over a quarter."""

from allo.ir.types import Int, UInt

from fastprefill.golden.functions.sincos import QUARTER_BITS, TABLE
from fastprefill.kernels.functions import table

_interpolate = table.interpolate(TABLE, QUARTER_BITS - 8)
_MIRROR = (1 << QUARTER_BITS) - 1
_QUARTER = 1 << QUARTER_BITS


def sine(phase: UInt(20)) -> Int(18):
    """The sine of 2 pi phase / 2**20 with 16 fraction bits, -2**16 to 2**16."""
    place: UInt(18) = phase[0:18]
    # the second and fourth quarter run backwards; inverting the bits mirrors to within one unit of phase
    place = place ^ _MIRROR if phase[18] == 1 else place
    value: Int(18) = _interpolate(place)
    return -value if phase[19] == 1 else value


def cosine(phase: UInt(20)) -> Int(18):
    """The cosine: the sine a quarter of a turn later."""
    later: UInt(20) = phase + _QUARTER
    return sine(later)
