"""Cuts without a sort: a log2 histogram for "how many carry gamma of the mass", digits for "the n largest"."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden.fixed_point import Int, bit_length, shift

BINS = 256
#: Bins per octave: the bits below the leading one that choose a bin.
BIN_BITS = 3
#: Octave of bins 0 to 7; values below it are in bin 0 too. The highest octave, 2^39 up, is 31 above.
LOWEST_OCTAVE = 8
#: Fraction bits of gamma.
GAMMA_FRACTION = 16
#: Bits of a value that `largest` compares, and of a digit of it.
VALUE_BITS = 32
DIGIT_BITS = 8


def log_bin(value: Int) -> Int:
    """Bin of each value: 8 bins per octave, 32 octaves up to 2^40, everything lower in bin 0.

    Args:
        value: int64, 0 to 2^40 - 1.
    """
    octave = bit_length(value) - 1
    below = shift(value, BIN_BITS - octave) & ((1 << BIN_BITS) - 1)
    bins: Int = np.where(octave < LOWEST_OCTAVE, 0, ((octave - LOWEST_OCTAVE) << BIN_BITS) + below)
    return bins


@dataclass(frozen=True)
class Cut:
    """Where the mass reaches gamma of the total.

    Attributes:
        bin: the crossing bin; -1 when every value fits below gamma.
        above: number of values in higher bins.
        share: number of values of the crossing bin that still fit.
        inside: number of values in the crossing bin.
    """

    bin: int
    above: int
    share: int
    inside: int

    @property
    def count(self) -> int:
        """Values, largest first, whose sum stays within gamma of the total."""
        return self.above + self.share


class Histogram:
    """Number and sum of the values in each bin.

    Attributes:
        count: int64 [256], 20 bits.
        mass: int64 [256], 42 bits.
    """

    def __init__(self) -> None:
        self.count = np.zeros(BINS, np.int64)
        self.mass = np.zeros(BINS, np.int64)

    def add(self, values: Int) -> None:
        """Enter values of any shape, each 0 to 2^40 - 1."""
        flat = values.ravel()
        bins = log_bin(flat)
        self.count += np.bincount(bins, minlength=BINS)
        # float64 sums of integers below 2^53 are exact
        self.mass += np.bincount(bins, weights=flat.astype(np.float64), minlength=BINS).astype(np.int64)

    def cut(self, gamma: int) -> Cut:
        """Walk down from the highest bin until the mass exceeds gamma of the total.

        Within the crossing bin all values count as equal: its share is in proportion to the mass left.

        Args:
            gamma: 16 fraction bits, 1 to 65,536.
        """
        target = int(self.mass.sum()) * gamma >> GAMMA_FRACTION
        above, reached = 0, 0
        for index in range(BINS - 1, -1, -1):
            count, mass = int(self.count[index]), int(self.mass[index])
            if reached + mass > target:
                return Cut(index, above, (target - reached) * count // mass, count)
            above, reached = above + count, reached + mass
        return Cut(-1, above, 0, 0)


def largest(values: Int, count: int) -> NDArray[np.bool_]:
    """The `count` largest values; among equal ones the first.

    The threshold is found digit by digit from the top, 8 bits at a time: a histogram of the digit over the
    values that agree so far, and a walk down it.

    Args:
        values: int64 [n], 0 to 2^32 - 1.
        count: 0 to n.

    Returns:
        bool [n].
    """
    threshold, needed = 0, count
    for place in range(VALUE_BITS - DIGIT_BITS, -1, -DIGIT_BITS):
        agreeing = values[values >> (place + DIGIT_BITS) == threshold >> (place + DIGIT_BITS)]
        digits = np.bincount(agreeing >> place & ((1 << DIGIT_BITS) - 1), minlength=1 << DIGIT_BITS)
        digit = (1 << DIGIT_BITS) - 1
        while digit > 0 and digits[digit] < needed:
            needed -= int(digits[digit])
            digit -= 1
        threshold |= digit << place
    chosen = values > threshold
    ties = np.flatnonzero(values == threshold)[:needed]
    chosen[ties] = True
    return np.asarray(chosen, dtype=np.bool_)
