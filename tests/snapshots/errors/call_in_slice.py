"""Both ends of a slice would make a call: which one counts is unclear."""

import allo.dataflow as df
from allo.ir.types import Stream, int32

from fastprefill.system.unit import Unit


def n_of(ln: int32[1]) -> int32:
    return ln[0]


@df.region()
def top(n: int32[1]):
    x: Stream[int32, 2]
    y: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[n])
    def work(ln: int32[1]):
        for i in range(ln[0]):
            v: int32 = n_of(ln)
            v[n_of(ln) : n_of(ln) + 4] = 3
            y.put(v + x.get())


def unit() -> Unit:
    return Unit("bad", top, inputs=("x",), outputs=("y",))
