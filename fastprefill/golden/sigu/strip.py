"""The scores of the last block of queries against all keys, computed twice and never stored.

The first pass finds each row's maximum and sum and the mean score of every key block. The second computes each
weight anew and adds it to its column, its diagonal and their blocks. Keys come in ascending order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden.attention import scores
from fastprefill.golden.fixed_point import Int, shift_round
from fastprefill.golden.scale import Codes
from fastprefill.golden.sigu.divergence import MASS_FRACTION
from fastprefill.golden.sigu.histogram import Histogram, log_bin
from fastprefill.golden.sigu.operands import RECIPROCAL_FRACTION, reciprocals
from fastprefill.golden.sigu.registers import Registers
from fastprefill.golden.sigu.rows import MASKED, WEIGHT_FRACTION, RowStatistics, weights

#: Keys that the model computes at a time, a multiple of every block; no result depends on it.
_CHUNK = 4096


@dataclass(frozen=True)
class Mass:
    """Where the attention of the last block of queries goes.

    Attributes:
        vertical: int64 [blocks], mass of each key block; 31 fraction bits, all blocks together weigh about 1.
        slash: the same of blocks of diagonals; the last block holds the main diagonal.
        lines: histograms over token columns and over token diagonals, sums of a block's rows with 32 fraction bits.
    """

    vertical: Int
    slash: Int
    lines: tuple[Histogram, Histogram]


class Strip:
    """A start of the unit: one query head, the keys of its KV head."""

    def __init__(self, queries: Codes, keys: Codes, registers: Registers) -> None:
        """Both hold codes of all tokens."""
        first = registers.tokens - registers.block
        self.registers = registers
        self.queries = queries[first:]
        self.keys = keys
        self.position = first + np.arange(registers.block)

    def first_pass(self) -> tuple[Int, Int]:
        """log2 of each row's sum, int64 [block], and each key block's mean score, int64 [blocks]; 8 fraction bits.

        The mean is over all scores, causally masked ones included: mean query times mean key.
        """
        registers = self.registers
        rows = RowStatistics.empty(registers.block)
        sums: list[Int] = []
        for start in range(0, registers.tokens, _CHUNK):
            raw = self._raw(start)
            rows.update(self._masked(raw, start), registers.lanes)
            columns = raw.sum(axis=0, dtype=np.int64)
            sums.append(np.add.reduceat(columns, np.arange(0, len(columns), registers.block)))
        lengths = np.full(registers.blocks, registers.block)
        lengths[-1] = registers.last_block
        row_means = np.concatenate(sums) >> registers.block.bit_length() - 1
        return rows.log_sum(), shift_round(row_means * reciprocals(lengths), RECIPROCAL_FRACTION)

    def second_pass(self, log_sum: Int) -> Mass:
        """Sums of columns and diagonals, entered into histograms and added up per block."""
        registers, block = self.registers, self.registers.block
        lines = (Histogram(), Histogram())
        vertical, slash = (np.zeros(registers.blocks, np.int64) for _ in range(2))
        # diagonals that later keys still add to; entry 0 is the one that ends with the next key
        open_diagonals = np.zeros(block - 1, np.int64)
        for start in range(0, registers.tokens, _CHUNK):
            weight = weights(self._masked(self._raw(start), start), log_sum)
            width = weight.shape[1]
            diagonals = np.concatenate([open_diagonals, np.zeros(width, np.int64)])
            for row in range(block):
                first = block - 1 - row
                diagonals[first : first + width] += weight[row]
            open_diagonals = diagonals[width:]
            edges = np.arange(0, width, block)
            span = slice(start // block, start // block + len(edges))
            for line, sums, total in (
                (lines[0], weight.sum(axis=0), vertical),
                (lines[1], diagonals[:width], slash),
            ):
                line.add(log_bin(sums), sums)
                total[span] = np.add.reduceat(sums, edges)
        # sums over `block` rows of weight 2^32 each: back to 2^31 in all
        shift = block.bit_length() - 1 + WEIGHT_FRACTION - MASS_FRACTION
        return Mass(vertical >> shift, slash >> shift, lines)

    def _raw(self, start: int) -> NDArray[np.int32]:
        stop = min(start + _CHUNK, self.registers.tokens)
        return scores(self.queries, self.keys[start:stop])

    def _masked(self, raw: NDArray[np.int32], start: int) -> NDArray[np.int32]:
        stop = start + raw.shape[1]
        if stop <= self.position[0] + 1:
            return raw
        return np.where(np.arange(start, stop) <= self.position[:, None], raw, np.int32(MASKED))
