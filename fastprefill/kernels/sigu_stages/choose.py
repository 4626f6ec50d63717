"""The cut of query-aware heads: which pooled weights, largest first over the whole head, carry gamma of all."""

import allo.dataflow as df
from allo.ir.types import ConstExpr, Int, Stream, UInt, int32
from allo.memory import Memory

from fastprefill.golden.sigu.histogram import BINS
from fastprefill.golden.sigu.query_aware import ALONG_KEYS, ALONG_ROWS
from fastprefill.golden.sigu.size import Size
from fastprefill.kernels.sigu_stages.bins import bins
from fastprefill.kernels.sigu_stages.power import WEIGHT_BITS
from fastprefill.kernels.sigu_stages.tally import COUNT_BITS, TOTAL_BITS
from fastprefill.system.unit import Unit

CUT_BITS = 27
"""A bin, signed, 10 bits: -1 when all values together stay within the target; and a share in 17 bits."""

FIELD = WEIGHT_BITS + 1
"""A weight and, above it, whether it counts."""


def unit(size: Size) -> Unit:
    """Three sweeps for each query-aware head: histogram, finer histogram of the crossing bin, choice.

    Streams: ``aware`` a bit for each head; ``pooled`` words of `lanes` keys by `rows` from the unit ``weigh``;
    ``entries`` the histograms, as from the unit ``tally``; ``cuts`` what the unit ``settle`` makes of them;
    ``chosen`` a bit for each element of a word of the last sweep.
    """
    lanes, rows, group, block = size.lanes, size.rows, size.group, size.block
    TILE, KEY_GROUPS, WIDE = size.tile_keys, size.key_groups, size.choices
    ELEMENTS = lanes * rows
    PARTS, ROW_PARTS = ELEMENTS // WIDE, rows // WIDE
    Pooled, Chosen, Part = UInt(FIELD * ELEMENTS), UInt(ELEMENTS), UInt(FIELD * WIDE)
    Count, Total, Weight, Bin = UInt(COUNT_BITS), UInt(TOTAL_BITS), UInt(WEIGHT_BITS), Int(10)
    Entry, Cut = UInt(TOTAL_BITS + COUNT_BITS), UInt(CUT_BITS)
    bins_of = bins(WEIGHT_BITS)
    MASK_BITS = FIELD * WIDE

    @df.region()
    def sigu_choose(tokens: int32[1], min_blocks: int32[1]):
        aware: Stream[UInt(1), 2]
        pooled: Stream[Pooled, 2]
        cuts: Stream[Cut, 2]
        entries: Stream[Entry, 2]
        chosen: Stream[Chosen, 2]

        @df.kernel(mapping=[1], args=[tokens, min_blocks])
        def sweep_over(ltokens: int32[1], lmin_blocks: int32[1]):
            counts: Count[WIDE, BINS] @ Memory(resource="BRAM") = 0
            sums: Total[WIDE, BINS] @ Memory(resource="BRAM") = 0
            along_keys: ConstExpr[UInt(16)] = ALONG_KEYS
            along_rows: ConstExpr[UInt(16)] = ALONG_ROWS
            last: UInt(18) = ltokens[0] - 1
            blocks: int32 = last // block + 1
            tiles: int32 = (last // block) // rows + 1
            heads: int32 = 0 if blocks <= max(lmin_blocks[0], 2) else group
            rest: Pooled = 0
            result: Chosen = 0
            for h in range(heads):
                flag: UInt(1) = aware.get()
                sweeps: int32 = 3 if flag == 1 else 0
                crossing: Bin = -1  # bin in which the sum passes the target
                finest: Bin = -1  # and the finer bin of that
                drawn: UInt(17) = 0  # share of those in it
                for sweep in range(sweeps):
                    if sweep > 0:
                        cut: Cut = cuts.get()
                        if sweep == 1:
                            crossing = cut[0:10]
                        else:
                            finest = cut[0:10]
                            drawn = cut[10:CUT_BITS]
                    for row_tile in range(tiles):
                        top_row: int32 = row_tile * rows
                        lowest: UInt(18) = min(top_row + rows, blocks) - 1
                        key_tiles: int32 = lowest // TILE + 1
                        for key_tile in range(key_tiles):
                            for g in range(KEY_GROUPS):
                                for part in range(PARTS):
                                    if part == 0:
                                        rest = pooled.get()
                                    some: Part = rest[0:MASK_BITS]
                                    rest = rest >> MASK_BITS
                                    key: UInt(16) = key_tile * TILE + g * lanes + part // ROW_PARTS
                                    row: UInt(16) = top_row + (part % ROW_PARTS) * WIDE
                                    key_place = key * along_keys
                                    row_place = row * along_rows
                                    base: UInt(16) = key_place + row_place
                                    taken: UInt(1)[WIDE]
                                    for w in range(WIDE, unroll=True):
                                        weight: Weight = some[FIELD * w : FIELD * w + WEIGHT_BITS]
                                        counted: UInt(1) = some[FIELD * w + WEIGHT_BITS]
                                        place: UInt(16) = bins_of(weight)
                                        bin: Bin = place[0:8]
                                        fine: Bin = place[8:16]
                                        crosses: UInt(1) = bin == crossing
                                        enters: UInt(1) = sweep == 0 or (sweep == 1 and crosses == 1)
                                        index: UInt(8) = place[0:8] if sweep == 0 else place[8:16]
                                        if counted == 1 and enters == 1:
                                            counts[w, index] += 1
                                            sums[w, index] += weight
                                        level: Bin = fine if crosses == 1 else -1
                                        here: UInt(16) = base + w * ALONG_ROWS
                                        tie: UInt(1) = level == finest and here < drawn
                                        kept: UInt(1) = bin > crossing or level > finest or tie == 1
                                        taken[w] = counted == 1 and kept == 1
                                    bits: UInt(WIDE) = 0
                                    for w in range(WIDE, unroll=True):
                                        bits[w] = taken[w]
                                    result = result >> WIDE
                                    result[ELEMENTS - WIDE : ELEMENTS] = bits
                                    if part == PARTS - 1 and sweep == 2:
                                        chosen.put(result)

                    # the lanes' histograms together, and a new start
                    length: int32 = BINS if sweep < 2 else 0
                    for i in range(length):
                        mass: Total = 0
                        number: Count = 0
                        for w in range(WIDE, unroll=True):
                            mass += sums[w, i]
                            number += counts[w, i]
                            sums[w, i] = 0
                            counts[w, i] = 0
                        entry: Entry = mass
                        entry[TOTAL_BITS : TOTAL_BITS + COUNT_BITS] = number
                        entries.put(entry)

    def schedule(s) -> None:
        s.partition("sweep_over:counts", dim=1)
        s.partition("sweep_over:sums", dim=1)
        s.partition("sweep_over:taken")
        for loop in ("part", "i"):
            s.pipeline(f"sweep_over:{loop}", initiation_interval=1)

    return Unit(
        "sigu_choose", sigu_choose, inputs=("aware", "pooled", "cuts"), outputs=("entries", "chosen"),
        schedule=schedule,
        operators={f"sweep_over:{name}": "dsp" for name in ("key_place", "row_place")},
    )  # fmt: skip
