"""The streams of the hardware unit: what the matrix unit and the memory bring for one KV head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden import mpu
from fastprefill.golden.fixed_point import Int
from fastprefill.golden.products import product
from fastprefill.golden.scale import Codes, Scales
from fastprefill.golden.sigu.operands import pooled
from fastprefill.golden.sigu.registers import Registers
from fastprefill.golden.sigu.size import Size

SWEEPS = 4
#: Scale of a token that does not exist (docs/layout.md).
NO_SCALE = (128, -128)


@dataclass(frozen=True)
class Tile:
    """A tile of the matrix unit.

    Attributes:
        keys: rows of A: codes [tile_keys, dim].
        queries: columns of B: codes [columns, dim].
        new_keys: their scales are sent.
        new_queries: theirs are.
    """

    keys: Codes
    queries: Codes
    new_keys: bool
    new_queries: bool


def rows_of(codes: Codes, start: int, count: int) -> Codes:
    """Rows `start` to `start` + `count` - 1; those outside the array have codes 0 and `NO_SCALE`."""
    index = np.arange(start, start + count)
    inside = (index >= 0) & (index < len(codes.values))
    taken = codes[np.where(inside, index, 0)]
    return Codes(
        np.where(inside[:, None], taken.values, 0).astype(np.int8),
        Scales(
            np.where(inside, taken.scales.mantissa, NO_SCALE[0]),
            np.where(inside, taken.scales.exponent, NO_SCALE[1]),
        ),
    )


def strip_tiles(q: list[Codes], k: Codes, size: Size, registers: Registers) -> Iterator[Tile]:
    """One pass over the keys of a KV head: for each tile of keys every query head, and its row tiles.

    Args:
        q: of each head of the group, codes of all tokens.
        k: codes of all tokens.
    """
    first = registers.tokens - size.block - size.padding
    for start in range(0, registers.tokens, size.tile_keys):
        keys = rows_of(k, start, size.tile_keys)
        for head, codes in enumerate(q):
            for row_tile in range(size.row_tiles):
                at = first + row_tile * size.rows
                queries = rows_of(codes, at, size.rows)
                if row_tile == 0 and size.padding:
                    queries = rows_of(queries[size.padding :], -size.padding, size.rows)
                yield Tile(keys, rows_of(queries, 0, size.columns), head == row_tile == 0, start == 0)


def pooled_tiles(q: Codes, k: Codes, size: Size) -> Iterator[Tile]:
    """One sweep over the causal half of pooled queries x pooled keys: row tiles, and for each the tiles of keys."""
    blocks = len(k.values)
    for row in range(0, blocks, size.rows):
        queries = rows_of(rows_of(q, row, size.rows), 0, size.columns)
        for start in range(0, min(row + size.rows, blocks), size.tile_keys):
            yield Tile(rows_of(k, start, size.tile_keys), queries, True, start == 0)


def all_tiles(
    q: list[Codes], k: Codes, query_aware: list[bool], size: Size, registers: Registers
) -> Iterator[Tile]:
    """Everything that the matrix unit computes for a KV head, in order.

    Args:
        q: of each head of the group, codes of all tokens.
        k: codes of all tokens.
        query_aware: heads that take the cut over pooled blocks.
    """
    if registers.all_blocks:
        return
    for number in range(2):
        for tile in strip_tiles(q, k, size, registers):
            yield Tile(tile.keys, tile.queries, tile.new_keys, tile.new_queries and number == 0)
    for head, chosen in enumerate(query_aware):
        for _ in range(SWEEPS * chosen):
            yield from pooled_tiles(pooled(q[head], size.block), pooled(k, size.block), size)


def inputs(tiles: list[Tile], size: Size) -> dict[str, list[int]]:
    """Words of ``products``, ``key_scales`` and ``query_scales``."""
    products: list[int] = []
    key_scales: list[int] = []
    query_scales: list[int] = []
    for tile in tiles:
        c = product(tile.keys.values, tile.queries.values.T).astype(np.int32)
        products += mpu.c_words(c[None], size.lanes)
        if tile.new_keys:
            key_scales += scale_words(tile.keys.scales, size.lanes)
        if tile.new_queries:
            query_scales += scale_words(tile.queries[: size.rows].scales, size.rows)
    return {"products": products, "key_scales": key_scales, "query_scales": query_scales}


def scale_words(scales: Scales, together: int) -> list[int]:
    """Scales of 16 bits (docs/layout.md), `together` in a word."""
    packed = (scales.exponent & 255) << 8 | scales.mantissa
    return mpu.words(packed.astype(np.uint16).astype(np.int16).reshape(-1, together))


def packed(values: Int | NDArray[np.integer], bits: int) -> int:
    """Integers of `bits` bits as one word, the first in the low bits."""
    word = 0
    for number, value in enumerate(np.asarray(values).ravel().tolist()):
        word |= (value & (1 << bits) - 1) << bits * number
    return word
