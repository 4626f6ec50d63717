"""Tiles of a projection: any shape, put together again, equal to the plain product."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fastprefill.golden import projection
from fastprefill.golden.mpu import Size
from fastprefill.golden.quantise import Quantised

SIDES = st.integers(1, 11)


def codes(seed: int, rows: int, k: int) -> Quantised:
    generator = np.random.default_rng(seed)
    return Quantised(generator.integers(-128, 128, (rows, k)).astype(np.int8), np.ones(rows, np.float32))


SIZES = st.sampled_from([Size(4, 4), Size(6, 3, 2, 2, 6), Size(4, 0, 5, 4), Size(8, 5, 2, 8, 4)])


@settings(deadline=None)
@given(SIDES, SIDES, SIDES, SIZES, st.integers(0, 99))
def test_tiles_give_the_product(tokens: int, channels: int, k: int, size: Size, seed: int) -> None:
    x, w = codes(seed, tokens, k), codes(seed + 1, channels, k)
    case, shape = projection.case("test", x, w, size)
    expected = x.codes.astype(np.int32) @ w.codes.astype(np.int32).T
    assert np.array_equal(projection.product(case.outputs, shape), expected)
    assert projection.expected_words(case.inputs, shape) == case.outputs
    assert len(case.inputs["a"]) == len(case.inputs["b"]) == shape.tiles * size.steps(k)
    assert case.scalars == {"steps": size.steps(k), "chain": 1, "sums": shape.tiles}
    assert shape.macs == tokens * channels * k


@settings(deadline=None)
@given(SIDES, st.integers(1, 29), SIDES, SIZES, st.integers(2, 3), st.integers(0, 99))
def test_several_arrays_give_the_product(
    tokens: int, channels: int, k: int, size: Size, arrays: int, seed: int
) -> None:
    x, w = codes(seed, tokens, k), codes(seed + 1, channels, k)
    case, shape = projection.case("test", x, w, size, arrays)
    expected = x.codes.astype(np.int32) @ w.codes.astype(np.int32).T
    assert np.array_equal(projection.product(case.outputs, shape), expected)
    assert projection.expected_words(case.inputs, shape) == case.outputs
    words = shape.tiles * size.steps(k)
    assert {len(words) for words in case.inputs.values()} == {words}
    assert case.scalars == {"steps": size.steps(k), "chain": 1, "sums": shape.tiles}
    assert shape.channel_tiles == -(-channels // (arrays * size.columns))
    assert shape.macs_per_cycle == arrays * size.macs


def test_words_of_the_streams() -> None:
    """The layout of docs/layout.md, spelled out."""
    x = Quantised(np.arange(1, 9, dtype=np.int8).reshape(4, 2), np.ones(4, np.float32))
    w = Quantised(np.array([[1, 0], [0, 1], [-1, 0], [0, -1], [2, 0]], np.int8), np.ones(5, np.float32))
    case, shape = projection.case("test", x, w, Size(4, 4))
    assert (shape.token_tiles, shape.channel_tiles) == (1, 2)
    assert case.inputs["a"] == [0x07050301, 0x08060402] * 2
    assert case.inputs["b"] == [0x00FF0001, 0xFF000100, 0x00000002, 0x00000000]
    first, second = 0xFFFFFFFE_FFFFFFFF_00000002_00000001, 0xFFFFFFFC_FFFFFFFD_00000004_00000003
    assert case.outputs["c"][0] == second << 128 | first
    assert case.outputs["c"][2:] == [6 << 128 | 2, 14 << 128 | 10]


@settings(deadline=None)
@given(SIDES, st.integers(1, 29), SIDES, SIZES, st.integers(1, 3), st.integers(0, 99))
def test_operands_come_back(tokens: int, channels: int, k: int, size: Size, arrays: int, seed: int) -> None:
    x, w = codes(seed, tokens, k), codes(seed + 1, channels, k)
    case, shape = projection.case("test", x, w, size, arrays)
    found = projection.operands(case.inputs, shape)
    assert np.array_equal(found[0], x.codes) and np.array_equal(found[1], w.codes)
