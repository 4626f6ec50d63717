"""Matrix unit: int8 x int8 -> int32 tile products on columns of packed DSP slices and columns of LUTs.

The array is output-stationary: `rows` x `columns` outputs, each taking `k_parallel` products in every cycle. One step
takes a word of A (`k_parallel` int8 for every row) and a word of B (`k_parallel` int8 for every column). A finished
tile moves into registers of its own in one cycle and is drained from there, `drain_rows` rows a cycle, while the next
tile is computed.

Both kinds of column multiply with a + 128, which has no sign, and start every sum at -128 times the sum of the
column's b, which takes the 128 out again. ``docs/mpu.md`` has the arithmetic, its bounds and the alternatives.
"""

from collections.abc import Callable
from dataclasses import asdict

import allo
import allo.dataflow as df
from allo.ir.types import ConstExpr, Int, Stream, UInt, int8, int32

from fastprefill.golden.mpu import CLEAR, FEED, FINISH, GROUP, OVER, PUT, Size
from fastprefill.system.unit import Unit

FIELD = 19
"""Bits of a sum of eight int8 products, sign included: the low field of a packed DSP slice."""

PLANES = 8
"""Bit planes of b."""

LIMITS = {"steps": (1, 2**16 - 1), "chain": (1, 2**16 - 1), "sums": (1, 2**24 - 1)}


def leaving_turn(groups: int) -> Callable:
    """A helper for a turn in which a group of rows is selected to leave, if any: (leaves: UInt(1), group: int32)."""
    Turn = UInt(GROUP + groups)

    def leaving_turn(leaves: UInt(1), group: int32) -> Turn:
        turn: Turn = 0
        with allo.meta_for(groups) as g:
            turn[GROUP + g] = leaves == 1 and group == g
        return turn

    return leaving_turn


