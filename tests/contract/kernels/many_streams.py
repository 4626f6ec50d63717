"""More stream ends in one body than a word has bits: 20 streams in and out at once, and sometimes one more."""

import allo
import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, int32, uint8

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit

STREAMS = 20
LIMITS = {"n": (1, 1000)}  # at least one, so that every iteration wants the 40 streams


@df.region()
def many(n: int32[1]):
    x: Stream[uint8, 2][STREAMS]
    more: Stream[uint8, 2]
    y: Stream[uint8, 2][STREAMS]

    @df.kernel(mapping=[1], args=[n])
    def carry(ln: int32[1]):
        odd: uint8 = 0
        for i in range(ln[0]):
            words: uint8[STREAMS]
            with allo.meta_for(STREAMS) as k:
                words[k] = x[k].get()
            if odd == 1:
                words[0] = more.get()
            with allo.meta_for(STREAMS) as k:
                y[k].put(words[k])
            odd = words[1] % 2


def unit() -> Unit:
    def schedule(s) -> None:
        s.partition("carry:words", dim=0)

    inputs = (*(f"x_{k}" for k in range(STREAMS)), "more")
    outputs = tuple(f"y_{k}" for k in range(STREAMS))
    return Unit("many", many, inputs, outputs, schedule=schedule, limits=LIMITS)


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    found = []
    for n in (1, 2, 40):
        words = rng.integers(0, 256, (n, STREAMS))
        after_odd = [i for i in range(1, n) if words[i - 1, 1] % 2]
        more = rng.integers(0, 256, len(after_odd))
        out = words.copy()
        out[after_odd, 0] = more
        inputs = {f"x_{k}": words[:, k].tolist() for k in range(STREAMS)} | {"more": more.tolist()}
        found.append(Case(f"n{n}", {"n": n}, inputs, {f"y_{k}": out[:, k].tolist() for k in range(STREAMS)}))
    return found
