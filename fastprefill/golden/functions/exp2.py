"""2**x by a table of 256 entries and a shift."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden.fixed_point import Int

FRACTION = 8  # fraction bits of the argument: they are the table's index, so nothing is interpolated
MANTISSA_FRACTION = 15

# uint16 [256], 2**15 to 2**16 - 1: 2**(i / 256) with 15 fraction bits
TABLE: Int = np.floor(np.exp2(np.arange(256) / 256.0) * 2.0**MANTISSA_FRACTION + 0.5).astype(np.int64)


def exp2(x: NDArray[Any]) -> tuple[Int, Int]:
    """2**(x / 256) as mantissa * 2**(exponent - 15).

    Args:
        x: integers with 8 fraction bits, any sign.

    Returns:
        mantissa, 2**15 to 2**16 - 1; exponent, floor(x / 256).
    """
    wide = x.astype(np.int64, copy=False)
    return TABLE[wide & 255], wide >> FRACTION
