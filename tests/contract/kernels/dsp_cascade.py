"""Sums of products in chains of DSP slices: of one, three and eight, from a run-time value, a product or themselves."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Int, Stream, UInt, int8, int32, uint8

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit

SLICES = 8
Word = UInt(8 * SLICES)
Left = Int(27)
Right = Int(18)
Sum = Int(48)


@df.region()
def region(n: int32[1], first: int32[1]):
    a: Stream[Word, 2]
    b: Stream[Word, 2]
    one: Stream[Sum, 2]
    three: Stream[int32, 2]
    eight: Stream[int32, 2]
    running: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[n, first])
    def dot(ln: int32[1], lfirst: int32[1]):
        kept: int32 = 0
        for i in range(ln[0]):
            aw: Word = a.get()
            bw: Word = b.get()

            # The widest operands of a slice.
            left: Left = aw[0:27]
            right: Right = bw[0:18]
            wide: Sum = lfirst[0]
            wide += left * right
            one.put(wide)

            # No start value; unsigned by signed, and unsigned by unsigned.
            a_0: uint8 = aw[0:8]
            a_1: uint8 = aw[8:16]
            a_2: int8 = aw[16:24]
            b_0: int8 = bw[0:8]
            b_1: uint8 = bw[8:16]
            b_2: int8 = bw[16:24]
            few: int32 = a_0 * b_0 + a_1 * b_1 + a_2 * b_2
            three.put(few)

            total: int32 = lfirst[0] - i
            for j in range(SLICES, unroll=True):
                x: int8 = aw[8 * j : 8 * j + 8]
                y: int8 = bw[8 * j : 8 * j + 8]
                total += x * y
            eight.put(total)

            kept += a_2 * b_2
            running.put(kept)


def unit() -> Unit:
    return Unit(
        "dsp_cascade",
        region,
        inputs=("a", "b"),
        outputs=("one", "three", "eight", "running"),
        schedule=lambda s: s.pipeline("dot:i", initiation_interval=1),
        operators={f"dot:{name}": "dsp_cascade" for name in ("wide", "few", "total", "kept")},
    )


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    words = {
        "random": (rng.integers(-128, 128, (20, SLICES)), rng.integers(-128, 128, (20, SLICES)), -(2**31)),
        "lowest": (np.full((3, SLICES), -128), np.full((3, SLICES), -128), 2**31 - 1),
        "highest": (np.full((2, SLICES), 127), np.full((2, SLICES), -128), 12345),
        "none": (np.zeros((0, SLICES), int), np.zeros((0, SLICES), int), 0),
    }
    return [_case(name, a, b, first) for name, (a, b, first) in words.items()]


def _case(name: str, a: np.ndarray, b: np.ndarray, first: int) -> Case:
    def packed(values: np.ndarray) -> list[int]:
        return [sum((int(v) & 0xFF) << 8 * i for i, v in enumerate(row)) for row in values]

    def signed(word: int, bits: int) -> int:
        return (word & ((1 << bits) - 1)) - ((word >> (bits - 1) & 1) << bits)

    mask = 0xFFFFFFFF
    words = list(zip(packed(a), packed(b), strict=True))
    kept = np.cumsum(a[:, 2] * b[:, 2])
    outputs = {
        "one": [(first + signed(x, 27) * signed(y, 18)) & ((1 << 48) - 1) for x, y in words],
        "three": [
            int((p[0] & 255) * q[0] + (p[1] & 255) * (q[1] & 255) + p[2] * q[2]) & mask
            for p, q in zip(a, b, strict=True)
        ],
        "eight": [(first - i + int(p @ q)) & mask for i, (p, q) in enumerate(zip(a, b, strict=True))],
        "running": [int(total) & mask for total in kept],
    }
    inputs = {"a": packed(a), "b": packed(b)}
    return Case(name, {"n": len(words), "first": first}, inputs, outputs)
