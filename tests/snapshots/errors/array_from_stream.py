"""An array filled from a stream."""

import allo.dataflow as df
from allo.ir.types import Stream, int32

from fastprefill.system.unit import Unit


@df.region()
def top(n: int32[1]):
    x: Stream[int32, 2]
    y: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[n])
    def work(ln: int32[1]):
        for i in range(ln[0]):
            t: int32[4] = x.get()
            v: int32 = t[0] + t[3]
            y.put(v)


def unit() -> Unit:
    return Unit("bad", top, inputs=("x",), outputs=("y",))
