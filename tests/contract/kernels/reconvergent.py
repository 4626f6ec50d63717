"""A fork and a join whose branches differ in latency: one passes values on, one delays them by eight."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, int16, int32

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit

DELAY = 8


@df.region()
def region(n: int32[1]):
    x: Stream[int16, 2]
    straight: Stream[int16, DELAY + 2]
    into: Stream[int16, 2]
    late: Stream[int32, 2]
    y: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[n])
    def split(ln: int32[1]):
        for i in range(ln[0]):
            v: int16 = x.get()
            straight.put(v)
            into.put(v)

    @df.kernel(mapping=[1], args=[n])
    def slow(ln: int32[1]):
        window: int16[DELAY] = 0
        for i in range(ln[0]):
            v: int16 = into.get()
            total: int32 = 0
            for k in range(DELAY, unroll=True):
                total += window[k] * (k + 1)
            for k in range(DELAY - 1, unroll=True):
                window[DELAY - 1 - k] = window[DELAY - 2 - k]
            window[0] = v
            late.put(total)

    @df.kernel(mapping=[1], args=[n])
    def merge(ln: int32[1]):
        for i in range(ln[0]):
            a: int16 = straight.get()
            b: int32 = late.get()
            y.put(a + b)


def schedule(s) -> None:
    s.partition("slow:window", dim=0)
    for kernel in ("split", "slow", "merge"):
        s.pipeline(f"{kernel}:i", initiation_interval=1)


def unit() -> Unit:
    return Unit("reconvergent", region, inputs=("x",), outputs=("y",), schedule=schedule)


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    result = []
    for n in (0, 1, 9, 50):
        x = rng.integers(-(2**15), 2**15, n).tolist()
        y = []
        for i, v in enumerate(x):
            total = sum(x[i - 1 - k] * (k + 1) for k in range(DELAY) if i - 1 - k >= 0)
            y.append((v + total) & 0xFFFFFFFF)
        result.append(Case(f"n{n}", {"n": n}, {"x": x}, {"y": y}))
    return result
