"""1 / n of an integer by a table of 256 segments."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden.fixed_point import Int
from fastprefill.golden.functions.table import interpolate, normalised, sampled

# 257 entries, 2**16 down to 2**15: 1 / (1 + i / 256) with 16 fraction bits
TABLE: Int = sampled(lambda m: 1 / m, 1 + np.arange(257) / 256)


def reciprocal(n: NDArray[Any]) -> tuple[Int, Int]:
    """1 / n as mantissa * 2**(-16 - exponent), for integers 1 to 2**62; 0 is taken as 1.

    Returns:
        mantissa, 2**15 to 2**16 (17 bits); exponent, floor(log2 n).
    """
    fraction, exponent = normalised(n)
    return interpolate(TABLE, fraction, 12), exponent
