"""Forms of a matrix unit's column without DSP slices, side by side: what each costs for a product.

Every form multiplies a + 128, which has no sign, by b, sums `k_parallel` products and adds the sum to an accumulator,
as the columns of ``mpu.py`` do; only how the products are taken apart differs. ``docs/mpu.md`` has the comparison.
"""

import allo
import allo.dataflow as df
from allo.ir.types import ConstExpr, Int, Stream, UInt, int8, int32

from fastprefill.errors import FastprefillError
from fastprefill.system.unit import Unit

FORMS = ("planes", "digits", "pairs")
"""Bit planes of b, each the sum of the a's that it chooses; radix-4 digits of b; bit planes over pairs of a's."""

FIELD = 19
"""Bits of a sum of eight products."""


def region(form: str, rows: int, columns: int, k_parallel: int):
    """The dataflow region of `rows` x `columns` outputs in one form."""
    pairs = k_parallel // 2
    by_planes, by_digits, by_pairs = (form == name for name in FORMS)
    Word = UInt(8 * k_parallel)
    AWord = UInt(8 * k_parallel * rows)
    BWord = UInt(8 * k_parallel * columns)
    CWord = UInt(32 * rows * columns)
    Sum = Int(FIELD)
    Planes = UInt(FIELD)
    SIGNS = sum(128 << 8 * i for i in range(rows * k_parallel))
    # What counts negative is turned over instead, all bits of it: that adds a constant, which the start takes out.
    START = -511 * 128 * pairs if by_pairs else 0

    def start_of(b: Word) -> Planes:
        """What every sum of a column starts at, modulo 2**19."""
        total: int32 = START
        for i in range(k_parallel, unroll=True):
            y: int8 = b[8 * i : 8 * i + 8]
            total -= 128 * y
            with allo.meta_if(by_digits):
                negative: UInt(1) = b[8 * i + 7]
                total -= 65472 if negative == 1 else 0
        start: Planes = total[0:FIELD]
        return start

    def chosen(take_0: UInt(1), take_1: UInt(1), one: UInt(10), two: UInt(10), three: UInt(10)) -> UInt(10):
        """One of 0 and three values."""
        high: UInt(10) = three if take_0 == 1 else two
        low: UInt(10) = one if take_0 == 1 else 0
        return high if take_1 == 1 else low

    def add_planes(start: Planes, a: Word, b: Word) -> Planes:
        """start + the sum of a's elements times b's: a sum for every bit plane of b."""
        total: Planes = start
        with allo.meta_for(8) as j:
            plane: UInt(11) = 0
            for i in range(k_parallel, unroll=True):
                one: UInt(8) = a[8 * i : 8 * i + 8]
                plane += one if b[8 * i + j] == 1 else 0
            shifted: Planes = 0
            shifted[j:FIELD] = plane
            with allo.meta_if(j < 7):
                total += shifted
            with allo.meta_else():
                total -= shifted
        return total

    def add_digits(start: Planes, a: UInt(8), triple: UInt(10), b: UInt(8)) -> Planes:
        """start + a * b + 65472 where b is negative: a row of adders for each radix-4 digit of b."""
        result: Planes = 0
        twice: UInt(10) = 0
        twice[1:9] = a
        row: UInt(13) = start[0:12] + chosen(b[0], b[1], a, twice, triple)
        result[0:2] = row[0:2]
        with allo.meta_for(1, 3) as i:
            digit: UInt(12) = 0
            digit[0:10] = chosen(b[2 * i], b[2 * i + 1], a, twice, triple)
            digit[10:12] = start[10 + 2 * i : 12 + 2 * i]
            row = row[2:13] + digit
            result[2 * i : 2 * i + 2] = row[0:2]
        last: UInt(13) = 0
        top: UInt(10) = chosen(b[6], b[7], a, twice, a)
        last[0:10] = (top ^ 1023) if b[7] == 1 else top
        last[10:13] = start[16:FIELD]
        rest: UInt(13) = row[2:13] + last
        result[6:FIELD] = rest
        return result

    def add_pair(
        total: Planes, a_0: UInt(8), a_1: UInt(8), both: UInt(9), b_0: UInt(8), b_1: UInt(8)
    ) -> Planes:
        """total + a_0 * b_0 + a_1 * b_1 + 511 * 128, as in ``mpu.py``."""
        result: Planes = 0
        first: UInt(10) = 0
        first[0:9] = chosen(b_0[0], b_1[0], a_0, a_1, both)
        first[9:10] = total[9:10]
        row: UInt(11) = total[0:9] + first
        result[0:1] = row[0:1]
        with allo.meta_for(1, 7) as j:
            plane: UInt(10) = 0
            plane[0:9] = chosen(b_0[j], b_1[j], a_0, a_1, both)
            plane[9:10] = total[j + 9 : j + 10]
            row = row[1:11] + plane
            result[j : j + 1] = row[0:1]
        last: UInt(12) = 0
        last[0:9] = chosen(b_0[7], b_1[7], a_0, a_1, both) ^ 511
        last[9:12] = total[16:FIELD]
        rest: UInt(12) = row[1:11] + last
        result[7:FIELD] = rest
        return result

    @df.region()
    def lut_forms(steps: int32[1], tiles: int32[1]):
        a: Stream[AWord, 2]
        b: Stream[BWord, 2]
        c: Stream[CWord, 2]

        @df.kernel(mapping=[1], args=[steps, tiles])
        def array(lsteps: int32[1], ltiles: int32[1]):
            acc: int32[rows, columns] = 0
            done: int32[rows, columns]
            for tile in range(ltiles[0]):
                for step in range(lsteps[0]):
                    last: UInt(1) = 1 if step == lsteps[0] - 1 else 0
                    aw: AWord = a.get()
                    bw: BWord = b.get()
                    signs: ConstExpr[AWord] = SIGNS
                    shifted: AWord = aw ^ signs  # every a + 128
                    starts: UInt(FIELD * columns) = 0
                    for j in range(columns, unroll=True):
                        column: Word = bw[8 * k_parallel * j : 8 * k_parallel * j + 8 * k_parallel]
                        starts[FIELD * j : FIELD * j + FIELD] = start_of(column)
                    triples: UInt(10 * k_parallel * rows) = 0
                    with allo.meta_if(by_digits):
                        for i in range(k_parallel * rows, unroll=True):
                            one: UInt(8) = shifted[8 * i : 8 * i + 8]
                            two: UInt(9) = 0
                            two[1:9] = one
                            triples[10 * i : 10 * i + 10] = one + two
                    sums: UInt(9 * pairs * rows) = 0
                    with allo.meta_if(by_pairs):
                        for i in range(pairs * rows, unroll=True):
                            first: UInt(8) = shifted[16 * i : 16 * i + 8]
                            other: UInt(8) = shifted[16 * i + 8 : 16 * i + 16]
                            sums[9 * i : 9 * i + 9] = first + other
                    for r, j in allo.grid(rows, columns, unroll=True):
                        total: Planes = starts[FIELD * j : FIELD * j + FIELD]
                        with allo.meta_if(by_planes):
                            a_row: Word = shifted[8 * k_parallel * r : 8 * k_parallel * r + 8 * k_parallel]
                            b_column: Word = bw[8 * k_parallel * j : 8 * k_parallel * j + 8 * k_parallel]
                            total = add_planes(total, a_row, b_column)
                        with allo.meta_if(by_digits):
                            for i in range(k_parallel, unroll=True):
                                x: UInt(8) = shifted[8 * (k_parallel * r + i) : 8 * (k_parallel * r + i) + 8]
                                y: UInt(8) = bw[8 * (k_parallel * j + i) : 8 * (k_parallel * j + i) + 8]
                                at: int32 = 10 * (k_parallel * r + i)
                                triple: UInt(10) = triples[at : at + 10]
                                total = add_digits(total, x, triple, y)
                        with allo.meta_if(by_pairs):
                            for i in range(pairs, unroll=True):
                                a_at: int32 = 8 * (k_parallel * r + 2 * i)
                                b_at: int32 = 8 * (k_parallel * j + 2 * i)
                                a_0: UInt(8) = shifted[a_at : a_at + 8]
                                a_1: UInt(8) = shifted[a_at + 8 : a_at + 16]
                                b_0: UInt(8) = bw[b_at : b_at + 8]
                                b_1: UInt(8) = bw[b_at + 8 : b_at + 16]
                                both: UInt(9) = sums[9 * (pairs * r + i) : 9 * (pairs * r + i) + 9]
                                total = add_pair(total, a_0, a_1, both, b_0, b_1)
                        exact: Sum = total
                        sum_now: int32 = acc[r, j] + exact
                        acc[r, j] = 0 if last == 1 else sum_now
                        done[r, j] = sum_now
                    if last == 1:
                        word: CWord = 0
                        for r, j in allo.grid(rows, columns, unroll=True):
                            to: int32 = 32 * (columns * r + j)
                            word[to : to + 32] = done[r, j]
                        c.put(word)

    return lut_forms


