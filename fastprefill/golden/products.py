"""Exact int8 matrix products through the floating-point BLAS, which is far faster than NumPy's integer loops.

A float32 holds every integer up to 2**24. Products of two int8 codes are at most 2**14 in magnitude, so over
1,024 of them every partial sum, in whatever order BLAS adds, is at most 2**24 and exact. Longer sums are cut
into pieces of 1,024, which are added as integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

EXACT = 1024


def product(left: NDArray[np.int8], right: NDArray[np.int8]) -> NDArray[np.int64]:
    """left @ right: int8 [..., rows, k] by int8 [..., k, columns], exact; it fits int32 for k <= 131,071."""
    k = left.shape[-1]
    total: NDArray[Any] = np.zeros((), np.int64)
    for start in range(0, k, EXACT):
        piece = slice(start, min(start + EXACT, k))
        part = left[..., piece].astype(np.float32) @ right[..., piece, :].astype(np.float32)
        total = total + part.astype(np.int64)
    return total
