"""Query-aware heads: a cut over the weights of pooled queries and pooled keys, one threshold for the whole head."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden.attention import scores
from fastprefill.golden.scale import Codes
from fastprefill.golden.sigu.histogram import Cut, Histogram, fine_bin, log_bin
from fastprefill.golden.sigu.registers import Registers
from fastprefill.golden.sigu.rows import MASKED, RowStatistics, weights

#: Rows that the model computes at a time; no result depends on it.
_CHUNK = 128
#: 2^16 / p and 2^16 / p^2 with p^3 = p + 1: multiples of them fall evenly over rows, columns and diagonals.
ALONG_KEYS, ALONG_ROWS = 49_471, 37_345


def pooled_blocks(queries: Codes, keys: Codes, registers: Registers) -> NDArray[np.bool_]:
    """Blocks whose weights, largest first, sum to gamma of all rows' together: bool [blocks, blocks].

    Four sweeps over the causal half of pooled queries x pooled keys, none of which is stored: row statistics; the
    histogram of all weights; a finer one of those in the crossing bin; the choice. Nothing depends on the order in
    which tiles of the product arrive.

    Args:
        queries: means of the blocks of queries.
        keys: means of the blocks of keys.
        registers: gamma, lanes.
    """
    log_sum = np.zeros(len(queries.values), np.int64)
    for rows, causal, scored in _sweep(queries, keys):
        statistics = RowStatistics.empty(len(causal))
        statistics.update(scored, registers.lanes)
        log_sum[rows] = statistics.log_sum()

    coarse, fine = Histogram(), Histogram()
    for rows, causal, scored in _sweep(queries, keys):
        weight = weights(scored, log_sum[rows])[causal]
        coarse.add(log_bin(weight), weight)
    cut = coarse.cut(coarse.target(registers.gamma))

    for rows, causal, scored in _sweep(queries, keys):
        weight = weights(scored, log_sum[rows])[causal]
        weight = weight[log_bin(weight) == cut.bin]
        fine.add(fine_bin(weight), weight)
    last = fine.cut(cut.left)

    chosen = np.zeros((len(queries.values), len(keys.values)), np.bool_)
    for rows, causal, scored in _sweep(queries, keys):
        weight = weights(scored, log_sum[rows])[causal]
        bins = log_bin(weight)
        within = np.where(bins == cut.bin, fine_bin(weight), -1)
        row, key = np.nonzero(causal)
        ties = (within == last.bin) & _drawn(last, row + rows.start, key)
        chosen[rows][causal] = (bins > cut.bin) | (within > last.bin) | ties
    return chosen


def _sweep(queries: Codes, keys: Codes) -> Iterator[tuple[slice, NDArray[np.bool_], NDArray[np.int32]]]:
    """Some rows at a time: which, where they are causal, and their scores."""
    blocks = len(keys.values)
    for first in range(0, blocks, _CHUNK):
        rows = slice(first, min(first + _CHUNK, blocks))
        causal = np.tri(rows.stop - first, blocks, first, dtype=np.bool_)
        yield rows, causal, np.where(causal, scores(queries[rows], keys), np.int32(MASKED))


def _drawn(cut: Cut, row: NDArray[np.intp], key: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which of the weights that even the finer bins do not tell apart are taken: their share, spread evenly."""
    place = (key * ALONG_KEYS + row * ALONG_ROWS) & 0xFFFF
    drawn: NDArray[np.bool_] = place < (cut.share << 16) // max(cut.inside, 1)
    return drawn
