"""Fixed point: rounding half up, saturation, bit lengths."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fastprefill.golden.fixed_point import Format, bit_length, fraction_for, saturate, shift, shift_round


@given(st.integers(-(2**62), 2**62 - 1), st.integers(0, 70))
def test_shift_round_is_half_up(value: int, amount: int) -> None:
    expected = (value + (1 << amount >> 1)) >> amount
    if abs(value) + (1 << min(amount, 63) >> 1) < 2**63:
        assert shift_round(np.array([value]), amount)[0] == expected


@given(st.integers(-(2**31), 2**31 - 1), st.integers(-30, 30))
def test_shifts_to_both_sides(value: int, amount: int) -> None:
    assert shift(np.array([value]), amount)[0] == (value << amount if amount >= 0 else value >> -amount)
    assert shift_round(np.array([value]), -max(amount, 0))[0] == value << max(amount, 0)


@given(st.integers(0, 2**63 - 1))
def test_bit_length(value: int) -> None:
    assert bit_length(np.array([value]))[0] == value.bit_length()


@given(st.integers(-(2**62), 2**62), st.integers(2, 60))
def test_saturate(value: int, bits: int) -> None:
    assert saturate(np.array([value]), bits)[0] == max(-(2 ** (bits - 1)), min(2 ** (bits - 1) - 1, value))


@given(st.floats(2.0**-10, 2.0**20), st.integers(8, 32))
def test_a_format_for_a_bound_holds_it_and_no_finer_one_does(bound: float, bits: int) -> None:
    fraction = fraction_for(bound, bits)
    assert bound * 2.0**fraction <= 2 ** (bits - 1)
    assert bound * 2.0 ** (fraction + 1) * (1 + 2.0**-19) > 2 ** (bits - 1)


def test_format() -> None:
    wide = Format(8, 4)
    assert wide.encode([0.03125, -0.03125, 100.0, -100.0, 1.0]).tolist() == [1, 0, 127, -128, 16]
    assert wide.decode(np.array([16, -8])).tolist() == [1.0, -0.5]
    assert Format(16, -3).encode([80.0])[0] == 10
