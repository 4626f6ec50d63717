"""Loops that start at an outer loop's variable, constant loops inside a loop that may be empty, slices below bit 0."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, int32, uint8

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit

SIZE = 4


@df.region()
def region(n: int32[1]):
    x: Stream[uint8, 2]
    y: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[n])
    def pairs(ln: int32[1]):
        for i in range(ln[0]):
            for j in range(i, SIZE):
                y.put(10 * i + j)
            v: uint8 = x.get()
            for k in range(3):
                low: int32 = k - 2
                y.put(v[low : low + 4])


def schedule(s) -> None:
    s.pipeline("pairs:j", initiation_interval=1)
    s.pipeline("pairs:k", initiation_interval=1)


def unit() -> Unit:
    return Unit("triangle", region, inputs=("x",), outputs=("y",), schedule=schedule)


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    found = []
    for n in (0, 1, 3, 6, -2):
        x = rng.integers(0, 256, max(n, 0)).tolist()
        y = []
        for i in range(n):
            y += [10 * i + j for j in range(i, SIZE)]
            y += [(x[i] << (2 - k)) & 15 for k in range(3)]
        found.append(Case(f"n{n}".replace("-", "minus"), {"n": n}, {"x": x}, {"y": y}))
    return found
