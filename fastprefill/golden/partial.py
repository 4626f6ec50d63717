"""Partial attention states (m, l, O) of query rows, and their merge (``docs/numerics.md``, section 5).

l and O are block floating point: each row carries an exponent for either, so rescaling is a shift. A merge
rounds the operand with the smaller exponent, by at most half a unit of the result. Over any tree of merges of
n states, l and every element of O are therefore within (n - 1) / 2 units of the exact sum, and two orders
within n - 1 units of each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastprefill.golden.fixed_point import Int, saturate, shift_round
from fastprefill.golden.functions import reciprocal
from fastprefill.golden.sfu import ACTIVATION_BITS

EMPTY = -(1 << 15)  # exponent of a state that has seen no key
WEIGHT_FRACTION = 14  # of l: the largest weight of a job is 2**13 to 2**14 - 1
CODE_FRACTION = 7  # of O: 1,024 blocks of 128 tokens cannot overflow 32 bits


@dataclass(frozen=True)
class Partial:
    """States of any number of rows.

    Attributes:
        m: [rows], exponent of `l`, 16 bits.
        l: [rows], 32 bits unsigned: sum of weights * 2**(14 - m).
        n: [rows], exponent of `o`, 16 bits.
        o: [rows, dim], 32 bits: sum of weights * values * 2**(7 - n).
    """

    m: Int
    l: Int  # noqa: E741 - the papers' name
    n: Int
    o: Int

    @staticmethod
    def empty(rows: int, dim: int) -> Partial:
        """No keys seen: merging it changes nothing."""
        none = np.full(rows, EMPTY, np.int64)
        return Partial(none, np.zeros(rows, np.int64), none, np.zeros((rows, dim), np.int64))

    def __getitem__(self, index: Any) -> Partial:
        return Partial(self.m[index], self.l[index], self.n[index], self.o[index])


def merge(left: Partial, right: Partial) -> Partial:
    """The state of both sets of keys; commutative."""
    m, n = np.maximum(left.m, right.m), np.maximum(left.n, right.n)
    weights = shift_round(left.l, m - left.m) + shift_round(right.l, m - right.m)
    sums = shift_round(left.o, (n - left.n)[:, None]) + shift_round(right.o, (n - right.n)[:, None])
    return Partial(m, weights, n, sums)


def normalise(state: Partial, fraction: int) -> Int:
    """O / l with `fraction` fraction bits, 24 bits; rows that have seen no key give 0.

    Returns:
        [rows, dim].
    """
    mantissa, exponent = reciprocal(state.l)
    # O 2**(n - 7) / (l 2**(m - 14)), and 1 / l = mantissa 2**(-16 - exponent)
    amount = 16 + exponent - WEIGHT_FRACTION + CODE_FRACTION + state.m - state.n - fraction
    return saturate(
        shift_round(state.o * mantissa[:, None], np.maximum(amount, -13)[:, None]), ACTIVATION_BITS
    )
