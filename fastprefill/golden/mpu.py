"""Matrix unit: its parameters, and the NumPy model that every other level is compared with, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprefill.errors import FastprefillError
from fastprefill.system.case import Case

FEED, FINISH, CLEAR, PUT, OVER, GROUP = range(6)
"""Bits of a turn of the array: a step of operands; the tile is finished with it; the sum too; the rows selected in the
turn before are put; the end of a run; from GROUP up, a bit for each group of rows, to select it."""


@dataclass(frozen=True)
class Size:
    """A matrix unit.

    Attributes:
        rows: outputs down a tile: even (two share a DSP slice), 4 to 64.
        dsp_columns: columns of outputs on packed DSP slices.
        lut_columns: columns of outputs on LUTs; 4 to 64 columns in all.
        k_parallel: products that each output takes in a cycle: 1, 2, 4 or 8.
        drain_rows: rows of a finished tile that leave in a cycle: an even divisor of `rows`.

    Raises:
        FastprefillError: a size that the packing cannot serve.
    """

    rows: int
    dsp_columns: int
    lut_columns: int = 0
    k_parallel: int = 1
    drain_rows: int = 2

    def __post_init__(self) -> None:
        if not 4 <= self.rows <= 64 or self.rows % 2:
            raise FastprefillError(
                f"a matrix unit with {self.rows} rows; rows come in pairs, which share DSP slices: choose an even "
                "number from 4 to 64"
            )
        if self.dsp_columns < 0 or self.lut_columns < 0 or not 4 <= self.columns <= 64:
            raise FastprefillError(
                f"a matrix unit with {self.dsp_columns} DSP and {self.lut_columns} LUT columns; choose 4 to 64 in all, "
                "none negative"
            )
        if self.k_parallel not in (1, 2, 4, 8):
            raise FastprefillError(
                f"k_parallel is {self.k_parallel}; a step's products are summed in a chain of at most 8 DSP slices: "
                "choose 1, 2, 4 or 8"
            )
        if self.drain_rows < 2 or self.drain_rows % 2 or self.rows % self.drain_rows:
            raise FastprefillError(
                f"drain_rows is {self.drain_rows} with {self.rows} rows; choose an even divisor of the number of rows"
            )

    @property
    def columns(self) -> int:
        """Outputs across a tile."""
        return self.dsp_columns + self.lut_columns

    @property
    def macs(self) -> int:
        """Products in a cycle."""
        return self.rows * self.columns * self.k_parallel

    def steps(self, k: int) -> int:
        """Words of each operand for a tile over `k` elements: enough for them, and for the tile before to leave."""
        return max(-(-k // self.k_parallel), self.rows // self.drain_rows)

    def __str__(self) -> str:
        kinds = [f"{n} {kind}" for n, kind in ((self.dsp_columns, "DSP"), (self.lut_columns, "LUT")) if n]
        return f"{self.rows} x {self.columns} ({' + '.join(kinds)} columns) x {self.k_parallel} a cycle"


def tiles(a: NDArray[np.int8], b: NDArray[np.int8], chain: int = 1) -> NDArray[np.int32]:
    """Tile products, accumulated modulo 2**32; within each `chain` of tiles every tile adds to the ones before.

    Args:
        a: int8 [tiles, rows, k].
        b: int8 [tiles, k, columns].
        chain: tiles from one clearing of the accumulators to the next; divides the number of tiles.

    Returns:
        int32 [tiles, rows, columns].
    """
    # float64 holds sums of int8 products exactly up to k = 2**39, and its product runs on BLAS.
    wide = np.matmul(a.astype(np.float64), b.astype(np.float64)).astype(np.int64)
    count, rows, columns = wide.shape
    summed = np.cumsum(wide.reshape(count // chain, chain, rows, columns), axis=1)
    wrapped: NDArray[np.int32] = summed.reshape(count, rows, columns).astype(np.int32)
    return wrapped


def words(elements: NDArray[np.signedinteger]) -> list[int]:
    """Each row of a two-dimensional array as one little-endian word, element 0 in the low bits."""
    rows = np.ascontiguousarray(elements, dtype=elements.dtype.newbyteorder("<"))
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


def a_words(a: NDArray[np.int8], size: Size) -> list[int]:
    """Words of stream ``a``: `k_parallel` elements of every row; k is filled up with zeros to ``size.steps(k)`` words.

    Args:
        a: int8 [tiles, rows, k].
    """
    count, lines, k = a.shape
    steps = size.steps(k)
    padded = np.pad(a, ((0, 0), (0, 0), (0, steps * size.k_parallel - k)))
    apart = padded.reshape(count, lines, steps, size.k_parallel)
    return words(apart.transpose(0, 2, 1, 3).reshape(count * steps, -1))


def b_words(b: NDArray[np.int8], size: Size) -> list[int]:
    """Words of stream ``b``: `k_parallel` elements of every column.

    Args:
        b: int8 [tiles, k, columns].
    """
    return a_words(b.transpose(0, 2, 1), size)


def c_words(c: NDArray[np.int32], drain_rows: int) -> list[int]:
    """Words of stream ``c``: `drain_rows` rows of a tile.

    Args:
        c: int32 [tiles, rows, columns].
    """
    count, rows, columns = c.shape
    return words(c.reshape(count * rows // drain_rows, drain_rows * columns))


def turn_bits(size: Size) -> int:
    """Width of a turn: its flags, and a bit for each group of rows."""
    return GROUP + size.rows // size.drain_rows


def turn_words(size: Size, count: int, steps: int, chain: int = 1) -> list[int]:
    """A word for each turn of a run of tiles; a tile leaves while the next one is computed.

    Args:
        size: of the array.
        count: tiles, a multiple of `chain`.
        steps: of a tile, ``size.steps(1)`` or more.
        chain: tiles from one clearing of the accumulators to the next.
    """
    groups = size.rows // size.drain_rows
    fed = []
    for tile in range(count):
        fed += [1 << FEED] * steps
        fed[-1] |= 1 << FINISH | (tile % chain == chain - 1) << CLEAR
    turns = [*fed, *[0] * (groups + 2)]
    for tile in range(1, count + 1):
        for group in range(groups):
            turns[tile * steps + group] |= 1 << GROUP + group
            turns[tile * steps + group + 1] |= 1 << PUT
    turns[-1] |= 1 << PUT | 1 << OVER  # `PUT` means nothing there
    return turns


def case(name: str, a: NDArray[np.int8], b: NDArray[np.int8], size: Size, chain: int = 1) -> Case:
    """One start of the unit on `a` [tiles, rows, k] and `b` [tiles, k, columns], with the expected words."""
    count, _, k = a.shape
    return Case(
        name=name,
        scalars={"steps": size.steps(k), "chain": chain, "sums": count // chain},
        inputs={"a": a_words(a, size), "b": b_words(b, size)},
        outputs={"c": c_words(tiles(a, b, chain), size.drain_rows)},
    )


def cases(
    seed: int, rows: int, dsp_columns: int, lut_columns: int = 0, k_parallel: int = 1, drain_rows: int = 2
) -> list[Case]:
    """Cases of a unit: random tiles, extreme values, chains, a K that fills no word, scalars outside their limits."""
    size = Size(rows, dsp_columns, lut_columns, k_parallel, drain_rows)
    rng = np.random.default_rng(seed)

    def tile(name: str, count: int, k: int, values: tuple[int, int] | None = None, chain: int = 1) -> Case:
        a = rng.integers(-128, 128, (count, rows, k), dtype=np.int8)
        b = rng.integers(-128, 128, (count, k, size.columns), dtype=np.int8)
        if values is not None:
            a[:], b[:] = values
        return case(name, a, b, size, chain)

    def ends(name: str, count: int, k: int) -> Case:
        """Only the lowest and the highest value of int8."""
        a = rng.choice(np.array([-128, 127], np.int8), (count, rows, k))
        b = rng.choice(np.array([-128, 127], np.int8), (count, k, size.columns))
        return case(name, a, b, size)

    least = rows // drain_rows
    refused = [
        {"steps": steps, "chain": chain, "sums": sums}
        for steps, chain, sums in (
            (least - 1, 1, 1),
            (50, 0, 1),
            (50, 1, 0),
            (-1, 1, 1),
            (1 << 16, 1, 1),
            (50, 1, -(1 << 31)),
            (65_535, 65_535, 0),  # the most that is allowed of the others: only the last is named in the error
            (65_535, 1 << 16, 1),
        )
    ]
    return [
        tile("random", 3, 4 * k_parallel),
        tile("one_product", 1, 1),
        tile("tiles_of_one", 7, k_parallel),
        tile("ragged_k", 2, 3 * k_parallel + 1),
        tile("all_lowest", 2, 4 * k_parallel, (-128, -128)),
        tile("all_highest", 1, 4 * k_parallel, (127, 127)),
        tile("lowest_by_highest", 1, 2 * k_parallel, (-128, 127)),
        tile("highest_by_lowest", 1, 2 * k_parallel, (127, -128)),
        ends("ends", 3, 4 * k_parallel),
        tile("chains", 6, 2 * k_parallel, chain=3),
        tile("chains_of_two", 4, 2 * k_parallel, chain=2),
        tile("long", 1, 700),
        *[
            Case("_".join(f"{n}_{v}" for n, v in scalars.items()), scalars, {"a": [], "b": []}, {"c": []})
            for scalars in refused
        ],
    ]
