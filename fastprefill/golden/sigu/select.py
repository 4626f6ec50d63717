"""SIGU's integer model: which blocks of keys each block of queries attends to.

FlexPrefill (arXiv 2502.20766) is the algorithm, `docs/sigu.md` the numerics. The last block of queries meets all
keys of a head twice (`strip.py`). Then: divergence of the estimate from the blocks' mass, counts from the two
histograms, the heaviest blocks, and for query-aware heads the cut over pooled queries and keys.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprefill.errors import FastprefillError
from fastprefill.golden.fixed_point import Int
from fastprefill.golden.scale import Codes
from fastprefill.golden.selection import Selection, check_inputs
from fastprefill.golden.sigu import divergence as jsd
from fastprefill.golden.sigu.histogram import largest
from fastprefill.golden.sigu.operands import keys, pooled, queries
from fastprefill.golden.sigu.query_aware import pooled_blocks
from fastprefill.golden.sigu.registers import LANES_DEFAULT, Registers
from fastprefill.golden.sigu.rows import WEIGHT_FRACTION, RowStatistics, weights
from fastprefill.golden.sigu.strip import Strip


@dataclass(frozen=True)
class HeadIndex:
    """What SIGU decides for one query head.

    Attributes:
        mask: bool [blocks, blocks], query block by key block.
        query_aware: the head takes the cut over pooled queries and keys too.
        divergence: twice the Jensen-Shannon divergence in bits, 24 fraction bits; None for a short prompt.
        vertical: bool [blocks], key blocks that all later query blocks see.
        slash: bool [blocks], distances in blocks at which every query block sees a key block.
    """

    mask: NDArray[np.bool_]
    query_aware: bool
    divergence: int | None
    vertical: NDArray[np.bool_]
    slash: NDArray[np.bool_]


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
    lanes: int = LANES_DEFAULT,
) -> Selection:
    """Quantise queries and keys to int8 and select blocks in integers; a `Selector`.

    Args:
        q: [tokens, heads, dim], rotated, not scaled; at most 131,072 tokens.
        k: [tokens, kv_heads, dim], rotated; query head h reads key head h * kv_heads / heads.
        gamma: share of the attention mass to keep, above 0 to 1.
        tau: heads with a distance below this are query-aware, 0 to 1.
        min_budget: least tokens that vertical and slash lines keep, each.
        max_budget: most tokens that they keep, each; None: all.
        block: tokens per block: 16, 32, 64 or 128.
        compat: a count of token lines becomes blocks by dividing by 128 whatever the block, as the authors' code
            does; else by `block`.
        lanes: keys that update a row's statistics together, a power of two up to 128.

    Raises:
        FastprefillError: shapes that do not fit, values that are not finite, a parameter out of range.
    """
    min_budget, max_budget, block = check_inputs(
        q, k, gamma=gamma, tau=tau, min_budget=min_budget, max_budget=max_budget, block=block
    )
    registers = Registers.of(
        q.shape[0],
        gamma=gamma,
        tau=tau,
        min_budget=min_budget,
        max_budget=max_budget,
        block=block,
        compat=compat,
        lanes=lanes,
    )
    query_codes = [queries(q[:, head]) for head in range(q.shape[1])]
    key_codes = [keys(k[:, head]) for head in range(k.shape[1])]
    return _selection(query_codes, key_codes, registers)


def select_codes(q: Codes, k: Codes, registers: Registers) -> Selection:
    """Select blocks for queries and keys that are quantised already, as attention reads them.

    Args:
        q: [tokens, heads, dim], a scale per token and head; log2(e) / sqrt(dim) is part of the queries.
        k: [tokens, kv_heads, dim], the same; query head h reads key head h * kv_heads / heads.
        registers: for so many tokens.

    Raises:
        FastprefillError: shapes that do not fit each other or the registers.
    """
    if (
        q.values.ndim != 3
        or k.values.ndim != 3
        or not len(q.values) == len(k.values) == registers.tokens
        or q.values.shape[2] != k.values.shape[2]
        or q.values.shape[1] % k.values.shape[1]
    ):
        raise FastprefillError(
            f"queries {q.values.shape} and keys {k.values.shape} for {registers.tokens} tokens; "
            "[tokens, heads, dim] and [tokens, kv_heads, dim] are needed, kv_heads dividing heads"
        )
    return _selection(
        [q[:, head] for head in range(q.values.shape[1])],
        [k[:, head] for head in range(k.values.shape[1])],
        registers,
    )


def _selection(q: list[Codes], k: list[Codes], registers: Registers) -> Selection:
    """All query heads, one after the other."""
    heads = [index_head(one, k[head * len(k) // len(q)], registers) for head, one in enumerate(q)]
    distances = [np.nan if head.divergence is None else jsd.square_root(head.divergence) for head in heads]
    return Selection(
        np.stack([head.mask for head in heads]),
        np.array([head.query_aware for head in heads]),
        np.array(distances, np.float32),
        registers.block,
    )


def index_head(q: Codes, k: Codes, registers: Registers) -> HeadIndex:
    """One query head against the keys of its KV head: codes of all tokens, [tokens, head_dim]."""
    blocks = registers.blocks
    if registers.all_blocks:
        every = np.ones(blocks, np.bool_)
        return HeadIndex(np.tri(blocks, dtype=np.bool_), False, None, every, every)
    strip = Strip(q, k, registers)
    log_sum, means = strip.first_pass()
    mass = strip.second_pass(log_sum)

    distance = jsd.divergence(_estimate(means, registers.lanes), mass.vertical)
    query_aware = distance < registers.divergence_threshold
    counts = [registers.clamped(line.cut(line.target(registers.gamma)).count + 1) for line in mass.lines]
    if query_aware:
        counts = [registers.min_blocks] * 2
    vertical = _kept(mass.vertical, counts[0], forced=0)
    slash = _kept(mass.slash, counts[1], forced=blocks - 1)[::-1]
    mask = _expanded(vertical, slash)
    if query_aware:
        mask |= pooled_blocks(pooled(q, registers.block), pooled(k, registers.block), registers)
    return HeadIndex(mask, query_aware, distance, vertical, slash)


def _estimate(means: Int, lanes: int) -> Int:
    """Softmax over the blocks' mean scores, 31 fraction bits."""
    row = RowStatistics.empty(1)
    row.update(means[None], lanes)
    softmax: Int = weights(means[None], row.log_sum())[0] >> (WEIGHT_FRACTION - jsd.MASS_FRACTION)
    return softmax


def _kept(mass: Int, count: int, forced: int) -> NDArray[np.bool_]:
    """The `count` heaviest lines, `forced` before all others."""
    ranked = np.minimum(mass, (1 << 32) - 2)
    ranked[forced] = (1 << 32) - 1
    return largest(ranked, count)


def _expanded(vertical: NDArray[np.bool_], slash: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """bool [blocks, blocks]: key block c for query block r >= c where vertical[c] or slash[r - c]."""
    blocks = len(vertical)
    row, column = np.indices((blocks, blocks))
    return np.asarray((vertical[column] | slash[np.abs(row - column)]) & (column <= row), dtype=np.bool_)
