"""Counts of bytes in a block RAM, one byte a cycle although equal bytes may follow one another."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, int32, uint8
from allo.memory import Memory

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit


@df.region()
def region(n: int32[1]):
    x: Stream[uint8, 2]
    y: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[n])
    def count(ln: int32[1]):
        counts: int32[256] @ Memory(resource="BRAM") = 0
        for i in range(ln[0]):
            v: uint8 = x.get()
            counts[v] += 1
        for b in range(256):
            y.put(counts[b])


def schedule(s) -> None:
    s.pipeline("count:i", initiation_interval=1)
    s.pipeline("count:b", initiation_interval=1)


def unit() -> Unit:
    return Unit("histogram", region, inputs=("x",), outputs=("y",), schedule=schedule)


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    data = {
        "random": rng.integers(0, 256, 300),
        "one_bin": np.full(50, 7),
        "two_bins": np.tile([3, 200], 20),
        "near": rng.integers(0, 3, 100),
        "empty": np.zeros(0, dtype=int),
    }
    return [
        Case(name, {"n": len(x)}, {"x": x.tolist()}, {"y": np.bincount(x, minlength=256).tolist()})
        for name, x in data.items()
    ]
