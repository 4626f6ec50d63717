"""The scores of the last block of queries against all keys, computed twice and never stored.

The first pass finds each row's maximum and sum and the mean score of every key block. The second computes each
weight anew and adds it to its column, its diagonal and their blocks. Keys come in ascending order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastprefill.golden.fixed_point import Int
from fastprefill.golden.sigu.divergence import MASS_FRACTION
from fastprefill.golden.sigu.histogram import Histogram
from fastprefill.golden.sigu.operands import Operand
from fastprefill.golden.sigu.registers import RECIPROCAL_FRACTION, Registers, reciprocal
from fastprefill.golden.sigu.rows import MASKED, WEIGHT_FRACTION, RowStatistics, weights
from fastprefill.golden.sigu.scores import ScoreScale, scores

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

    def __init__(self, queries: Operand, keys: Operand, registers: Registers) -> None:
        first = registers.tokens - registers.block
        self.registers = registers
        self.queries = queries[first:]
        self.keys = keys
        self.scale = ScoreScale.of(queries, keys)
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
            sums.append(np.add.reduceat(raw.sum(axis=0), np.arange(0, raw.shape[1], registers.block)))
        means = np.concatenate(sums) >> registers.block.bit_length() - 1
        lengths = np.full(registers.blocks, reciprocal(registers.block))
        lengths[-1] = reciprocal(registers.last_block)
        half = 1 << (RECIPROCAL_FRACTION - 1)
        return rows.log_sum(), (means * lengths + half) >> RECIPROCAL_FRACTION

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
                line.add(sums)
                total[span] = np.add.reduceat(sums, edges)
        # sums over `block` rows of weight 2^32 each: back to 2^31 in all
        shift = block.bit_length() - 1 + WEIGHT_FRACTION - MASS_FRACTION
        return Mass(vertical >> shift, slash >> shift, lines)

    def _raw(self, start: int) -> Int:
        stop = min(start + _CHUNK, self.registers.tokens)
        return scores(self.queries, self.keys[start:stop], self.scale)

    def _masked(self, raw: Int, start: int) -> Int:
        stop = start + raw.shape[1]
        if stop <= self.position[0] + 1:
            return raw
        return np.where(np.arange(start, stop) <= self.position[:, None], raw, MASKED)
