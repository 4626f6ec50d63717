"""What SIGU reads: int8 codes with a 16-bit multiplier per token, and their means per block in the same form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden import sfu
from fastprefill.golden.fixed_point import Format, Int, fraction_for, shift
from fastprefill.golden.scale import Codes

#: Bits of queries and keys before they are quantised.
INPUT_BITS = 24
#: Zeros below a scale's mantissa when its exponent is the head's largest.
ALIGNMENT = 8
#: Fraction bits of block / tokens, which makes up for a last block that is not full.
RAGGED_FRACTION = 16


@dataclass(frozen=True)
class Operand:
    """Queries or keys of one head: x[t, d] = codes[t, d] * multipliers[t] * 2^exponent.

    Attributes:
        codes: int8 [tokens, head_dim].
        multipliers: int64 [tokens], 16 bits: the tokens' scales, aligned to the largest of the head.
        exponent: the head's.
    """

    codes: NDArray[np.int8]
    multipliers: Int
    exponent: int

    def __getitem__(self, tokens: slice) -> Operand:
        return Operand(self.codes[tokens], self.multipliers[tokens], self.exponent)


def aligned(codes: Codes) -> Operand:
    """Codes with a scale per token, the scales brought to one exponent; lower bits are cut off."""
    largest = int(codes.scales.exponent.max())
    multipliers = shift(codes.scales.mantissa, codes.scales.exponent - largest + ALIGNMENT)
    return Operand(codes.values, multipliers, largest - ALIGNMENT)


def quantised(x: NDArray[np.floating]) -> Operand:
    """One head's [tokens, head_dim] in 24-bit fixed point, then quantised per token; values are finite."""
    fixed = Format(INPUT_BITS, fraction_for(float(np.abs(x).max()), INPUT_BITS))
    return aligned(sfu.quantise(fixed.encode(x), fixed.fraction))


def pooled(operand: Operand, block: int) -> Operand:
    """Means over blocks of tokens, quantised again: one row per block, the last over the tokens that it has."""
    tokens = len(operand.codes)
    starts = np.arange(0, tokens, block)
    sums = np.add.reduceat(operand.codes.astype(np.int64) * operand.multipliers[:, None], starts, axis=0)
    last = tokens - int(starts[-1])
    sums[-1] = sums[-1] * round((block << RAGGED_FRACTION) / last) >> RAGGED_FRACTION
    means = aligned(sfu.quantise(sums, block.bit_length() - 1))
    return Operand(means.codes, means.multipliers, means.exponent + operand.exponent)
