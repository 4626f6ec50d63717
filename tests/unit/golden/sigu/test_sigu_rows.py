"""The streaming softmax: what a row keeps, against a walk key by key and against float64."""

import math

import numpy as np
import pytest

from fastprefill.golden.functions import exp2
from fastprefill.golden.sigu.rows import EMPTY, MASKED, SUM_FRACTION, RowStatistics, weights


def walk(scores, lanes):
    """One row, group by group, as the hardware does it."""
    maximum, total = EMPTY, 0
    for start in range(0, len(scores), lanes):
        group = scores[start : start + lanes]
        top = max(maximum, *(math.ceil(score / 256) for score in group))
        total >>= min(top - maximum, 63)
        maximum = top
        for score in group:
            if score > MASKED:
                mantissa, whole = (int(part) for part in exp2(np.array(score - (maximum << 8))))
                shift = whole + SUM_FRACTION - 15
                total += mantissa << shift if shift >= 0 else mantissa >> -shift
    return maximum, total


@pytest.mark.parametrize("lanes", [1, 4, 16, 128])
@pytest.mark.parametrize("spread", [10, 2000, 500_000])
def test_the_update_is_the_walk(lanes, spread):
    random = np.random.default_rng(spread)
    scores = random.integers(-spread, spread, (3, 150))
    scores[0] = np.sort(scores[0])  # the maximum grows all the time
    scores[1, 100:] = MASKED
    rows = RowStatistics.empty(3)
    rows.update(scores[:, :128], lanes)
    rows.update(scores[:, 128:], lanes)
    for row in range(3):
        assert (rows.maximum[row], rows.total[row]) == walk(scores[row].tolist(), lanes)


def test_the_logarithm_of_the_sum():
    scores = np.random.default_rng(5).normal(0, 900, (8, 5000)).astype(np.int64)
    rows = RowStatistics.empty(8)
    rows.update(scores, 16)
    exact = np.log2(np.exp2(scores / 256).sum(axis=1))
    np.testing.assert_allclose(rows.log_sum() / 256, exact, atol=0.6 / 256)


def test_weights_sum_to_one():
    scores = np.random.default_rng(6).normal(0, 600, (8, 5000)).astype(np.int64)
    scores[:, 4990:] = MASKED
    rows = RowStatistics.empty(8)
    rows.update(scores, 16)
    weight = weights(scores, rows.log_sum())
    assert not weight[:, 4990:].any()
    np.testing.assert_allclose(weight.sum(axis=1) / 2**32, 1, atol=0.002)


def test_tiny_weights_are_not_lost():
    """131,072 keys, each 2^-26 of the largest: together 0.2 % of the mass, as many as FlexPrefill counts."""
    scores = np.full((1, 131_072), -26 * 256)
    scores[0, 0] = 0
    rows = RowStatistics.empty(1)
    rows.update(scores, 16)
    assert rows.total[0] == (1 << SUM_FRACTION) + 131_071 * (1 << SUM_FRACTION - 26)
    assert weights(scores, rows.log_sum())[0, 1] >= 63


def test_a_single_key_weighs_one():
    rows = RowStatistics.empty(1)
    rows.update(np.array([[-77_777]]), 16)
    weight = weights(np.array([[-77_777]]), rows.log_sum())
    assert abs(weight[0, 0] / 2**32 - 1) < 0.003
    assert weight[0, 0] <= 1 << 32
