"""Fixed point: formats, rounding and saturation that every integer model shares (``docs/numerics.md``, section 1).

Arrays are int64 unless said otherwise; a narrower width is a property of the values, kept by `saturate`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Format:
    """Two's complement fixed point: the value of the integer n is n * 2**-fraction.

    Attributes:
        bits: width, sign included, 2 to 63.
        fraction: fraction bits; may be negative or above `bits`.
    """

    bits: int
    fraction: int

    @property
    def largest(self) -> int:
        """The largest integer of the format; the smallest is -largest - 1."""
        return (1 << self.bits - 1) - 1

    def encode(self, values: ArrayLike) -> Int:
        """The nearest integers to real values, saturated. Ties go up."""
        scaled = np.floor(np.ldexp(np.asarray(values, np.float64), self.fraction) + 0.5)
        return np.clip(scaled, -self.largest - 1, self.largest).astype(np.int64)

    def decode(self, integers: NDArray[Any]) -> NDArray[np.float64]:
        """The real values of integers."""
        return np.ldexp(integers.astype(np.float64), -self.fraction)


def fraction_for(bound: float, bits: int) -> int:
    """The most fraction bits with which a format of `bits` bits holds -bound to +bound."""
    return bits - 1 - math.ceil(math.log2(max(bound, 2.0**-20) * (1 + 2.0**-20)))


def shift_round(values: NDArray[Any], amount: ArrayLike) -> Int:
    """values * 2**-amount, rounded half up; a negative amount shifts left. |values| < 2**62.

    An amount above 62 gives 0; the caller keeps left shifts within 63 bits.
    """
    wide = values.astype(np.int64, copy=False)
    if isinstance(amount, int) and 0 < amount < 63:
        constant: Int = (wide + (1 << amount - 1)) >> amount
        return constant
    right = np.clip(amount, 0, 63).astype(np.int64)
    left = np.clip(np.negative(amount), 0, 62).astype(np.int64)
    # half of the weight that is shifted out; 0 where nothing is
    half = np.where(right > 0, np.int64(1) << np.maximum(right - 1, 0), np.int64(0))
    rounded: Int = ((wide << left) + half) >> right
    return rounded


def shift(values: NDArray[Any], amount: ArrayLike) -> Int:
    """values * 2**amount: to the left, or to the right and rounded down where the amount is negative."""
    wide = values.astype(np.int64, copy=False)
    left = np.clip(amount, 0, 62).astype(np.int64)
    right = np.clip(np.negative(amount), 0, 63).astype(np.int64)
    shifted: Int = (wide << left) >> right
    return shifted


def saturate(values: NDArray[Any], bits: int) -> Int:
    """Values limited to what `bits` bits in two's complement hold."""
    limit = 1 << bits - 1
    limited: Int = np.clip(values, -limit, limit - 1).astype(np.int64, copy=False)
    return limited


def bit_length(values: NDArray[Any]) -> Int:
    """Number of bits of integers from 0 to 2**63 - 1: floor(log2 n) + 1, and 0 for 0."""
    wide = values.astype(np.int64, copy=False)
    # frexp is exact below 2**53; two halves of at most 32 bits are
    high = np.frexp((wide >> 32).astype(np.float64))[1]
    low = np.frexp((wide & 0xFFFFFFFF).astype(np.float64))[1]
    length: Int = np.where(high > 0, high + 32, low).astype(np.int64)
    return length
