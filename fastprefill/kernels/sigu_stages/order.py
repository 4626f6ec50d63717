"""Order of work: a control word for every word of scores, and for what stands between the passes."""

import allo.dataflow as df
from allo.ir.types import Int, Stream, UInt, int32

from fastprefill.golden.sigu.size import Size
from fastprefill.kernels.sigu_stages.control import LOGS_IN, STATISTICS, SUMS_OUT, WEIGHTS, Control
from fastprefill.system.unit import Unit


def unit(size: Size) -> Unit:
    """Control words of a start.

    Streams: ``aware`` a bit for each query head, after the second pass: it takes the cut over pooled blocks;
    ``control`` as in ``control.Control``.
    """
    field = Control.of(size)
    Word, Base = UInt(field.bits), Int(field.base_bits)
    block, rows, lanes, group, padding = size.block, size.rows, size.lanes, size.group, size.padding
    ROW_TILES, KEY_GROUPS, TILE = size.row_tiles, size.key_groups, size.tile_keys
    KIND, POOLED, NEW_KEYS, NEW_QUERIES, FIRST = (
        field.kind,
        field.pooled,
        field.new_keys,
        field.new_queries,
        field.first,
    )
    OPEN, CLOSE, GROUP, SLOT = field.open_sum, field.close_sum, field.group, field.slot
    GROUP_END, SLOT_END = GROUP + field.group_bits, SLOT + field.slot_bits
    ROW, ROW_END, END, END_END = field.first_row, field.end_row, field.end_row, field.base
    BASE, BITS = field.base, field.bits
    SLOTS = group * ROW_TILES

    def limited(distance: int32) -> Base:
        """Distances at which all keys or none are seen look alike."""
        return min(max(distance, -lanes), rows)

    @df.region()
    def sigu_order(tokens: int32[1], min_blocks: int32[1]):
        aware: Stream[UInt(1), 2]
        control: Stream[Word, 2]

        @df.kernel(mapping=[1], args=[tokens, min_blocks])
        def control_words(ltokens: int32[1], lmin_blocks: int32[1]):
            last: UInt(18) = ltokens[0] - 1
            blocks: int32 = last // block + 1
            tiles: int32 = last // TILE + 1
            # a prompt of so few blocks keeps all of them
            brief: UInt(1) = blocks <= max(lmin_blocks[0], 2)
            passes: int32 = 0 if brief == 1 else 2
            heads: int32 = 0 if brief == 1 else group
            pooled_tiles: int32 = (last // block) // rows + 1

            for p in range(passes):
                for t in range(tiles):
                    for h in range(group):
                        for u in range(ROW_TILES):
                            for g in range(KEY_GROUPS):
                                word: Word = 0
                                word[0] = 1
                                word[KIND : KIND + 2] = STATISTICS if p == 0 else WEIGHTS
                                word[NEW_KEYS] = 1 if h == 0 and u == 0 else 0
                                opening: UInt(1) = 1 if t == 0 and g == 0 else 0
                                word[NEW_QUERIES] = 1 if opening == 1 and p == 0 else 0
                                word[FIRST] = opening
                                word[OPEN] = 1 if u == 0 and g == 0 else 0
                                word[CLOSE] = (
                                    1 if p == 0 and u == ROW_TILES - 1 and g == KEY_GROUPS - 1 else 0
                                )
                                word[GROUP:GROUP_END] = g
                                word[SLOT:SLOT_END] = h * ROW_TILES + u
                                word[ROW:ROW_END] = padding if u == 0 else 0
                                word[END:END_END] = rows
                                position: int32 = ltokens[0] - block + u * rows - padding
                                word[BASE:BITS] = limited(t * TILE + g * lanes - position)
                                control.put(word)
                turns: int32 = SLOTS + 1 if p == 0 else 0
                for slot in range(turns):
                    for take in range(2):
                        if (take == 0 and slot < SLOTS) or (take == 1 and slot > 0):
                            between: Word = 0
                            between[0] = 1
                            between[KIND : KIND + 2] = LOGS_IN if take == 1 else SUMS_OUT
                            between[SLOT:SLOT_END] = slot - take
                            control.put(between)

            for head in range(heads):
                chosen: UInt(1) = aware.get()
                sweeps: int32 = 4 if chosen == 1 else 0
                for sweep in range(sweeps):
                    for row_tile in range(pooled_tiles):
                        above: int32 = row_tile * rows
                        lowest: UInt(18) = min(above + rows, blocks) - 1
                        key_tiles: int32 = lowest // TILE + 1
                        for key_tile in range(key_tiles):
                            for kg in range(KEY_GROUPS):
                                pooled: Word = 0
                                pooled[0] = 1
                                pooled[KIND : KIND + 2] = STATISTICS if sweep == 0 else WEIGHTS
                                pooled[POOLED] = 1
                                pooled[NEW_KEYS] = 1
                                start: UInt(1) = 1 if key_tile == 0 and kg == 0 else 0
                                pooled[NEW_QUERIES] = start
                                pooled[FIRST] = start
                                pooled[GROUP:GROUP_END] = kg
                                pooled[SLOT:SLOT_END] = row_tile
                                pooled[END:END_END] = min(blocks - above, rows)
                                pooled[BASE:BITS] = limited(key_tile * TILE + kg * lanes - above)
                                control.put(pooled)
                        exchanges: int32 = 2 if sweep == 0 else 0
                        for exchange in range(exchanges):
                            after: Word = 0
                            after[0] = 1
                            after[KIND : KIND + 2] = LOGS_IN if exchange == 1 else SUMS_OUT
                            after[POOLED] = 1
                            after[SLOT:SLOT_END] = row_tile
                            control.put(after)
            control.put(0)

    def schedule(s) -> None:
        for loop in ("g", "take", "kg", "exchange"):
            s.pipeline(f"control_words:{loop}", initiation_interval=1)

    return Unit(
        "sigu_order",
        sigu_order,
        inputs=("aware",),
        outputs=("control",),
        schedule=schedule,
        limits={"tokens": (1, size.longest)},
    )
