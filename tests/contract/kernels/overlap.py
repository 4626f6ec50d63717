"""Two loops in a row on different streams: the second may start while the first still drains."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, int16, int32

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit


@df.region()
def region(n: int32[1]):
    a: Stream[int16, 2]
    b: Stream[int16, 2]
    y: Stream[int32, 2]
    z: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[n])
    def both(ln: int32[1]):
        for t in range(2):
            for i in range(ln[0]):
                v: int16 = a.get()
                y.put(v * v + 1)
            for j in range(ln[0]):
                w: int16 = b.get()
                z.put(w * 3 - j)


def schedule(s) -> None:
    s.pipeline("both:i", initiation_interval=1)
    s.pipeline("both:j", initiation_interval=1)


def unit() -> Unit:
    return Unit("overlap", region, inputs=("a", "b"), outputs=("y", "z"), schedule=schedule)


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    result = []
    for n in (0, 1, 20):
        a, b = rng.integers(-(2**15), 2**15, (2, 2, n))
        y = [(int(v) ** 2 + 1) & 0xFFFFFFFF for v in a.reshape(-1)]
        z = [(int(v) * 3 - j) & 0xFFFFFFFF for row in b for j, v in enumerate(row)]
        inputs = {"a": a.reshape(-1).tolist(), "b": b.reshape(-1).tolist()}
        result.append(Case(f"n{n}", {"n": n}, inputs, {"y": y, "z": z}))
    return result
