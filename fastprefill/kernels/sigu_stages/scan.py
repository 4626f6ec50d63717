"""Blocks that are kept, line by line: first by query block, then by key block."""

import allo.dataflow as df
from allo.ir.types import Stream, UInt, int32
from allo.memory import Memory

from fastprefill.golden.sigu.size import Size
from fastprefill.system.unit import Unit

INDEX_BITS = 12
"""Of a block's number."""


def word_bits(size: Size, width: int) -> int:
    """Width of a word of `width` blocks: a bit for each block and head, two for each block, a number and two flags."""
    return width * size.group + 2 * width + INDEX_BITS + 2


def unit(size: Size) -> Unit:
    """All pairs of blocks that a head keeps, several at a time.

    Streams: ``vertical`` and ``slash`` a bit for each block of a head; ``aware`` one for each head; ``chosen`` words of
    pooled blocks of query-aware heads, from the unit ``choose``. ``row_words`` hold `lanes` key blocks of a query
    block, ``column_words`` `rows` query blocks of a key block: a bit for each block and head (heads side by side),
    one for each block that some head keeps, the same without the first of them, the number of the word's first block
    (12 bits), whether the line ends, whether more words follow.
    """
    lanes, rows, group, block, NB = size.lanes, size.rows, size.group, size.block, size.blocks
    TILE, KEY_GROUPS = size.tile_keys, size.key_groups
    KEY_WORDS, ROW_TILES = -(-NB // TILE) * KEY_GROUPS, -(-NB // rows)
    ELEMENTS = lanes * rows
    Chosen, KeyWord, Pair, Long = UInt(ELEMENTS), UInt(lanes), UInt(2 * lanes), UInt(2 * rows)
    RowWord, ColumnWord = UInt(word_bits(size, lanes)), UInt(word_bits(size, rows))
    R_ANY, C_ANY = lanes * group, rows * group
    R_REST, C_REST = R_ANY + lanes, C_ANY + rows
    R_INDEX, C_INDEX = R_REST + lanes, C_REST + rows
    R_END, C_END = R_INDEX + INDEX_BITS, C_INDEX + INDEX_BITS
    Column = UInt(rows)

    @df.region()
    def sigu_scan(tokens: int32[1], min_blocks: int32[1]):
        vertical: Stream[UInt(1), 2]
        slash: Stream[UInt(1), 2]
        aware: Stream[UInt(1), 2]
        chosen: Stream[Chosen, 2]
        row_words: Stream[RowWord, 2]
        column_words: Stream[ColumnWord, 2]

        @df.kernel(mapping=[1], args=[tokens, min_blocks])
        def lay_out(ltokens: int32[1], lmin_blocks: int32[1]):
            # key blocks `lanes` to a word; distances from the farthest on, each word with the one after it; distances
            # from 0 on, the first word empty, `rows` to a word, each word with the one after it; pooled blocks
            keys: KeyWord[group, KEY_WORDS] @ Memory(resource="LUTRAM") = 0
            far: Pair[group, KEY_WORDS + 1] @ Memory(resource="LUTRAM") = 0
            near: Long[group, ROW_TILES + 2] @ Memory(resource="LUTRAM") = 0
            pooled: Chosen[group, ROW_TILES * KEY_WORDS] @ Memory(resource="URAM")
            query_aware: UInt(1)[group] = 0
            last: UInt(18) = ltokens[0] - 1
            last_block: UInt(18) = last // block
            blocks: int32 = last_block + 1
            every: UInt(1) = blocks <= max(lmin_blocks[0], 2)
            heads: int32 = 0 if every == 1 else group
            tiles: int32 = last_block // rows + 1
            key_words: int32 = last_block // lanes + 1
            with_end: int32 = key_words * lanes + lanes
            for h in range(heads):
                key_word: KeyWord = 0
                for b in range(blocks):
                    key_word = key_word >> 1
                    key_word[lanes - 1] = vertical.get()
                    low: int32 = b % lanes
                    if low == lanes - 1:
                        keys[h, b // lanes] = key_word
                    if b == last_block and low != lanes - 1:
                        keys[h, b // lanes] = key_word >> (lanes - 1 - low)
                pair: Pair = 0
                long_word: Long = 0
                row_tile: UInt(INDEX_BITS) = last_block // rows + 1
                row_left: UInt(7) = last_block % rows
                for i in range(with_end):
                    distance_kept: UInt(1) = 0
                    if i < blocks:
                        distance_kept = slash.get()
                    pair = pair >> 1
                    pair[2 * lanes - 1] = distance_kept
                    if i % lanes == lanes - 1 and i >= lanes:
                        far[h, i // lanes - 1] = pair
                    if i < blocks:
                        long_word = (long_word << 1) + distance_kept
                    else:
                        long_word = long_word << rows
                    if i == blocks or (i < blocks and row_left == 0):
                        near[h, row_tile] = long_word
                    if i == last_block:
                        row_tile = 0
                    elif row_left == 0:
                        row_left = rows - 1
                        row_tile -= 1
                    else:
                        row_left -= 1
            for head in range(heads):
                flag: UInt(1) = aware.get()
                query_aware[head] = flag
                pooled_tiles: int32 = tiles if flag == 1 else 0
                for t in range(pooled_tiles):
                    lowest: UInt(18) = min(t * rows + rows, blocks) - 1
                    key_tiles: int32 = (lowest // TILE + 1) * KEY_GROUPS
                    for g in range(key_tiles):
                        pooled[head, t * KEY_WORDS + g] = chosen.get()

            at_tile: UInt(INDEX_BITS) = 0
            at_row: UInt(7) = 0
            for r in range(blocks):
                offset: UInt(18) = last_block - r
                count: int32 = r // lanes + 1
                for q in range(count):
                    row_word: RowWord = 0
                    for n in range(group, unroll=True):
                        seen: KeyWord = 0
                        if every == 1:
                            seen = seen - 1
                        else:
                            seen = keys[n, q]
                            distant: Pair = far[n, offset // lanes + q]
                            seen = seen | (distant >> (offset % lanes))
                            if query_aware[n] == 1:
                                patch: Chosen = pooled[n, at_tile * KEY_WORDS + q]
                                for lane in range(lanes, unroll=True):
                                    seen[lane] = seen[lane] | patch[rows * lane + at_row]
                        for lane in range(lanes, unroll=True):
                            row_word[group * lane + n] = 1 if q * lanes + lane <= r and seen[lane] == 1 else 0
                    for j in range(lanes, unroll=True):
                        row_word[R_ANY + j] = row_word[group * j : group * j + group] != 0
                    row_any: KeyWord = row_word[R_ANY:R_REST]
                    row_word[R_REST:R_INDEX] = row_any & (row_any - 1)
                    row_word[R_INDEX:R_END] = q * lanes
                    row_word[R_END] = 1 if q == count - 1 else 0
                    row_word[R_END + 1] = 0 if q == count - 1 and r == last_block else 1
                    row_words.put(row_word)
                if at_row == rows - 1:
                    at_row = 0
                    at_tile += 1
                else:
                    at_row += 1

            column_tile: UInt(INDEX_BITS) = 0
            column_row: UInt(7) = 0
            for c in range(blocks):
                steps: int32 = tiles - column_tile
                for k in range(steps):
                    column_word: ColumnWord = 0
                    tile: int32 = column_tile + k
                    for m in range(group, unroll=True):
                        kept: Column = 0
                        if every == 1:
                            kept = kept - 1
                        else:
                            straight: KeyWord = keys[m, c // lanes]
                            if straight[c % lanes] == 1:
                                kept = kept - 1
                            index: int32 = k + 1 if column_row == 0 else k
                            ahead: UInt(8) = 0 if column_row == 0 else rows - column_row
                            kept = kept | (near[m, index] >> ahead)
                            if query_aware[m] == 1:
                                square: Chosen = pooled[m, tile * KEY_WORDS + c // lanes]
                                kept = kept | (square >> ((c % lanes) * rows))
                        for e in range(rows, unroll=True):
                            query: int32 = tile * rows + e
                            column_word[group * e + m] = (
                                1 if query >= c and query <= last_block and kept[e] == 1 else 0
                            )
                    for j in range(rows, unroll=True):
                        column_word[C_ANY + j] = column_word[group * j : group * j + group] != 0
                    column_any: Column = column_word[C_ANY:C_REST]
                    column_word[C_REST:C_INDEX] = column_any & (column_any - 1)
                    column_word[C_INDEX:C_END] = tile * rows
                    column_word[C_END] = 1 if k == steps - 1 else 0
                    column_word[C_END + 1] = 0 if k == steps - 1 and c == last_block else 1
                    column_words.put(column_word)
                if column_row == rows - 1:
                    column_row = 0
                    column_tile += 1
                else:
                    column_row += 1

    def schedule(s) -> None:
        for name in ("keys", "far", "near", "pooled", "query_aware"):
            s.partition(f"lay_out:{name}", dim=1)
        for loop in ("b", "g", "q", "k"):
            s.pipeline(f"lay_out:{loop}", initiation_interval=1)

    return Unit(
        "sigu_scan", sigu_scan, inputs=("vertical", "slash", "aware", "chosen"),
        outputs=("row_words", "column_words"), schedule=schedule,
    )  # fmt: skip
