"""Logistic function and SiLU by a table of 512 segments over [0, 16)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden.fixed_point import Int, shift_round
from fastprefill.golden.functions.table import interpolate, sampled

FRACTION = 16
LIMIT = (16 << FRACTION) - 1  # 1 - sigmoid(16) is below half an entry's step

# 513 entries, 2**15 to 2**16: 1 / (1 + e**-(i / 32)) with 16 fraction bits
TABLE: Int = sampled(lambda x: 1 / (1 + np.exp(-x)), np.arange(513) / 32)


def sigmoid(x: NDArray[Any]) -> Int:
    """1 / (1 + e**-x), argument and result with 16 fraction bits; the result is 0 to 2**16 (17 bits)."""
    wide = x.astype(np.int64, copy=False)
    right = interpolate(TABLE, np.minimum(np.abs(wide), LIMIT), 11)
    result: Int = np.where(wide < 0, (1 << FRACTION) - right, right)
    return result


def silu(x: NDArray[Any], fraction: int) -> Int:
    """x * sigmoid(x) in the format of x.

    Args:
        x: integers of at most 24 bits with `fraction` fraction bits.
        fraction: of x and of the result.
    """
    return shift_round(
        x.astype(np.int64, copy=False) * sigmoid(shift_round(x, fraction - FRACTION)), FRACTION
    )
