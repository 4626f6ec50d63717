"""Symmetric int8 quantisation: one scale per row, no zero point.

    scale = max |x| / 127          float32, over one row; 1 for a row of zeros
    q     = round(x / scale)       half to even; -127 .. 127, so that -q is always a code too
    x'    = q * scale              |x - x'| <= scale / 2 (and a rounding of float32)

A row is an output channel of a weight matrix, or a token of activations. A product of two quantised
matrices is exact in integers: y' = (q_x q_w) * scale_x * scale_w.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprefill.errors import FastprefillError

LIMIT = 127


@dataclass(frozen=True)
class Quantised:
    """Codes and scales of a matrix.

    Attributes:
        codes: int8 [rows, columns], -127 to 127.
        scales: float32 [rows], above 0.
    """

    codes: NDArray[np.int8]
    scales: NDArray[np.float32]

    def dequantised(self) -> NDArray[np.float32]:
        """float32 [rows, columns]."""
        return self.codes.astype(np.float32) * self.scales[:, None]


def rows(values: NDArray[np.float32]) -> Quantised:
    """Quantise each row of float32 [rows, columns].

    Raises:
        FastprefillError: a value is not finite.
    """
    if not np.isfinite(values).all():
        row, column = (int(n) for n in np.argwhere(~np.isfinite(values))[0])
        raise FastprefillError(
            f"cannot quantise {values[row, column]} at [{row}, {column}]; values must be finite"
        )
    largest = np.abs(values).max(axis=1)
    scales = (largest / np.float32(LIMIT)).astype(np.float32)
    # a row of zeros, or of values so small that the scale underflows, is a row of zero codes
    scales = np.where(scales >= np.finfo(np.float32).tiny, scales, np.float32(1.0))
    codes = np.clip(np.rint(values / scales[:, None]), -LIMIT, LIMIT)
    return Quantised(codes.astype(np.int8), scales)


def dequantise_product(
    product: NDArray[np.int32], left_scales: NDArray[np.float32], right_scales: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The real product of two quantised matrices from its integer form.

    Args:
        product: int32 [tokens, channels], codes of the left times codes of the right, transposed.
        left_scales: float32 [tokens].
        right_scales: float32 [channels].
    """
    scaled = product.astype(np.float64) * left_scales[:, None].astype(np.float64) * right_scales[None, :]
    return scaled.astype(np.float32)
