"""Special function unit: everything between two matrix products, in integers (``docs/numerics.md``, section 4).

Each function is one stream operation of the hardware unit. Tensors are int64 arrays whose values keep to the
width that the docstring names; [..., n] means any leading axes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden.fixed_point import Format, Int, bit_length, saturate, shift, shift_round
from fastprefill.golden.functions import rsqrt, silu, sincos
from fastprefill.golden.scale import LIMIT, RECIPROCALS, Codes, Scales, scale_for

ACTIVATION_BITS = 24  # between a matrix product and the next quantisation; fits a DSP48E2 operand
RESIDUAL_BITS = 32
GAIN_BITS = 18  # the other operand
PHASE_FRACTION = 40
_EPSILON_LIMIT = (1 << 41) - 1  # 47 bits when aligned


def quantise(x: NDArray[Any], fraction: int, group: int | None = None) -> Codes:
    """int8 codes with one scale per row, or per group of a row.

    Args:
        x: [..., n], at most 32 bits.
        fraction: fraction bits of x.
        group: width of a group, dividing n; None for whole rows.
    """
    rows = x.reshape(*x.shape[:-1], -1, group or x.shape[-1]).astype(np.int64, copy=False)
    scales = scale_for(np.abs(rows).max(axis=-1))
    # 23 bits and a sign, so that one multiplier serves any row
    aligned = shift(rows, 8 - scales.exponent[..., None])
    codes = (aligned * RECIPROCALS[scales.mantissa - 128][..., None] + (1 << 30)) >> 31
    values = np.clip(codes, -LIMIT, LIMIT).astype(np.int8).reshape(x.shape)
    real = Scales(scales.mantissa, scales.exponent - fraction)
    return Codes(values, real if group else real[..., 0])


def dequantise(product: NDArray[Any], left: Scales, right: Scales, out: Format) -> Int:
    """A matrix product of codes in fixed point: product * left * right, rounded and saturated.

    Args:
        product: [tokens, channels], int32.
        left: [tokens].
        right: [channels].
        out: format of the result.
    """
    mantissa = left.mantissa[:, None] * right.mantissa  # 16 bits
    amount = -(left.exponent[:, None] + right.exponent + out.fraction)
    # a product of int32 and 16 bits has 47; 15 more to the left saturate it unless it is 0
    return saturate(shift_round(product * mantissa, np.maximum(amount, -15)), out.bits)


@dataclass(frozen=True)
class Norm:
    """Constants of one RMSNorm.

    Attributes:
        gain: [n], 18 bits with `gain_fraction` fraction bits: weight * sqrt(n).
        gain_fraction: of `gain`.
        epsilon: eps * n in squared units of the input, below 2**41.
        out: format of the result.
    """

    gain: Int
    gain_fraction: int
    epsilon: int
    out: Format

    @staticmethod
    def of(weight: NDArray[Any], eps: float, in_fraction: int, out: Format) -> Norm:
        """From the weight, float [n], and eps of the checkpoint, for inputs with `in_fraction` fraction bits."""
        n = len(weight)
        gain = weight.astype(np.float64) * math.sqrt(n)
        largest = max(float(np.abs(gain).max()), 2.0**-20)
        fraction = GAIN_BITS - 1 - math.floor(math.log2(largest)) - 1
        epsilon = min(round(eps * n * 4.0**in_fraction), _EPSILON_LIMIT)
        return Norm(Format(GAIN_BITS, fraction).encode(gain), fraction, epsilon, out)


def rms_norm(x: NDArray[Any], norm: Norm) -> Int:
    """x * weight / sqrt(mean(x**2) + eps) over the last axis.

    Args:
        x: [..., n], at most 32 bits.

    Returns:
        [..., n] in the format `norm.out`.
    """
    # rows below 2**12 are aligned like 2**12, so that epsilon, which moves with them, stays within its width
    length = np.maximum(bit_length(np.abs(x).max(axis=-1)), 12)
    aligned = shift(x, 23 - length[..., None])  # 23 bits and a sign
    squares = (shift_round(aligned, 8) ** 2).sum(axis=-1)  # of 15 bits and a sign: below 2**47 for n <= 2**17
    epsilon = shift(np.full_like(length, norm.epsilon), 30 - 2 * length)
    mantissa, half = rsqrt(squares + epsilon)
    unit = shift_round(aligned * mantissa[..., None], 16)
    amount = 8 + half[..., None] + norm.gain_fraction - norm.out.fraction
    return saturate(shift_round(unit * norm.gain, amount), norm.out.bits)


def phases(frequencies: NDArray[np.float64]) -> Int:
    """Turns per position with 40 fraction bits, from radians per position [pairs]."""
    turns = np.asarray(frequencies, np.float64) / (2 * np.pi)
    words: Int = np.floor(np.ldexp(turns, PHASE_FRACTION) + 0.5).astype(np.int64)
    return words


def rope(x: NDArray[Any], positions: NDArray[Any], frequencies: Int) -> Int:
    """Rotate the pairs (i, i + dim / 2) of each head by position * frequency.

    Args:
        x: [tokens, heads, dim], 24 bits.
        positions: [tokens], 0 to 2**20 - 1.
        frequencies: [dim / 2], turns per position as `phases` gives them.

    Returns:
        [tokens, heads, dim], 24 bits, the fraction of x.
    """
    turns = positions.astype(np.int64)[:, None] * (frequencies & ((1 << PHASE_FRACTION) - 1))
    sine, cosine = sincos(shift_round(turns, PHASE_FRACTION - 20))
    sine, cosine = sine[:, None, :], cosine[:, None, :]
    low, high = np.split(x.astype(np.int64, copy=False), 2, axis=-1)
    rotated = [low * cosine - high * sine, high * cosine + low * sine]
    return saturate(shift_round(np.concatenate(rotated, axis=-1), 16), ACTIVATION_BITS)


def silu_up(gate: NDArray[Any], up: NDArray[Any], gate_fraction: int, up_fraction: int, out: Format) -> Int:
    """SiLU(gate) * up: both 24 bits, the result in `out`."""
    activated = silu(gate, gate_fraction)
    amount = gate_fraction + up_fraction - out.fraction
    return saturate(shift_round(activated * up, amount), out.bits)


def residual(x: NDArray[Any], branch: NDArray[Any]) -> Int:
    """x + branch in one format of 32 bits, saturated."""
    return saturate(x.astype(np.int64, copy=False) + branch, RESIDUAL_BITS)
