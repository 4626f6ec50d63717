"""A projection of a transformer on the matrix unit: quantised, cut into tiles, put together again.

y = x w^T with x [tokens, k] and w [channels, k] becomes tiles of `rows` tokens by `cols` channels, each over
the whole of k. Tiles go token tile by token tile, and within one from the first channel to the last; the last
tiles are filled up with zeros. ``docs/layout.md`` has the words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden import mpu, quantise
from fastprefill.system.case import Case


@dataclass(frozen=True)
class Shape:
    """What is multiplied, and the tile.

    Attributes:
        tokens: rows of x.
        channels: rows of w.
        k: products per output.
        size: the matrix unit; a tile has `rows` tokens and `columns` channels.
    """

    tokens: int
    channels: int
    k: int
    size: mpu.Size

    @property
    def token_tiles(self) -> int:
        """Tiles down, the last one filled up."""
        return -(-self.tokens // self.size.rows)

    @property
    def channel_tiles(self) -> int:
        """Tiles across, the last one filled up."""
        return -(-self.channels // self.size.columns)

    @property
    def tiles(self) -> int:
        """All tiles."""
        return self.token_tiles * self.channel_tiles

    @property
    def macs(self) -> int:
        """Multiplications that the result needs, the filling not counted."""
        return self.tokens * self.channels * self.k


def case(name: str, x: quantise.Quantised, w: quantise.Quantised, size: mpu.Size) -> tuple[Case, Shape]:
    """One start of the matrix unit that computes the codes' product.

    Args:
        name: of the case.
        x: activations, codes [tokens, k].
        w: weights, codes [channels, k].
        size: of the unit.
    """
    shape = Shape(len(x.codes), len(w.codes), x.codes.shape[1], size)
    rows, cols = size.rows, size.columns
    left = _filled(x.codes, shape.token_tiles * rows).reshape(shape.token_tiles, rows, shape.k)
    right = _filled(w.codes, shape.channel_tiles * cols).reshape(shape.channel_tiles, cols, shape.k)
    a = np.repeat(left, shape.channel_tiles, axis=0)
    b = np.tile(right.transpose(0, 2, 1), (shape.token_tiles, 1, 1))
    return mpu.case(name, a, b, size), shape


def product(words: Sequence[int], shape: Shape) -> NDArray[np.int32]:
    """The unit's output words put together: int32 [tokens, channels]."""
    rows, columns = shape.size.rows, shape.size.columns
    elements = _elements(words, 4 * columns * shape.size.drain_rows, np.dtype("<i4"))
    tiled = elements.reshape(shape.token_tiles, shape.channel_tiles, rows, columns)
    whole = tiled.transpose(0, 2, 1, 3).reshape(shape.token_tiles * rows, shape.channel_tiles * columns)
    return whole[: shape.tokens, : shape.channels]


def expected_words(inputs: Mapping[str, Sequence[int]], shape: Shape) -> list[int]:
    """The output words for the input words of a case, computed anew by the golden model."""
    size = shape.size
    a = _operand(inputs["a"], shape.tiles, size.rows, size.k_parallel)
    b = _operand(inputs["b"], shape.tiles, size.columns, size.k_parallel)
    return mpu.c_words(mpu.tiles(a, b.transpose(0, 2, 1)), size.drain_rows)


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
