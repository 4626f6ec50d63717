"""Row statistics of a streaming softmax, and the weights that they give: one exp2 for each score, for both."""

import allo
import allo.dataflow as df
from allo.ir.types import Int, Stream, UInt, int32
from allo.memory import Memory

from fastprefill.golden.attention import SCORE_BITS
from fastprefill.golden.sigu.rows import EMPTY, MASKED, SUM_FRACTION, WEIGHT_FRACTION
from fastprefill.golden.sigu.size import Size
from fastprefill.kernels.sigu_stages import power
from fastprefill.kernels.sigu_stages.control import LOGS_IN, STATISTICS, SUMS_OUT, WEIGHTS, Control
from fastprefill.kernels.sigu_stages.power import WEIGHT_BITS
from fastprefill.system.unit import Unit

MAXIMUM_BITS = 13
SUM_BITS = 48
LOG_BITS = SCORE_BITS + 2
ROW_BITS = MAXIMUM_BITS + SUM_BITS
"""A row's maximum and its sum."""


def unit(size: Size) -> Unit:
    """Statistics and weights of a start, a word a cycle.

    Streams: ``scored`` from the unit ``score``; ``sums`` maxima of a row tile, above them its sums,
    above them a 1, and a 0 at the end;
    ``logs`` the logarithms that come back, `LOG_BITS` each; ``weights`` of the last block, `lanes` keys by `rows` of
    `WEIGHT_BITS`, key by key; ``pooled`` the same of pooled rows, and above each weight whether it counts.
    """
    field = Control.of(size)
    lanes, rows, SLOTS, CONTROL, SCORE = size.lanes, size.rows, size.slots, field.bits, SCORE_BITS
    KIND, POOLED, FIRST, GROUP, SLOT = field.kind, field.pooled, field.first, field.group, field.slot
    GROUP_END, SLOT_END = GROUP + field.group_bits, SLOT + field.slot_bits
    OWN_SLOTS = size.group * size.row_tiles
    ROW, END, BASE = field.first_row, field.end_row, field.base
    Scored, Slot, Row, Base = (
        UInt(CONTROL + SCORE * lanes * rows), UInt(field.slot_bits), UInt(field.row_bits), Int(field.base_bits),
    )  # fmt: skip
    Rows, Logs = UInt(ROW_BITS * rows + 1), UInt(LOG_BITS * rows)
    MORE = ROW_BITS * rows
    Weights, Pooled = UInt(WEIGHT_BITS * lanes * rows), UInt((WEIGHT_BITS + 1) * lanes * rows)
    Score, Maximum, Sum, Log, Weight = (
        Int(SCORE), Int(MAXIMUM_BITS), UInt(SUM_BITS), Int(LOG_BITS), UInt(WEIGHT_BITS)
    )  # fmt: skip
    RowWeights, Terms = UInt((WEIGHT_BITS + 1) * lanes), UInt(SUM_FRACTION + 1 + lanes.bit_length())
    TERM = WEIGHT_FRACTION - SUM_FRACTION
    ABOVE = WEIGHT_BITS + 1

    weight_of = power.weight(SCORE, LOG_BITS)

    @df.region()
    def sigu_weigh():
        scored: Stream[Scored, 2]
        logs: Stream[Logs, 2]
        sums: Stream[Rows, 2]
        weights: Stream[Weights, 2]
        pooled: Stream[Pooled, 2]

        @df.kernel(mapping=[1], args=[])
        def relate():
            # statistics of every row tile; the present one's are in registers, the next one's are read ahead
            maxima: Maximum[rows, SLOTS] @ Memory(resource="LUTRAM") = 0
            totals: Sum[rows, SLOTS] @ Memory(resource="LUTRAM") = 0
            log: Logs[SLOTS] @ Memory(resource="LUTRAM")
            maximum: Maximum[rows] = 0
            total: Sum[rows] = 0
            maximum_ahead: Maximum[rows] = 0
            total_ahead: Sum[rows] = 0
            running: UInt(1) = 1
            while running == 1:
                word: Scored = scored.get()
                running = word[0]
                kind: UInt(2) = word[KIND : KIND + 2]
                slot: Slot = word[SLOT:SLOT_END]
                base: Base = word[BASE:CONTROL]
                first_row: Row = word[ROW:END]
                end_row: Row = word[END:BASE]
                first: UInt(1) = word[FIRST]
                other: UInt(1) = word[POOLED] == 0 and word[GROUP:GROUP_END] == 0
                with allo.meta_if(OWN_SLOTS == 1):
                    other = 0
                statistics: UInt(1) = word[0] == 1 and kind == STATISTICS
                weighing: UInt(1) = word[0] == 1 and kind == WEIGHTS
                taking: UInt(1) = word[0] == 1 and kind == LOGS_IN
                sending: UInt(1) = word[0] == 1 and kind == SUMS_OUT
                came: Logs = 0
                if taking == 1:
                    came = logs.get()
                    log[slot] = came
                references: Logs = 0
                if weighing == 1:
                    references = log[slot]

                fetched_slot: Slot = 0 if slot == OWN_SLOTS - 1 else slot + 1
                if sending == 1:
                    fetched_slot = slot

                weighed: RowWeights[rows]
                for r in range(rows, unroll=True):
                    exists: UInt(1) = r >= first_row and r < end_row
                    # the largest score that counts, rounded up to an integer
                    top: Int(SCORE + 1) = MASKED
                    for lane in range(lanes, unroll=True):
                        sees: UInt(1) = exists == 1 and base + lane - r <= 0
                        at: int32 = CONTROL + SCORE * (rows * lane + r)
                        candidate: Score = word[at : at + SCORE]
                        top = max(top, candidate) if sees == 1 else top
                    ceiling: Maximum = (top + 255) >> 8
                    previous: Maximum = maximum_ahead[r] if other == 1 else maximum[r]
                    previous = EMPTY if first == 1 else previous
                    now: Maximum = max(previous, ceiling)
                    difference: UInt(MAXIMUM_BITS) = now - previous
                    growth: UInt(6) = 63 if first == 1 or difference > 63 else difference
                    log_at: int32 = LOG_BITS * r
                    reference: Log = references[log_at : log_at + LOG_BITS]
                    ceiling_score: Log = now
                    reference = reference if weighing == 1 else ceiling_score << 8
                    terms: Terms = 0
                    outcome: RowWeights = 0
                    for lane in range(lanes, unroll=True):
                        counts: UInt(1) = exists == 1 and base + lane - r <= 0
                        score_at: int32 = CONTROL + SCORE * (rows * lane + r)
                        score: Score = word[score_at : score_at + SCORE]
                        weight: Weight = weight_of(score, reference) if counts == 1 else 0
                        terms += weight >> TERM
                        outcome[ABOVE * lane : ABOVE * lane + WEIGHT_BITS] = weight
                        outcome[ABOVE * lane + WEIGHT_BITS] = counts
                    held: Sum = total_ahead[r] if other == 1 else total[r]
                    sum_now: Sum = (held >> growth) + terms
                    maximum_ahead[r] = maxima[r, fetched_slot]
                    total_ahead[r] = totals[r, fetched_slot]
                    if statistics == 1:
                        maximum[r] = now
                        total[r] = sum_now
                        maxima[r, slot] = now
                        totals[r, slot] = sum_now
                    weighed[r] = outcome

                if sending == 1 or running == 0:
                    out: Rows = 0
                    out[MORE] = running
                    for r in range(rows, unroll=True):
                        maximum_to: int32 = MAXIMUM_BITS * r
                        total_to: int32 = MAXIMUM_BITS * rows + SUM_BITS * r
                        out[maximum_to : maximum_to + MAXIMUM_BITS] = maximum_ahead[r]
                        out[total_to : total_to + SUM_BITS] = total_ahead[r]
                    sums.put(out)
                if weighing == 1 and word[POOLED] == 1:
                    both: Pooled = 0
                    for lane, r in allo.grid(lanes, rows, unroll=True):
                        to: int32 = ABOVE * (rows * lane + r)
                        both[to : to + ABOVE] = weighed[r][ABOVE * lane : ABOVE * lane + ABOVE]
                    pooled.put(both)
                if weighing == 1 and word[POOLED] == 0:
                    plain: Weights = 0
                    for lane, r in allo.grid(lanes, rows, unroll=True):
                        to: int32 = WEIGHT_BITS * (rows * lane + r)
                        plain[to : to + WEIGHT_BITS] = weighed[r][ABOVE * lane : ABOVE * lane + WEIGHT_BITS]
                    weights.put(plain)

    def schedule(s) -> None:
        for name in ("maximum", "maximum_ahead", "total", "total_ahead", "weighed"):
            s.partition(f"relate:{name}")
        for name in ("maxima", "totals"):
            s.partition(f"relate:{name}", dim=1)
        s.pipeline("relate:while", initiation_interval=1)

    return Unit(
        "sigu_weigh",
        sigu_weigh,
        inputs=("scored", "logs"),
        outputs=("sums", "weights", "pooled"),
        schedule=schedule,
    )
