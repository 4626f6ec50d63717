"""A while loop in a for loop: the greatest common divisor by subtraction."""

import math

import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, int32, uint16

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit


@df.region()
def region(n: int32[1]):
    x: Stream[uint16, 2]
    y: Stream[uint16, 2]

    @df.kernel(mapping=[1], args=[n])
    def divisor(ln: int32[1]):
        for i in range(ln[0]):
            a: uint16 = x.get()
            b: uint16 = x.get()
            while a != b:
                if a > b:
                    a -= b
                else:
                    b -= a
            y.put(a)


def unit() -> Unit:
    return Unit("gcd", region, inputs=("x",), outputs=("y",))


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    pairs = [(1, 1), (12, 18), (7, 13), (40000, 30000), *rng.integers(1, 200, (12, 2)).tolist()]
    x = [int(v) for pair in pairs for v in pair]
    y = [math.gcd(*map(int, pair)) for pair in pairs]
    return [
        Case("pairs", {"n": len(pairs)}, {"x": x}, {"y": y}),
        Case("none", {"n": 0}, {"x": []}, {"y": []}),
    ]
