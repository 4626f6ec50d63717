"""How tensors lie on the streams of the SFU's units: cases from tensors, with the results of ``golden.sfu``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden import sfu
from fastprefill.golden.fixed_point import Format, Int, saturate
from fastprefill.golden.scale import Codes, Scales
from fastprefill.system.case import Case


def words(values: NDArray[Any], lanes: int, bits: int) -> list[int]:
    """Integers in words of `lanes` elements of `bits` bits each, element 0 in the low bits.

    Args:
        values: any shape, `lanes` dividing its last axis.
    """
    mask = (1 << bits) - 1
    result = []
    for row in values.reshape(-1, lanes).tolist():
        word = 0
        for element in reversed(row):
            word = word << bits | (element & mask)
        result.append(word)
    return result


def scale_words(scales: Scales) -> list[int]:
    """Scales as 16-bit words: the mantissa, and above it the exponent as int8."""
    joined: Int = scales.mantissa | (scales.exponent & 255) << 8
    return [int(word) for word in joined.ravel()]


def quantise(name: str, x: Int, fraction: int, group: int | None, lanes: int, bits: int) -> Case:
    """A run on rows x [rows, n], or on their groups of `group` elements."""
    codes: Codes = sfu.quantise(x, fraction, group)
    width = group or x.shape[1]
    return Case(
        name,
        {"rows": len(x), "groups": x.shape[1] // width, "words": width // lanes, "fraction": fraction},
        {"x": words(x, lanes, bits)},
        {"codes": words(codes.values, lanes, 8), "scales": scale_words(codes.scales)},
    )


def dequantise(
    name: str, product: Int, left: Scales, right: Scales, out: Format, lanes: int,
    bias: Int | None = None, rows: int = 0,
) -> Case:  # fmt: skip
    """A run on products [tokens, channels] with scales [tokens] and [channels], and a bias [channels] or none.

    Args:
        rows: of a pass; the tokens of several passes share the channels' table. 0 for one pass.
    """
    if bias is None:
        y = sfu.dequantise(product, left, right, out)
        table = words(np.array(scale_words(right)), lanes, 16)
    else:
        y = saturate(sfu.dequantise(product, left, right, Format(48, out.fraction)) + bias, out.bits)
        table = words(np.array(scale_words(right)) | (bias & 0xFFFFFFFF) << 16, lanes, 48)
    tokens, channels = product.shape
    passes = tokens // rows if rows else 1
    return Case(
        name,
        {"passes": passes, "rows": tokens // passes, "words": channels // lanes, "fraction": out.fraction},
        {"product": words(product, lanes, 32), "row_scale": scale_words(left), "channel": table * passes},
        {"y": words(y, lanes, out.bits)},
    )


def rms_norm(name: str, x: Int, norm: sfu.Norm, lanes: int, bits: int) -> Case:
    """A run on rows x [rows, n]."""
    return Case(
        name,
        {
            "rows": len(x), "words": x.shape[1] // lanes, "epsilon": norm.epsilon,
            "gain_shift": norm.gain_fraction - norm.out.fraction,
        },
        {"x": words(x, lanes, bits), "gain": words(norm.gain, lanes, sfu.GAIN_BITS)},
        {"y": words(sfu.rms_norm(x, norm), lanes, sfu.ACTIVATION_BITS)},
    )  # fmt: skip


def rope(name: str, x: Int, first: int, frequencies: Int, lanes: int) -> Case:
    """A run on x [tokens, heads, dim] at the positions from `first` on."""
    tokens, heads, _ = x.shape
    return Case(
        name,
        {"heads": tokens * heads, "group": heads, "first": first},
        {
            "x": words(x, lanes, sfu.ACTIVATION_BITS),
            "frequency": words(frequencies, lanes, sfu.PHASE_FRACTION),
        },
        {"y": words(sfu.rope(x, first + np.arange(tokens), frequencies), lanes, sfu.ACTIVATION_BITS)},
    )


def silu_up(name: str, gate: Int, up: Int, fractions: tuple[int, int], out: Format, lanes: int) -> Case:
    """A run on gate and up of one shape, with their fraction bits."""
    y = sfu.silu_up(gate, up, *fractions, out)
    return Case(
        name,
        {"words": gate.size // lanes, "gate_fraction": fractions[0], "shift": sum(fractions) - out.fraction},
        {"gate": words(gate, lanes, sfu.ACTIVATION_BITS), "up": words(up, lanes, sfu.ACTIVATION_BITS)},
        {"y": words(y, lanes, out.bits)},
    )


def residual(name: str, x: Int, branch: Int, lanes: int) -> Case:
    """A run on two tensors of one shape."""
    bits = sfu.RESIDUAL_BITS
    return Case(
        name,
        {"words": x.size // lanes},
        {"x": words(x, lanes, bits), "branch": words(branch, lanes, bits)},
        {"y": words(sfu.residual(x, branch), lanes, bits)},
    )
