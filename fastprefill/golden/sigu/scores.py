"""Scores in log2 units: from the matrix unit's int32 products, by a multiplier per key and one per row.

    score[i, j] = log2(e) / sqrt(head_dim) * (q_i . k_j)        8 fraction bits

    halfway = (product * key multiplier + 2^11) >> 12
    score   = (halfway * row multiplier + 2^(shift-1)) >> shift, saturated to 23 bits

The row multiplier is the query's multiplier with log2(e) / sqrt(head_dim) in it, computed once per row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden.fixed_point import Int, saturate, shift_round
from fastprefill.golden.functions.exp2 import FRACTION as SCORE_FRACTION
from fastprefill.golden.sigu.operands import Operand

SCORE_BITS = 23
KEY_SHIFT = 12
_MANTISSA_BITS = 17
_ROW_SHIFT = 16


@dataclass(frozen=True)
class ScoreScale:
    """log2(e) / sqrt(head_dim) * 2^exponent of both operands: two registers.

    Attributes:
        mantissa: 2^16 to 2^17 - 1, fixed by the head dimension.
        shift: right shift of the second product, 0 to 63.
    """

    mantissa: int
    shift: int

    @classmethod
    def of(cls, queries: Operand, keys: Operand) -> ScoreScale:
        """For operands of one head dimension."""
        constant = math.log2(math.e) / math.sqrt(queries.codes.shape[1])
        fraction, exponent = math.frexp(constant)  # 0.5 to 1
        mantissa = round(math.ldexp(fraction, _MANTISSA_BITS))
        exponent += queries.exponent + keys.exponent + SCORE_FRACTION + KEY_SHIFT
        return cls(mantissa, min(max(_MANTISSA_BITS - _ROW_SHIFT - exponent, 0), 63))


def row_multipliers(queries: Operand, scale: ScoreScale) -> Int:
    """int64 [rows], 17 bits."""
    return shift_round(queries.multipliers * scale.mantissa, _ROW_SHIFT)


def products(queries: NDArray[np.int8], keys: NDArray[np.int8]) -> Int:
    """What the matrix unit delivers: [rows, keys], exact.

    float32 holds the sums exactly while they stay below 2^24, that is up to a head dimension of 1,024.
    """
    if queries.shape[1] <= 1024:
        return np.asarray(queries.astype(np.float32) @ keys.astype(np.float32).T).astype(np.int64)
    return np.asarray(queries.astype(np.int64) @ keys.astype(np.int64).T)


def scores(queries: Operand, keys: Operand, scale: ScoreScale) -> Int:
    """int64 [rows, keys], 8 fraction bits, 23 bits."""
    halfway = shift_round(products(queries.codes, keys.codes) * keys.multipliers, KEY_SHIFT)
    return saturate(shift_round(halfway * row_multipliers(queries, scale)[:, None], scale.shift), SCORE_BITS)
