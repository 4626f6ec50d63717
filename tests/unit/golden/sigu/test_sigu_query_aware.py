"""The cut of query-aware heads, against sorting all weights."""

import numpy as np
import pytest

from fastprefill.golden.sigu import Registers, keys, pooled, queries
from fastprefill.golden.sigu.histogram import Cut
from fastprefill.golden.sigu.query_aware import _drawn, pooled_blocks


def chosen(q, k, gamma):
    registers = Registers.of(
        len(q) * 16, gamma=gamma, tau=1, min_budget=1, max_budget=None, block=16, compat=True, lanes=16
    )
    means = [np.repeat(x, 16, axis=0) for x in (q, k)]
    return pooled_blocks(pooled(queries(means[0]), 16), pooled(keys(means[1]), 16), registers)


@pytest.mark.parametrize("gamma", [0.3, 0.8, 0.95])
@pytest.mark.parametrize("strength", [0.2, 3.0])
def test_the_largest_weights_are_chosen(gamma, strength):
    random = np.random.default_rng(4)
    q, k = strength * random.standard_normal((70, 64)), random.standard_normal((70, 64))
    mask = chosen(q, k, gamma)
    scores = np.where(np.tri(70, dtype=bool), q @ k.T / 8, -np.inf)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    exact = np.count_nonzero(np.cumsum(np.sort(weights, axis=None)[::-1]) <= gamma * 70)
    assert not np.triu(mask, 1).any()
    assert abs(mask.sum() - exact) <= 0.01 * exact + 2
    assert weights[mask].sum() == pytest.approx(gamma * 70, rel=0.01)
    # a block that was left out is hardly heavier than one that was taken: int8 operands
    assert weights[~mask].max() < 1.25 * weights[mask].min()


def test_gamma_of_one_takes_everything():
    random = np.random.default_rng(5)
    q, k = random.standard_normal((2, 20, 64))
    np.testing.assert_array_equal(chosen(q, k, 1.0), np.tri(20, dtype=bool))


def test_uniform_weights_of_many_rows():
    mask = chosen(np.zeros((64, 64)), np.ones((64, 64)), 0.9)
    rows = mask.sum(axis=1)
    assert mask.sum(axis=1)[:50].tolist() == list(range(1, 51))
    assert (rows / np.arange(1, 65)).sum() == pytest.approx(0.9 * 64, abs=0.5)


@pytest.mark.parametrize("share", [0, 1, 50, 149, 150])
def test_ties_are_taken_evenly_over_rows_columns_and_diagonals(share):
    cut = Cut(bin=3, above=0, left=share, inside=150, mass=150)
    row, key = np.indices((150, 150))
    drawn = _drawn(cut, row, key)
    lines = (drawn, drawn.T, np.array([np.diagonal(np.tile(drawn, 2), n) for n in range(150)]))
    for line in lines:
        assert np.abs(line.sum(axis=1) - share).max() <= 3


def test_means_of_blocks_of_codes():
    """Scales that differ by 2^12 within a block, a last block that is not full, a token of zeros."""
    random = np.random.default_rng(6)
    x = random.standard_normal((300, 64)) * np.exp2(random.uniform(-12, 0, (300, 1)))
    x[17] = 0
    codes = keys(x)
    means = pooled(codes, 128)
    exact = np.array([codes.real()[start : start + 128].mean(axis=0) for start in (0, 128, 256)])
    assert means.values.shape == (3, 64)
    # half a code, and what alignment and the rounded division cut off
    bound = np.abs(exact).max(axis=1, keepdims=True) * (0.51 / 126)
    assert (np.abs(means.real() - exact) <= bound).all()


def test_a_head_of_zeros_has_means_of_zero():
    assert not pooled(keys(np.zeros((40, 64))), 16).values.any()
