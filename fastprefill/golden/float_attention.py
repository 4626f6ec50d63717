"""Causal attention in floating point: over everything, or over chosen blocks. Tile by tile, never tokens x tokens."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from fastprefill.errors import FastprefillError
from fastprefill.golden.selection import check_heads

_DENSE_TILE = 512  # query tokens at a time where no blocks are given


def attention(
    q: NDArray[np.floating],
    k: NDArray[np.floating],
    v: NDArray[np.floating],
    mask: NDArray[np.bool_] | None = None,
    *,
    block: int = 128,
    rows: NDArray[np.integer] | None = None,
) -> NDArray[np.floating]:
    """softmax(q k^T / sqrt(dim)) v over the keys that a query may see, in the precision of the inputs.

    Args:
        q: [tokens, heads, dim], rotated.
        k: [tokens, kv_heads, dim], rotated; query head h reads head h * kv_heads / heads.
        v: [tokens, kv_heads, dim].
        mask: bool [heads, blocks, blocks], query block by key block: only keys of these blocks are seen,
            and of those only the query's own and earlier ones; all earlier keys when None.
        block: tokens per block of `mask`.
        rows: compute only these query positions, in increasing order; all when None.

    Returns:
        [rows, heads, dim of v]. A query whose block has no key block at all gets zeros.

    Raises:
        FastprefillError: shapes that do not belong together, integers, a block below 1, rows that are not there.
    """
    check_heads(q, k, v)
    for name, array in (("q", q), ("k", k), ("v", v)):
        if array.dtype.kind != "f":
            raise FastprefillError(f"{name} is of {array.dtype}; attention in float takes float32 or float64")
    tokens, heads = q.shape[:2]
    if block < 1:
        raise FastprefillError(f"blocks of {block} tokens; choose at least 1")
    if rows is not None and len(rows) and not 0 <= min(rows) <= max(rows) < tokens:
        raise FastprefillError(f"rows {min(rows)} to {max(rows)} of {tokens} tokens; choose 0 to {tokens - 1}")
    blocks = -(-tokens // block)
    if mask is not None and np.shape(mask) != (heads, blocks, blocks):
        raise FastprefillError(
            f"the mask has shape {list(np.shape(mask))}; {tokens} tokens in blocks of {block} with {heads} heads "
            f"make it {[heads, blocks, blocks]}"
        )
    mask = None if mask is None else np.asarray(mask, bool)
    positions = np.arange(tokens) if rows is None else np.asarray(rows)
    tile = _DENSE_TILE if mask is None else block
    edges = np.searchsorted(positions, np.arange(0, tokens + tile, tile))
    out = np.zeros((len(positions), heads, v.shape[2]), q.dtype)
    for head in range(heads):
        group = head * k.shape[1] // heads
        for index, (first, last) in enumerate(itertools.pairwise(edges)):
            if first == last:
                continue
            keys: NDArray[np.intp] | slice = slice(0, min((index + 1) * tile, tokens))
            if mask is not None:
                keys = _tokens_of(mask[head, index, : index + 1], block, tokens)
                if not len(keys):
                    continue
            here = positions[first:last]
            out[first:last, head] = _tile(q[here, head], k[keys, group], v[keys, group], here, keys)
    return out


def _tokens_of(kept: NDArray[np.bool_], block: int, tokens: int) -> NDArray[np.intp]:
    """Positions of the tokens in the kept blocks."""
    positions = (np.flatnonzero(kept)[:, None] * block + np.arange(block)).reshape(-1)
    return positions[positions < tokens]


def _tile(
    q: NDArray[np.floating],
    k: NDArray[np.floating],
    v: NDArray[np.floating],
    queries: NDArray[np.integer],
    keys: NDArray[np.intp] | slice,
) -> NDArray[np.floating]:
    """Attention of some queries [n, dim] to some keys, whose positions say which see which."""
    positions = np.arange(keys.stop) if isinstance(keys, slice) else keys
    scores = (q @ k.T) * q.dtype.type(1 / np.sqrt(q.shape[-1]))
    scores[positions > queries[:, None]] = -np.inf
    largest = scores.max(axis=-1, keepdims=True)
    # a block that lies wholly after a query leaves it no key; its weights must become 0, not NaN
    weights = np.exp(scores - np.where(np.isfinite(largest), largest, 0))
    total = weights.sum(axis=-1, keepdims=True)
    result: NDArray[np.floating] = (weights @ v) / np.where(total > 0, total, 1)
    return result
