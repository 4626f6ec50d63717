"""Packed int8 products: what the proof of their sums takes for granted, for every value of every operand."""

from __future__ import annotations

import numpy as np

from fastprefill.passes.bind_cascades import MOST_SLICES


def test_a_packed_product_is_two_products() -> None:
    """x = a1 * 2**19 + (a0 + 128): x * b = 2**19 * high + low + 128 * b."""
    int8 = np.arange(-128, 128, dtype=np.int64)
    a0, b = int8[:, None], int8[None, :]
    low = a0 * b
    assert low.min() >= -16256 and low.max() <= 16384
    for a1 in int8:
        x = a1 * 2**19 + (a0 + 128)
        assert x.min() >= -(2**26) and x.max() < 2**26  # 27 bits
        assert np.array_equal(x * b, 2**19 * (a1 * b) + low + 128 * b)


def test_the_low_field_holds_fifteen_products_and_not_sixteen() -> None:
    """The field holds 2**18 plus the sum of the low products; they go from -127 * 128 to 128 * 128."""
    assert MOST_SLICES <= 15
    assert 2**18 + 15 * 128 * 128 < 2**19
    assert 2**18 - 15 * 127 * 128 >= 0
    assert 2**18 + 16 * 128 * 128 == 2**19
