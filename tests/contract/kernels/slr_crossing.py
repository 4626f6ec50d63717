"""Two units on different super logic regions: a word crosses from SLR 0 to SLR 1 and back."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, int32, uint32

from fastprefill.system.case import Case
from fastprefill.system.system import System
from fastprefill.system.unit import Unit

BOARD = "u280"  # the KV260 has one super logic region


def stage(name: str, factor: int, offset: int, slr: int) -> Unit:
    """``y = x * factor + offset``, modulo 2**32."""

    @df.region()
    def region(n: int32[1]):
        x: Stream[uint32, 2]
        y: Stream[uint32, 2]

        @df.kernel(mapping=[1], args=[n])
        def scale(ln: int32[1]):
            for i in range(ln[0]):
                v: uint32 = x.get()
                y.put(v * factor + offset)

    def schedule(s) -> None:
        s.pipeline("scale:i", initiation_interval=1)

    return Unit(name, region, inputs=("x",), outputs=("y",), schedule=schedule, slr=slr)


STAGES = (("near", 3, 1, 0), ("far", 5, 7, 1), ("back", 9, 11, 0))


def system() -> System:
    units = {name: stage(name, factor, offset, slr) for name, factor, offset, slr in STAGES}
    return System("crossing", units, (("near.y", "far.x", 2), ("far.y", "back.x", 2)))


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    result = []
    for n in (0, 1, 64):
        x = rng.integers(0, 2**32, n).tolist()
        y = x
        for _, factor, offset, _ in STAGES:
            y = [(v * factor + offset) & 0xFFFFFFFF for v in y]
        result.append(Case(f"n{n}", {f"{name}_n": n for name, *_ in STAGES}, {"near_x": x}, {"back_y": y}))
    return result
