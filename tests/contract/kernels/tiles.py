"""Tile products int8 x int8 -> int32 on an array of multiply-accumulate elements; no tile or product is too few."""

import allo
import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, UInt, int8, int16, int32

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit


def region(rows: int, cols: int):
    AWord = UInt(8 * rows)
    BWord = UInt(8 * cols)
    CWord = UInt(32 * cols)

    @df.region()
    def tiles(k: int32[1], count: int32[1]):
        a: Stream[AWord, 2]
        b: Stream[BWord, 2]
        c: Stream[CWord, 2]
        finished: Stream[int32[rows, cols], 1]

        @df.kernel(mapping=[1], args=[k, count])
        def array(lk: int32[1], lcount: int32[1]):
            acc: int32[rows, cols]
            for t in range(lcount[0]):
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

        @df.kernel(mapping=[1], args=[count])
        def drain(lcount: int32[1]):
            for t in range(lcount[0]):
                tile: int32[rows, cols] = finished.get()
                for i in range(rows):
                    word: CWord = 0
                    for j in range(cols, unroll=True):
                        word[32 * j : 32 * j + 32] = tile[i, j]
                    c.put(word)

    return tiles


def schedule(s) -> None:
    s.partition("array:acc", dim=0)
    s.partition("array:out", dim=0)
    s.pipeline("array:step", initiation_interval=1)
    s.pipeline("drain:i", initiation_interval=1)


def unit(rows: int = 4, cols: int = 4) -> Unit:
    """An array of `rows` x `cols` elements."""
    return Unit(
        "tiles",
        region(rows, cols),
        inputs=("a", "b"),
        outputs=("c",),
        schedule=schedule,
        operators={"array:product": "dsp"},
        limits={"k": (0, 2**31 - 1), "count": (0, 2**31 - 1)},
        parameters={"rows": rows, "cols": cols},
    )


def words(elements: np.ndarray) -> list[int]:
    """Each row as one word, element 0 in the low bits."""
    rows = np.ascontiguousarray(elements, dtype=elements.dtype.newbyteorder("<"))
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


def case(name: str, a: np.ndarray, b: np.ndarray) -> Case:
    """`a` int8 [tiles, rows, k] and `b` int8 [tiles, k, cols], with the words of the products."""
    count, rows, k = a.shape
    c = np.matmul(a.astype(np.int64), b.astype(np.int64)).astype(np.int32)
    inputs = {
        "a": words(a.transpose(0, 2, 1).reshape(count * k, rows)),
        "b": words(b.reshape(count * k, b.shape[2])),
    }
    return Case(name, {"k": k, "count": count}, inputs, {"c": words(c.reshape(count * rows, b.shape[2]))})


def cycles(case: Case, rows: int = 4) -> int:
    """A product a cycle; a tile is drained, in rows + 3 cycles, while the next one is computed."""
    k, count = max(1, case.scalars["k"]), case.scalars["count"]
    if min(case.scalars.values()) < 0:
        return 3
    return 6 if count == 0 else k + (count - 1) * max(k, rows + 3) + rows + 5


def cases(seed: int, rows: int = 4, cols: int = 4) -> list[Case]:
    rng = np.random.default_rng(seed)

    def tile(name: str, count: int, k: int, value: int | None = None) -> Case:
        a = rng.integers(-128, 128, (count, rows, k), dtype=np.int8)
        b = rng.integers(-128, 128, (count, k, cols), dtype=np.int8)
        if value is not None:
            a[:], b[:] = value, value
        return case(name, a, b)

    refused = [(5, -1), (5, -(1 << 31)), (-1, 2), (-(1 << 31), 0)]
    return [
        tile("random", 3, 33),
        tile("one_product", 1, 1),
        tile("tiles_of_one", 7, 1),
        tile("nothing_to_add", 3, 0),
        tile("no_tiles", 0, 5),
        tile("all_lowest", 2, 20, value=-128),
        tile("all_highest", 1, 20, value=127),
        *[
            Case(f"k_{k}_count_{count}", {"k": k, "count": count}, {"a": [], "b": []}, {"c": []})
            for k, count in refused
        ],
    ]
