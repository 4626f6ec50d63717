"""Words put together from parts that cover one another, and lanes with registers that another body sets."""

import allo
import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, UInt, int32

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit

LANES, ROUNDS = 8, 3
Word = UInt(64)


def region(wide: bool):
    @df.region()
    def region(n: int32[1]):
        x: Stream[Word, 2]
        y: Stream[Word, 2]

        @df.kernel(mapping=[1], args=[n])
        def parts(ln: int32[1]):
            acc: UInt(32)[LANES] = 0
            kept: UInt(32)[LANES]
            for r in range(ROUNDS):
                for i in range(ln[0]):
                    v: Word = x.get()
                    late: UInt(32) = v[0:16] * v[16:32]
                    base: UInt(40) = 19088743
                    base[0:16] = v[0:16]
                    base[8:20] = v[30:42]  # over the upper half of the part before
                    with allo.meta_if(wide):
                        top: UInt(20) = v[44:64]
                    with allo.meta_else():
                        top: UInt(20) = 0
                    base[20:40] = top
                    across: UInt(12) = base[6:18]
                    inner: UInt(8) = base[0:8]
                    for j in range(LANES, unroll=True):
                        own: UInt(16) = 7
                        own[j : j + 8] = v[8 * j : 8 * j + 8]
                        own[4:6] = base[j + 7 : j + 9]
                        acc[j] += late[j : j + 16] + own
                        kept[j] = acc[j]
                    y.put(late + across + inner)
                    y.put(base)
                flag: Word = x.get()
                if flag[0] == 1:
                    for j in range(LANES, unroll=True):
                        acc[j] = 5
            for k in range(LANES):
                y.put(kept[k])
            if ln[0] > 3:
                for q in range(ln[0]):
                    y.put(q)
            bound: int32 = 0
            bound[0:2] = ln[0]
            bound[1:3] = 3
            for p in range(bound):
                y.put(p + 100)

    return region


def unit(wide: bool = True) -> Unit:
    def schedule(s) -> None:
        s.partition("parts:acc", dim=0)
        s.partition("parts:kept", dim=0)
        s.pipeline("parts:i", initiation_interval=2)

    return Unit("words", region(wide), inputs=("x",), outputs=("y",), schedule=schedule, limits={"n": (1, 40)})


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)

    def case(n: int, words: list[int]) -> Case:
        return Case(f"n{n}_{words[0]:x}", {"n": n}, {"x": words}, {"y": _expected(n, words)})

    def random(n: int) -> list[int]:
        return [int(word) for word in rng.integers(0, 2**64, ROUNDS * (n + 1), dtype=np.uint64)]

    ones = [2**64 - 1] * (ROUNDS * 3)
    return [case(1, random(1)), case(2, ones), case(3, random(3)), case(4, random(4)), case(17, random(17))]


def _bits(value: int, low: int, high: int) -> int:
    return value >> low & ((1 << (high - low)) - 1)


def _put(value: int, low: int, high: int, part: int) -> int:
    mask = (1 << (high - low)) - 1
    return value & ~(mask << low) | (part & mask) << low


def _expected(n: int, words: list[int]) -> list[int]:
    y, acc, kept, tokens = [], [0] * LANES, [0] * LANES, iter(words)
    for _ in range(ROUNDS):
        for _ in range(n):
            v = next(tokens)
            late = _bits(v, 0, 16) * _bits(v, 16, 32)
            base = _put(19088743, 0, 16, v)
            base = _put(base, 8, 20, v >> 30)
            base = _put(base, 20, 40, v >> 44)
            for j in range(LANES):
                own = _put(7, j, j + 8, v >> 8 * j)
                own = _put(own, 4, 6, base >> (j + 7))
                acc[j] = (acc[j] + _bits(late, j, j + 16) + own) & 0xFFFFFFFF
                kept[j] = acc[j]
            y += [late + _bits(base, 6, 18) + _bits(base, 0, 8), base]
        if next(tokens) & 1:
            acc = [5] * LANES
    bound = _put(_put(0, 0, 2, n), 1, 3, 3)
    return y + kept + (list(range(n)) if n > 3 else []) + [p + 100 for p in range(bound)]
