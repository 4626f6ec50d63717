"""Rows of the tables in docs/language.md at the widths and values where a wrong reading shows."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Int, Stream, UInt, int8, int32, uint8, uint32

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit

Int64 = Int(64)


@df.region()
def region(n: int32[1]):
    x: Stream[int32, 2]
    u: Stream[uint32, 2]
    y: Stream[UInt(64), 2]

    @df.kernel(mapping=[1], args=[n])
    def rows(ln: int32[1]):
        for t in range(ln[0]):
            s: int32 = x.get()
            v: uint32 = u.get()
            a: int8 = s
            b: uint8 = v
            place: int32 = v[0:4]

            # Results of their own width: what is lost or kept shows in 64 bits.
            unsigned_divided_stays_unsigned: Int64 = v // 1
            y.put(unsigned_divided_stays_unsigned)
            and_adds_no_bit: Int64 = v & -1
            y.put(and_adds_no_bit)
            sum_of_mixed: Int64 = s + v
            y.put(sum_of_mixed)
            difference_of_unsigned: Int64 = b - v
            y.put(difference_of_unsigned)
            negated_unsigned: Int64 = -b
            y.put(negated_unsigned)
            integer_of_wide: Int64 = int(v * v)
            y.put(integer_of_wide)
            remainder_of_unsigned: Int64 = v % 1000
            y.put(remainder_of_unsigned)
            product_of_sums: Int64 = (s + s) * (a - b)
            y.put(product_of_sums)

            # Comparisons of mixed signedness from 32 bits on.
            y.put((s < v) + (s >= v) * 2 + (s == v) * 4 + (v != s) * 8 + (s > b) * 16)
            y.put(max(s, v) - min(s, v))

            # Amounts of shifts are read as unsigned, whatever their width.
            y.put(b << s)
            arithmetic: Int64 = a >> s
            y.put(arithmetic)
            y.put(v >> a)

            # Bits outside a value read as 0 and are dropped.
            y.put(a[place - 2 : place + 4])
            y.put(b[place])
            y.put(s[place + 24])
            word: UInt(12) = v
            word[place] = 1
            y.put(word)
            field: uint8 = s
            field[place : place + 4] = v
            y.put(field)

            # Bounds are evaluated once, the right-hand side before the target, operands from left to right.
            bound: int32 = place
            count: int32 = 0
            for i in range(bound >> 1, bound, 2):
                bound = 0
                count += i
            y.put(count)
            slots: int32[4] = 0
            slots[u.get()[0:2]] = u.get()
            y.put(slots[0] + slots[1] * 3 + slots[2] * 5 + slots[3] * 7)
            ordered: Int64 = x.get() - x.get()
            y.put(ordered)
            held: int32 = s
            old: int32 = held
            held += x.get()
            y.put(old ^ held)


def unit() -> Unit:
    return Unit("edges", region, inputs=("x", "u"), outputs=("y",))


def wrap(value: int, bits: int) -> int:
    """`value` as a signed number of `bits` bits."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def expected(s: int, v: int, later: list[int], words: list[int]) -> list[int]:
    """The outputs for one round: its first tokens, and those that it gets later from each stream."""
    a, b, place = wrap(s, 8), v & 255, v & 15
    amount_s, amount_a = s & (1 << 32) - 1, a & 255
    bound = range(place // 2, place, 2)
    slots = [0] * 4
    slots[words[1] & 3] = wrap(words[0], 32)
    values = [
        v,
        wrap(v, 32),
        s + v,
        (b - v) & (1 << 33) - 1,
        wrap(-b, 8),
        wrap(v * v, 32),
        v % 1000,
        2 * s * (a - b),
        (s < v) + (s >= v) * 2 + (s == v) * 4 + (v != s) * 8 + (s > b) * 16,
        max(s, v) - min(s, v),
        b << min(amount_s, 8) & 255,
        a >> min(amount_s, 8),
        v >> min(amount_a, 32),
        ((a & 255) << 2 >> place) & 63,
        b >> place & 1,
        (s & (1 << 32) - 1) >> place + 24 & 1,
        (v | 1 << place) & 0xFFF,
        (s & ~(15 << place) | (v & 15) << place) & 255,
        sum(bound),
        slots[0] + slots[1] * 3 + slots[2] * 5 + slots[3] * 7,
        later[0] - later[1],
        s ^ wrap(s + later[2], 32),
    ]
    return [value & (1 << 64) - 1 for value in values]


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    signed = [-(1 << 31), -256, -1, 0, 1, 7, 8, 31, 32, 255, 256, (1 << 31) - 1]
    unsigned = [0, 1, 8, 15, 127, 128, 255, 256, (1 << 31) - 1, 1 << 31, (1 << 32) - 1]
    pairs = [(s, v) for s in signed for v in unsigned]
    pairs = [pairs[i] for i in rng.choice(len(pairs), 30, replace=False)]
    pairs += [
        (int(s), int(v))
        for s, v in zip(rng.integers(-(1 << 31), 1 << 31, 10), rng.integers(0, 1 << 32, 10), strict=True)
    ]
    x: list[int] = []
    u: list[int] = []
    y: list[int] = []
    for s, v in pairs:
        later = [int(token) for token in rng.integers(-(1 << 31), 1 << 31, 3)]
        words = [int(token) for token in rng.integers(0, 1 << 32, 2)]
        x += [s, *later]
        u += [v, *words]
        y += expected(s, v, later, words)
    return [Case("pairs", {"n": len(pairs)}, {"x": x, "u": u}, {"y": y})]
