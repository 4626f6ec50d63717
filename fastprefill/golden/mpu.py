"""Matrix unit: the NumPy model that every other level is compared with, bit for bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastprefill.system.case import Case


def tiles(a: NDArray[np.int8], b: NDArray[np.int8]) -> NDArray[np.int32]:
    """Tile products, accumulated modulo 2**32.

    Args:
        a: int8 [tiles, rows, k].
        b: int8 [tiles, k, cols].

    Returns:
        int32 [tiles, rows, cols].
    """
    wide = np.matmul(a.astype(np.int64), b.astype(np.int64))
    wrapped: NDArray[np.int32] = wide.astype(np.int32)
    return wrapped


def words(elements: NDArray[np.signedinteger]) -> list[int]:
    """Each row of a two-dimensional array as one little-endian word, element 0 in the low bits."""
    rows = np.ascontiguousarray(elements, dtype=elements.dtype.newbyteorder("<"))
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


def case(name: str, a: NDArray[np.int8], b: NDArray[np.int8]) -> Case:
    """One start of the unit on `a` [tiles, rows, k] and `b` [tiles, k, cols], with the expected words."""
    count, rows, k = a.shape
    cols = b.shape[2]
    return Case(
        name=name,
        scalars={"k": k, "tiles": count},
        inputs={
            "a": words(a.transpose(0, 2, 1).reshape(count * k, rows)),
            "b": words(b.reshape(count * k, cols)),
        },
        outputs={"c": words(tiles(a, b).reshape(count * rows, cols))},
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
