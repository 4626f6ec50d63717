"""Integer functions: measured errors are what docs/numerics.md states; identities; the ends of the ranges."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastprefill.golden import errors, functions
from fastprefill.golden.functions.rsqrt import OCTAVES

DOCUMENT = Path(__file__).parents[3] / "docs" / "numerics.md"
ROW = re.compile(r"^\| (\w+) \| [^|]+ \| ([^|]+) \| ([\d.e+-]+) \| ([\d.e+-]+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def measured() -> list[errors.Error]:
    return list(errors.measure())


def test_documented_errors_are_the_measured_ones(measured: list[errors.Error]) -> None:
    stated = {
        name: (unit, float(top), float(mean)) for name, unit, top, mean in ROW.findall(DOCUMENT.read_text())
    }
    for error in measured:
        unit, top, mean = stated[error.function]
        assert unit == error.unit
        assert f"{error.largest:.1e}" == f"{top:.1e}", error
        assert f"{error.mean:.1e}" == f"{mean:.1e}", error


def test_sixteen_bit_class(measured: list[errors.Error]) -> None:
    names = {"exp2", "log2", "reciprocal", "rsqrt", "sqrt", "sigmoid", "silu", "sine", "cosine"}
    assert names <= {error.function for error in measured}
    for error in (error for error in measured if error.function in names):
        assert error.largest < (2.0**-13 if error.function == "silu" else 2.0**-15), error


def test_exact_where_the_result_is_a_power_of_two() -> None:
    powers = 2 ** np.arange(63)
    assert (functions.reciprocal(powers)[0] == 1 << 16).all()
    assert (functions.log2(powers) == np.arange(63) << 16).all()
    assert (functions.exp2(np.arange(-20, 20) * 256)[0] == 1 << 15).all()
    fours = 4 ** np.arange(31)
    assert (functions.rsqrt(fours)[0] == 1 << 16).all() and (functions.sqrt(fours)[0] == 1 << 16).all()


def test_zero() -> None:
    zero = np.array([0])
    assert functions.log2(zero)[0] == 0
    assert functions.sqrt(zero)[0][0] == 0
    assert functions.reciprocal(zero) == functions.reciprocal(np.array([1]))
    assert functions.silu(zero, 12)[0] == 0


@given(st.lists(st.integers(1, 2**62), min_size=2, max_size=20))
def test_monotonic(values: list[int]) -> None:
    n = np.sort(np.array(values, dtype=np.int64))
    assert (np.diff(functions.log2(n)) >= 0).all()


def test_tables_are_monotonic() -> None:
    for name, sign in {"exp2": 1, "log2": 1, "reciprocal": -1, "rsqrt": -1, "sqrt": 1, "sigmoid": 1}.items():
        table = importlib.import_module(f"fastprefill.golden.functions.{name}").TABLE
        assert (np.diff(table) * sign >= 0).all(), name


@given(st.integers(-(2**23), 2**23 - 1))
def test_sigmoid_is_symmetric(x: int) -> None:
    both = functions.sigmoid(np.array([x, -x]))
    assert both.sum() == 1 << 16


def test_a_turn_repeats_and_quadrature() -> None:
    phase = np.arange(0, 1 << 20, 37)
    sine, cosine = functions.sincos(phase)
    again = functions.sincos(phase + (5 << 20))
    assert np.array_equal(sine, again[0]) and np.array_equal(cosine, again[1])
    assert np.abs(sine.astype(float) ** 2 + cosine.astype(float) ** 2 - 2.0**32).max() < 2.0**32 * 5e-5


def test_tables_are_the_same_on_every_machine() -> None:
    """No entry lies so near to half a unit that another math library could round it the other way."""
    places = {
        "exp2": (np.exp2(np.arange(256) / 256), 2.0**15),
        "log2": (np.log2(1 + np.arange(257) / 256), 2.0**16),
        "rsqrt": (1 / np.sqrt(OCTAVES), 2.0**16),
        "sqrt": (np.sqrt(OCTAVES), 2.0**16),
        "sigmoid": (1 / (1 + np.exp(-np.arange(513) / 32)), 2.0**16),
        "sincos": (np.sin(np.pi / 2 * np.arange(257) / 256), 2.0**16),
    }
    for name, (values, unit) in places.items():
        table = importlib.import_module(f"fastprefill.golden.functions.{name}").TABLE
        assert np.array_equal(table, np.floor(values * unit + 0.5)), name
        assert np.abs((values * unit) % 1 - 0.5).min() > 1e-7, name
