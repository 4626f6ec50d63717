"""Query-aware heads: a cut over the weights of pooled queries and pooled keys, one threshold for the whole head."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden.fixed_point import Int
from fastprefill.golden.sigu.histogram import Cut, Histogram, log_bin
from fastprefill.golden.sigu.operands import Operand
from fastprefill.golden.sigu.registers import Registers
from fastprefill.golden.sigu.rows import MASKED, RowStatistics, weights
from fastprefill.golden.sigu.scores import ScoreScale, scores

#: Rows that the model computes at a time; no result depends on it.
_CHUNK = 128


def pooled_blocks(queries: Operand, keys: Operand, registers: Registers) -> NDArray[np.bool_]:
    """Blocks whose weights, largest first, sum to gamma of all rows' together: bool [blocks, blocks].

    Three sweeps over the causal half of pooled queries x pooled keys, none of which is stored: row statistics;
    the histogram of all weights; the choice. Of the crossing bin every so manyth block is taken, in row order.

    Args:
        queries: pooled, one row per block.
        keys: pooled, one row per block.
        registers: gamma, lanes.
    """
    log_sum = np.zeros(len(queries.codes), np.int64)
    for rows, causal, scored in _sweep(queries, keys):
        statistics = RowStatistics.empty(len(causal))
        statistics.update(scored, registers.lanes)
        log_sum[rows] = statistics.log_sum()

    histogram = Histogram()
    for rows, causal, scored in _sweep(queries, keys):
        histogram.add(weights(scored, log_sum[rows])[causal])
    cut = histogram.cut(registers.gamma)

    chosen = np.zeros((len(queries.codes), len(keys.codes)), np.bool_)
    seen = 0
    for rows, causal, scored in _sweep(queries, keys):
        taken, seen = _taken(log_bin(weights(scored, log_sum[rows])[causal]), cut, seen)
        chosen[rows][causal] = taken
    return chosen


def _sweep(queries: Operand, keys: Operand) -> Iterator[tuple[slice, NDArray[np.bool_], Int]]:
    """Some rows at a time: which, where they are causal, and their scores."""
    scale = ScoreScale.of(queries, keys)
    blocks = len(keys.codes)
    for first in range(0, blocks, _CHUNK):
        rows = slice(first, min(first + _CHUNK, blocks))
        causal = np.tri(rows.stop - first, blocks, first, dtype=np.bool_)
        yield rows, causal, np.where(causal, scores(queries[rows], keys, scale), MASKED)


def _taken(bins: Int, cut: Cut, seen: int) -> tuple[NDArray[np.bool_], int]:
    """Everything above the crossing bin, and value number n of it where n * share / inside steps up."""
    inside = bins == cut.bin
    number = seen + np.cumsum(inside)
    among = max(cut.inside, 1)
    steps = number * cut.share // among > (number - 1) * cut.share // among
    return (bins > cut.bin) | (inside & steps), seen + int(inside.sum())
