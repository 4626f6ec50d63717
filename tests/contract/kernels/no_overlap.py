"""Loops in a row on the same array: each must wait until the stores of the one before have landed."""

from itertools import pairwise

import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, int32
from allo.memory import Memory

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit

SIZE = 32


@df.region()
def region(rounds: int32[1]):
    x: Stream[int32, 2]
    y: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[rounds])
    def reverse(lrounds: int32[1]):
        buffer_: int32[SIZE] @ Memory(resource="BRAM")
        for t in range(lrounds[0]):
            for i in range(SIZE):
                v: int32 = x.get()
                buffer_[i] = v * 5
            for j in range(SIZE - 1):
                buffer_[j] = buffer_[j] + buffer_[j + 1]
            for k in range(SIZE):
                y.put(buffer_[SIZE - 1 - k])


def schedule(s) -> None:
    s.pipeline("reverse:i", initiation_interval=1)
    s.pipeline("reverse:j", initiation_interval=1)
    s.pipeline("reverse:k", initiation_interval=1)


def unit() -> Unit:
    return Unit("no_overlap", region, inputs=("x",), outputs=("y",), schedule=schedule)


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    result = []
    for rounds in (1, 3):
        x = rng.integers(-(2**31), 2**31, (rounds, SIZE))
        y = []
        for row in x.tolist():
            kept = [v * 5 for v in row]
            kept = [a + b for a, b in pairwise(kept)] + kept[-1:]
            y += [v & 0xFFFFFFFF for v in reversed(kept)]
        result.append(Case(f"rounds{rounds}", {"rounds": rounds}, {"x": x.reshape(-1).tolist()}, {"y": y}))
    return result
