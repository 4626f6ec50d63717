"""Matrix unit: the NumPy model that every other level is compared with, bit for bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastprefill.system.case import Case


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


def a_words(a: NDArray[np.int8], k_parallel: int) -> list[int]:
    """Words of stream ``a``: `k_parallel` elements of every row; k is filled up with zeros to a multiple of that.

    Args:
        a: int8 [tiles, rows, k].
    """
    count, rows, k = a.shape
    padded = np.pad(a, ((0, 0), (0, 0), (0, -k % k_parallel)))
    steps = padded.shape[2] // k_parallel
    return words(padded.reshape(count, rows, steps, k_parallel).transpose(0, 2, 1, 3).reshape(count * steps, -1))


def b_words(b: NDArray[np.int8], k_parallel: int) -> list[int]:
    """Words of stream ``b``: `k_parallel` elements of every column.

    Args:
        b: int8 [tiles, k, columns].
    """
    return a_words(b.transpose(0, 2, 1), k_parallel)


def c_words(c: NDArray[np.int32], drain_rows: int) -> list[int]:
    """Words of stream ``c``: `drain_rows` rows of a tile.

    Args:
        c: int32 [tiles, rows, columns].
    """
    count, rows, columns = c.shape
    return words(c.reshape(count * rows // drain_rows, drain_rows * columns))


def case(
    name: str,
    a: NDArray[np.int8],
    b: NDArray[np.int8],
    *,
    k_parallel: int = 1,
    drain_rows: int = 2,
    chain: int = 1,
) -> Case:
    """One start of the unit on `a` [tiles, rows, k] and `b` [tiles, k, columns], with the expected words."""
    count, _, k = a.shape
    return Case(
        name=name,
        scalars={"steps": -(-k // k_parallel), "chain": chain, "sums": count // chain},
        inputs={"a": a_words(a, k_parallel), "b": b_words(b, k_parallel)},
        outputs={"c": c_words(tiles(a, b, chain), drain_rows)},
    )


def cases(seed: int, rows: int, cols: int) -> list[Case]:
    """Cases of a `rows` x `cols` unit: random tiles, extreme values, empty starts, scalars outside their limits."""
    rng = np.random.default_rng(seed)

    def tile(name: str, count: int, k: int, value: int | None = None) -> Case:
        a = rng.integers(-128, 128, (count, rows, k), dtype=np.int8)
        b = rng.integers(-128, 128, (count, k, cols), dtype=np.int8)
        if value is not None:
            a[:], b[:] = value, value
        return case(name, a, b)

    return [
        tile("random", 3, 33),
        tile("one_product", 1, 1),
        tile("tiles_of_one", 7, 1),
        tile("nothing_to_add", 3, 0),
        tile("no_tiles", 0, 5),
        tile("all_lowest", 2, 20, value=-128),
        tile("all_highest", 1, 20, value=127),
        tile("long", 1, 700),
        *[
            Case(f"k_{k}_tiles_{count}", {"k": k, "tiles": count}, {"a": [], "b": []}, {"c": []})
            for k, count in ((5, -1), (5, -(1 << 31)), (-1, 2), (-(1 << 31), 0))
        ],
    ]
