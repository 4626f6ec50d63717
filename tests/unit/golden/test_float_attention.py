"""Attention tile by tile against its definition, and laws that hold for every prompt."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastprefill.errors import FastprefillError
from fastprefill.golden.float_attention import attention
from fastprefill.golden.selection import all_blocks

LENGTHS = st.integers(1, 90)
SEEDS = st.integers(0, 2**32 - 1)
HEADS = st.sampled_from([(1, 1), (4, 2), (3, 1)])


def inputs(seed: int, tokens: int, heads: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """q, k and v in float64, with scores far apart."""
    rng = np.random.default_rng(seed)
    q, k, v = (rng.standard_normal((tokens, n, 8)) for n in (heads[0], heads[1], heads[1]))
    return 3 * q, k, v


def random_mask(seed: int, heads: int, tokens: int, block: int) -> np.ndarray:
    blocks = -(-tokens // block)
    return np.random.default_rng(seed).random((heads, blocks, blocks)) < 0.4


def by_definition(q: np.ndarray, k: np.ndarray, v: np.ndarray, mask: np.ndarray, block: int) -> np.ndarray:
    tokens, heads, dim = q.shape
    out = np.zeros((tokens, heads, v.shape[2]))
    for head in range(heads):
        group = head * k.shape[1] // heads
        for i in range(tokens):
            seen = [j for j in range(i + 1) if mask[head, i // block, j // block]]
            if seen:
                weights = np.exp(k[seen, group] @ q[i, head] / np.sqrt(dim))
                out[i, head] = weights @ v[seen, group] / weights.sum()
    return out


@settings(max_examples=25, deadline=None)
@given(SEEDS, LENGTHS, HEADS, st.sampled_from([16, 32]))
def test_chosen_blocks_by_definition(seed: int, tokens: int, heads: tuple[int, int], block: int) -> None:
    q, k, v = inputs(seed, tokens, heads)
    mask = random_mask(seed, heads[0], tokens, block)
    np.testing.assert_allclose(
        attention(q, k, v, mask, block=block), by_definition(q, k, v, mask, block), atol=1e-12
    )


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 1100), HEADS)
def test_all_blocks_are_dense(seed: int, tokens: int, heads: tuple[int, int]) -> None:
    q, k, v = inputs(seed, tokens, heads)
    mask = all_blocks(heads[0], tokens, 64).mask
    np.testing.assert_allclose(attention(q, k, v, mask, block=64), attention(q, k, v), atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(2, 90), HEADS, st.booleans(), st.data())
def test_later_tokens_never_change_earlier_outputs(
    seed: int, tokens: int, heads: tuple[int, int], sparse: bool, data: st.DataObject
) -> None:
    q, k, v = inputs(seed, tokens, heads)
    cut = data.draw(st.integers(1, tokens - 1))
    mask = random_mask(seed, heads[0], tokens, 16) if sparse else None
    before = attention(q, k, v, mask, block=16)
    for array in (q, k, v):
        array[cut:] = 100 - array[cut:]
    after = attention(q, k, v, mask, block=16)
    np.testing.assert_allclose(after[:cut], before[:cut], atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(SEEDS, LENGTHS, HEADS, st.data())
def test_some_rows_are_rows_of_the_whole(
    seed: int, tokens: int, heads: tuple[int, int], data: st.DataObject
) -> None:
    q, k, v = inputs(seed, tokens, heads)
    rows = np.array(sorted(data.draw(st.sets(st.integers(0, tokens - 1), min_size=1))))
    for mask in (None, random_mask(seed, heads[0], tokens, 16)):
        whole = attention(q, k, v, mask, block=16)
        np.testing.assert_allclose(attention(q, k, v, mask, block=16, rows=rows), whole[rows], atol=1e-12)


def test_precision_of_the_inputs_is_kept() -> None:
    q, k, v = (array.astype(np.float32) for array in inputs(1, 20, (2, 1)))
    assert attention(q, k, v).dtype == np.float32


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            (2, 3, 3),
            "the mask has shape [2, 3, 3]; 20 tokens in blocks of 16 with 2 heads make it [2, 2, 2]",
        ),
        ((2, 2), "the mask has shape [2, 2]; 20 tokens in blocks of 16 with 2 heads make it [2, 2, 2]"),
    ],
)
def test_mask_of_another_shape(shape: tuple[int, ...], message: str) -> None:
    q, k, v = inputs(1, 20, (2, 1))
    with pytest.raises(FastprefillError) as caught:
        attention(q, k, v, np.ones(shape, bool), block=16)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"block": 0}, "blocks of 0 tokens; choose at least 1"),
        ({"rows": np.array([3, 20])}, "rows 3 to 20 of 20 tokens; choose 0 to 19"),
        ({"rows": np.array([-1])}, "rows -1 to -1 of 20 tokens; choose 0 to 19"),
        ({"v": np.ones((20, 1, 8), np.int8)}, "v is of int8; attention in float takes float32 or float64"),
    ],
)
def test_arguments_that_are_refused(change: dict[str, Any], message: str) -> None:
    q, k, v = inputs(1, 20, (2, 1))
    with pytest.raises(FastprefillError) as caught:
        attention(**({"q": q, "k": k, "v": v} | change))
    assert str(caught.value) == message


def test_values_of_another_length() -> None:
    q, k, v = inputs(1, 20, (2, 1))
    with pytest.raises(FastprefillError) as caught:
        attention(q, k, v[:19])
    assert str(caught.value) == (
        "k has shape [20, 1, 8] and v [19, 1, 8]; both need the same tokens and heads"
    )
