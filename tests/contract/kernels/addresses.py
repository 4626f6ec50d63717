"""Banks and addresses where nothing is a power of two: cyclic and block partitions, rows of odd length, buffers."""

import allo.dataflow as df
import numpy as np
from allo.customize import Partition
from allo.ir.types import Stream, int32, uint16
from allo.memory import Memory

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit

ROWS, COLS, LONG = 11, 13, 100
TABLE = (np.arange(ROWS * COLS) * 37 % 251).reshape(ROWS, COLS)


@df.region()
def region(n: int32[1]):
    x: Stream[uint16, 2]
    tiles: Stream[uint16[5, 6], 3]
    y: Stream[uint16, 2]

    @df.kernel(mapping=[1], args=[n])
    def scatter(ln: int32[1]):
        few: uint16[50] = 0
        many: uint16[100] @ Memory(resource="BRAM") = 0
        blocked: uint16[100] = 0
        rows: uint16[11, 13] @ Memory(resource="BRAM") = 0
        mixed: uint16[11, 13] = TABLE
        for i in range(ln[0]):
            word: uint16 = x.get()
            at: uint16 = word % 100
            few[at % 50] = word
            many[at] = word
            blocked[at] = word
            rows[at % 11, at % 13] = word
            tile: uint16[5, 6]
            for r in range(5):
                for c in range(6):
                    far: uint16 = at + 7 * r + 11 * c
                    k: uint16 = far % 100
                    a: uint16 = few[k % 50] + many[k]
                    b: uint16 = blocked[k] ^ rows[k % 11, k % 13]
                    tile[r, c] = a + b + mixed[k % 11, c]
            tiles.put(tile)

    @df.kernel(mapping=[1], args=[n])
    def gather(ln: int32[1]):
        for i in range(ln[0]):
            tile: uint16[5, 6] = tiles.get()
            for c in range(6):
                for r in range(5):
                    y.put(tile[r, c])


def schedule(s) -> None:
    s.partition("scatter:few", partition_type=Partition.Cyclic, dim=1, factor=3)
    s.partition("scatter:many", partition_type=Partition.Cyclic, dim=1, factor=7)
    s.partition("scatter:blocked", partition_type=Partition.Block, dim=1, factor=3)
    s.pipeline("scatter:c", initiation_interval=1)
    s.pipeline("gather:r", initiation_interval=1)


def unit() -> Unit:
    return Unit("addresses", region, inputs=("x",), outputs=("y",), schedule=schedule)


def golden(words: list[int]) -> list[int]:
    few, many, blocked = np.zeros(50, int), np.zeros(LONG, int), np.zeros(LONG, int)
    rows = np.zeros((ROWS, COLS), int)
    out = []
    for word in words:
        at = word % LONG
        few[at % 50] = many[at] = blocked[at] = rows[at % ROWS, at % COLS] = word
        k = (at + 7 * np.arange(5)[:, None] + 11 * np.arange(6)) % LONG
        tile = few[k % 50] + many[k] + (blocked[k] ^ rows[k % ROWS, k % COLS]) + TABLE[k % ROWS, np.arange(6)]
        out += [int(value) % (1 << 16) for value in tile.T.ravel()]
    return out


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    result = []
    for count in (0, 1, 40):
        words = [int(word) for word in rng.integers(0, 1 << 16, count)]
        result.append(Case(f"words{count}", {"n": count}, {"x": words}, {"y": golden(words)}))
    every = list(range(LONG)) + list(range(LONG - 1, -1, -1))
    result.append(Case("every_element", {"n": len(every)}, {"x": every}, {"y": golden(every)}))
    return result
