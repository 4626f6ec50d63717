"""Outer products: int8 x int8 -> int32 tiles, K at run time, tiles back to back; two processes and a block stream.

Each cycle takes one column of A (a word of `rows` int8) and one row of B (a word of `cols` int8) and adds
their outer product to the accumulators. A finished tile moves to a block stream in one cycle, so that it is
drained row by row while the next tile is computed.
"""

import allo
import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, UInt, int8, int16, int32
from numpy.typing import NDArray

from fastprefill.golden import mpu as golden
from fastprefill.system.case import Case
from fastprefill.system.unit import Unit


def region(rows: int, cols: int):
    """The dataflow region for an array of `rows` x `cols` outputs."""
    AWord = UInt(8 * rows)
    BWord = UInt(8 * cols)
    CWord = UInt(32 * cols)

    @df.region()
    def outer(k: int32[1], tiles: int32[1]):
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

    return outer


def schedule(s) -> None:
    """Accumulators and the finished tile are registers: every output is touched each cycle."""
    s.partition("array:acc", dim=0)
    s.partition("array:out", dim=0)
    s.pipeline("array:step", initiation_interval=1)
    s.pipeline("drain:i", initiation_interval=1)


def unit(rows: int = 4, cols: int = 4) -> Unit:
    """A unit with `rows` x `cols` outputs, each 4 to 32.

    Streams: ``a`` words of `rows` int8 (column of A, row 0 in the low byte), ``b`` words of `cols` int8,
    ``c`` words of `cols` int32 (one row of the tile). Scalars: ``k`` products per output, ``tiles``.
    """
    return Unit(
        name="outer",
        region=region(rows, cols),
        inputs=("a", "b"),
        outputs=("c",),
        schedule=schedule,
        operators={"array:product": "dsp"},
        limits={"k": (0, 2**31 - 1), "tiles": (0, 2**31 - 1)},
        parameters={"rows": rows, "cols": cols},
    )


def case(name: str, a: NDArray[np.int8], b: NDArray[np.int8]) -> Case:
    """One start of the unit on `a` [tiles, rows, k] and `b` [tiles, k, cols], with the expected words."""
    count, rows, k = a.shape
    cols = b.shape[2]
    return Case(
        name=name,
        scalars={"k": k, "tiles": count},
        inputs={
            "a": golden.words(a.transpose(0, 2, 1).reshape(count * k, rows)),
            "b": golden.words(b.reshape(count * k, cols)),
        },
        outputs={"c": golden.words(golden.tiles(a, b).reshape(count * rows, cols))},
    )


def cases(seed: int, rows: int = 4, cols: int = 4) -> list[Case]:
    """Cases of a `rows` x `cols` unit: random tiles, extreme values, empty starts, scalars outside their limits."""
    rng = np.random.default_rng(seed)

    def tile(name: str, count: int, k: int, value: int | None = None) -> Case:
        a = rng.integers(-128, 128, (count, rows, k), dtype=np.int8)
        b = rng.integers(-128, 128, (count, k, cols), dtype=np.int8)
        if value is not None:
            a[:], b[:] = value, value
        return case(name, a, b)

    return [
        tile("random", 3, 33),
        tile("one_product", 1, 1),
        tile("tiles_of_one", 7, 1),
        tile("two_of_two", 2, 2),
        tile("nothing_to_add", 3, 0),
        tile("no_tiles", 0, 5),
        tile("all_lowest", 2, 20, value=-128),
        tile("all_highest", 1, 20, value=127),
        tile("long", 1, 700),
        *[
            Case(f"k_{k}_tiles_{count}", {"k": k, "tiles": count}, {"a": [], "b": []}, {"c": []})
            for k, count in ((5, -1), (5, -(1 << 31)), (-1, 2), (-(1 << 31), 0))
        ],
    ]
