"""States of query blocks: products with the values become a job's O, which is merged into what the jobs before left.

The state of an open query block goes round: it leaves ``add`` word by word, waits in a FIFO as long as a job, and comes
back in the order in which the next job needs it. The last job's state is put out instead, row by row.

With a window of open query blocks, the FIFO holds the state of the job that is worked on and a memory the others. When
the next job belongs to another slot, ``keep`` exchanges the two word by word: the state that leaves takes the place
of the one that comes, so together they take no more room than the states have.
"""

import allo
import allo.dataflow as df
from allo.ir.types import Int, Stream, UInt, int32
from allo.memory import Memory

from fastprefill.golden.attention_size import Size
from fastprefill.golden.attention_windows import FIRST, JOB_BITS, LAST, SLOT, SLOT_BITS, check_window
from fastprefill.kernels.attention.state import EMPTY_HEAD, Head, merged_head, shifted_sum, sum_shifts
from fastprefill.kernels.sfu.size import MOST_ROWS
from fastprefill.system.unit import Unit

TAKES, KEEPS, STAYS, PLACE = 0, 1, 2, 3
"""Of what ``keep`` does between two jobs: the next one has a state, the one before leaves one, both are of the same
slot, and from which bit on the place of the next one's state."""


def region(size: Size, window: int = 1):
    """The dataflow region of an engine of a size; ``unit`` says what the streams are."""
    C, D = size.columns, size.drain_rows
    GROUPS, ROW_TILES, DIM_TILES, PARTS = size.groups, size.row_tiles, size.dim_tiles, size.parts
    LANES = D * C
    TILE_WORDS = DIM_TILES * GROUPS
    Sums, Row, Values, Rows = UInt(32 * LANES), UInt(32 * C), UInt(16 * C), UInt(64 * D)
    Places = UInt(12 * D)
    WINDOW, WORDS, HEADS = window, ROW_TILES * TILE_WORDS, ROW_TILES * GROUPS
    SLOT_END, PLACE_END = SLOT + SLOT_BITS, PLACE + SLOT_BITS
    Job, Place, Move = UInt(8 if window == 1 else JOB_BITS), UInt(SLOT_BITS), UInt(PLACE + SLOT_BITS)
    EMPTY_ROWS = sum(EMPTY_HEAD << 64 * d for d in range(D))

    @df.region()
    def accumulate(jobs: int32[1], blocks: int32[1]):
        job: Stream[Job, 2]
        with allo.meta_if(WINDOW > 1):
            flags_of: Stream[UInt(8), 2]
            moves: Stream[Move, 2]
        value_sum: Stream[Values, 2]
        row: Stream[Rows, 2]
        c: Stream[Sums, 2]
        head: Stream[Head, 2]
        sums: Stream[Row, 2]
        leaving: Stream[Sums, 2]
        coming: Stream[Sums, ROW_TILES * TILE_WORDS]
        rows_leaving: Stream[Rows, GROUPS]
        rows_coming: Stream[Rows, ROW_TILES * GROUPS]
        finished: Stream[Sums, 2]
        rows_finished: Stream[Rows, 3 * GROUPS]
        tiles: Stream[Sums[TILE_WORDS], 2]

        @df.kernel(mapping=[1], args=[jobs])
        def add(ljobs: int32[1]):
            values: Values[DIM_TILES] = 0
            amounts: Places[GROUPS] = 0
            with allo.meta_if(PARTS > 1):
                so_far: Sums[GROUPS] = 0
            for n in range(ljobs[0]):
                with allo.meta_if(WINDOW > 1):
                    flags: UInt(8) = flags_of.get()
                with allo.meta_else():
                    flags: UInt(8) = job.get()
                for r in range(ROW_TILES):
                    for e in range(DIM_TILES):
                        for part in range(PARTS):
                            for g in range(GROUPS):
                                word: Sums = c.get()
                                if r == 0 and part == 0 and g == 0:
                                    values[e] = value_sum.get()
                                begins: UInt(1) = e == 0 and part == 0
                                ends: UInt(1) = part == PARTS - 1
                                none: Rows = EMPTY_ROWS
                                state: Rows = none
                                arriving: Rows = none
                                if begins == 1:
                                    arriving = row.get()
                                if begins == 1 and flags[FIRST] == 0:
                                    state = rows_coming.get()
                                old_word: Sums = 0
                                if ends == 1 and flags[FIRST] == 0:
                                    old_word = coming.get()
                                both: Rows = 0
                                places: Places = 0
                                with allo.meta_for(D) as d:
                                    one: Head = state[64 * d : 64 * d + 64]
                                    two: Head = arriving[64 * d : 64 * d + 64]
                                    both[64 * d : 64 * d + 64] = merged_head(one, two)
                                    places[12 * d : 12 * d + 12] = sum_shifts(one, two)
                                if begins == 1:
                                    amounts[g] = places
                                by: Places = amounts[g]
                                value_word: Values = values[e]
                                with allo.meta_if(PARTS > 1):
                                    earlier: Sums = so_far[g]
                                    total_word: Sums = 0
                                    for i in range(LANES, unroll=True):
                                        y: Int(32) = word[32 * i : 32 * i + 32]
                                        x: Int(32) = earlier[32 * i : 32 * i + 32]
                                        from_part: Int(32) = 0 if part == 0 else x
                                        total_word[32 * i : 32 * i + 32] = from_part + y
                                    so_far[g] = total_word
                                with allo.meta_else():
                                    total_word: Sums = word
                                result: Sums = 0
                                with allo.meta_for(D) as d:
                                    left: UInt(6) = by[12 * d : 12 * d + 6]
                                    right: UInt(6) = by[12 * d + 6 : 12 * d + 12]
                                    for j in range(C, unroll=True):
                                        at: int32 = 32 * (C * d) + 32 * j
                                        # the weights were less 128
                                        signed_sum: Int(32) = total_word[at : at + 32]
                                        values_sum: Int(16) = value_word[16 * j : 16 * j + 16]
                                        wide: Int(32) = values_sum
                                        whole: Int(32) = signed_sum + (wide << 7)
                                        halved: Int(32) = (whole + 1) >> 1
                                        old: Int(32) = old_word[at : at + 32]
                                        merged: Int(32) = shifted_sum(old, left) + shifted_sum(halved, right)
                                        result[at : at + 32] = merged
                                if begins == 1 and flags[LAST] == 1:
                                    rows_finished.put(both)
                                if begins == 1 and flags[LAST] == 0:
                                    rows_leaving.put(both)
                                if ends == 1 and flags[LAST] == 1:
                                    finished.put(result)
                                if ends == 1 and flags[LAST] == 0:
                                    leaving.put(result)

        with allo.meta_if(WINDOW == 1):

            @df.kernel(mapping=[1], args=[jobs, blocks])
            def keep(ljobs: int32[1], lblocks: int32[1]):
                for n in range(ljobs[0] - lblocks[0]):
                    for r in range(ROW_TILES):
                        for e in range(DIM_TILES):
                            for g in range(GROUPS):
                                word: Sums = leaving.get()
                                heads: Rows = 0
                                if e == 0:
                                    heads = rows_leaving.get()
                                coming.put(word)
                                if e == 0:
                                    rows_coming.put(heads)

        with allo.meta_else():

            @df.kernel(mapping=[1], args=[jobs])
            def order(ljobs: int32[1]):
                places: Place[WINDOW]
                for p in range(WINDOW):
                    places[p] = p
                current: Place = WINDOW - 1  # whose state is in the FIFO, so it has no place
                left: UInt(1) = 0
                for n in range(ljobs[0]):
                    word: Job = job.get()
                    flags_of.put(word[0:8])
                    slot: Place = word[SLOT:SLOT_END]
                    if slot >= WINDOW:
                        slot = 0
                    place: Place = places[slot]
                    move: Move = 0
                    move[TAKES] = word[FIRST] == 0
                    move[KEEPS] = left
                    move[STAYS] = slot == current
                    move[PLACE:PLACE_END] = place
                    if n > 0:
                        moves.put(move)
                    if slot != current:
                        places[current] = place
                    current = slot
                    left = word[LAST] == 0

            @df.kernel(mapping=[1], args=[jobs])
            def keep(ljobs: int32[1]):
                sums_of: Sums[(WINDOW - 1) * WORDS] @ Memory(resource="URAM")
                heads_of: Rows[(WINDOW - 1) * HEADS] @ Memory(resource="URAM")
                for n in range(ljobs[0] - 1):
                    move: Move = moves.get()
                    place: int32 = move[PLACE:PLACE_END]
                    for r in range(ROW_TILES):
                        for e in range(DIM_TILES):
                            for g in range(GROUPS):
                                at: int32 = place * WORDS + r * TILE_WORDS + e * GROUPS + g
                                row_at: int32 = place * HEADS + r * GROUPS + g
                                word: Sums = 0
                                heads: Rows = 0
                                if move[KEEPS] == 1:
                                    word = leaving.get()
                                if move[KEEPS] == 1 and e == 0:
                                    heads = rows_leaving.get()
                                found: Sums = word
                                of_rows: Rows = heads
                                if move[TAKES] == 1 and move[STAYS] == 0:
                                    found = sums_of[at]
                                if move[TAKES] == 1 and move[STAYS] == 0 and e == 0:
                                    of_rows = heads_of[row_at]
                                if move[KEEPS] == 1 and move[STAYS] == 0:
                                    sums_of[at] = word
                                if move[KEEPS] == 1 and move[STAYS] == 0 and e == 0:
                                    heads_of[row_at] = heads
                                if move[TAKES] == 1:
                                    coming.put(found)
                                if move[TAKES] == 1 and e == 0:
                                    rows_coming.put(of_rows)

        @df.kernel(mapping=[1], args=[blocks])
        def collect(lblocks: int32[1]):
            for n in range(lblocks[0]):
                for r in range(ROW_TILES):
                    tile: Sums[TILE_WORDS]
                    for i in range(TILE_WORDS):
                        tile[i] = finished.get()
                    tiles.put(tile)

        @df.kernel(mapping=[1], args=[blocks])
        def spread(lblocks: int32[1]):
            for n in range(lblocks[0]):
                for r in range(ROW_TILES):
                    tile: Sums[TILE_WORDS] = tiles.get()
                    group: Rows = 0
                    for g in range(GROUPS):
                        for d in range(D):
                            for e in range(DIM_TILES):
                                if d == 0 and e == 0:
                                    group = rows_finished.get()
                                word: Sums = tile[GROUPS * e + g]
                                one: Row = word[32 * C * d : 32 * C * d + 32 * C]
                                if e == 0:
                                    head.put(group[64 * d : 64 * d + 64])
                                sums.put(one)

    return accumulate


