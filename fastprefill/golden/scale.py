"""Scales of int8 codes: an 8-bit mantissa and a power of two (``docs/numerics.md``, section 3).

Scales are chosen before the codes are, and rounded up, so a short mantissa costs at most 1/128 of a step of
resolution and no consistency. In hardware it makes every product of two scales 16 bits and the reciprocal of
a scale a table of 128 entries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden.fixed_point import Int, bit_length, shift_round
from fastprefill.golden.functions import log2

LIMIT = 127  # codes are -127 to 127, so that a negated code is a code
RECIPROCAL_FRACTION = 23
LOG2_FRACTION = 8

# 128 entries, 32,897 to 65,536: 2**23 / m for the mantissas m = 128 to 255, rounded to nearest
RECIPROCALS: Int = ((1 << RECIPROCAL_FRACTION + 1) // np.arange(128, 256) + 1) >> 1

_OVER_127 = 33026  # 2**22 / 127, rounded up


@dataclass(frozen=True)
class Scales:
    """mantissa * 2**exponent, elementwise.

    Attributes:
        mantissa: 128 to 255.
        exponent: -128 to 127; the value of code 1 is mantissa * 2**exponent.
    """

    mantissa: Int
    exponent: Int

    def real(self) -> NDArray[np.float64]:
        """The scales as real numbers."""
        return np.ldexp(self.mantissa.astype(np.float64), self.exponent.astype(np.int32))

    def log2(self) -> Int:
        """log2 of the scales with 8 fraction bits."""
        return shift_round(log2(self.mantissa), 16 - LOG2_FRACTION) + (self.exponent << LOG2_FRACTION)

    def __getitem__(self, index: Any) -> Scales:
        return Scales(self.mantissa[index], self.exponent[index])


@dataclass(frozen=True)
class Codes:
    """int8 codes that share a scale along their last axis.

    Attributes:
        values: int8 [..., n], -127 to 127.
        scales: [...], or [..., groups] where n is cut into groups of equal width.
    """

    values: NDArray[np.int8]
    scales: Scales

    def real(self) -> NDArray[np.float64]:
        """The values that the codes stand for, float64 [..., n]."""
        scales = self.scales.real()
        if scales.ndim == self.values.ndim:
            scales = np.repeat(scales, self.values.shape[-1] // scales.shape[-1], axis=-1)
        else:
            scales = scales[..., None]
        return self.values.astype(np.float64) * scales

    def __getitem__(self, index: Any) -> Codes:
        return Codes(self.values[index], self.scales[index])


def scale_for(largest: Int) -> Scales:
    """The smallest scale whose code 127 reaches `largest`, up to rounding; exponents count from the input's LSB.

    Args:
        largest: 0 to 2**31.
    """
    length = bit_length(largest)
    top = -((-np.maximum(largest, 1) << 16) >> length)  # 2**15 to 2**16, rounded up
    product = top * _OVER_127
    mantissa = -(-product >> RECIPROCAL_FRACTION)
    wide = mantissa > 255
    mantissa = np.where(wide, -(-product >> RECIPROCAL_FRACTION + 1), mantissa)
    exponent = length - 15 + wide
    nothing = largest == 0
    return Scales(np.where(nothing, 128, mantissa), np.where(nothing, -15, exponent))
