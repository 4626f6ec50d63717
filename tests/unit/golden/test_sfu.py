"""Special function unit: each operation against float64, property tests, the ends of the ranges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from fastprefill.golden import sfu
from fastprefill.golden.fixed_point import Format
from fastprefill.golden.scale import RECIPROCALS, Scales, scale_for

INT32 = st.integers(-(2**31), 2**31 - 1)


def rows(seed: int, tokens: int = 200, width: int = 96, octaves: float = 22) -> np.ndarray:
    """Gaussian rows of very different size."""
    generator = np.random.default_rng(seed)
    size = np.exp2(generator.uniform(0, octaves, (tokens, 1)))
    return (generator.standard_normal((tokens, width)) * size).astype(np.int64)


@given(
    arrays(np.int64, array_shapes(min_dims=2, max_dims=3, max_side=6), elements=INT32), st.integers(-8, 24)
)
def test_quantise_is_within_half_a_step(x: np.ndarray, fraction: int) -> None:
    coded = sfu.quantise(x, fraction)
    assert coded.values.dtype == np.int8 and coded.values.min() >= -127
    step = coded.scales.real()[..., None]
    assert (np.abs(coded.real() - np.ldexp(x.astype(float), -fraction)) <= 0.502 * step).all()


@given(arrays(np.int64, (3, 8), elements=INT32))
def test_the_largest_of_a_row_reaches_the_end_of_the_codes(x: np.ndarray) -> None:
    top = np.abs(sfu.quantise(x, 0).values.astype(int)).max(axis=-1)
    assert ((top >= 126) | (x == 0).all(axis=-1)).all()


def test_scale_is_the_smallest_that_reaches() -> None:
    largest = np.concatenate([np.arange(1, 5000), 2 ** np.arange(31), 2 ** np.arange(31) - 1])
    scales = scale_for(np.maximum(largest, 1))
    assert scales.mantissa.min() >= 128 and scales.mantissa.max() <= 255
    ratio = 127 * scales.real() / np.maximum(largest, 1)
    assert ratio.min() >= 1 and ratio.max() < 1 + 1 / 127
    assert np.abs(RECIPROCALS * np.arange(128, 256) / 2**23 - 1).max() < 2**-16


def test_groups_have_their_own_scales() -> None:
    x = rows(1, width=64)
    grouped = sfu.quantise(x, 4, group=16)
    for start in range(0, 64, 16):
        alone = sfu.quantise(x[:, start : start + 16], 4)
        assert np.array_equal(grouped.values[:, start : start + 16], alone.values)
        assert np.array_equal(grouped.scales.mantissa[:, start // 16], alone.scales.mantissa)


def test_zero_row() -> None:
    coded = sfu.quantise(np.zeros((2, 8), np.int64), 16)
    assert not coded.values.any() and (coded.scales.mantissa == 128).all()


def test_log2_of_scales() -> None:
    scales = Scales(np.arange(128, 256), np.full(128, -9))
    assert np.abs(scales.log2() / 256 - np.log2(scales.real())).max() <= 0.502 / 256


@given(
    arrays(np.int64, (4, 5), elements=st.integers(-(2**28), 2**28)), st.integers(-20, 8), st.integers(0, 99)
)
def test_dequantise_rounds_the_exact_product(products: np.ndarray, exponent: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    left = Scales(generator.integers(128, 256, 4), np.full(4, exponent))
    right = Scales(generator.integers(128, 256, 5), generator.integers(-16, -8, 5))
    out = Format(24, 7)
    got = sfu.dequantise(products, left, right, out)
    exact = products * left.real()[:, None] * right.real() * 2.0**7
    assert np.array_equal(got, np.clip(np.floor(exact + 0.5), -(2**23), 2**23 - 1))


def test_rms_norm_error() -> None:
    """Within three units of the result, or 2**-14 of the row's largest."""
    weight = np.random.default_rng(2).uniform(0.1, 3, 96)
    norm = sfu.Norm.of(weight, 1e-5, 16, Format(24, 14))
    x = rows(3, octaves=25)
    got = norm.out.decode(sfu.rms_norm(x, norm))
    real = x / 2**16
    exact = real / np.sqrt((real**2).mean(axis=-1, keepdims=True) + 1e-5) * weight
    bound = 3 * 2**-14 + np.abs(exact).max(axis=-1, keepdims=True) * 2**-14
    assert (np.abs(got - exact) <= bound).all()


def test_rms_norm_of_a_row_with_a_massive_channel() -> None:
    x = rows(4, octaves=1) * 64
    x[:, 5] = 2**30
    norm = sfu.Norm.of(np.ones(96), 1e-5, 16, Format(24, 18))
    got = norm.out.decode(sfu.rms_norm(x, norm))
    exact = x / np.sqrt((x.astype(float) ** 2).mean(axis=-1, keepdims=True))
    assert np.abs(got - exact).max() < 2**-14 * np.sqrt(96)


def test_rms_norm_of_zeros() -> None:
    norm = sfu.Norm.of(np.ones(8), 1e-6, 16, Format(24, 16))
    assert not sfu.rms_norm(np.zeros((3, 8), np.int64), norm).any()


def test_rope_error_at_every_distance() -> None:
    """Below 4e-5 of the largest component, also at the last of 131,072 positions."""
    frequencies = 500_000.0 ** (-np.arange(32) / 32)
    positions = np.array([0, 1, 2, 100, 4095, 65_537, 131_071])
    x = np.random.default_rng(5).integers(-(2**22), 2**22, (7, 3, 64))
    got = sfu.rope(x, positions, sfu.phases(frequencies))
    angle = (positions[:, None] * frequencies)[:, None]
    low, high = x[..., :32], x[..., 32:]
    cosine, sine = np.cos(angle), np.sin(angle)
    exact = np.concatenate([low * cosine - high * sine, high * cosine + low * sine], axis=-1)
    assert np.abs(got - exact).max() < 4e-5 * 2**22


def test_rope_leaves_position_zero_alone_but_for_rounding() -> None:
    x = rows(6, 1, 64)[:, None]
    assert (
        np.abs(sfu.rope(x, np.array([0]), sfu.phases(np.ones(32))) - x).max()
        <= 1 + np.abs(x).max() // 100_000
    )


@pytest.mark.parametrize("fraction", [10, 16, 20])
def test_silu_up_error(fraction: int) -> None:
    generator = np.random.default_rng(7)
    gate = generator.integers(-(2**23), 2**23, 5000) >> generator.integers(0, 20, 5000)
    up = generator.integers(-(2**20), 2**20, 5000)
    out = Format(32, 12)
    real = np.ldexp(gate.astype(float), -fraction)
    exact = real / (1 + np.exp(-np.maximum(real, -700))) * np.ldexp(up.astype(float), -14)
    got = out.decode(sfu.silu_up(gate, up, fraction, 14, out))
    room = np.abs(np.ldexp(up.astype(float), -14)) * (1.5e-4 + 2.0**-fraction) + 2.0**-12
    inside = np.abs(exact) < 2**19
    assert (np.abs(got - exact) <= room)[inside].all()
    assert (got[~inside] == np.clip(exact[~inside], -(2**19), 2**19 - 2.0**-12)).all()


@given(arrays(np.int32, (2, 4), elements=INT32), arrays(np.int32, (2, 4), elements=INT32))
def test_residual_saturates(x: np.ndarray, branch: np.ndarray) -> None:
    exact = x.astype(object) + branch.astype(object)
    assert np.array_equal(sfu.residual(x, branch), np.clip(exact, -(2**31), 2**31 - 1))
