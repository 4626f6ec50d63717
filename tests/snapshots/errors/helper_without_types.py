"""A helper function without annotations."""

import allo.dataflow as df
from allo.ir.types import Stream, int32

from fastprefill.system.unit import Unit


def double(a):
    return a + a


@df.region()
def top(n: int32[1]):
    x: Stream[int32, 2]
    y: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[n])
    def work(ln: int32[1]):
        for i in range(ln[0]):
            v: int32 = x.get()
            v = double(v)
            y.put(v)


def unit() -> Unit:
    return Unit("bad", top, inputs=("x",), outputs=("y",))
