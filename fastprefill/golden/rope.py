"""Rotary position embedding (Su et al., 2021) and the ways in which models stretch it, in floating point.

Component i of a head turns with component i + head_dim / 2 by position * frequency[i]:

    default   theta^(-2i / head_dim)
    linear    that, over factor (Chen et al., 2023)
    dynamic   theta grows with the prompt once it is longer than the context ("dynamic NTK")
    llama3    long wavelengths over factor, short ones untouched, a linear blend between (Llama 3.1's release)
    yarn      components that turn rarely over factor, fast ones untouched, a linear ramp between; queries and
              keys are scaled too (Peng et al., 2023)
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastprefill.models import ModelConfig, Rope


def frequencies(config: ModelConfig, tokens: int) -> NDArray[np.float64]:
    """Radians per position, float64 [head_dim / 2].

    Args:
        config: gives the embedding's parameters.
        tokens: length of the prompt; only ``dynamic`` depends on it.
    """
    rope, dim = config.rope, config.head_dim
    exponents = np.arange(dim // 2, dtype=np.float64) / (dim // 2)
    if rope.kind == "dynamic" and dim > 2:
        stretch = rope.factor * max(tokens, rope.original_context) / rope.original_context - (rope.factor - 1)
        return np.asarray((rope.theta * stretch ** (dim / (dim - 2))) ** -exponents)
    plain: NDArray[np.float64] = rope.theta**-exponents
    if rope.kind == "linear":
        return plain / rope.factor
    if rope.kind == "llama3":
        kept = _llama3_kept(rope, plain)
    elif rope.kind == "yarn":
        kept = _yarn_kept(rope, dim)
    else:
        return plain
    return kept * plain + (1 - kept) * plain / rope.factor


def tables(
    config: ModelConfig, tokens: int, dtype: DTypeLike = np.float32
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """cos and sin of every position, both [tokens, head_dim / 2], with the embedding's scale in them.

    In float32 the angle is a product rounded to float32, as the transformers library computes it and as
    models were trained: at position 131,071 it is off by up to 0.004 radians. In float64 it is exact.
    """
    positions = np.arange(tokens).astype(dtype)
    angles = positions[:, None] * frequencies(config, tokens).astype(dtype)
    scale = config.rope.attention_factor
    exact = angles.astype(np.float64)
    return (np.cos(exact) * scale).astype(dtype), (np.sin(exact) * scale).astype(dtype)


def rotate(
    x: NDArray[np.floating], cos: NDArray[np.floating], sin: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Turn [tokens, heads, head_dim] by tables [tokens, head_dim / 2]."""
    half = x.shape[-1] // 2
    low, high = x[..., :half], x[..., half:]
    cos, sin = cos[:, None], sin[:, None]
    return np.concatenate([low * cos - high * sin, high * cos + low * sin], axis=-1)


def _llama3_kept(rope: Rope, plain: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of its frequency each component keeps, 0 to 1: by turns in the original context."""
    turns = rope.original_context * plain / (2 * math.pi)
    low, high = rope.low_frequency_factor, rope.high_frequency_factor
    return np.asarray(np.clip((turns - low) / (high - low), 0.0, 1.0))


def _yarn_kept(rope: Rope, dim: int) -> NDArray[np.float64]:
    """How much of its frequency each component keeps, 0 to 1: a ramp over components."""

    def component(turns: float) -> float:
        """The component that turns this often in the original context."""
        return dim * math.log(rope.original_context / (2 * math.pi * turns)) / (2 * math.log(rope.theta))

    first, last = component(rope.beta_fast), component(rope.beta_slow)
    if rope.whole_components:
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, dim - 1)
    width = last - first or 0.001  # a step where the ramp has no width
    return np.asarray(1 - np.clip((np.arange(dim // 2) - first) / width, 0.0, 1.0))
