"""A memory that does not exist."""

import allo.dataflow as df
from allo.ir.types import Stream, int32
from allo.memory import Memory

from fastprefill.system.unit import Unit


@df.region()
def top(n: int32[1]):
    x: Stream[int32, 2]
    y: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[n])
    def work(ln: int32[1]):
        table_: int32[4] @ Memory(resource="HBM")
        for i in range(ln[0]):
            v: int32 = x.get()
            table_[0] = v
            y.put(v)


def unit() -> Unit:
    return Unit("bad", top, inputs=("x",), outputs=("y",))
