"""Merge of partial states, row by row: the larger exponents win, the other state's sums are shifted and added."""

import allo.dataflow as df
from allo.ir.types import Int, Stream, UInt, int32

from fastprefill.kernels.attention.state import Head, merged_head, shifted_sum, sum_shifts
from fastprefill.kernels.sfu.size import MOST_ROWS, check_lanes
from fastprefill.system.unit import Unit


def region(lanes: int):
    """The dataflow region; the parameter is that of ``unit``."""
    Word = UInt(32 * lanes)

    @df.region()
    def merge(rows: int32[1], words: int32[1]):
        left_head: Stream[Head, 2]
        right_head: Stream[Head, 2]
        left: Stream[Word, 2]
        right: Stream[Word, 2]
        head: Stream[Head, 2]
        sums: Stream[Word, 2]
        amounts: Stream[UInt(12), 4]

        @df.kernel(mapping=[1], args=[rows])
        def heads(lrows: int32[1]):
            for r in range(lrows[0]):
                a: Head = left_head.get()
                b: Head = right_head.get()
                head.put(merged_head(a, b))
                amounts.put(sum_shifts(a, b))

        @df.kernel(mapping=[1], args=[rows, words])
        def add(lrows: int32[1], lwords: int32[1]):
            for r in range(lrows[0]):
                both: UInt(12) = amounts.get()
                for w in range(lwords[0]):
                    a: Word = left.get()
                    b: Word = right.get()
                    result: Word = 0
                    for j in range(lanes, unroll=True):
                        x: Int(32) = a[32 * j : 32 * j + 32]
                        y: Int(32) = b[32 * j : 32 * j + 32]
                        total: Int(32) = shifted_sum(x, both[0:6]) + shifted_sum(y, both[6:12])
                        result[32 * j : 32 * j + 32] = total
                    sums.put(result)

    return merge


def unit(lanes: int = 8) -> Unit:
    """``golden.partial.merge`` of two streams of states, rows in the same order.

    Streams in: ``left_head``, ``right_head``, a word of M, N and l for each row; ``left``, ``right``, their O in words
    of `lanes` int32. Out: ``head`` and ``sums``, the same of the merged states. Scalars: ``rows``; ``words`` of a row.

    Raises:
        FastprefillError: a number of lanes that is not allowed.
    """
    check_lanes("merge", lanes)

    def schedule(s) -> None:
        s.pipeline("heads:r", initiation_interval=1)
        s.pipeline("add:w", initiation_interval=1)

    return Unit(
        "merge",
        region(lanes),
        inputs=("left_head", "right_head", "left", "right"),
        outputs=("head", "sums"),
        schedule=schedule,
        limits={"rows": (1, MOST_ROWS), "words": (1, 1 << 16)},
        parameters={"lanes": lanes},
    )
