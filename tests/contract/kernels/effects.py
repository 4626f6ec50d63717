"""Calls that change something, where they are easily made twice, not at all, or under the wrong condition."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, UInt, int8, int32, uint8, uint16, uint32

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit

SQUARES = np.arange(16) ** 2


def lower(a: int32[4], by: int32) -> int32:
    a[0] = a[0] - by
    return a[0]


def max(a: int32, b: int32) -> int32:  # hides the built-in function
    return a + b


@df.region()
def effects(n: int32[1]):
    x: Stream[uint8, 4]
    amounts: Stream[int8, 4]
    y: Stream[int32, 4]
    shifted: Stream[UInt(300), 4]
    placed: Stream[uint16, 2][2]

    @df.kernel(mapping=[1], args=[n])
    def conditions(ln: int32[1]):
        a: int32[4] = 3
        squares: int32[16] = SQUARES
        bits: uint16 = 0
        for i in range(ln[0]):
            v: uint8 = x.get()
            turns: int32 = 0
            if v[0] == 1:
                a[0] = a[0] + (v >> 3)
                while lower(a, 2) > 0 and turns < 3:  # only under the condition
                    turns += 1
            y.put(a[0] * 8 + turns)
            y.put(squares[x.get()[0:3] + x.get()[0:3]])  # two tokens
            bits[x.get()[0:4]] ^= 1  # one
            y.put(bits)
            squares[lower(a, 1) & 15] += lower(a, 1)  # twice, the value first
            y.put(squares[a[0] & 15])
            y.put(max(v, 100))
            bound: uint32 = v
            bound[31] = 1  # as a bound it is negative
            for j in range(bound):
                turns += 1
            near: int32 = (v & 3) + 2147483640
            for k in range(near, 2147483647, 2):  # the last step goes beyond 31 bits
                turns += 1
            y.put(turns)

    @df.kernel(mapping=[1], args=[n])
    def shifts(ln: int32[1]):
        for i in range(ln[0]):
            amount: int8 = amounts.get()
            wide: UInt(300) = 1
            wide = wide << amount  # the amount is a pattern of bits: -56 is 200
            shifted.put(wide - (wide >> amount))

    @df.kernel(mapping=[2], args=[n])
    def place(ln: int32[1]):
        for t in range(ln[0]):
            p = df.get_pid()
            v: "UInt(4 * p + 1)" = t  # noqa: UP037
            placed[p].put(v * 100 + p)


def unit() -> Unit:
    return Unit(
        "effects", effects, inputs=("x", "amounts"), outputs=("y", "shifted", "placed"),
        schedule=lambda s: s.partition("conditions:a"),
    )  # fmt: skip


def _case(name: str, x: list[int], amounts: list[int]) -> Case:
    a, squares, bits, y = 3, SQUARES.tolist(), 0, []
    for at in range(0, len(x), 4):
        v, left, right, bit = x[at : at + 4]
        turns = 0
        if v & 1:
            a += v >> 3
            while True:
                a -= 2
                if not (a > 0 and turns < 3):
                    break
                turns += 1
        y.append(a * 8 + turns)
        y.append(squares[(left & 7) + (right & 7)])
        bits ^= 1 << (bit & 15)
        y.append(bits)
        value = a - 1
        a -= 2
        squares[a & 15] += value
        y += [squares[a & 15], v + 100, turns + (8 - (v & 3)) // 2]
    wide = [1 << (amount & 255) for amount in amounts]
    rows = [(value - (value >> (amount & 255))) % (1 << 300) for value, amount in zip(wide, amounts, strict=True)]
    placed = {f"placed_{p}": [(t & ((1 << (4 * p + 1)) - 1)) * 100 + p for t in range(len(amounts))] for p in range(2)}
    return Case(
        name,
        {"n": len(amounts)},
        {"x": x, "amounts": amounts},
        {"y": [value & 0xFFFFFFFF for value in y], "shifted": rows, **placed},
    )


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)

    def random(name: str, count: int) -> Case:
        return _case(name, rng.integers(0, 256, 4 * count).tolist(), rng.integers(-128, 128, count).tolist())

    return [
        random("random", 30),
        random("one", 1),
        _case("never", [0, 1, 2, 3] * 3, [0, -1, -56]),
        _case("always", [255, 7, 7, 15] * 3, [127, -128, 1]),
    ]