def region(
    rows: int, dsp_columns: int, lut_columns: int, k_parallel: int, drain_rows: int, counted: bool = True
):
    """The dataflow region of an array; the parameters are those of ``unit``.

    With `counted` scalars say how many turns it takes; otherwise the turns come from outside.
    """
    columns = dsp_columns + lut_columns
    pairs = (k_parallel + 1) // 2
    GROUPS, PAIRS = rows // drain_rows, drain_rows // 2
    select = leaving_turn(GROUPS)
    second = k_parallel > 1  # a pair has a second element
    Word = UInt(8 * k_parallel)
    AWord = UInt(8 * k_parallel * rows)
    BWord = UInt(8 * k_parallel * columns)
    CWord = UInt(32 * columns * drain_rows)
    Turn = UInt(GROUP + GROUPS)
    Packed = Int(FIELD + 8)
    Sum = Int(FIELD)
    Planes = UInt(FIELD)
    SIGNS = sum(128 << 8 * i for i in range(rows * k_parallel))
    # In units of 128. DSP: MIDDLE, so that the low field is never negative and borrows nothing from the high one.
    # LUT: plane 7 of b counts negative; adding 511 - x instead of -x there adds 511 * 128 for each pair.
    MIDDLE = 2 ** (FIELD - 1)
    DSP_START = MIDDLE // 128
    LUT_START = (-511 * pairs) % 2**12

    def start_of(b: Word, first: UInt(12)) -> Planes:
        """128 * (first - the sum of the column's b), modulo 2**19."""
        total: UInt(12) = first
        for i in range(k_parallel, unroll=True):
            y: int8 = b[8 * i : 8 * i + 8]
            total -= y
        start: Planes = 0
        start[7:FIELD] = total
        return start

    def choose(take_0: UInt(1), take_1: UInt(1), a_0: UInt(8), a_1: UInt(8), both: UInt(9)) -> UInt(9):
        """a_0 * take_0 + a_1 * take_1 from the three sums that it can be."""
        with_1: UInt(9) = both if take_0 == 1 else a_1
        without_1: UInt(9) = a_0 if take_0 == 1 else 0
        return with_1 if take_1 == 1 else without_1

    def add_pair(
        total: Planes, a_0: UInt(8), a_1: UInt(8), both: UInt(9), b_0: UInt(8), b_1: UInt(8)
    ) -> Planes:
        """total + a_0 * b_0 + a_1 * b_1 + 511 * 128, by the bit planes of b: a row of adders for each.

        The row of plane j adds to bits j to j + 9 of the sum, whose lowest bit is final then. What is above them in
        `total` joins a bit at a time, with the carry of the row before.
        """
        result: Planes = 0
        first: UInt(10) = 0
        first[0:9] = choose(b_0[0], b_1[0], a_0, a_1, both)
        first[9:10] = total[9:10]
        row: UInt(11) = total[0:9] + first
        result[0:1] = row[0:1]
        with allo.meta_for(1, PLANES - 1) as j:
            plane: UInt(10) = 0
            plane[0:9] = choose(b_0[j], b_1[j], a_0, a_1, both)
            plane[9:10] = total[j + 9 : j + 10]
            row = row[1:11] + plane
            result[j : j + 1] = row[0:1]
        last: UInt(12) = 0
        last[0:9] = choose(b_0[7], b_1[7], a_0, a_1, both) ^ 511
        last[9:12] = total[16:FIELD]
        rest: UInt(12) = row[1:11] + last
        result[7:FIELD] = rest
        return result

    @df.region()
    def mpu(steps: int32[1], chain: int32[1], sums: int32[1]):
        a: Stream[AWord, 2]
        b: Stream[BWord, 2]
        c: Stream[CWord, 2]
        turns: Stream[Turn, 2]

        with allo.meta_if(counted):

            @df.kernel(mapping=[1], args=[steps, chain, sums])
            def control(lsteps: int32[1], lchain: int32[1], lsums: int32[1]):
                selected: UInt(1) = 0  # a group of rows was selected in the turn before, and is put in this one
                for s in range(lsums[0]):
                    for part in range(lchain[0]):
                        for step in range(lsteps[0]):
                            # The tile before leaves while this one is computed.
                            leaves: UInt(1) = (s > 0 or part > 0) and step < GROUPS
                            turn: Turn = select(leaves, step)
                            turn[FEED] = 1
                            turn[PUT] = selected
                            turn[FINISH] = step == lsteps[0] - 1
                            turn[CLEAR] = step == lsteps[0] - 1 and part == lchain[0] - 1
                            turns.put(turn)
                            selected = leaves
                for extra in range(GROUPS + 2):  # the last tile
                    last: Turn = select(1, extra)
                    last[PUT] = selected
                    last[OVER] = extra == GROUPS + 1
                    turns.put(last)
                    selected = 1

        @df.kernel(mapping=[1])
        def array():
            with allo.meta_if(dsp_columns > 0):
                even: int32[GROUPS, PAIRS, dsp_columns] = 0
                odd: int32[GROUPS, PAIRS, dsp_columns] = 0
                even_done: int32[GROUPS, PAIRS, dsp_columns]
                odd_done: int32[GROUPS, PAIRS, dsp_columns]
                even_out: int32[GROUPS, PAIRS, dsp_columns]
                odd_out: int32[GROUPS, PAIRS, dsp_columns]
            with allo.meta_if(lut_columns > 0):
                acc: int32[GROUPS, drain_rows, lut_columns] = 0
                done: int32[GROUPS, drain_rows, lut_columns]
                out: int32[GROUPS, drain_rows, lut_columns]
            turn: Turn = 0  # the first one only brings the next
            while turn[OVER] == 0:
                # The rows selected in the turn before; the others are 0.
                word: CWord
                if turn[PUT] == 1:
                    joined: CWord = 0
                    with allo.meta_if(dsp_columns > 0):
                        for d, j in allo.grid(PAIRS, dsp_columns, unroll=True):
                            even_at: int32 = 32 * (2 * columns * d + j)
                            odd_at: int32 = even_at + 32 * columns
                            even_now: int32 = 0
                            odd_now: int32 = 0
                            with allo.meta_for(GROUPS) as g:
                                even_now |= even_out[g, d, j]
                                odd_now |= odd_out[g, d, j]
                            joined[even_at : even_at + 32] = even_now
                            joined[odd_at : odd_at + 32] = odd_now
                    with allo.meta_if(lut_columns > 0):
                        for d, j in allo.grid(drain_rows, lut_columns, unroll=True):
                            out_at: int32 = 32 * (columns * d + dsp_columns + j)
                            out_now: int32 = 0
                            with allo.meta_for(GROUPS) as g:
                                out_now |= out[g, d, j]
                            joined[out_at : out_at + 32] = out_now
                    word = joined

                # Those of the finished tile that are selected in this turn.
                with allo.meta_for(GROUPS) as g:
                    with allo.meta_if(dsp_columns > 0):
                        for d, j in allo.grid(PAIRS, dsp_columns, unroll=True):
                            even_out[g, d, j] = 0
                            odd_out[g, d, j] = 0
                            if turn[GROUP + g] == 1:
                                even_out[g, d, j] = even_done[g, d, j]
                                odd_out[g, d, j] = odd_done[g, d, j]
                    with allo.meta_if(lut_columns > 0):
                        for d, j in allo.grid(drain_rows, lut_columns, unroll=True):
                            out[g, d, j] = 0
                            if turn[GROUP + g] == 1:
                                out[g, d, j] = done[g, d, j]

                if turn[FEED] == 1:
                    aw: AWord = a.get()
                    bw: BWord = b.get()
                    signs: ConstExpr[AWord] = SIGNS
                    shifted: AWord = aw ^ signs  # every a + 128

                    with allo.meta_if(dsp_columns > 0):
                        starts: UInt(FIELD * dsp_columns) = 0
                        for j in range(dsp_columns, unroll=True):
                            column: Word = bw[8 * k_parallel * j : 8 * k_parallel * j + 8 * k_parallel]
                            starts[FIELD * j : FIELD * j + FIELD] = start_of(column, DSP_START)
                        for g, d, j in allo.grid(GROUPS, PAIRS, dsp_columns, unroll=True):
                            start: Planes = starts[FIELD * j : FIELD * j + FIELD]
                            products: Int(48) = start
                            for i in range(k_parallel, unroll=True):
                                low_at: int32 = 8 * (k_parallel * (drain_rows * g + 2 * d) + i)
                                high_at: int32 = low_at + 8 * k_parallel
                                b_at: int32 = 8 * (k_parallel * j + i)
                                a_even: UInt(8) = shifted[low_at : low_at + 8]
                                a_odd: UInt(8) = aw[high_at : high_at + 8]
                                x: Packed = 0
                                x[0:8] = a_even
                                x[FIELD : FIELD + 8] = a_odd
                                y: int8 = bw[b_at : b_at + 8]
                                products += x * y
                            low: Sum = products[0:FIELD]
                            low = low ^ MIDDLE
                            high: Int(48 - FIELD) = products[FIELD:48]
                            even_sum: int32 = even[g, d, j] + low
                            odd_sum: int32 = odd[g, d, j] + high
                            even[g, d, j] = 0 if turn[CLEAR] == 1 else even_sum
                            odd[g, d, j] = 0 if turn[CLEAR] == 1 else odd_sum
                            if turn[FINISH] == 1:  # out of the accumulators' way
                                even_done[g, d, j] = even_sum
                                odd_done[g, d, j] = odd_sum

                    with allo.meta_if(lut_columns > 0):
                        lut_starts: UInt(FIELD * lut_columns) = 0
                        for j in range(lut_columns, unroll=True):
                            lut_at: int32 = 8 * k_parallel * (dsp_columns + j)
                            lut_column: Word = bw[lut_at : lut_at + 8 * k_parallel]
                            lut_starts[FIELD * j : FIELD * j + FIELD] = start_of(lut_column, LUT_START)
                        pair_sums: UInt(9 * pairs * rows) = 0
                        for r, i in allo.grid(rows, pairs, unroll=True):
                            pair_at: int32 = 8 * (k_parallel * r + 2 * i)
                            first: UInt(8) = shifted[pair_at : pair_at + 8]
                            other: UInt(8) = 0
                            with allo.meta_if(second):
                                other = shifted[pair_at + 8 : pair_at + 16]
                            sum_at: int32 = 9 * (pairs * r + i)
                            pair_sums[sum_at : sum_at + 9] = first + other
                        for g, d, j in allo.grid(GROUPS, drain_rows, lut_columns, unroll=True):
                            total: Planes = lut_starts[FIELD * j : FIELD * j + FIELD]
                            for i in range(pairs, unroll=True):
                                a_at: int32 = 8 * (k_parallel * (drain_rows * g + d) + 2 * i)
                                y_at: int32 = 8 * (k_parallel * (dsp_columns + j) + 2 * i)
                                both_at: int32 = 9 * (pairs * (drain_rows * g + d) + i)
                                a_0: UInt(8) = shifted[a_at : a_at + 8]
                                b_0: UInt(8) = bw[y_at : y_at + 8]
                                both: UInt(9) = pair_sums[both_at : both_at + 9]
                                a_1: UInt(8) = 0
                                b_1: UInt(8) = 0
                                with allo.meta_if(second):
                                    a_1 = shifted[a_at + 8 : a_at + 16]
                                    b_1 = bw[y_at + 8 : y_at + 16]
                                total = add_pair(total, a_0, a_1, both, b_0, b_1)
                            exact: Sum = total
                            sum_now: int32 = acc[g, d, j] + exact
                            acc[g, d, j] = 0 if turn[CLEAR] == 1 else sum_now
                            if turn[FINISH] == 1:
                                done[g, d, j] = sum_now

                # The next turn is there before it begins, so that what it needs is known from registers.
                following: Turn = turns.get()
                if turn[PUT] == 1:
                    c.put(word)
                turn = following

    return mpu


