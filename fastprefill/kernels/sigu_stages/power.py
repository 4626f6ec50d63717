"""2**(score - reference): the exponential of statistics, weights and the estimate."""

from collections.abc import Callable

from allo.ir.types import Int, UInt

from fastprefill.golden.sigu.rows import WEIGHT_FRACTION
from fastprefill.kernels.functions import exp2

WEIGHT_BITS = WEIGHT_FRACTION + 1
LIFT = WEIGHT_FRACTION - 15
"""From the mantissa's 15 fraction bits to those of a weight."""


def weight(score_bits: int, reference_bits: int) -> Callable:
    """A helper for 2**((score - reference) / 256), at most 1, rounded down to 32 fraction bits: UInt(33)."""
    Score, Reference, Weight = Int(score_bits), Int(reference_bits), UInt(WEIGHT_BITS)
    bits = max(score_bits, reference_bits) + 1
    Exponent, Whole, Places = Int(bits), Int(bits - 8), UInt(bits - 8)

    def weight(score: Score, reference: Reference) -> Weight:
        exponent: Exponent = score - reference
        exponent = min(exponent, 0)
        whole: Whole = exponent >> 8
        places: Places = -whole
        power: Weight = exp2(exponent[0:8])
        power = power << LIFT
        return power >> min(places, 63)

    return weight
