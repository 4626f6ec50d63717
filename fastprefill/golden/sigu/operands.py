"""What SIGU multiplies: int8 codes of tokens, as attention reads them, and of the means of blocks of tokens."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden import sfu
from fastprefill.golden.fixed_point import Format, Int, fraction_for, shift, shift_round
from fastprefill.golden.scale import Codes, Scales

#: Fraction bits of 1 / tokens in a mean.
RECIPROCAL_FRACTION = 16
#: Zeros below the mantissa of a scale whose exponent is the largest of its block.
ALIGNMENT = 8


def queries(x: NDArray[np.floating]) -> Codes:
    """One query head's [tokens, head_dim], times log2(e) / sqrt(head_dim): scores are in log2 units."""
    return keys(np.asarray(x, np.float64) * (math.log2(math.e) / math.sqrt(x.shape[1])))


def keys(x: NDArray[np.floating]) -> Codes:
    """One KV head's keys [tokens, head_dim], finite, brought to the format between units and quantised."""
    fixed = Format(sfu.ACTIVATION_BITS, fraction_for(float(np.abs(x).max()), sfu.ACTIVATION_BITS))
    return sfu.quantise(fixed.encode(x), fixed.fraction)


def pooled(codes: Codes, block: int) -> Codes:
    """Mean of each block of tokens, the last over the tokens that it has, quantised as tokens are.

    A token's scale becomes a 16-bit multiplier, aligned to the largest exponent of its block; what lies below is
    cut off. Codes times multipliers are added up (31 bits), divided by the number of tokens (24 bits) and quantised.

    Args:
        codes: [tokens, head_dim], a scale per token.
        block: tokens per block.

    Returns:
        [blocks, head_dim], a scale per block.
    """
    starts = np.arange(0, len(codes.values), block)
    lengths = np.minimum(len(codes.values) - starts, block)
    top = np.maximum.reduceat(codes.scales.exponent, starts)
    multiplier = shift(codes.scales.mantissa, codes.scales.exponent - np.repeat(top, lengths) + ALIGNMENT)
    sums = np.add.reduceat(codes.values * multiplier[:, None], starts, axis=0)
    means = sfu.quantise(shift_round(sums * reciprocals(lengths)[:, None], RECIPROCAL_FRACTION), 0)
    return Codes(means.values, Scales(means.scales.mantissa, means.scales.exponent + top - ALIGNMENT))


def reciprocals(lengths: Int) -> Int:
    """2^16 / length, rounded half up; exact for full blocks."""
    rounded: Int = ((2 << RECIPROCAL_FRACTION) // lengths + 1) >> 1
    return rounded
