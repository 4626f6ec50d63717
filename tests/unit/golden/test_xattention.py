"""XAttention's selection against its authors' code, and its sums by their definition."""

import json
from pathlib import Path

import numpy as np
import pytest

from fastprefill.errors import FastprefillError
from fastprefill.golden import traces, xattention

RECORDED = sorted((Path(__file__).parents[2] / "data" / "xattention").glob("*.npz"))
SHAPE = ("seed", "tokens", "heads", "kv_heads", "head_dim")


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_agrees_with_the_authors_code(file: Path) -> None:
    expected = np.load(file)
    params = json.loads(str(expected["params"]))
    q, k, _ = traces.tensors(*(params.pop(name) for name in SHAPE))
    shape = expected["mask_shape"]
    mask = np.unpackbits(expected["mask"])[: np.prod(shape)].reshape(shape).astype(bool)
    chosen = xattention.select_blocks(q, k, **params)
    both, either = (chosen.mask & mask).sum(axis=(1, 2)), (chosen.mask | mask).sum(axis=(1, 2))
    assert (both / either).min() >= 0.995
    assert chosen.query_aware.all() and np.isnan(chosen.sqrt_jsd).all()


def test_the_first_chunk_keeps_more() -> None:
    q, k, _ = traces.tensors(4, 2000, 4, 2, 32)
    theirs, corrected = (xattention.select_blocks(q, k, gamma=0.7, block=64, compat=c) for c in (True, False))
    assert np.all(theirs.mask >= corrected.mask) and theirs.mask.sum() > corrected.mask.sum()


@pytest.mark.parametrize("tokens", [64, 77])
def test_block_sums_by_definition(tokens: int) -> None:
    rng = np.random.default_rng(tokens)
    q, k = (rng.standard_normal((tokens, 8), np.float32) for _ in range(2))
    stride, block = 4, 16
    groups, blocks = -(-tokens // stride), -(-tokens // block)
    scores = np.full((groups, groups), -np.inf)
    for i in range(groups):
        for j in range(i + 1):
            pairs = [(stride * i + stride - 1 - t, stride * j + t) for t in range(stride)]
            scores[i, j] = sum(float(q[a] @ k[b]) for a, b in pairs if a < tokens and b < tokens)
    weights = np.exp(scores / (np.sqrt(8) * stride))
    weights /= weights.sum(axis=1, keepdims=True)
    expected = np.zeros((blocks, blocks))
    for i in range(groups):
        for j in range(groups):
            expected[i // 4, j // 4] += weights[i, j]
    np.testing.assert_allclose(xattention.block_sums(q, k, block, stride), expected, atol=1e-5)


def test_kept_blocks_reach_gamma() -> None:
    q, k, _ = traces.tensors(9, 1500, 2, 1, 32)
    for gamma in (0.5, 0.9):
        chosen = xattention.select_blocks(q, k, gamma=gamma, block=64, compat=False)
        for head in range(2):
            sums = xattention.block_sums(q[:, head], k[:, 0], 64, 8)
            share = np.where(chosen.mask[head], sums, 0).sum(axis=1) / sums.sum(axis=1)
            assert share.min() >= gamma - 1e-6


def test_bad_stride() -> None:
    q = np.zeros((8, 1, 2), np.float32)
    with pytest.raises(FastprefillError) as caught:
        xattention.select_blocks(q, q, gamma=0.9, stride=12)
    assert str(caught.value) == "stride is 12; it must divide the block of 128 tokens"
