"""Scores: int32 products of codes become log2 scores of 20 bits, by the scales of their key and query."""

import allo
import allo.dataflow as df
from allo.ir.types import Int, Stream, UInt, int32

from fastprefill.golden.attention import SCORE_BITS, SCORE_FRACTION
from fastprefill.golden.sigu.size import Size
from fastprefill.kernels.functions import saturate, shift_round
from fastprefill.kernels.sigu_stages.control import LOGS_IN, SUMS_OUT, Control
from fastprefill.system.unit import Unit

PRODUCT_BITS = 23
"""Bits of a sum of 128 products of codes."""

NEAR, FAR = -6, PRODUCT_BITS + 17
"""Shifts that matter: a product of codes and mantissas has 14 bits or is 0, so a longer shift to the left saturates,
and a longer one to the right gives 0."""


def unit(size: Size) -> Unit:
    """Scores of a start, a word a cycle.

    Streams: ``control``; ``products`` words of the matrix unit, `lanes` keys by `columns` query rows of int32, row by
    row; ``key_scales`` a word of `lanes` scales for each word of keys that is new; ``query_scales`` a word of `rows`
    scales. ``scored``: the control word, above it the scores, key by key; ``sums``: in the first pass, the sum of a
    tile's scores, for each head.
    """
    field = Control.of(size)
    lanes, rows, columns, BITS = size.lanes, size.rows, size.columns, SCORE_BITS
    CONTROL = field.bits
    KIND, POOLED, GROUP, SLOT = field.kind, field.pooled, field.group, field.slot
    GROUP_END, SLOT_END = GROUP + field.group_bits, SLOT + field.slot_bits
    NEW_KEYS, NEW_QUERIES, OPEN, CLOSE = field.new_keys, field.new_queries, field.open_sum, field.close_sum
    KEY_GROUPS, SLOTS = size.key_groups, size.slots
    Word, Products, Scored = UInt(CONTROL), UInt(32 * lanes * columns), UInt(CONTROL + BITS * lanes * rows)
    KeyScales, QueryScales = UInt(16 * lanes), UInt(16 * rows)
    Group, Slot, Score = UInt(field.group_bits), UInt(field.slot_bits), Int(BITS)
    Sum = Int(sum_bits(size))
    Product, Scaled, Exponent, Amount = Int(PRODUCT_BITS), Int(PRODUCT_BITS + 16), Int(10), Int(7)
    rounded, limited = shift_round(PRODUCT_BITS + 16, NEAR, FAR), saturate(PRODUCT_BITS + 16 - NEAR, BITS)

    def score_of(product: Product, query: UInt(16), key: UInt(16)) -> Score:
        """Product times both scales, 8 fraction bits."""
        mantissas: UInt(16) = query[0:8] * key[0:8]
        scaled: Scaled = product * mantissas
        query_exponent: Int(8) = query[8:16]
        key_exponent: Int(8) = key[8:16]
        exponent: Exponent = query_exponent + key_exponent + SCORE_FRACTION
        amount: Amount = min(max(-exponent, NEAR), FAR)
        return limited(rounded(scaled, amount))

    @df.region()
    def sigu_score():
        control: Stream[Word, 2]
        products: Stream[Products, 2]
        key_scales: Stream[KeyScales, 2]
        query_scales: Stream[QueryScales, 2]
        scored: Stream[Scored, 2]
        sums: Stream[Sum, 2]

        @df.kernel(mapping=[1], args=[])
        def dequantise():
            held_keys: KeyScales[KEY_GROUPS]
            held_queries: QueryScales[SLOTS]
            total: Sum = 0
            running: UInt(1) = 1
            while running == 1:
                word: Word = control.get()
                running = word[0]
                kind: UInt(2) = word[KIND : KIND + 2]
                result: Scored = word
                if word[0] == 1 and kind != SUMS_OUT and kind != LOGS_IN:
                    tile: Products = products.get()
                    group: Group = word[GROUP:GROUP_END]
                    # a pooled row tile's scales are held in one place, whatever its number
                    slot: Slot = 0
                    if word[POOLED] == 0:
                        slot = word[SLOT:SLOT_END]
                    keys: KeyScales = 0
                    if word[NEW_KEYS] == 1:
                        keys = key_scales.get()
                        held_keys[group] = keys
                    else:
                        keys = held_keys[group]
                    queries: QueryScales = 0
                    if word[NEW_QUERIES] == 1:
                        queries = query_scales.get()
                        held_queries[slot] = queries
                    else:
                        queries = held_queries[slot]
                    for lane, r in allo.grid(lanes, rows, unroll=True):
                        at: int32 = 32 * (columns * lane + r)
                        product: Product = tile[at : at + PRODUCT_BITS]
                        to: int32 = CONTROL + BITS * (rows * lane + r)
                        key_at: int32 = 16 * lane
                        query_at: int32 = 16 * r
                        result[to : to + BITS] = score_of(
                            product, queries[query_at : query_at + 16], keys[key_at : key_at + 16]
                        )
                    added: Sum = 0
                    for i in range(lanes * rows, unroll=True):
                        score_at: int32 = CONTROL + BITS * i
                        score: Score = result[score_at : score_at + BITS]
                        added += score
                    if word[OPEN] == 0:
                        added += total
                    total = added
                    if word[CLOSE] == 1:
                        sums.put(added)
                scored.put(result)

    def schedule(s) -> None:
        s.pipeline("dequantise:while", initiation_interval=1)

    return Unit(
        "sigu_score",
        sigu_score,
        inputs=("control", "products", "key_scales", "query_scales"),
        outputs=("scored", "sums"),
        schedule=schedule,
        operators={"dequantise:mantissas": "dsp", "dequantise:scaled": "dsp"},
    )


def sum_bits(size: Size) -> int:
    """Width of the sum of a tile's scores over the rows of a head."""
    return SCORE_BITS + (size.tile_keys * size.block).bit_length()
