"""A subscript that leaves its array in the last iteration of a loop."""

import allo.dataflow as df
from allo.ir.types import Stream, int32

from fastprefill.system.unit import Unit


@df.region()
def top(n: int32[1]):
    x: Stream[int32, 2]
    y: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[n])
    def work(ln: int32[1]):
        history: int32[4] = 0
        for i in range(ln[0]):
            v: int32 = x.get()
            for j in range(4):
                history[j] = history[j + 1]
            history[3] = v
            y.put(history[0])


def unit() -> Unit:
    return Unit("bad", top, inputs=("x",), outputs=("y",))