def unit(form: str = "pairs", rows: int = 4, columns: int = 2, k_parallel: int = 8) -> Unit:
    """`rows` x `columns` outputs without DSP slices, each taking `k_parallel` products a cycle, in a form of ``FORMS``.

    Streams, element 0 in the low bits: ``a`` words of `rows` x `k_parallel` int8, ``b`` of `columns` x `k_parallel`,
    ``c`` one word of `rows` x `columns` int32 for each tile. Scalars: ``steps`` words for a tile, ``tiles`` in a run.

    Raises:
        FastprefillError: another form, or a number of products that is none of 2, 4 and 8.
    """
    if form not in FORMS or k_parallel not in (2, 4, 8):
        raise FastprefillError(
            f"form {form!r} with k_parallel {k_parallel}; choose one of {', '.join(FORMS)} and 2, 4 or 8 products"
        )

    def schedule(s) -> None:
        for name in ("acc", "done"):
            s.partition(f"array:{name}", dim=0)
        s.pipeline("array:step", initiation_interval=1)

    return Unit(
        name="lut_forms",
        region=region(form, rows, columns, k_parallel),
        inputs=("a", "b"),
        outputs=("c",),
        schedule=schedule,
        limits={"steps": (1, 2**16 - 1), "tiles": (1, 2**16 - 1)},
    )
