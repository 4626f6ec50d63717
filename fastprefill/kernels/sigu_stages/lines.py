"""Sums of weights along token columns and token diagonals."""

import allo
import allo.dataflow as df
from allo.ir.types import Stream, UInt, int32
from allo.memory import Memory

from fastprefill.golden.sigu.size import Size
from fastprefill.kernels.sigu_stages.power import WEIGHT_BITS
from fastprefill.system.unit import Unit

LINE_BITS = 40
"""Bits of the sum of a block's weights."""


def unit(size: Size) -> Unit:
    """Columns and diagonals of the second pass.

    A word of weights adds to `rows` + `lanes` - 1 diagonals, a window that moves on by `lanes` with every word of
    keys. What leaves it is complete for the rows of the word, and waits in a ring for the rows of the words below.

    Streams: ``weights`` words of `lanes` keys by `rows`; ``columns`` and ``diagonals`` words of `lanes` sums, for
    every tile of keys head by head. Diagonal d is the one that leaves the block's last row at key d.
    """
    rows, lanes, group, block = size.rows, size.lanes, size.group, size.block
    TILE, KEY_GROUPS, ROW_TILES = size.tile_keys, size.key_groups, size.row_tiles
    OPEN = rows - 1
    SPAN = 1 << ((ROW_TILES * rows + TILE) // lanes - 1).bit_length()
    STEP = rows // lanes
    PART = WEIGHT_BITS + rows.bit_length()
    Weights, Words = UInt(WEIGHT_BITS * lanes * rows), UInt(LINE_BITS * lanes)
    Window, Part, Line, Weight = UInt(PART * OPEN), UInt(PART), UInt(LINE_BITS), UInt(WEIGHT_BITS)
    TILE_STEP, RING_BITS = TILE // lanes, SPAN.bit_length() - 1

    @df.region()
    def sigu_lines(tokens: int32[1], min_blocks: int32[1]):
        weights: Stream[Weights, 2]
        columns: Stream[Words, 2]
        diagonals: Stream[Words, 2]

        @df.kernel(mapping=[1], args=[tokens, min_blocks])
        def add_up(ltokens: int32[1], lmin_blocks: int32[1]):
            held: Line[lanes, KEY_GROUPS] @ Memory(resource="LUTRAM")
            ring: Line[lanes, group * SPAN] @ Memory(resource="LUTRAM")
            windows: Window[group * ROW_TILES] @ Memory(resource="LUTRAM")
            window: Window = 0
            last: UInt(18) = ltokens[0] - 1
            tiles: int32 = 0 if last // block + 1 <= max(lmin_blocks[0], 2) else last // TILE + 1
            for t in range(tiles):
                for h in range(group):
                    for u in range(ROW_TILES):
                        for g in range(KEY_GROUPS):
                            word: Weights = weights.get()
                            column_word: Words = 0
                            for lane in range(lanes, unroll=True):
                                column: Line = 0
                                for r in range(rows, unroll=True):
                                    at: int32 = WEIGHT_BITS * (rows * lane + r)
                                    weight: Weight = word[at : at + WEIGHT_BITS]
                                    column += weight
                                if u > 0:
                                    column += held[lane, g]
                                held[lane, g] = column
                                column_word[LINE_BITS * lane : LINE_BITS * lane + LINE_BITS] = column

                            before_word: Window = window
                            if g == 0:
                                before_word = 0
                                if t > 0:
                                    before_word = windows[h * ROW_TILES + u]
                            after: Window = 0
                            leaving: UInt(PART * lanes) = 0
                            with allo.meta_for(OPEN + lanes) as d:
                                part: Part = 0
                                # the keys lane and rows r of the word with lane + (rows - 1 - r) = d
                                with allo.meta_for(max(0, d - OPEN), min(lanes, d + 1)) as key:
                                    on: int32 = WEIGHT_BITS * (rows * key + OPEN - d + key)
                                    crossing: Weight = word[on : on + WEIGHT_BITS]
                                    part += crossing
                                # last, so that what the next word waits for is one addition
                                with allo.meta_if(d < OPEN):
                                    part += before_word[PART * d : PART * d + PART]
                                with allo.meta_if(d < lanes):
                                    leaving[PART * d : PART * d + PART] = part
                                with allo.meta_else():
                                    after[PART * (d - lanes) : PART * (d - lanes) + PART] = part
                            window = after
                            if g == KEY_GROUPS - 1:
                                windows[h * ROW_TILES + u] = after

                            place: UInt(RING_BITS) = t * TILE_STEP + g + (ROW_TILES - 1 - u) * STEP
                            opening: UInt(1) = 1 if u == 0 or t * TILE + g * lanes < rows else 0
                            diagonal_word: Words = 0
                            for lane in range(lanes, unroll=True):
                                old: Line = 0
                                if opening == 0:
                                    old = ring[lane, h * SPAN + place]
                                diagonal: Line = old + leaving[PART * lane : PART * lane + PART]
                                ring[lane, h * SPAN + place] = diagonal
                                diagonal_word[LINE_BITS * lane : LINE_BITS * lane + LINE_BITS] = diagonal
                            if u == ROW_TILES - 1:
                                columns.put(column_word)
                                diagonals.put(diagonal_word)

    def schedule(s) -> None:
        s.partition("add_up:held", dim=1)
        s.partition("add_up:ring", dim=1)
        s.pipeline("add_up:g", initiation_interval=1)

    return Unit(
        "sigu_lines", sigu_lines, inputs=("weights",), outputs=("columns", "diagonals"), schedule=schedule
    )
