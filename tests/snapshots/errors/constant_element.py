"""An element of a table that its type does not hold."""

import allo.dataflow as df
from allo.ir.types import Stream, int8, int32

from fastprefill.system.unit import Unit


@df.region()
def top(n: int32[1]):
    x: Stream[int32, 2]
    y: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[n])
    def work(ln: int32[1]):
        table_: int8[4] = [1, 2, 300, 4]
        for i in range(ln[0]):
            v: int32 = x.get()
            y.put(table_[v & 3])


def unit() -> Unit:
    return Unit("bad", top, inputs=("x",), outputs=("y",))