def unit(rows: int, dsp_columns: int, lut_columns: int = 0, k_parallel: int = 1, drain_rows: int = 2) -> Unit:
    """The matrix unit with `rows` x (`dsp_columns` + `lut_columns`) outputs and `k_parallel` products each a cycle.

    Streams, element 0 in the low bits: ``a`` words of `rows` x `k_parallel` int8 (`k_parallel` successive elements of
    every row of A), ``b`` words of columns x `k_parallel` int8, ``c`` words of `drain_rows` x columns int32 (rows of
    the tile, the DSP columns first). Scalars: ``steps`` words for a tile; ``chain`` tiles for a sum: the accumulators
    are cleared after so many, and those in between are drained with what has been summed so far; ``sums`` of them.

    Args: as for ``golden.mpu.Size``, which says what is allowed.

    Raises:
        FastprefillError: a size that the packing cannot serve.
    """
    size = Size(rows, dsp_columns, lut_columns, k_parallel, drain_rows)

    def schedule(s) -> None:
        _schedule_array(s, size)
        for loop in ("control:step", "control:extra"):
            s.pipeline(loop, initiation_interval=1)

    return Unit(
        name="mpu",
        region=region(rows, dsp_columns, lut_columns, k_parallel, drain_rows),
        inputs=("a", "b"),
        outputs=("c",),
        schedule=schedule,
        operators=_operators(size),
        limits={**LIMITS, "steps": (rows // drain_rows, LIMITS["steps"][1])},
        parameters=asdict(size),
    )


def array(size: Size) -> Unit:
    """The array alone, whose stream ``turns`` is an input: a word of `turn_bits` for each of its turns.

    The other streams are those of ``unit``. The bits of a turn are those of ``golden.mpu``; the one with `OVER` ends a
    start.
    """
    return Unit(
        name="mpu",
        region=region(**asdict(size), counted=False),
        inputs=("a", "b", "turns"),
        outputs=("c",),
        schedule=lambda s: _schedule_array(s, size),
        operators=_operators(size),
        parameters=asdict(size),
    )


def _schedule_array(s, size: Size) -> None:
    arrays = ["even", "odd", "even_done", "odd_done", "even_out", "odd_out"] if size.dsp_columns else []
    arrays += ["acc", "done", "out"] if size.lut_columns else []
    for name in arrays:
        s.partition(f"array:{name}", dim=0)
    s.pipeline("array:while", initiation_interval=1)


def _operators(size: Size) -> dict[str, str]:
    return {"array:products": "dsp_cascade"} if size.dsp_columns else {}
