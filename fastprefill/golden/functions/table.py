"""A table with linear interpolation, and the normalisation in front of it: what all functions share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden.fixed_point import Int, bit_length, shift

MANTISSA_BITS = 20  # below the leading one; what is cut off changes no result by more than 2**-20


def sampled(function: Callable[[NDArray[np.float64]], NDArray[np.float64]], points: NDArray[Any]) -> Int:
    """function(points) with 16 fraction bits, rounded to nearest: one entry more than the table has segments."""
    values: Int = np.floor(function(points.astype(np.float64)) * 65536.0 + 0.5).astype(np.int64)
    return values


def interpolate(table: Int, position: Int, rest_bits: int) -> Int:
    """The table between its entries.

    Args:
        table: segments + 1 entries.
        position: the segment, and below it `rest_bits` bits of the place inside the segment.
        rest_bits: at least 1.
    """
    segment = position >> rest_bits
    rest = position & ((1 << rest_bits) - 1)
    base = table[segment]
    step = (np.diff(table)[segment] * rest + (1 << rest_bits - 1)) >> rest_bits
    result: Int = base + step
    return result


def normalised(values: NDArray[Any]) -> tuple[Int, Int]:
    """n = (1 + f / 2**20) * 2**exponent for integers n from 1 to 2**62; 0 is taken as 1.

    Returns:
        f, 0 to 2**20 - 1, bits below the 20th cut off; the exponent, floor(log2 n).
    """
    positive = np.maximum(values.astype(np.int64, copy=False), 1)
    exponent = bit_length(positive) - 1
    return shift(positive, MANTISSA_BITS - exponent) - (1 << MANTISSA_BITS), exponent
