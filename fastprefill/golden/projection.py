"""A projection of a transformer on one matrix unit or several: quantised, cut into tiles, put together again.

y = x w^T with x [tokens, k] and w [channels, k] becomes tiles of `rows` tokens by `columns` channels, each over the
whole of k. Tiles go token tile by token tile, and within one from the first channel to the last; the last tiles are
filled up with zeros. Several arrays take neighbouring tiles at a time, array 0 the one with the lowest channels.
``docs/layout.md`` has the words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden import mpu, mpu_array, quantise
from fastprefill.system.case import Case


@dataclass(frozen=True)
class Shape:
    """What is multiplied, and the tile.

    Attributes:
        tokens: rows of x.
        channels: rows of w.
        k: products per output.
        size: of a matrix unit; its tile has `rows` tokens and `columns` channels.
        arrays: matrix units that work on neighbouring tiles.
    """

    tokens: int
    channels: int
    k: int
    size: mpu.Size
    arrays: int = 1

    @property
    def token_tiles(self) -> int:
        """Tiles down, the last one filled up."""
        return -(-self.tokens // self.size.rows)

    @property
    def columns(self) -> int:
        """Channels that all arrays take at a time."""
        return self.size.columns * self.arrays

    @property
    def channel_tiles(self) -> int:
        """Tiles of each array across, the last ones filled up."""
        return -(-self.channels // self.columns)

    @property
    def tiles(self) -> int:
        """Tiles of each array."""
        return self.token_tiles * self.channel_tiles

    @property
    def macs_per_cycle(self) -> int:
        """Multiplications that the arrays can do in a cycle."""
        return self.arrays * self.size.macs

    @property
    def macs(self) -> int:
        """Multiplications that the result needs, the filling not counted."""
        return self.tokens * self.channels * self.k


def case(
    name: str, x: quantise.Quantised, w: quantise.Quantised, size: mpu.Size, arrays: int = 1
) -> tuple[Case, Shape]:
    """One start of the matrix unit, or of the system of several, that computes the codes' product.

    Args:
        name: of the case.
        x: activations, codes [tokens, k].
        w: weights, codes [channels, k].
        size: of a unit.
        arrays: how many units there are.
    """
    shape = Shape(len(x.codes), len(w.codes), x.codes.shape[1], size, arrays)
    rows, columns = size.rows, shape.columns
    left = _filled(x.codes, shape.token_tiles * rows).reshape(shape.token_tiles, rows, shape.k)
    right = _filled(w.codes, shape.channel_tiles * columns).reshape(shape.channel_tiles, columns, shape.k)
    a = np.repeat(left, shape.channel_tiles, axis=0)
    b = np.tile(right.transpose(0, 2, 1), (shape.token_tiles, 1, 1))
    if arrays == 1:
        return mpu.case(name, a, b, size), shape
    return mpu_array.case(name, a, b, arrays, size), shape


def product(outputs: Mapping[str, Sequence[int]], shape: Shape) -> NDArray[np.int32]:
    """The output words put together: int32 [tokens, channels].

    Args:
        outputs: words of every output stream by its name.
        shape: of the projection.
    """
    rows, columns, arrays = shape.size.rows, shape.size.columns, shape.arrays
    parts = [
        _elements(outputs[name], 4 * columns * shape.size.drain_rows, np.dtype("<i4"))
        for name in _output_names(shape)
    ]
    tiled = np.stack(parts).reshape(arrays, shape.token_tiles, shape.channel_tiles, rows, columns)
    whole = tiled.transpose(1, 3, 2, 0, 4).reshape(
        shape.token_tiles * rows, shape.channel_tiles * shape.columns
    )
    return whole[: shape.tokens, : shape.channels]


def expected_words(inputs: Mapping[str, Sequence[int]], shape: Shape) -> dict[str, list[int]]:
    """The words of every output for the input words of a case, computed anew by the golden model."""
    size = shape.size
    a_name, *b_names = _input_names(shape)
    a = _operand(inputs[a_name], shape.tiles, size.rows, size.k_parallel)
    found = {}
    for b_name, c_name in zip(b_names, _output_names(shape), strict=True):
        b = _operand(inputs[b_name], shape.tiles, size.columns, size.k_parallel)
        found[c_name] = mpu.c_words(mpu.tiles(a, b.transpose(0, 2, 1)), size.drain_rows)
    return found


def operands(
    inputs: Mapping[str, Sequence[int]], shape: Shape
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """What a case was made from: codes of x [tokens, k] and w [channels, k]."""
    size = shape.size
    a_name, *b_names = _input_names(shape)
    a = _operand(inputs[a_name], shape.tiles, size.rows, size.k_parallel)[:: shape.channel_tiles]
    b = np.stack([_operand(inputs[name], shape.tiles, size.columns, size.k_parallel) for name in b_names], axis=1)
    x = a.reshape(shape.token_tiles * size.rows, -1)
    w = b[: shape.channel_tiles].reshape(shape.channel_tiles * shape.columns, -1)
    return x[: shape.tokens, : shape.k], w[: shape.channels, : shape.k]


def _input_names(shape: Shape) -> list[str]:
    """The stream of A, then that of B of each array."""
    if shape.arrays == 1:
        return ["a", "b"]
    return [mpu_array.A_STREAM, *(mpu_array.b_stream(n) for n in range(shape.arrays))]


def _output_names(shape: Shape) -> list[str]:
    return ["c"] if shape.arrays == 1 else [mpu_array.c_stream(n) for n in range(shape.arrays)]


def _operand(words: Sequence[int], tiles: int, lines: int, k_parallel: int) -> NDArray[np.int8]:
    """Words of stream ``a`` or ``b`` as int8 [tiles, lines, k]."""
    elements = _elements(words, lines * k_parallel, np.dtype("<i1")).reshape(tiles, -1, lines, k_parallel)
    return elements.transpose(0, 2, 1, 3).reshape(tiles, lines, -1).astype(np.int8)


def _filled(codes: NDArray[np.int8], rows: int) -> NDArray[np.int8]:
    return np.pad(codes, ((0, rows - len(codes)), (0, 0)))


def _elements(
    words: Sequence[int], word_bytes: int, dtype: np.dtype[np.signedinteger]
) -> NDArray[np.signedinteger]:
    mask = (1 << 8 * word_bytes) - 1
    data = b"".join((word & mask).to_bytes(word_bytes, "little") for word in words)
    return np.frombuffer(data, dtype)
