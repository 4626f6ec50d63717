"""Memory formats: what is packed is unpacked, sizes and places are those of docs/layout.md, errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastprefill.errors import FastprefillError
from fastprefill.golden import layout, sfu
from fastprefill.golden.fixed_point import Format
from fastprefill.golden.linear import Linear
from fastprefill.golden.partial import EMPTY, Partial
from fastprefill.golden.scale import Codes, Scales

SEEDS = st.integers(0, 2**32 - 1)
DIMS = st.sampled_from([1, 8, 64, 128])


def scales(generator: np.random.Generator, *shape: int) -> Scales:
    return Scales(generator.integers(128, 256, shape), generator.integers(-128, 128, shape))


def codes(seed: int, rows: int, width: int, *groups: int) -> Codes:
    generator = np.random.default_rng(seed)
    return Codes(
        generator.integers(-128, 128, (rows, width)).astype(np.int8), scales(generator, rows, *groups)
    )


def same(a: Codes, b: Codes) -> bool:
    return (
        np.array_equal(a.values, b.values)
        and np.array_equal(a.scales.mantissa, b.scales.mantissa)
        and np.array_equal(a.scales.exponent, b.scales.exponent)
    )


@given(SEEDS, st.integers(1, 128), DIMS)
def test_blocks_of_keys_and_values(seed: int, tokens: int, dim: int) -> None:
    record = layout.KvBlock(128, dim)
    k, v = codes(seed, tokens, dim), codes(seed + 1, tokens, dim)
    data = record.pack(k, v)
    assert len(data) == record.size
    got_k, got_v, sums = record.unpack(data)
    assert same(got_k[:tokens], k) and same(got_v[:tokens], v)
    assert not got_k.values[tokens:].any() and not got_v.values[tokens:].any()
    assert np.array_equal(sums, v.values.astype(int).sum(axis=0))


@given(SEEDS, st.integers(1, 64), DIMS)
def test_blocks_of_queries(seed: int, tokens: int, dim: int) -> None:
    record = layout.QueryBlock(64, dim)
    q = codes(seed, tokens, dim)
    assert same(record.unpack(record.pack(q))[:tokens], q) and len(record.pack(q)) == record.size


@given(SEEDS, st.integers(0, 16), DIMS)
def test_blocks_of_states(seed: int, rows: int, dim: int) -> None:
    g = np.random.default_rng(seed)
    state = Partial(
        g.integers(-(2**15), 2**15, rows),
        g.integers(0, 2**32, rows),
        g.integers(-(2**15), 2**15, rows),
        g.integers(-(2**31), 2**31, (rows, dim)),
    )
    record = layout.StateBlock(16, dim)
    got = record.unpack(record.pack(state))
    assert all(np.array_equal(getattr(got, n)[:rows], getattr(state, n)) for n in "mlno")
    assert (got.m[rows:] == EMPTY).all() and not got.l[rows:].any() and not got.o[rows:].any()


@given(
    SEEDS, st.integers(1, 40), st.integers(1, 5), st.integers(1, 3), st.sampled_from([4, 16]), st.booleans()
)
def test_weights(seed: int, channels: int, width: int, groups: int, cols: int, biased: bool) -> None:
    k = width * groups
    weights = codes(seed, channels, k, groups)
    bias = np.random.default_rng(seed).integers(-(2**31), 2**31, channels) if biased else None
    record = layout.WeightMatrix(channels, k, groups, cols)
    data = record.pack(Linear(weights, bias, Format(24, 8)))
    assert len(data) == record.size and not any(offset % layout.PAGE for offset in record.parts)
    got, got_bias = record.unpack(data)
    assert same(got, weights)
    assert np.array_equal(got_bias, np.zeros(channels) if bias is None else bias)


@given(SEEDS, st.integers(1, 9), st.integers(1, 80), st.integers(1, 4))
def test_rows_of_codes(seed: int, tokens: int, width: int, groups: int) -> None:
    record = layout.CodedRows(width * groups, groups)
    x = codes(seed, tokens, width * groups, groups)
    assert same(record.unpack(record.pack(x)), x)
    assert record.stride % 64 == 0


@given(SEEDS, st.integers(1, 9), st.integers(1, 80))
def test_words(seed: int, tokens: int, n: int) -> None:
    x = np.random.default_rng(seed).integers(-(2**31), 2**31, (tokens, n)).astype(np.int32)
    assert np.array_equal(layout.unpack_words(layout.pack_words(x), n), x)


def test_frequencies() -> None:
    words = sfu.phases(np.array([1.0, 0.5, 1e-4]))
    assert np.array_equal(layout.unpack_frequencies(layout.pack_frequencies(words)), words)
    assert words.max() < 2**40
    with pytest.raises(FastprefillError, match="3 bytes are no whole frequencies of 8"):
        layout.unpack_frequencies(b"abc")


def test_sizes_of_the_document() -> None:
    assert layout.KvBlock(128, 64).size == 17_024 and layout.stride(17_024) == 17_408
    assert layout.KvBlock(128, 128).size == 33_536
    assert layout.QueryBlock(128, 64).size == 8_448
    assert layout.StateBlock(128, 64).size == 33 * 1024


def test_bytes_of_a_block_spelled_out() -> None:
    k = Codes(np.array([[1, -2]], np.int8), Scales(np.array([130]), np.array([-3])))
    v = Codes(np.array([[5, -6]], np.int8), Scales(np.array([200]), np.array([4])))
    assert layout.KvBlock(2, 2).pack(k, v) == bytes(
        [1, 0xFE, 0, 0, 5, 0xFA, 0, 0, 130, 0xFD, 128, 0x80, 200, 4, 128, 0x80, 5, 0, 0xFA, 0xFF]
    )


def test_weights_are_in_the_order_of_the_matrix_unit() -> None:
    """Tile by tile, k by k, a word of `cols` channels."""
    values = np.arange(12, dtype=np.int8).reshape(6, 2)
    record = layout.WeightMatrix(6, 2, 1, 4)
    data = record.pack(Linear(Codes(values, scales(np.random.default_rng(0), 6, 1)), None, Format(24, 8)))
    assert list(data[:16]) == [0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 0, 0, 9, 11, 0, 0]


def test_records_go_round_the_channels() -> None:
    places = [layout.place(number, 17_024, 3) for number in range(7)]
    assert [p.channel for p in places] == [0, 1, 2, 0, 1, 2, 0]
    assert [p.offset for p in places] == [0, 0, 0, 17_408, 17_408, 17_408, 34_816]


def test_what_does_not_fit() -> None:
    with pytest.raises(FastprefillError, match="codes of 5 tokens of 8; the block holds 1 to 4 of 8"):
        layout.KvBlock(4, 8).pack(codes(0, 5, 8), codes(0, 5, 8))
    with pytest.raises(FastprefillError, match="3 keys and 4 values"):
        layout.KvBlock(4, 8).pack(codes(0, 3, 8), codes(0, 4, 8))
    with pytest.raises(FastprefillError, match="a block of queries has 40 bytes, not 3"):
        layout.QueryBlock(4, 8).unpack(b"abc")
    with pytest.raises(FastprefillError, match="states of 2 rows of 8; the block holds 1 of 8"):
        layout.StateBlock(1, 8).pack(Partial.empty(2, 8))
    with pytest.raises(FastprefillError, match="no whole rows of 64"):
        layout.CodedRows(8, 1).unpack(b"abc")
    with pytest.raises(FastprefillError, match="no whole rows of 3 words"):
        layout.unpack_words(b"abc", 3)
    with pytest.raises(FastprefillError, match="rows of 8 codes and 2 scales; the layout has 8 and 1"):
        layout.CodedRows(8, 1).pack(codes(0, 2, 8, 2))
    with pytest.raises(FastprefillError, match="in 2 groups; the layout is for"):
        layout.WeightMatrix(4, 8, 1, 4).pack(Linear(codes(0, 4, 8, 2), None, Format(24, 8)))
