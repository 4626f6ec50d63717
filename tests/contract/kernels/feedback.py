"""A cycle of two processes: each answer goes into the next question."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, int32

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit


@df.region()
def region(n: int32[1]):
    x: Stream[int32, 2]
    y: Stream[int32, 2]
    question: Stream[int32, 1]
    answer: Stream[int32, 1]

    @df.kernel(mapping=[1], args=[n])
    def ask(ln: int32[1]):
        state: int32 = 1
        for i in range(ln[0]):
            v: int32 = x.get()
            question.put(state + v)
            state = answer.get()
            y.put(state)

    @df.kernel(mapping=[1], args=[n])
    def reply(ln: int32[1]):
        for i in range(ln[0]):
            q: int32 = question.get()
            answer.put(q * 3 - 7)


def schedule(s) -> None:
    s.pipeline("reply:i", initiation_interval=1)


def unit() -> Unit:
    return Unit("feedback", region, inputs=("x",), outputs=("y",), schedule=schedule)


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    result = []
    for n in (0, 1, 40):
        x = rng.integers(-(2**31), 2**31, n).tolist()
        state, y = 1, []
        for v in x:
            state = ((state + v) * 3 - 7) & 0xFFFFFFFF
            y.append(state)
        result.append(Case(f"n{n}", {"n": n}, {"x": x}, {"y": y}))
    return result
