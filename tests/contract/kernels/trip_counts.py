"""Three nested loops, each with a trip count of 0, 1 or more at run time."""

import itertools

import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, int8, int32

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit


@df.region()
def region(m: int32[1], n: int32[1], p: int32[1]):
    x: Stream[int8, 2]
    y: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[m, n, p])
    def nest(lm: int32[1], ln: int32[1], lp: int32[1]):
        total: int32 = 0
        for i in range(lm[0]):
            for j in range(ln[0]):
                for k in range(lp[0]):
                    v: int8 = x.get()
                    total += v * (i - j)
            y.put(total)
        y.put(total + 1)


def schedule(s) -> None:
    s.pipeline("nest:k", initiation_interval=1)


def unit() -> Unit:
    return Unit("nest", region, inputs=("x",), outputs=("y",), schedule=schedule)


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    result = []
    for m, n, p in itertools.product((0, 1, 3), repeat=3):
        x = rng.integers(-128, 128, (m, n, p))
        total, y = 0, []
        for i in range(m):
            total += sum(int(x[i, j].sum()) * (i - j) for j in range(n))
            y.append(total & 0xFFFFFFFF)
        y.append((total + 1) & 0xFFFFFFFF)
        scalars = {"m": m, "n": n, "p": p}
        result.append(Case(f"m{m}_n{n}_p{p}", scalars, {"x": x.reshape(-1).tolist()}, {"y": y}))
    return result
