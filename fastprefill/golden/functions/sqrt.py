"""Square root of an integer by a table of 256 segments over two octaves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden.fixed_point import Int
from fastprefill.golden.functions.rsqrt import OCTAVES, two_octaves
from fastprefill.golden.functions.table import interpolate, sampled

# 257 entries, 2**16 to 2**17: sqrt(m) with 16 fraction bits
TABLE: Int = sampled(np.sqrt, OCTAVES)


def sqrt(n: NDArray[Any]) -> tuple[Int, Int]:
    """sqrt(n) as mantissa * 2**(half - 16), for integers 0 to 2**62.

    Returns:
        mantissa, 2**16 to 2**17 (18 bits), and 0 for n = 0; half, floor(log2(n) / 2).
    """
    position, half = two_octaves(n)
    return np.where(n > 0, interpolate(TABLE, position, 13), 0), half
