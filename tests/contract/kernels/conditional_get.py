"""Reads one of two streams as a third says, and writes only what is even."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, int32, uint1, uint16

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit


@df.region()
def region(n: int32[1]):
    choice: Stream[uint1, 2]
    a: Stream[uint16, 2]
    b: Stream[uint16, 2]
    y: Stream[uint16, 2]
    evens: Stream[uint16, 2]

    @df.kernel(mapping=[1], args=[n])
    def merge(ln: int32[1]):
        for i in range(ln[0]):
            v: uint16 = 0
            c: uint1 = choice.get()
            if c == 1:
                v = a.get()
            else:
                v = b.get()
            y.put(v)
            if v[0] == 0:
                evens.put(v)


def schedule(s) -> None:
    s.pipeline("merge:i", initiation_interval=1)


def unit() -> Unit:
    return Unit("select", region, inputs=("choice", "a", "b"), outputs=("y", "evens"), schedule=schedule)


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    result = []
    for name, n, likely in (("mixed", 60, 0.5), ("only_a", 10, 1.0), ("only_b", 10, 0.0), ("none", 0, 0.5)):
        choice = (rng.random(n) < likely).astype(int).tolist()
        a = rng.integers(0, 2**16, sum(choice)).tolist()
        b = rng.integers(0, 2**16, n - sum(choice)).tolist()
        ia, ib = iter(a), iter(b)
        y = [next(ia) if c else next(ib) for c in choice]
        evens = [v for v in y if v % 2 == 0]
        result.append(Case(name, {"n": n}, {"choice": choice, "a": a, "b": b}, {"y": y, "evens": evens}))
    return result
