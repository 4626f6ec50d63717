"""Matrix unit: output-stationary int8 x int8 -> int32 tiles, K at run time, tiles back to back.

Each cycle takes one column of A (a word of `rows` int8) and one row of B (a word of `cols` int8) and adds
their outer product to the accumulators. A finished tile moves to a block stream in one cycle, so that it is
drained row by row while the next tile is computed.
"""

import allo
import allo.dataflow as df
from allo.ir.types import Stream, UInt, int8, int16, int32

from fastprefill.system.unit import Unit


def region(rows: int, cols: int):
    """The dataflow region for an array of `rows` x `cols` outputs."""
    AWord = UInt(8 * rows)
    BWord = UInt(8 * cols)
    CWord = UInt(32 * cols)

    @df.region()
    def mpu(k: int32[1], tiles: int32[1]):
        a: Stream[AWord, 2]
        b: Stream[BWord, 2]
        c: Stream[CWord, 2]
        finished: Stream[int32[rows, cols], 1]

        @df.kernel(mapping=[1], args=[k, tiles])
        def array(lk: int32[1], ltiles: int32[1]):
            acc: int32[rows, cols]
            for t in range(ltiles[0]):
                for r, j in allo.grid(rows, cols, unroll=True):
                    acc[r, j] = 0
                for step in range(lk[0]):
                    aw: AWord = a.get()
                    bw: BWord = b.get()
                    for r, j in allo.grid(rows, cols, unroll=True):
                        x: int8 = aw[8 * r : 8 * r + 8]
                        y: int8 = bw[8 * j : 8 * j + 8]
                        product: int16 = x * y
                        acc[r, j] += product
                out: int32[rows, cols]
                for r, j in allo.grid(rows, cols, unroll=True):
                    out[r, j] = acc[r, j]
                finished.put(out)

        @df.kernel(mapping=[1], args=[tiles])
        def drain(ltiles: int32[1]):
            for t in range(ltiles[0]):
                tile: int32[rows, cols] = finished.get()
                for i in range(rows):
                    word: CWord = 0
                    for j in range(cols, unroll=True):
                        word[32 * j : 32 * j + 32] = tile[i, j]
                    c.put(word)

    return mpu


def schedule(s) -> None:
    """Accumulators and the finished tile are registers: every output is touched each cycle."""
    s.partition("array:acc", dim=0)
    s.partition("array:out", dim=0)
    s.pipeline("array:step", initiation_interval=1)
    s.pipeline("drain:i", initiation_interval=1)


def unit(rows: int, cols: int) -> Unit:
    """The matrix unit with `rows` x `cols` outputs, each 4 to 32.

    Streams: ``a`` words of `rows` int8 (column of A, row 0 in the low byte), ``b`` words of `cols` int8,
    ``c`` words of `cols` int32 (one row of the tile). Scalars: ``k`` products per output, ``tiles``.
    """
    return Unit(
        name="mpu",
        region=region(rows, cols),
        inputs=("a", "b"),
        outputs=("c",),
        schedule=schedule,
        operators={"array:product": "dsp"},
        limits={"k": (0, 2**31 - 1), "tiles": (0, 2**31 - 1)},
        parameters={"rows": rows, "cols": cols},
    )
