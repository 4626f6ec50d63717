"""A word of 230 bits crosses from SLR 0 to SLR 2: through relays for parts of it, which run in step."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, UInt, int32

from fastprefill.system.case import Case
from fastprefill.system.system import System
from fastprefill.system.unit import Unit

BOARD = "u280"  # the KV260 has one super logic region
BITS = 230


def stage(name: str, mask: int, slr: int, bits: int) -> Unit:
    """``y = x ^ mask``, and the upper half of the bits with the lower half exchanged."""
    Word, half, top = UInt(bits), bits // 2, 2 * (bits // 2)

    @df.region()
    def region(n: int32[1]):
        x: Stream[Word, 2]
        y: Stream[Word, 2]

        @df.kernel(mapping=[1], args=[n])
        def turn(ln: int32[1]):
            for i in range(ln[0]):
                v: Word = x.get()
                w: Word = 0
                w[0:half] = v[half:top]
                w[half:top] = v[0:half]
                sign: UInt(1) = mask
                if sign == 1:
                    w = w ^ 1
                y.put(w)

    def schedule(s) -> None:
        s.pipeline("turn:i", initiation_interval=1)

    return Unit(name, region, inputs=("x",), outputs=("y",), schedule=schedule, slr=slr)


STAGES = (("near", 0, 0), ("far", 1, 2))


def system(bits: int = BITS) -> System:
    units = {name: stage(name, mask, slr, bits) for name, mask, slr in STAGES}
    return System("wide", units, (("near.y", "far.x", 2),), {"bits": bits})


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    result = []
    for n in (0, 1, 50):
        x = [int.from_bytes(rng.bytes(29)) >> 2 for _ in range(n)]
        result.append(
            Case(f"n{n}", {f"{name}_n": n for name, *_ in STAGES}, {"near_x": x}, {"far_y": [v ^ 1 for v in x]})
        )
    return result
