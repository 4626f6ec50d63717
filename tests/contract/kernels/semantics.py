"""One output for each row of the table of meanings in docs/language.md."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Int, Stream, UInt, int8, int16, int32, uint1, uint8, uint32

from fastprefill.system.case import Case
from fastprefill.system.unit import Unit

ROWS = (
    "floor_divide",
    "remainder",
    "divide_by_power",
    "divide_non_negative",
    "shift_right_signed",
    "shift_right_unsigned",
    "shift_by_variable",
    "shift_left_keeps_type",
    "compare_signed",
    "compare_unsigned",
    "compare_mixed",
    "slice_is_unsigned",
    "set_slice",
    "single_bit",
    "bit_of_expression",
    "truncate",
    "extend_signed",
    "unsigned_difference",
    "difference_wraps_at_growth",
    "growth",
    "wide_word",
    "and_or_not",
    "conditional",
    "min_max",
    "negate",
    "xor_minus_one",
    "mixed_product",
    "mixed_or",
    "variable_slice",
    "int_of",
    "slice_beyond",
    "set_slice_beyond",
    "shift_left_far",
    "loop_variable",
)


@df.region()
def region(n: int32[1]):
    x: Stream[int8, 2]
    u: Stream[uint8, 2]
    y: Stream[UInt(64), 2]

    @df.kernel(mapping=[1], args=[n])
    def rows(ln: int32[1]):
        for t in range(ln[0]):
            s: int8 = x.get()
            v: uint8 = u.get()
            w: int32 = s
            q: uint32 = v

            floor_divide: int32 = v // 7
            y.put(floor_divide)
            remainder: int32 = v % 7
            y.put(remainder)
            divide_by_power: int32 = v // 16 + v % 16
            y.put(divide_by_power)
            divide_non_negative: int32 = (s & 63) // 5
            y.put(divide_non_negative)
            shift_right_signed: int32 = s >> 2
            y.put(shift_right_signed)
            shift_right_unsigned: int32 = v >> 2
            y.put(shift_right_unsigned)
            shift_by_variable: int32 = s >> v[0:5]
            y.put(shift_by_variable)
            shift_left_keeps_type: int32 = s << 3
            y.put(shift_left_keeps_type)
            compare_signed: int32 = s < 3
            y.put(compare_signed)
            compare_unsigned: int32 = v > 127
            y.put(compare_unsigned)
            compare_mixed: int32 = s < v
            y.put(compare_mixed)
            slice_is_unsigned: int32 = s[2:8]
            y.put(slice_is_unsigned)
            word: UInt(16) = 0
            word[4:12] = s
            word[0] = v[7]
            y.put(word)
            single_bit: int32 = s[7] + v[0]
            y.put(single_bit)
            bit_of_expression: int32 = (s + v)[3:9]
            y.put(bit_of_expression)
            truncate: int8 = s + 100
            y.put(truncate)
            extend_signed: int32 = s
            y.put(extend_signed)
            unsigned_difference: uint8 = v - 200
            y.put(unsigned_difference)
            difference_wraps_at_growth: int32 = v - v[0:4]
            y.put(difference_wraps_at_growth)
            growth: int32 = s * s * s - s + v
            y.put(growth)
            wide: UInt(1100) = 0
            wide[1030:1038] = v
            wide[0:8] = s
            moved: Int(1100) = wide + wide
            y.put(moved[1031:1039] + moved[0:9])
            flag: uint1 = (s > 0 and v > 10) or not (s < 5)
            y.put(flag)
            conditional: int32 = s if s > v[0:3] else v
            y.put(conditional)
            y.put(min(s, v) * 1000 + max(s, v))
            negate: int32 = -s
            y.put(negate)
            y.put(s ^ -1)
            mixed_product: int32 = s * v
            y.put(mixed_product)
            mixed_or: int16 = s | v
            y.put(mixed_or)
            k: int32 = v[0:2]
            variable_slice: int32 = q[2 * k : 2 * k + 3]
            y.put(variable_slice)
            int_of: int32 = int(v) - int(s)
            y.put(int_of)
            slice_beyond: int32 = v[2 * k : 2 * k + 3]
            y.put(slice_beyond)
            rim: uint8 = 0
            rim[2 * k : 2 * k + 3] = v
            y.put(rim)
            shift_left_far: uint8 = v << v[3:7]
            y.put(shift_left_far)
            loop_variable: int32 = t // 3 + t % 5
            y.put(loop_variable)


def unit() -> Unit:
    return Unit("semantics", region, inputs=("x", "u"), outputs=("y",))


def wrap(value: int, bits: int) -> int:
    """`value` as a signed number of `bits` bits."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def field(value: int, low: int, high: int) -> int:
    return value >> low & (1 << (high - low)) - 1


def expected(t: int, s: int, v: int) -> list[int]:
    """The outputs for pair number `t`, in the order of ROWS."""
    k = v & 3
    difference = v - (v & 15)
    moved = 2 * (v << 1030 | s & 255)
    left = [
        v // 7,
        v % 7,
        v // 16 + v % 16,
        (s & 63) // 5,
        s >> 2,
        v >> 2,
        s >> min(v & 31, 8),
        wrap(s << 3, 8),
        s < 3,
        v > 127,
        s < v,
        field(s, 2, 8),
        (s & 255) << 4 | v >> 7,
        field(s, 7, 8) + (v & 1),
        field(s + v, 3, 9),
        wrap(s + 100, 8),
        s,
        (v - 200) & 255,
        difference & 511,
        s * s * s - s + v,
        field(moved, 1031, 1039) + field(moved, 0, 9),
        (s > 0 and v > 10) or not (s < 5),
        s if s > (v & 7) else v,
        min(s, v) * 1000 + max(s, v),
        wrap(-s, 8),
        wrap(s ^ -1, 8),
        s * v,
        wrap(s & 255 | v, 8),
        field(v, 2 * k, 2 * k + 3),
        v - s,
        field(v, 2 * k, 2 * k + 3),
        (v & 7) << 2 * k & 255,
        v << (v >> 3 & 15) & 255,
        t // 3 + t % 5,
    ]
    return [int(value) & (1 << 64) - 1 for value in left]


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    corners = [(s, v) for s in (-128, -1, 0, 1, 127) for v in (0, 1, 127, 128, 200, 255)]
    pairs = [
        *corners,
        *(
            (int(s), int(v))
            for s, v in zip(rng.integers(-128, 128, 34), rng.integers(0, 256, 34), strict=True)
        ),
    ]
    y = [value for t, (s, v) in enumerate(pairs) for value in expected(t, s, v)]
    return [
        Case("pairs", {"n": len(pairs)}, {"x": [s for s, _ in pairs], "u": [v for _, v in pairs]}, {"y": y})
    ]
