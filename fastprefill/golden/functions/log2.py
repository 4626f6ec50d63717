"""log2 of an integer: its bit length, and a table of 256 segments for the mantissa."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden.fixed_point import Int
from fastprefill.golden.functions.table import interpolate, normalised, sampled

FRACTION = 16

# 257 entries: log2(1 + i / 256) with 16 fraction bits
TABLE: Int = sampled(np.log2, 1 + np.arange(257) / 256)


def log2(n: NDArray[Any]) -> Int:
    """log2 n with 16 fraction bits, for integers 1 to 2**62; log2 0 is given as 0, so that 0 log2 0 is 0."""
    fraction, exponent = normalised(n)
    return (exponent << FRACTION) + interpolate(TABLE, fraction, 12)