def unit(
    rows: int, columns: int, k_parallel: int, drain_rows: int, dim: int, block: int, window: int = 1
) -> Unit:
    """The states of an engine; the arguments are those of ``golden.attention_size.Size``, and `window`.

    Streams in: ``job``, a byte for each job, bit 1 set for the first job of a query block and bit 2 for the last one;
    ``value_sum``, for each job the sums of the values' codes, words of `columns` int16; ``row``, as the softmax gives
    it; ``c``, products of weights less 128 with the values as the matrix unit drains them. Out, for each query block
    and row: ``head``, a word of M, N and l, and ``sums``, O in words of `columns` int32. Scalars: ``jobs``; ``blocks``,
    query blocks, each with a first and a last job.

    With a window larger than 1 ``job`` has the words of ``golden.attention_windows``: jobs of up to `window` query
    blocks may come in any order, and query blocks go out in that of their last jobs.

    Args:
        window: query blocks, each of one head, that are open at a time.

    Raises:
        FastprefillError: a size that the engine cannot serve.
    """
    size = Size(rows, columns, k_parallel, drain_rows, dim, block)
    check_window(window)

    def schedule(s) -> None:
        for loop in ("add:g", "keep:g", "collect:i", "spread:e"):
            s.pipeline(loop, initiation_interval=1)
        if window > 1:
            for loop in ("order:p", "order:n"):
                s.pipeline(loop, initiation_interval=1)

    return Unit(
        "accumulate",
        region(size, window),
        inputs=("job", "value_sum", "row", "c"),
        outputs=("head", "sums"),
        schedule=schedule,
        limits={"jobs": (1, MOST_ROWS), "blocks": (1, "jobs")},
        parameters={
            "rows": rows, "columns": columns, "k_parallel": k_parallel, "drain_rows": drain_rows, "dim": dim,
            "block": block, "window": window,
        },
    )  # fmt: skip
