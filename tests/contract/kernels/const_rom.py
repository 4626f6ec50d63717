"""Constant arrays: a NumPy table, a nested list, and an array with initial contents that changes."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, int16, int32, uint2, uint8

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit

SINE = np.round(np.sin(np.arange(256) * 2 * np.pi / 256) * 32767).astype(np.int64)
WEIGHTS = [[1, -2, 3, -4], [5, 6, -7, 8]]
START = [10, 20, 30, 40]


@df.region()
def region(n: int32[1]):
    x: Stream[uint8, 2]
    y: Stream[int16, 2]
    z: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[n])
    def look_up(ln: int32[1]):
        sine: int16[256] = SINE
        weights: int16[2, 4] = [[1, -2, 3, -4], [5, 6, -7, 8]]
        counters: int32[4] = [10, 20, 30, 40]
        for i in range(ln[0]):
            v: uint8 = x.get()
            y.put(sine[v])
            column: uint2 = v[0:2]
            row = v[2]
            counters[column] = counters[column] + weights[row, column]
            z.put(counters[column])


def schedule(s) -> None:
    s.pipeline("look_up:i", initiation_interval=1)


def unit() -> Unit:
    return Unit("const_rom", region, inputs=("x",), outputs=("y", "z"), schedule=schedule)


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    result = []
    for name, x in (
        ("all", np.arange(256)),
        ("random", rng.integers(0, 256, 40)),
        ("none", np.zeros(0, dtype=int)),
    ):
        counters, z = list(START), []
        for v in x.tolist():
            counters[v & 3] += WEIGHTS[v >> 2 & 1][v & 3]
            z.append(counters[v & 3] & 0xFFFFFFFF)
        y = [int(SINE[v]) & 0xFFFF for v in x.tolist()]
        result.append(Case(name, {"n": len(x)}, {"x": x.tolist()}, {"y": y, "z": z}))
    return result
