"""XAttention's choice of blocks (Xu et al., ICML 2025, arXiv 2503.16428): sums over antidiagonals. For comparison.

For each query head, with blocks of `block` tokens cut into groups of `stride`:

1.  The score of a group of queries and a group of keys is the sum of q k / sqrt(dim) over the antidiagonal of
    their square, over stride. It is one product: keys of a group side by side, queries in reverse order.
2.  A causal softmax over groups; the weights are summed over blocks.
3.  Per query block: the first key block and the diagonal are kept, then the largest others until what is kept
    reaches gamma of the row.

There is one kind of head and there are no budgets. A prompt that ends inside a group is filled up with zeros.

The authors' code takes query blocks in chunks, and in the first chunk, which is all of a prompt of up to 16,384
tokens, it does not count the first key block among what is kept and keeps one block more than step 3 says.
``compat=True`` does the same; ``compat=False`` follows step 3 everywhere.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fastprefill.errors import FastprefillError
from fastprefill.golden.selection import Selection, check_inputs

Array = NDArray[np.float32]

_QUERY_BLOCKS = 16  # at a time, so that memory does not grow with the square of the prompt


def select_blocks(
    q: NDArray[np.floating],
    k: NDArray[np.floating],
    *,
    gamma: float,
    tau: float = 0.0,
    min_budget: int = 1,
    max_budget: int | None = None,
    block: int = 128,
    compat: bool = True,
    stride: int = 8,
) -> Selection:
    """Blocks by XAttention; see `fastprefill.golden.selection.Selector` for arguments and errors.

    `gamma` is the paper's threshold. `tau` and the budgets are FlexPrefill's; they are checked, and change
    nothing here. Every head counts as query-aware, and `sqrt_jsd` is NaN.

    Args:
        stride: tokens per group; divides `block`.

    Raises:
        FastprefillError: as `Selector` says, or a stride that does not divide the block.
    """
    min_budget, max_budget, block = check_inputs(
        q, k, gamma=gamma, tau=tau, min_budget=min_budget, max_budget=max_budget, block=block
    )
    if stride < 1 or block % stride:
        raise FastprefillError(f"stride is {stride}; it must divide the block of {block} tokens")
    heads, blocks = q.shape[1], -(-len(q) // block)
    chunk = _first_chunk(len(q)) // block if compat else 0
    mask = np.empty((heads, blocks, blocks), bool)
    for head in range(heads):
        keys = k[:, head * k.shape[1] // heads].astype(np.float32, copy=False)
        queries = q[:, head].astype(np.float32, copy=False)
        mask[head] = _cover(block_sums(queries, keys, block, stride), gamma, chunk)
    return Selection(mask, np.ones(heads, bool), np.full(heads, np.nan, np.float32), block)


def block_sums(q: Array, k: Array, block: int, stride: int) -> NDArray[np.float64]:
    """Steps 1 and 2 for q and k [tokens, dim].

    Returns:
        float64 [blocks, blocks], query block by key block, 0 above the diagonal; a row sums to its number of groups.
    """
    side_by_side = _groups(k, stride)
    reversed_order = _groups(q, stride, reverse=True) * np.float32(1 / (math.sqrt(q.shape[1]) * stride))
    groups, per_block = len(side_by_side), block // stride
    blocks = -(-groups // per_block)
    sums = np.zeros((blocks, blocks))
    for first in range(0, groups, _QUERY_BLOCKS * per_block):
        last = min(first + _QUERY_BLOCKS * per_block, groups)
        scores = reversed_order[first:last] @ side_by_side[:last].T
        scores[np.arange(last) > np.arange(first, last)[:, None]] = -np.inf
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=1, keepdims=True)
        keys = np.add.reduceat(scores, np.arange(0, last, per_block), axis=1)
        part = np.add.reduceat(keys, np.arange(0, last - first, per_block), axis=0)
        row = first // per_block
        sums[row : row + len(part), : part.shape[1]] = part
    return sums


def _groups(x: Array, stride: int, reverse: bool = False) -> Array:
    """Tokens of each group side by side, in reverse order if asked for: [groups, stride * dim]."""
    tokens, dim = x.shape
    groups = -(-tokens // stride)
    filled = np.zeros((groups * stride, dim), np.float32)
    filled[:tokens] = x
    grouped = filled.reshape(groups, stride, dim)
    return (grouped[:, ::-1] if reverse else grouped).reshape(groups, stride * dim)


def _first_chunk(tokens: int) -> int:
    """Tokens in the first chunk of the authors' code."""
    power = 1 << (tokens - 1).bit_length()
    return max(2048, min(power, 128 * 1024 * 2048 // power))


def _cover(sums: NDArray[np.float64], gamma: float, chunk: int) -> NDArray[np.bool_]:
    """Step 3, the first `chunk` query blocks as the authors' code does it: bool [blocks, blocks]."""
    blocks = len(sums)
    counted = np.eye(blocks, dtype=bool)
    counted[chunk:, 0] = True
    others = np.where(counted, 0.0, sums)
    order = np.argsort(-others, axis=1, kind="stable")
    descending = np.take_along_axis(others, order, axis=1)
    before = (sums - others).sum(axis=1, keepdims=True) + np.cumsum(descending, axis=1) - descending
    before[:chunk, 1:] = before[:chunk, :-1]
    before[:chunk, 0] = 0
    mask = np.zeros_like(counted)
    np.put_along_axis(mask, order, before < gamma * sums.sum(axis=1, keepdims=True), axis=1)
    mask[:, 0] = True
    return np.tril(mask | counted)
