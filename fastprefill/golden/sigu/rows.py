"""Row statistics of a streaming softmax: integer maximum and sum, one update per group of keys.

For each row the unit keeps an integer maximum M (the smallest integer that is no less than any score so far) and
the sum l of 2^(score - M). A row takes the scores of `lanes` neighbouring keys at a time: M grows to the
group's, l is shifted right by as much, and the group's terms are added. The maximum is an integer so that this
rescaling is a shift. What the shifts cut off depends on `lanes` and on nothing else: keys come in ascending order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden.fixed_point import Int, shift, shift_round
from fastprefill.golden.functions import exp2, log2
from fastprefill.golden.functions.exp2 import FRACTION as SCORE_FRACTION
from fastprefill.golden.functions.exp2 import MANTISSA_FRACTION
from fastprefill.golden.functions.log2 import FRACTION as LOG2_FRACTION

#: Fraction bits of the running sum; with 2^17 keys it holds 48 bits.
SUM_FRACTION = 30
#: Fraction bits of a normalised weight.
WEIGHT_FRACTION = 32
#: Maximum of a row that has seen no key: below every score's, which have 20 bits.
EMPTY = -(1 << 12)
#: Score that masks a key: its term is zero and it never raises a maximum.
MASKED = EMPTY << SCORE_FRACTION


@dataclass
class RowStatistics:
    """Running maximum and sum of `rows` rows.

    Attributes:
        maximum: int64 [rows], 13 bits, in whole log2 units.
        total: int64 [rows], 48 bits with `SUM_FRACTION` fraction bits.
    """

    maximum: Int
    total: Int

    @classmethod
    def empty(cls, rows: int) -> RowStatistics:
        """Before the first key."""
        return cls(np.full(rows, EMPTY, np.int64), np.zeros(rows, np.int64))

    def update(self, scores: NDArray[np.signedinteger], lanes: int) -> None:
        """Take the next keys.

        Args:
            scores: integers [rows, keys], 8 fraction bits, `MASKED` where a key does not count; keys begin at a
                multiple of `lanes`, and only the last call may bring a number that is none.
            lanes: keys that update a row together.
        """
        rows, keys = scores.shape
        groups = -(-keys // lanes)
        if keys % lanes:
            scores = np.pad(scores, ((0, 0), (0, groups * lanes - keys)), constant_values=MASKED)
        grouped = scores.reshape(rows, groups, lanes)
        ceiling = -(-grouped.max(axis=2) >> SCORE_FRACTION)
        before = np.concatenate([self.maximum[:, None], ceiling], axis=1)
        running = np.maximum.accumulate(before, axis=1)
        terms = _power(grouped - (running[:, 1:, None] << SCORE_FRACTION), SUM_FRACTION)
        terms[grouped <= MASKED] = 0
        sums = terms.sum(axis=2)
        growth = running[:, 1:] - running[:, :-1]
        for row in range(rows):
            self.total[row] = _rescaled_sum(int(self.total[row]), sums[row], growth[row])
        self.maximum = running[:, -1]

    def log_sum(self) -> Int:
        """log2 of each row's sum of 2^score, 8 fraction bits; rows have seen a key."""
        logarithm = log2(self.total) - (SUM_FRACTION << LOG2_FRACTION)
        return (self.maximum << SCORE_FRACTION) + shift_round(logarithm, LOG2_FRACTION - SCORE_FRACTION)


def weights(scores: NDArray[np.signedinteger], log_sum: Int) -> Int:
    """Normalised weights 2^(score - log_sum): int64 [rows, keys], 0 to 2^32; masked keys weigh 0.

    Args:
        scores: integers [rows, keys], 8 fraction bits.
        log_sum: int64 [rows], 8 fraction bits.
    """
    # the logarithm of the sum is rounded: a row's only key may seem to weigh more than 1
    return _power(np.minimum(scores - log_sum[:, None], 0), WEIGHT_FRACTION)


def _power(exponent: Int, fraction: int) -> Int:
    """2^(exponent / 256), rounded down to `fraction` bits; exponents up to 0."""
    mantissa, whole = exp2(exponent)
    return shift(mantissa, whole + (fraction - MANTISSA_FRACTION))


def _rescaled_sum(total: int, sums: Int, growth: Int) -> int:
    """total = (total >> growth[g]) + sums[g] for each group g in turn; growth is rare."""
    start = 0
    for change in np.flatnonzero(growth):
        total = (total + int(sums[start:change].sum())) >> min(int(growth[change]), 63)
        start = int(change)
    return total + int(sums[start:].sum())
