"""A nest with work before, between and after its inner loops."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, int16, int32

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit


@df.region()
def region(rows: int32[1], n: int32[1]):
    bias: Stream[int16, 2]
    x: Stream[int16, 2]
    y: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[rows, n])
    def imperfect(lrows: int32[1], ln: int32[1]):
        for r in range(lrows[0]):
            start: int16 = bias.get()
            total: int32 = start
            for i in range(ln[0]):
                v: int16 = x.get()
                total += v
            y.put(total)
            peak: int32 = -32768
            for j in range(ln[0]):
                w: int16 = x.get()
                peak = max(peak, w)
            y.put(peak)
            y.put(total - peak)


def schedule(s) -> None:
    s.pipeline("imperfect:i", initiation_interval=1)
    s.pipeline("imperfect:j", initiation_interval=1)


def unit() -> Unit:
    return Unit("imperfect_nest", region, inputs=("bias", "x"), outputs=("y",), schedule=schedule)


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    result = []
    for rows, n in ((1, 1), (4, 5), (3, 0), (0, 2), (2, 16)):
        bias = rng.integers(-1000, 1000, rows)
        x = rng.integers(-(2**15), 2**15, (rows, 2, n))
        y = []
        for r in range(rows):
            total = int(bias[r]) + int(x[r, 0].sum())
            peak = max([-32768, *x[r, 1].tolist()])
            y += [total, peak, total - peak]
        result.append(
            Case(
                f"rows{rows}_n{n}",
                {"rows": rows, "n": n},
                {"bias": bias.tolist(), "x": x.reshape(-1).tolist()},
                {"y": [v & 0xFFFFFFFF for v in y]},
            )
        )
    return result
