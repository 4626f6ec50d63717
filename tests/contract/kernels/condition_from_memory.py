"""Gets and puts under conditions on elements of memories that the same iteration reads again and writes."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, UInt, int32

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit

MASK = 2**32 - 1


@df.region()
def region(n: int32[1]):
    x: Stream[int32, 2]
    w: Stream[int32, 2]
    y: Stream[int32, 2]
    z: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[n])
    def take(ln: int32[1]):
        t: int32[4] = 1
        at: UInt(2) = 0
        for i in range(ln[0]):
            a: int32 = t[at]
            got: int32 = 0
            if a > 0:
                got = x.get()
            b: int32 = t[got & 3]
            at = at + 1
            t[at] = b - got
            y.put(a + b)

    @df.kernel(mapping=[1], args=[n])
    def give(ln: int32[1]):
        t: int32[4] = 1
        for i in range(ln[0]):
            total: int32 = 0
            for j in range(4, unroll=True):
                more: int32 = w.get()
                v: int32 = t[j]
                t[j] = v + more
                if v > 0 and j > 1:
                    z.put(more)
                total = total + v
            z.put(total)


def unit() -> Unit:
    return Unit("condition_from_memory", region, inputs=("x", "w"), outputs=("y", "z"))


def _signed(value: int) -> int:
    return (value + 2**31 & MASK) - 2**31


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    result = []
    for n in (0, 1, 7, 30):
        values = iter(rng.integers(-20, 40, n).tolist())
        t, x, y = [1] * 4, [], []
        for i in range(n):
            a = t[i % 4]
            got = 0
            if a > 0:
                got = next(values)
                x.append(got & MASK)
            b = t[got & 3]
            t[(i + 1) % 4] = _signed(b - got)
            y.append(a + b & MASK)
        w, z, t = [], [], [1] * 4
        for _ in range(n):
            total = 0
            for j in range(4):
                more = int(rng.integers(-50, 50))
                w.append(more & MASK)
                v = t[j]
                t[j] = _signed(v + more)
                if v > 0 and j > 1:
                    z.append(more & MASK)
                total += v
            z.append(total & MASK)
        result.append(Case(f"{n}_iterations", {"n": n}, {"x": x, "w": w}, {"y": y, "z": z}))
    return result
