"""The test that makes a head query-aware: Jensen-Shannon divergence against tau squared, without a root."""

from __future__ import annotations

import math

from fastprefill.golden.fixed_point import Int
from fastprefill.golden.functions import log2
from fastprefill.golden.functions.log2 import FRACTION as LOG2_FRACTION

#: Fraction bits of a block's mass: all blocks together weigh 2^31.
MASS_FRACTION = 31
#: Fraction bits of the divergence that is compared, and of the threshold register.
DIVERGENCE_FRACTION = 24


def divergence(estimate: Int, mass: Int) -> int:
    """Sum of p (log2 p - log2 m) + v (log2 v - log2 m), m = (p + v) / 2: twice the divergence in bits.

    A term of mass 0 is 0.

    Args:
        estimate: int64 [blocks], p with 31 fraction bits.
        mass: int64 [blocks], v with 31 fraction bits.

    Returns:
        24 fraction bits, at least 0.
    """
    middle = log2(estimate + mass) - (1 << LOG2_FRACTION)
    total = 0
    for part in (estimate, mass):
        total += int((part * (log2(part) - middle)).sum())
    return max(total >> (MASS_FRACTION + LOG2_FRACTION - DIVERGENCE_FRACTION), 0)


def threshold(tau: float) -> int:
    """Register: a head is query-aware when its divergence is below this. 24 fraction bits."""
    return round(2 * tau * tau / math.log(2) * (1 << DIVERGENCE_FRACTION))


def square_root(value: int) -> float:
    """sqrt(JSD) in the natural logarithm, as FlexPrefill prints it, of a result of `divergence`."""
    return math.sqrt(value / (1 << DIVERGENCE_FRACTION) * math.log(2) / 2)
