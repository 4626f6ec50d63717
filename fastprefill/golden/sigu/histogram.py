"""Cuts without a sort: a log2 histogram for "how many carry gamma of the mass", digits for "the n largest"."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden.fixed_point import Int, bit_length, shift

BINS = 256
#: Bins per octave: the bits below the leading one that choose a bin.
BIN_BITS = 3
#: Bits of `fine_bin`.
FINE_BITS = 8
#: Octave of bins 0 to 7; values below it are in bin 0 too. The highest octave, 2^39 up, is 31 above.
LOWEST_OCTAVE = 8
#: Fraction bits of a share of a bin, and ln(2) / 16 with so many.
SHARE_FRACTION = 16
SPREAD = 2839
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


def fine_bin(value: Int) -> Int:
    """Place of a value within its bin: the 8 bits below those that choose the bin."""
    fine: Int = shift(value, BIN_BITS + FINE_BITS - bit_length(value) + 1) & (BINS - 1)
    return fine


@dataclass(frozen=True)
class Cut:
    """Where the sum of values, largest first, passes a target.

    Attributes:
        bin: the crossing bin; -1 when all values together stay within the target.
        above: number of values in higher bins.
        left: what these leave of the target.
        inside: number of values in the crossing bin.
        mass: their sum.
    """

    bin: int
    above: int
    left: int
    inside: int
    mass: int

    @property
    def share(self) -> int:
        """Values of the crossing bin that still fit, were they all equal."""
        return self.left * self.inside // max(self.mass, 1)

    @property
    def count(self) -> int:
        """Values, largest first, whose sum stays within the target, the bin's spread evenly over its 1/8 octave.

        Of n values from 2^(1/16) down to 2^(-1/16) times their mean, the largest x n have f = x + c x (1 - x) of the
        mass, c = ln(2) / 16; solved for x to first order in c.
        """
        f = (self.left << SHARE_FRACTION) // max(self.mass, 1)
        bend = f * ((1 << SHARE_FRACTION) - f) >> SHARE_FRACTION
        x = f - (bend * SPREAD >> SHARE_FRACTION)
        return self.above + (self.inside * x >> SHARE_FRACTION)


class Histogram:
    """Number and sum of the values in each bin.

    Attributes:
        count: int64 [256].
        mass: int64 [256].
    """

    def __init__(self) -> None:
        self.count = np.zeros(BINS, np.int64)
        self.mass = np.zeros(BINS, np.int64)

    def add(self, bins: Int, values: Int) -> None:
        """Enter values into bins, both int64 [n]."""
        self.count += np.bincount(bins, minlength=BINS)
        # float64 sums of integers are exact below 2^53
        self.mass += np.bincount(bins, weights=values.astype(np.float64), minlength=BINS).astype(np.int64)

    def target(self, gamma: int) -> int:
        """gamma, 1 to 65,536 with 16 fraction bits, of all that was entered; rounded down."""
        return int(self.mass.sum()) * gamma >> GAMMA_FRACTION

    def cut(self, target: int) -> Cut:
        """Walk down from the highest bin until the sum exceeds the target."""
        above, left = 0, target
        for index in range(BINS - 1, -1, -1):
            count, mass = int(self.count[index]), int(self.mass[index])
            if mass > left:
                return Cut(index, above, left, count, mass)
            above, left = above + count, left - mass
        return Cut(-1, above, left, 0, 0)


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
