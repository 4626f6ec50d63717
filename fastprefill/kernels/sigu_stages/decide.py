"""Kind of each head, by the divergence of its estimate from its mass, and numbers of blocks."""

import allo
import allo.dataflow as df
from allo.ir.types import Int, Stream, UInt, int32
from allo.memory import Memory

from fastprefill.golden.sigu.divergence import DIVERGENCE_FRACTION, MASS_FRACTION
from fastprefill.golden.sigu.registers import FIXED_BLOCK
from fastprefill.golden.sigu.rows import EMPTY, SUM_FRACTION, WEIGHT_FRACTION
from fastprefill.golden.sigu.size import Size
from fastprefill.kernels.functions import log2
from fastprefill.kernels.sigu_stages import power
from fastprefill.kernels.sigu_stages.tally import COUNT_BITS, MASS_BITS
from fastprefill.kernels.sigu_stages.weigh import LOG_BITS, MAXIMUM_BITS, SUM_BITS
from fastprefill.system.unit import Unit

THRESHOLD_LIMIT = 48_408_813
"""Divergence threshold of tau = 1."""
NUMBER_BITS = 14
READERS = 5
"""Who is told which heads take the cut over pooled blocks: the units order, choose, settle, scan, and the outside."""


def unit(size: Size, readers: int = READERS) -> Unit:
    """One head after the other, as soon as its masses are there.

    Streams: ``means`` of every key block, head by head; ``masses`` of the key blocks of a head, which go on as
    ``vertical``; ``column_counts`` and ``diagonal_counts`` of lines; ``columns`` and ``diagonals`` the numbers of
    blocks that these make; ``aware_0`` and so on whether a head is query-aware.
    """
    lanes, group, block, NB = size.lanes, size.group, size.block, size.blocks
    LANE_BITS, BLOCK_SHIFT, FIXED_SHIFT = (
        lanes.bit_length() - 1, block.bit_length() - 1, FIXED_BLOCK.bit_length() - 1,
    )  # fmt: skip
    Mean, Maximum, Sum, Log, Mass = (
        Int(LOG_BITS),
        Int(MAXIMUM_BITS),
        UInt(SUM_BITS),
        Int(LOG_BITS),
        UInt(MASS_BITS),
    )
    Count, Number = UInt(COUNT_BITS), UInt(NUMBER_BITS)
    weight_of = power.weight(LOG_BITS, LOG_BITS)
    log2_of_sum, log2_of_mass = log2(SUM_BITS), log2(MASS_BITS + 1)
    START, TERM = SUM_FRACTION << 16, WEIGHT_FRACTION - SUM_FRACTION
    ONE = 1 << 16
    DOWN = MASS_FRACTION + 16 - DIVERGENCE_FRACTION
    GROUPS = (NB + lanes - 1) // lanes
    COPIES = readers

    def clamped(lines: Count, shift: UInt(4), least: int32, most: int32) -> Number:
        """Blocks for a number of lines, within the budgets."""
        enough: int32 = (lines >> shift) + 1
        return min(max(enough, least), most)

    @df.region()
    def sigu_decide(
        tokens: int32[1],
        threshold: int32[1],
        min_blocks: int32[1],
        max_blocks: int32[1],
        line_block: int32[1],
    ):
        means: Stream[Mean, 2]
        masses: Stream[Mass, 2]
        column_counts: Stream[Count, 2]
        diagonal_counts: Stream[Count, 2]
        vertical: Stream[Mass, 2]
        columns: Stream[Number, 2]
        diagonals: Stream[Number, 2]
        aware: Stream[UInt(1), 2][COPIES]

        @df.kernel(mapping=[1], args=[tokens, threshold, min_blocks, max_blocks, line_block])
        def compare(ltokens: int32[1], lthreshold: int32[1], lmin: int32[1], lmax: int32[1], lline: int32[1]):
            mean: Mean[group * NB] @ Memory(resource="BRAM")
            tops: Maximum[GROUPS] @ Memory(resource="BRAM")
            last: UInt(18) = ltokens[0] - 1
            blocks: int32 = last // block + 1
            brief: UInt(1) = blocks <= max(lmin[0], 2)
            needed: int32 = 0 if brief == 1 else blocks
            heads: int32 = 0 if brief == 1 else group
            most: int32 = min(lmax[0], blocks)
            least: int32 = min(lmin[0], most)
            shift: UInt(4) = FIXED_SHIFT if lline[0] == FIXED_BLOCK else BLOCK_SHIFT
            for b in range(needed):
                for head in range(group):
                    mean[head * NB + b] = means.get()
            for h in range(heads):
                # statistics of the means, in groups of `lanes` as those of keys; first the maxima
                top: Maximum = EMPTY
                for i in range(blocks):
                    score: Mean = mean[h * NB + i]
                    ceiling: Maximum = (score + 255) >> 8
                    top = max(top, ceiling)
                    tops[i >> LANE_BITS] = top
                total: Sum = 0
                before_top: Maximum = EMPTY
                for j in range(blocks):
                    now: Maximum = tops[j >> LANE_BITS]
                    difference: UInt(MAXIMUM_BITS) = now - before_top
                    growth: UInt(6) = min(difference, 63)
                    reference: Log = now
                    term: Sum = weight_of(mean[h * NB + j], reference << 8) >> TERM
                    total = (total >> growth) + term
                    before_top = now
                fine: Int(24) = log2_of_sum(total) - START
                log: Log = before_top
                log = (log << 8) + ((fine + 128) >> 8)

                # sum of p (log2 p - log2 m) + v (log2 v - log2 m); the three logarithms one after the other
                divergence: Int(64) = 0
                estimate: Mass = 0
                mass: Mass = 0
                middle: Int(24) = 0
                for c in range(blocks):
                    for which in range(3):
                        if which == 0:
                            estimate = weight_of(mean[h * NB + c], log) >> 1
                            mass = masses.get()
                            vertical.put(mass)
                        argument: UInt(MASS_BITS + 1) = estimate + mass
                        if which == 1:
                            argument = estimate
                        if which == 2:
                            argument = mass
                        logarithm: Int(24) = log2_of_mass(argument)
                        if which == 0:
                            middle = logarithm - ONE
                        else:
                            ratio: Int(24) = logarithm - middle
                            product = argument * ratio
                            divergence += product
                distance: Int(64) = max(divergence >> DOWN, 0)
                chosen: UInt(1) = distance < lthreshold[0]
                with allo.meta_for(COPIES) as copy:
                    aware[copy].put(chosen)
                wide: Number = clamped(column_counts.get() + 1, shift, least, most)
                tall: Number = clamped(diagonal_counts.get() + 1, shift, least, most)
                columns.put(least if chosen == 1 else wide)
                diagonals.put(least if chosen == 1 else tall)

    def schedule(s) -> None:
        for loop in ("head", "i", "which"):
            s.pipeline(f"compare:{loop}", initiation_interval=1)

    return Unit(
        "sigu_decide",
        sigu_decide,
        inputs=("means", "masses", "column_counts", "diagonal_counts"),
        outputs=("vertical", "columns", "diagonals", "aware"),
        schedule=schedule,
        operators={"compare:product": "dsp"},
        limits={
            "threshold": (0, THRESHOLD_LIMIT),
            "min_blocks": (1, NB),
            "max_blocks": (1, NB),
            "line_block": (block, FIXED_BLOCK),
        },
    )
