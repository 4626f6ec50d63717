"""Randomised Hadamard rotations: orthogonal, and spreading a large channel over all others.

As in QuaRot (Ashkboos et al., 2024). For a width n = 2**a * m with m odd: random signs, a Hadamard transform of
the 2**a and a cosine transform of the m.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

SEED = 20240401


class Rotation:
    """An orthogonal map of vectors of one width, in three products with small matrices.

    Args:
        width: of the vectors, at least 1.
        seed: of the signs.
    """

    def __init__(self, width: int, seed: int = SEED) -> None:
        even = width & -width  # the largest power of two that divides the width
        # the Hadamard matrix of a product is the Kronecker product of the factors' matrices
        first = 1 << (even.bit_length() - 1) // 2
        self._shape = (width // even, first, even // first)
        self._factors = (_cosine_transform(width // even), _hadamard(first), _hadamard(even // first))
        self._signs = np.random.default_rng([seed, width]).choice([-1.0, 1.0], width).astype(np.float32)

    def __call__(self, vectors: Array) -> Array:
        """Rotate float32 [..., width] along the last axis."""
        cosines, first, second = self._factors
        x: Array = (vectors * self._signs).reshape(-1, *self._shape)
        x = first @ (x @ second)
        rotated = np.einsum("ij,bjkl->bikl", cosines, x) if len(cosines) > 1 else x
        return np.asarray(rotated, np.float32).reshape(vectors.shape)


def _hadamard(size: int) -> Array:
    """The normalised Hadamard matrix of a power of two (Sylvester's), [size, size]."""
    matrix: NDArray[np.floating] = np.ones((1, 1))
    while len(matrix) < size:
        matrix = np.kron([[1, 1], [1, -1]], matrix)
    return np.asarray(matrix / math.sqrt(size), np.float32)


def _cosine_transform(size: int) -> Array:
    """The orthonormal cosine transform of type II, [size, size]."""
    place = np.arange(size)
    matrix = np.cos(np.pi / size * (place + 0.5) * place[:, None]) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return np.asarray(matrix, np.float32)
