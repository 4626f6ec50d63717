"""Randomised Hadamard rotations: orthogonal, and spreading a large channel over all others.

As in QuaRot (Ashkboos et al., 2024). For a width n = 2**a * m with m odd: random signs, a Hadamard transform of
the 2**a and a cosine transform of the m.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEED = 20240401


class Rotation:
    """An orthogonal map of vectors of one width, applied in n log n steps.

    Args:
        width: of the vectors, at least 1.
        seed: of the signs.
    """

    def __init__(self, width: int, seed: int = SEED) -> None:
        self.width = width
        self._odd = width
        while self._odd % 2 == 0:
            self._odd //= 2
        self._signs = np.random.default_rng([seed, width]).choice([-1.0, 1.0], width)
        self._cosines = _cosine_transform(self._odd)

    def __call__(self, vectors: NDArray[Any]) -> NDArray[np.float32]:
        """Rotate float [..., width] along the last axis; computed in float64, given as float32."""
        shape = vectors.shape
        x = (vectors * self._signs).reshape(-1, self._odd, self.width // self._odd)
        x = np.einsum("ij,bjk->bik", self._cosines, x) if self._odd > 1 else x
        return _hadamard(x).reshape(shape).astype(np.float32)


def _hadamard(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normalised Walsh-Hadamard transform along the last axis, a power of two long."""
    shape, length = x.shape, x.shape[-1]
    span = 1
    while span < length:
        pairs = x.reshape(-1, length // (2 * span), 2, span)
        x = np.concatenate([pairs[:, :, :1] + pairs[:, :, 1:], pairs[:, :, :1] - pairs[:, :, 1:]], axis=2)
        span *= 2
    scaled: NDArray[np.float64] = x.reshape(shape) / math.sqrt(length)
    return scaled


def _cosine_transform(size: int) -> NDArray[np.float64]:
    """The orthonormal cosine transform of type II, [size, size]."""
    place = np.arange(size)
    matrix = np.cos(np.pi / size * (place + 0.5) * place[:, None]) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return np.asarray(matrix, np.float64)
