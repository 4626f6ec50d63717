"""1 / sqrt(n) of an integer by a table of 256 segments over two octaves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden.fixed_point import Int
from fastprefill.golden.functions.table import MANTISSA_BITS, interpolate, normalised, sampled

# where the segments of a mantissa in [1, 4) begin: 128 in each octave
OCTAVES = np.concatenate([1 + np.arange(128) / 128, 2 + np.arange(129) / 64])

# 257 entries, 2**16 down to 2**15: 1 / sqrt(m) with 16 fraction bits
TABLE: Int = sampled(lambda m: 1 / np.sqrt(m), OCTAVES)


def rsqrt(n: NDArray[Any]) -> tuple[Int, Int]:
    """1 / sqrt(n) as mantissa * 2**(-16 - half), for integers 1 to 2**62; 0 is taken as 1.

    Returns:
        mantissa, 2**15 to 2**16 (17 bits); half, floor(log2(n) / 2).
    """
    position, half = two_octaves(n)
    return interpolate(TABLE, position, 13), half


def two_octaves(n: NDArray[Any]) -> tuple[Int, Int]:
    """n = m * 4**half with m in [1, 4): the place of m in `OCTAVES` with 13 bits inside a segment, and half."""
    fraction, exponent = normalised(n)
    return ((exponent & 1) << MANTISSA_BITS) + fraction, exponent >> 1
