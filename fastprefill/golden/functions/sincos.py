"""Sine and cosine of a fraction of a turn by a table of 256 segments over a quarter."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden.fixed_point import Int
from fastprefill.golden.functions.table import interpolate, sampled

PHASE_BITS = 20
QUARTER_BITS = PHASE_BITS - 2

# 257 entries, 0 to 2**16: sin(pi / 2 * i / 256) with 16 fraction bits
TABLE: Int = sampled(lambda x: np.sin(np.pi / 2 * x), np.arange(257) / 256)


def sincos(phase: NDArray[Any]) -> tuple[Int, Int]:
    """Sine and cosine of 2 pi phase / 2**20 with 16 fraction bits, -2**16 to 2**16 (18 bits).

    Args:
        phase: integers; only the low 20 bits count.
    """
    wide = phase.astype(np.int64, copy=False)
    return _sine(wide), _sine(wide + (1 << QUARTER_BITS))


def _sine(phase: Int) -> Int:
    quarter = (phase >> QUARTER_BITS) & 3
    place = phase & ((1 << QUARTER_BITS) - 1)
    # the second and fourth quarter run backwards; inverting the bits mirrors to within one unit of phase
    mirrored = np.where(quarter & 1, place ^ ((1 << QUARTER_BITS) - 1), place)
    value = interpolate(TABLE, mirrored, QUARTER_BITS - 8)
    signed: Int = np.where(quarter & 2, -value, value)
    return signed
