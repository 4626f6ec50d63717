"""A loop that begins at an unsigned number of 32 bits may begin at a negative one."""

import allo.dataflow as df
from allo.ir.types import Stream, int32, uint32

from fastprefill.system.unit import Unit


@df.region()
def top(n: int32[1]):
    x: Stream[int32, 2]
    y: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[n])
    def work(ln: int32[1]):
        for i in range(ln[0]):
            v: uint32 = x.get()
            for j in range(v, 10):
                y.put(j // 4)


def unit() -> Unit:
    return Unit("bad", top, inputs=("x",), outputs=("y",))
