"""A projection: int8 products on the matrix unit, dequantised to fixed point (``docs/numerics.md``, section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden import sfu
from fastprefill.golden.fixed_point import Format, Int, saturate
from fastprefill.golden.products import product
from fastprefill.golden.scale import Codes

_TILE = 1024  # tokens computed at a time; of no influence on the result


@dataclass(frozen=True)
class Linear:
    """Weights of a projection.

    Attributes:
        weights: codes [channels, k], scales [channels, groups]; the groups cut k into equal parts.
        bias: [channels] in the format `out`, or None.
        out: format of the result.
    """

    weights: Codes
    bias: Int | None
    out: Format

    @property
    def group(self) -> int:
        """Width of a group of the inputs, which have one scale per token and group."""
        return int(self.weights.values.shape[1] // self.weights.scales.mantissa.shape[1])


def linear(x: Codes, projection: Linear) -> NDArray[np.int32]:
    """x weights^T + bias, saturated once, after the groups' dequantised products and the bias have been added.

    Args:
        x: codes [tokens, k], scales [tokens, groups].
        projection: with the same groups.

    Returns:
        int32 [tokens, channels] in the format `projection.out`.
    """
    tokens, channels = len(x.values), len(projection.weights.values)
    result = np.empty((tokens, channels), np.int32)
    for start in range(0, tokens, _TILE):
        result[start : start + _TILE] = _tile(x[start : start + _TILE], projection)
    return result


def _tile(x: Codes, projection: Linear) -> Int:
    weights, width = projection.weights, projection.group
    wide = Format(48, projection.out.fraction)
    total = np.zeros((), np.int64) if projection.bias is None else projection.bias
    for group in range(weights.scales.mantissa.shape[1]):
        part = slice(group * width, (group + 1) * width)
        products = product(x.values[:, part], weights.values[:, part].T)
        total = total + sfu.dequantise(products, x.scales[:, group], weights.scales[:, group], wide)
    return saturate(total, projection.out.bits)
