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
