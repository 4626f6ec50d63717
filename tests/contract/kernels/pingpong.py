"""A block stream in block RAM: the writer scatters, the reader gathers, both at random addresses."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, UInt, int16, int32, uint6
from allo.memory import Memory

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit

SIZE = 64


@df.region()
def region(blocks: int32[1]):
    x: Stream[UInt(24), 2]
    q: Stream[uint6, 2]
    y: Stream[int16, 2]
    ring: Stream[int16[SIZE], 2]

    @df.kernel(mapping=[1], args=[blocks])
    def scatter(lblocks: int32[1]):
        for b in range(lblocks[0]):
            block: int16[SIZE] @ Memory(resource="BRAM")
            for i in range(SIZE):
                w: UInt(24) = x.get()
                address: uint6 = w[0:6]
                block[address] = w[8:24]
            ring.put(block)

    @df.kernel(mapping=[1], args=[blocks])
    def gather(lblocks: int32[1]):
        for b in range(lblocks[0]):
            block: int16[SIZE] = ring.get()
            for i in range(SIZE):
                address: uint6 = q.get()
                y.put(block[address])


def schedule(s) -> None:
    s.pipeline("scatter:i", initiation_interval=1)
    s.pipeline("gather:i", initiation_interval=1)


def unit() -> Unit:
    return Unit("pingpong", region, inputs=("x", "q"), outputs=("y",), schedule=schedule)


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    result = []
    for blocks in (0, 1, 2, 5):
        x, q, y = [], [], []
        for _ in range(blocks):
            values = rng.integers(-(2**15), 2**15, SIZE)
            order = rng.permutation(SIZE)
            x += [int(a) | (int(values[a]) & 0xFFFF) << 8 for a in order]
            asked = rng.integers(0, SIZE, SIZE)
            q += asked.tolist()
            y += [int(values[a]) & 0xFFFF for a in asked]
        result.append(Case(f"blocks{blocks}", {"blocks": blocks}, {"x": x, "q": q}, {"y": y}))
    return result
