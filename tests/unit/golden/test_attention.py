"""Integer attention: against float64 on its own codes, causality, sparse = dense, corner cases."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastprefill.errors import FastprefillError
from fastprefill.golden import sfu, traces
from fastprefill.golden.attention import Heads, attend, query_block, scores
from fastprefill.golden.fixed_point import Format
from fastprefill.golden.float_attention import attention
from fastprefill.golden.partial import normalise
from fastprefill.golden.scale import Codes, Scales

FRACTION = 14


def heads(seed: int, tokens: int, count: int = 2, kv: int = 1, dim: int = 16, size: float = 2.0) -> Heads:
    generator = np.random.default_rng(seed)

    def coded(number: int, scale: float) -> Codes:
        x = generator.standard_normal((tokens, number, dim)) * scale
        x *= np.exp2(generator.uniform(-2, 2, (tokens, number, 1)))
        return sfu.quantise(np.rint(x * 2**FRACTION).astype(np.int64), FRACTION)

    return Heads(coded(count, size / 4), coded(kv, 1.0), coded(kv, 1.0))


def in_float(operands: Heads, kept: np.ndarray | None = None) -> np.ndarray:
    """Softmax attention of the codes' real values in float64."""
    q, k, v = operands.q.real(), operands.k.real(), operands.v.real()
    result = np.zeros_like(q)
    for head in range(q.shape[1]):
        kv = head // operands.group
        t = np.where(np.tri(len(q), dtype=bool), q[:, head] @ k[:, kv].T, -np.inf)
        if kept is not None:
            t = np.where(kept[head], t, -np.inf)
        weights = np.exp2(t - t.max(axis=-1, keepdims=True))
        result[:, head] = weights / weights.sum(axis=-1, keepdims=True) @ v[:, kv]
    return result


@pytest.mark.parametrize("tokens, block", [(1, 16), (16, 16), (17, 16), (200, 16), (300, 64), (260, 128)])
@pytest.mark.parametrize("size", [0.0, 2.0, 40.0])
def test_close_to_float_on_the_same_codes(tokens: int, block: int, size: float) -> None:
    """The datapath adds at most 2 % (root mean square) to what int8 operands cost."""
    operands = heads(tokens, tokens, size=size)
    exact = in_float(operands)
    got = attend(operands, FRACTION, block=block) / 2**FRACTION
    assert np.linalg.norm(got - exact) <= 0.02 * np.linalg.norm(exact)


def test_sparse_with_all_blocks_is_dense() -> None:
    operands = heads(1, 150, count=4, kv=2)
    everything = np.ones((4, 10, 10), bool)
    assert np.array_equal(attend(operands, FRACTION, everything, 16), attend(operands, FRACTION, block=16))


def test_sparse_against_float() -> None:
    operands = heads(2, 160)
    mask = np.tri(10, dtype=bool) & (np.random.default_rng(3).random((2, 10, 10)) < 0.5) | np.eye(
        10, dtype=bool
    )
    exact = in_float(operands, np.repeat(np.repeat(mask, 16, axis=1), 16, axis=2))
    got = attend(operands, FRACTION, mask, 16) / 2**FRACTION
    assert np.linalg.norm(got - exact) <= 0.02 * np.linalg.norm(exact)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 90), st.sampled_from([16, 32]), st.integers(0, 999))
