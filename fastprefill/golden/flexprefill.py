"""FlexPrefill's choice of blocks (Lai et al., ICLR 2025, arXiv 2502.20766), as its authors' code computes it.

For each query head, with blocks of `block` tokens:

1.  The last `block` queries against all keys, causal softmax: the strip P.
2.  vertical[j] = mean over the rows of P[:, j]; slash[j] = mean over the rows of the diagonal of P that ends in
    the last row's column j.
3.  How many of the largest values of each sum up to gamma, over 128, plus one: the numbers of vertical and slash
    blocks, at least min_budget and at most max_budget.
4.  vertical and slash are summed over blocks.
5.  A cheap estimate of the vertical sums: softmax of the mean of the last queries against the mean keys of blocks.
6.  Where the square root of the Jensen-Shannon divergence of 4 and 5 is below tau, the estimate is good and the
    head is query-aware: its numbers of vertical and slash blocks become min_budget.
7.  The largest vertical blocks, the first one always, are kept for every query block; the largest slash blocks,
    the diagonal always, for every offset.
8.  A query-aware head also keeps, of the softmax of mean queries against mean keys, the largest entries of the
    whole matrix that sum up to gamma times its rows.

Prompts of at most two blocks, or of at most min_budget, are attended densely.

Where the code does something that the paper does not say, ``compat=True`` does the same; ``compat=False``
corrects what is plainly an error:

- Step 3 divides tokens by 128 whatever `block` is. Corrected: by `block`.
- Step 6 takes 0 log 0 as NaN, and the root of a difference that rounding made negative too; a comparison with NaN
  is false, so a head with one underflowed probability is never query-aware. Corrected: both are 0.

Three more peculiarities change nothing that is selected: the code pads its index lists with block (0, 0), which
step 7 keeps anyway; min_budget is not capped by the number of blocks, but selections are; with gamma = 1, rounding
may let step 8 take blocks above the diagonal, which attention masks and which are left out here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fastprefill.golden.selection import Selection, all_blocks, check_inputs

Array = NDArray[np.float32]

_COUNTED = 128  # tokens per block in step 3 of the authors' code
_STRIP = 1 << 21  # scores of the strip in memory at a time: 8 MiB


@dataclass(frozen=True)
class _Budget:
    """What a head may keep: gamma as it is; tau; least and most blocks."""

    gamma: float
    tau: float
    least: int
    most: int
    block: int
    compat: bool


def select_blocks(
    q: NDArray[np.floating],
    k: NDArray[np.floating],
    *,
    gamma: float,
    tau: float,
    min_budget: int,
    max_budget: int | None = None,
    block: int = 128,
    compat: bool = True,
) -> Selection:
    """Blocks by FlexPrefill; see `fastprefill.golden.selection.Selector` for arguments and errors.

    Everything is computed in float32, head by head, in memory that does not grow with the number of heads
    but for the masks. `sqrt_jsd` is NaN for a prompt that is attended densely.
    """
    min_budget, max_budget, block = check_inputs(
        q, k, gamma=gamma, tau=tau, min_budget=min_budget, max_budget=max_budget, block=block
    )
    tokens, heads = q.shape[:2]
    blocks, least = -(-tokens // block), -(-min_budget // block)
    if tokens <= max(2, least) * block:
        return all_blocks(heads, tokens, block)
    most = blocks if max_budget is None else min(-(-max_budget // block), blocks)
    budget = _Budget(gamma, tau, least, most, block, compat)
    mask = np.empty((heads, blocks, blocks), bool)
    query_aware = np.empty(heads, bool)
    sqrt_jsd = np.empty(heads, np.float32)
    for head in range(heads):
        keys = k[:, head * k.shape[1] // heads].astype(np.float32, copy=False)
        queries = q[:, head].astype(np.float32, copy=False)
        mask[head], query_aware[head], sqrt_jsd[head] = _head(queries, keys, budget)
    return Selection(mask, query_aware, sqrt_jsd, block)


def _head(q: Array, k: Array, budget: _Budget) -> tuple[NDArray[np.bool_], bool, np.float32]:
    """Steps 1 to 8 for q and k [tokens, dim]: mask [blocks, blocks], query-aware, distance."""
    block, scale = budget.block, np.float32(1 / math.sqrt(q.shape[1]))
    last, mean_k = q[-block:] * scale, pooled(k, block)
    vertical, slash = strip_sums(last, k)
    verticals, slashes = _count(vertical, budget), _count(slash, budget)
    vertical, slash = _block_sums(vertical, block), _block_sums(slash, block)
    estimate = _softmax(mean_k @ last.mean(axis=0))
    distance = sqrt_js_divergence(estimate, vertical, budget.compat)
    aware = bool(distance < budget.tau)
    if aware:
        verticals = slashes = budget.least
    vertical[0] = slash[-1] = np.inf
    blocks = len(vertical)
    offsets = np.zeros(blocks, bool)
    offsets[blocks - 1 - _largest(slash, slashes)] = True
    mask = _diagonals(offsets)
    mask[:, _largest(vertical, verticals)] = True
    if aware:
        mask |= _query_aware(pooled(q, block) * scale, mean_k, budget.gamma)
    return np.tril(mask), aware, distance


def strip_sums(last: Array, k: Array) -> tuple[Array, Array]:
    """Steps 1 and 2: vertical and slash means of the causal softmax of the last queries.

    Args:
        last: float32 [n, dim], the last n queries, scaled.
        k: float32 [tokens, dim].

    Returns:
        Both float32 [tokens].
    """
    rows, tokens = len(last), len(k)
    vertical, slash = np.zeros(tokens, np.float32), np.zeros(tokens, np.float32)
    at_once = max(_STRIP // tokens, 1)
    for start in range(0, rows, at_once):
        scores = last[start : start + at_once] @ k.T
        for row, values in enumerate(scores, start):
            visible = tokens - (rows - 1 - row)
            seen = values[:visible]
            seen -= seen.max()
            np.exp(seen, out=seen)
            seen /= seen.sum()
            vertical[:visible] += seen
            slash[tokens - visible :] += seen
    return vertical / np.float32(rows), slash / np.float32(rows)


def pooled(x: Array, block: int) -> Array:
    """Mean of each block of [tokens, dim], the last one of as many tokens as it has: float32 [blocks, dim]."""
    whole = len(x) // block * block
    means: Array = x[:whole].reshape(-1, block, x.shape[1]).mean(axis=1)
    if whole < len(x):
        means = np.concatenate([means, x[whole:].mean(axis=0, keepdims=True)])
    return means


def sqrt_js_divergence(p: Array, q: Array, compat: bool) -> np.float32:
    """Square root of the Jensen-Shannon divergence of two distributions, natural logarithm.

    Args:
        p: float32 [n].
        q: float32 [n].
        compat: NaN where a probability is 0; otherwise 0 log 0 is 0.
    """
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = [x * np.log(x / middle) for x in (p, q)]
        if not compat:
            terms = [np.where(x > 0, term, 0) for x, term in zip((p, q), terms, strict=True)]
        divergence = np.float32(0.5) * terms[0].sum() + np.float32(0.5) * terms[1].sum()
        return np.float32(np.sqrt(divergence if compat else max(divergence, 0)))


def _count(values: Array, budget: _Budget) -> int:
    """Step 3. Sums are kept in float64 and compared in float32, as PyTorch does on a CPU."""
    cumulative = np.cumsum(np.sort(values)[::-1], dtype=np.float64).astype(np.float32)
    position = int(np.count_nonzero(cumulative <= np.float32(budget.gamma))) + 1
    count = position // (_COUNTED if budget.compat else budget.block) + 1
    return min(max(count, budget.least), budget.most)


def _block_sums(values: Array, block: int) -> Array:
    """Step 4."""
    return np.add.reduceat(values, np.arange(0, len(values), block))


def _softmax(scores: Array) -> Array:
    weights: Array = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights


def _largest(values: Array, count: int) -> NDArray[np.intp]:
    """Indices of the `count` largest values; of equal ones the first."""
    return np.argsort(-values, kind="stable")[:count]


def _diagonals(offsets: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """mask[r, c] = offsets[r - c] on and below the diagonal, False above."""
    blocks = len(offsets)
    line = np.concatenate([offsets[::-1], np.zeros(blocks - 1, bool)])
    return sliding_window_view(line, blocks)[::-1].copy()


def _query_aware(mean_q: Array, mean_k: Array, gamma: float) -> NDArray[np.bool_]:
    """Step 8, for scaled mean queries and mean keys [blocks, dim]."""
    blocks = len(mean_q)
    causal = np.tri(blocks, dtype=bool)
    weights = _softmax(np.where(causal, mean_q @ mean_k.T, np.float32(-np.inf)))[causal]
    descending = np.sort(weights)[::-1]
    cumulative = np.cumsum(descending, dtype=np.float64).astype(np.float32)
    count = int(np.count_nonzero(cumulative <= np.float32(gamma * blocks)))
    kept = np.zeros(len(weights), bool)
    if count:
        smallest = descending[count - 1]
        kept = weights > smallest
        # of equal weights at the cut the first ones
        kept[np.flatnonzero(weights == smallest)[: count - np.count_nonzero(kept)]] = True
    mask = np.zeros((blocks, blocks), bool)
    mask[causal] = kept
    return mask
