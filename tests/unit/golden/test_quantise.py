"""Symmetric int8 quantisation: bounds, ties, zero rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from fastprefill.errors import FastprefillError
from fastprefill.golden import quantise

FLOATS = st.floats(-(2.0**100), 2.0**100, width=32)


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=FLOATS))
def test_error_is_at_most_half_a_step(values: np.ndarray) -> None:
    coded = quantise.rows(values)
    assert coded.codes.dtype == np.int8 and coded.codes.min() >= -127
    assert (coded.scales > 0).all()
    error = np.abs(coded.dequantised().astype(np.float64) - values)
    visible = np.abs(values).max(axis=1) > 1e-30  # below, the row is rounded to zero
    step = coded.scales.astype(np.float64)[:, None]
    assert (error <= 0.5001 * step)[visible].all()


@given(arrays(np.float32, (2, 5), elements=FLOATS))
def test_negation_negates_the_codes(values: np.ndarray) -> None:
    assert np.array_equal(quantise.rows(-values).codes, -quantise.rows(values).codes)


def test_largest_value_is_127_and_ties_go_to_even() -> None:
    coded = quantise.rows(np.array([[254.0, 1.0, 3.0, 5.0, -1.0, -3.0, -254.0]], np.float32))
    assert coded.scales[0] == 2.0
    assert coded.codes.tolist() == [[127, 0, 2, 2, 0, -2, -127]]


def test_zero_row() -> None:
    coded = quantise.rows(np.zeros((2, 3), np.float32))
    assert coded.scales.tolist() == [1.0, 1.0]
    assert not coded.codes.any()


def test_values_must_be_finite() -> None:
    with pytest.raises(FastprefillError) as caught:
        quantise.rows(np.array([[0.0, 1.0], [2.0, np.inf]], np.float32))
    assert str(caught.value) == "cannot quantise inf at [1, 1]; values must be finite"


def test_product_of_codes_is_the_product_of_dequantised_matrices() -> None:
    generator = np.random.default_rng(1)
    x = quantise.rows(generator.standard_normal((5, 16), np.float32))
    w = quantise.rows(generator.standard_normal((7, 16), np.float32))
    product = x.codes.astype(np.int32) @ w.codes.astype(np.int32).T
    ours = quantise.dequantise_product(product, x.scales, w.scales)
    exact = x.dequantised().astype(np.float64) @ w.dequantised().astype(np.float64).T
    assert np.allclose(ours, exact, rtol=1e-6, atol=1e-6)
