"""What SIGU reads of a head: int8 codes of every token, and of the mean of every block of tokens.

Both have one scale each, as everything that the matrix unit multiplies. Means are taken before the tokens are
quantised, where queries and keys leave the rotary embedding, so that nobody has to read them again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden import sfu
from fastprefill.golden.fixed_point import Format, Int, fraction_for, shift_round
from fastprefill.golden.scale import Codes

#: Fraction bits of 1 / tokens in a mean.
RECIPROCAL_FRACTION = 16


@dataclass(frozen=True)
class Operand:
    """Queries or keys of one head.

    Attributes:
        tokens: codes [tokens, head_dim].
        blocks: codes [blocks, head_dim] of the means.
    """

    tokens: Codes
    blocks: Codes


def queries(x: NDArray[np.floating], block: int) -> Operand:
    """One query head's [tokens, head_dim], times log2(e) / sqrt(head_dim): scores are in log2 units."""
    return keys(np.asarray(x, np.float64) * (math.log2(math.e) / math.sqrt(x.shape[1])), block)


def keys(x: NDArray[np.floating], block: int) -> Operand:
    """One KV head's keys [tokens, head_dim], finite, brought to the format between units and quantised."""
    fixed = Format(sfu.ACTIVATION_BITS, fraction_for(float(np.abs(x).max()), sfu.ACTIVATION_BITS))
    values = fixed.encode(x)
    return Operand(sfu.quantise(values, fixed.fraction), sfu.quantise(means(values, block), fixed.fraction))


def means(values: Int, block: int) -> Int:
    """Mean of each block of int64 [tokens, head_dim], the last over the tokens that it has: [blocks, head_dim]."""
    starts = np.arange(0, len(values), block)
    lengths = np.minimum(len(values) - starts, block)
    sums = np.add.reduceat(values, starts, axis=0)
    return shift_round(sums * reciprocals(lengths)[:, None], RECIPROCAL_FRACTION)


def reciprocals(lengths: Int) -> Int:
    """2^16 / length, rounded half up; exact for full blocks."""
    rounded: Int = ((2 << RECIPROCAL_FRACTION) // lengths + 1) >> 1
    return rounded
