"""Sums of groups of int16, the number of groups and their length at run time."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, int16, int32

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit


@df.region()
def region(groups: int32[1], n: int32[1]):
    x: Stream[int16, 2]
    y: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[groups, n])
    def accumulate(lgroups: int32[1], ln: int32[1]):
        for g in range(lgroups[0]):
            total: int32 = 0
            for i in range(ln[0]):
                v: int16 = x.get()
                total += v
            y.put(total)


def schedule(s) -> None:
    s.pipeline("accumulate:i", initiation_interval=1)


def unit() -> Unit:
    return Unit("reduction", region, inputs=("x",), outputs=("y",), schedule=schedule)


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    result = []
    for groups, n in ((1, 1), (3, 7), (5, 1), (2, 0), (0, 4)):
        x = rng.integers(-(2**15), 2**15, (groups, n))
        y = [int(row.sum()) & 0xFFFFFFFF for row in x]
        result.append(
            Case(f"g{groups}_n{n}", {"groups": groups, "n": n}, {"x": x.reshape(-1).tolist()}, {"y": y})
        )
    return result