def test_sparse_with_all_blocks_is_dense_at_any_length(tokens: int, block: int, seed: int) -> None:
    operands = heads(seed, tokens, dim=8)
    blocks = -(-tokens // block)
    everything = np.ones((2, blocks, blocks), bool)
    assert np.array_equal(
        attend(operands, FRACTION, everything, block), attend(operands, FRACTION, block=block)
    )


@settings(deadline=None, max_examples=25)
@given(st.permutations(range(8)), st.integers(0, 999), st.sampled_from([0.5, 4.0, 40.0]))
def test_any_order_of_key_blocks_is_within_the_bound(order: list[int], seed: int, size: float) -> None:
    """Two orders of n jobs differ by at most n - 1 units in l and O, and not at all in the exponents."""
    operands = heads(seed, 128, dim=8, size=size)
    ascending = query_block(operands, 0, 7, range(8), 16)
    other = query_block(operands, 0, 7, order, 16)
    assert np.array_equal(ascending.m, other.m) and np.array_equal(ascending.n, other.n)
    assert np.abs(ascending.l - other.l).max() <= 7 and np.abs(ascending.o - other.o).max() <= 7


def test_heads_with_the_patterns_of_real_prompts() -> None:
    """Sink, vertical, slash and topic heads: int8 operands and the datapath together cost at most 2 %."""
    q, k, v = traces.tensors(1, 1024, 4, 2, 64)

    def coded(x: np.ndarray) -> Codes:
        return sfu.quantise(Format(24, 16).encode(x), 16)

    operands = Heads(coded(q * math.log2(math.e) / 8), coded(k), coded(v))
    got = attend(operands, 16) / 2.0**16
    exact = attention(q, k, v)
    for head in range(4):
        assert np.linalg.norm(got[:, head] - exact[:, head]) <= 0.02 * np.linalg.norm(exact[:, head])


def test_a_later_token_changes_nothing_before_it() -> None:
    operands = heads(4, 100)
    changed = heads(5, 100)
    late = np.arange(100)[:, None, None] >= 70

    def spliced(a: Codes, b: Codes) -> Codes:
        values = np.where(late, b.values, a.values)
        pairs = ((a.scales.mantissa, b.scales.mantissa), (a.scales.exponent, b.scales.exponent))
        return Codes(values, Scales(*(np.where(late[:, 0], y, x) for x, y in pairs)))

    other = Heads(*(spliced(getattr(operands, n), getattr(changed, n)) for n in "qkv"))
    before, after = attend(operands, FRACTION, block=16), attend(other, FRACTION, block=16)
    assert np.array_equal(before[:70], after[:70])
    assert not np.array_equal(before[70:], after[70:])


def test_a_shorter_prompt_gives_the_same_rows() -> None:
    operands = heads(6, 100)
    short = Heads(operands.q[:50], operands.k[:50], operands.v[:50])
    assert np.array_equal(attend(short, FRACTION, block=16), attend(operands, FRACTION, block=16)[:50])


def test_a_query_block_without_keys_gives_zero() -> None:
    operands = heads(7, 64)
    mask = np.ones((2, 4, 4), bool)
    mask[1, 2] = False
    got = attend(operands, FRACTION, mask, 16)
    assert not got[32:48, 1].any() and got[32:48, 0].any()


def test_order_of_key_blocks_matters_by_rounding_alone() -> None:
    operands = heads(8, 256)
    up = normalise(query_block(operands, 0, 15, range(16), 16), FRACTION)
    down = normalise(query_block(operands, 0, 15, reversed(range(16)), 16), FRACTION)
    assert np.abs(up - down).max() <= 2e-3 * np.abs(up).max()


def test_extreme_codes_do_not_overflow() -> None:
    """All weights and values at their largest: a block adds at most 2**21 to O, 1,024 of them stay in 32 bits."""
    tokens, dim = 256, 8
    full = Codes(
        np.full((tokens, 1, dim), 127, np.int8), Scales(np.full((tokens, 1), 255), np.full((tokens, 1), 0))
    )
    state = query_block(Heads(full, full, full), 0, 1, [0, 1])
    assert 1024 * state.o.max() // 2 < 2**31 and 1024 * state.l.max() // 2 < 2**32
    expected = 127 * 255
    assert np.abs(normalise(state, 4) / 16 - expected).max() <= 0.006 * expected


def test_scores_saturate_and_round() -> None:
    q = Codes(
        np.array([[127], [1], [-127]], np.int8), Scales(np.array([128, 128, 255]), np.array([0, -15, 3]))
    )
    k = Codes(np.array([[127], [1]], np.int8), Scales(np.array([255, 128]), np.array([2, -7])))
    assert scores(q, k).tolist() == [[2**19 - 1, 2**19 - 1], [127 * 255 * 4, 1], [-(2**19), -(2**19)]]


def test_a_score_halfway_rounds_up() -> None:
    q = Codes(np.array([[1], [-1], [3]], np.int8), Scales(np.full(3, 128), np.full(3, -16)))
    k = Codes(np.array([[1]], np.int8), Scales(np.array([128]), np.array([-7])))
    assert scores(q, k).ravel().tolist() == [1, 0, 2]  # 0.5, -0.5 and 1.5


def test_shapes_that_do_not_belong_together() -> None:
    a, b = heads(9, 20), heads(9, 30)
    with pytest.raises(FastprefillError, match=r"do not belong together"):
        Heads(a.q, b.k, b.v)
    with pytest.raises(
        FastprefillError, match=r"mask has shape \[2, 3, 3\]; 2 heads of 2 blocks need \[2, 2, 2\]"
    ):
        attend(a, FRACTION, np.ones((2, 3, 3), bool), 16)
