"""Histogram and block masses of the lines of one kind."""

import allo.dataflow as df
from allo.ir.types import Stream, UInt, int32
from allo.memory import Memory

from fastprefill.golden.sigu.divergence import MASS_FRACTION
from fastprefill.golden.sigu.histogram import BINS
from fastprefill.golden.sigu.rows import WEIGHT_FRACTION
from fastprefill.golden.sigu.size import Size
from fastprefill.kernels.sigu_stages.bins import bins
from fastprefill.kernels.sigu_stages.lines import LINE_BITS
from fastprefill.system.unit import Unit

COUNT_BITS = 22
"""Of the values in a bin: lines of a prompt, or pairs of up to 2,048 blocks."""
TOTAL_BITS = 44
"""Of the sum of all lines of a head, or of the weights of 2,048 pooled rows."""
MASS_BITS = MASS_FRACTION + 1


def unit(size: Size) -> Unit:
    """One value a cycle.

    Streams: ``lines`` words of `lanes` sums, for every tile of keys head by head. At the end, for each head:
    ``entries`` 256 bins, the lowest first: sum of its values, above it their number; ``masses`` of every block.
    """
    lanes, group, block, NB, TILE, KEY_GROUPS = (
        size.lanes, size.group, size.block, size.blocks, size.tile_keys, size.key_groups,
    )  # fmt: skip
    Words, Line, Mass = UInt(LINE_BITS * lanes), UInt(LINE_BITS), UInt(MASS_BITS)
    Count, Total, Entry = UInt(COUNT_BITS), UInt(TOTAL_BITS), UInt(TOTAL_BITS + COUNT_BITS)
    TILES = block // TILE
    DOWN = block.bit_length() - 1 + WEIGHT_FRACTION - MASS_FRACTION
    bins_of = bins(LINE_BITS)

    @df.region()
    def sigu_tally(tokens: int32[1], min_blocks: int32[1]):
        lines: Stream[Words, 2]
        entries: Stream[Entry, 2]
        masses: Stream[Mass, 2]

        @df.kernel(mapping=[1], args=[tokens, min_blocks])
        def count(ltokens: int32[1], lmin_blocks: int32[1]):
            counts: Count[group * BINS] @ Memory(resource="BRAM") = 0
            sums: Total[group * BINS] @ Memory(resource="BRAM") = 0
            mass: Total[group * NB] @ Memory(resource="BRAM")
            left: Words = 0
            last: UInt(18) = ltokens[0] - 1
            blocks: int32 = last // block + 1
            tiles: int32 = 0 if blocks <= max(lmin_blocks[0], 2) else last // TILE + 1
            heads: int32 = 0 if blocks <= max(lmin_blocks[0], 2) else group
            for held in range(heads):
                for cleared in range(blocks):
                    mass[held * NB + cleared] = 0
            for t in range(tiles):
                for h in range(group):
                    for g in range(KEY_GROUPS):
                        for lane in range(lanes):
                            if lane == 0:
                                left = lines.get()
                            value: Line = left[0:LINE_BITS]
                            left = left >> LINE_BITS
                            key: int32 = t * TILE + g * lanes + lane
                            if key <= last:
                                place: UInt(16) = bins_of(value)
                                bin: int32 = h * BINS + place[0:8]
                                counts[bin] += 1
                                sums[bin] += value
                                mass[h * NB + t // TILES] += value
            for head in range(heads):
                for i in range(BINS):
                    entry: Entry = sums[head * BINS + i]
                    entry[TOTAL_BITS : TOTAL_BITS + COUNT_BITS] = counts[head * BINS + i]
                    entries.put(entry)
                for j in range(blocks):
                    masses.put(mass[head * NB + j] >> DOWN)

    def schedule(s) -> None:
        for loop in ("cleared", "lane", "i", "j"):
            s.pipeline(f"count:{loop}", initiation_interval=1)

    return Unit("sigu_tally", sigu_tally, inputs=("lines",), outputs=("entries", "masses"), schedule=schedule)
