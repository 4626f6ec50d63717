"""Shifts, rounding, saturation and bit length: a kernel for each group, all taking the same number of words."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Int, Stream, UInt, int32

from fastprefill.golden import fixed_point as golden
from fastprefill.kernels import functions
from fastprefill.system.case import Case
from fastprefill.system.unit import Unit

BITS = 24
LOWEST, HIGHEST = -9, 40
shift_round = functions.shift_round(BITS, LOWEST, HIGHEST)
shift = functions.shift(BITS, -HIGHEST, -LOWEST)
saturate = functions.saturate(BITS, 11)
unchanged = functions.saturate(BITS, BITS)
to_right = functions.rescale(BITS, 7, 12)
to_left = functions.rescale(BITS, -5, 12)
kept = functions.rescale(BITS, 0, BITS)
bit_length = functions.bit_length(BITS)


@df.region()
def region(n: int32[1]):
    x: Stream[Int(BITS), 2]
    amount: Stream[Int(7), 2]
    shift_round_y: Stream[Int(BITS - LOWEST), 2]
    shift_y: Stream[Int(BITS - LOWEST), 2]
    saturate_y: Stream[Int(11), 2]
    unchanged_y: Stream[Int(BITS), 2]
    to_right_y: Stream[Int(12), 2]
    to_left_y: Stream[Int(12), 2]
    kept_y: Stream[Int(BITS), 2]
    bit_length_y: Stream[UInt(6), 2]

    @df.kernel(mapping=[1], args=[n])
    def numbers(ln: int32[1]):
        for i in range(ln[0]):
            m: Int(BITS) = x.get()
            by: Int(7) = amount.get()
            shift_round_y.put(shift_round(m, by))
            shift_y.put(shift(m, -by))
            saturate_y.put(saturate(m))
            unchanged_y.put(unchanged(m))
            to_right_y.put(to_right(m))
            to_left_y.put(to_left(m))
            kept_y.put(kept(m))
            bits: UInt(BITS) = m
            bit_length_y.put(bit_length(bits))


NAMES = ("shift_round", "shift", "saturate", "unchanged", "to_right", "to_left", "kept", "bit_length")


def unit() -> Unit:
    return Unit(
        "fixed_point", region, inputs=("x", "amount"), outputs=tuple(f"{name}_y" for name in NAMES),
        schedule=lambda s: s.pipeline("numbers:i", initiation_interval=1),
    )  # fmt: skip


def case(name: str, x: np.ndarray, amount: np.ndarray) -> Case:
    results = {
        "shift_round": (golden.shift_round(x, amount), BITS - LOWEST),
        "shift": (golden.shift(x, -amount), BITS - LOWEST),
        "saturate": (golden.saturate(x, 11), 11),
        "unchanged": (x, BITS),
        "to_right": (golden.saturate(golden.shift_round(x, 7), 12), 12),
        "to_left": (golden.saturate(golden.shift_round(x, -5), 12), 12),
        "kept": (x, BITS),
        "bit_length": (golden.bit_length(x & (1 << BITS) - 1), 6),
    }
    outputs = {f"{name}_y": (y & (1 << bits) - 1).tolist() for name, (y, bits) in results.items()}
    return Case(name, {"n": len(x)}, {"x": x.tolist(), "amount": amount.tolist()}, outputs)


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    powers = np.int64(1) << np.arange(BITS - 1)
    corners = np.concatenate([[0, -1], powers, powers - 1, -powers, -powers - 1, 3 * (powers >> 1)])
    every = np.repeat(corners, 4)
    amounts = np.arange(LOWEST, HIGHEST + 1)
    count = 400
    return [
        case("random", rng.integers(-(1 << 23), 1 << 23, count), rng.integers(LOWEST, HIGHEST + 1, count)),
        case("corners", every, np.resize(amounts, len(every))),
        case("half", np.resize(corners, 300), rng.integers(0, BITS + 2, 300)),
    ]
