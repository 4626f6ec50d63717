"""Float32 reference of a Llama model in plain NumPy: what the integer units are an approximation of.

The same computation as the `transformers` library's in float32. Sums of RMSNorm are taken in float64, so
that their result does not depend on the machine's vector width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprefill.models import Model, ModelConfig

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Result:
    """What a forward pass gives, float32.

    Attributes:
        logits: [tokens, vocabulary].
        after_layer: one [tokens, hidden] per decoder layer, the residual stream after it.
        final: [tokens, hidden] after the final norm.
    """

    logits: Array
    after_layer: tuple[Array, ...]
    final: Array


def forward(model: Model, tokens: NDArray[np.int64]) -> Result:
    """The whole model on int64 [tokens], all positions attended causally."""
    config = model.config
    x = model.weights.embedded(tokens)
    states: list[Array] = []
    for index in range(config.layers):
        layer = model.weights.layer(index)
        normed = rms_norm(x, layer.input_norm, config.rms_norm_eps)
        heads = attention(
            config,
            rotate(_split(normed @ layer.query.T, config.heads), config.rope_theta),
            rotate(_split(normed @ layer.key.T, config.kv_heads), config.rope_theta),
            _split(normed @ layer.value.T, config.kv_heads),
        )
        x = np.add(x, heads @ layer.output.T, dtype=np.float32)
        normed = rms_norm(x, layer.post_attention_norm, config.rms_norm_eps)
        feed_forward = (silu(normed @ layer.gate.T) * (normed @ layer.up.T)) @ layer.down.T
        x = np.add(x, feed_forward, dtype=np.float32)
        states.append(x)
    final = rms_norm(x, model.weights.final_norm(), config.rms_norm_eps)
    return Result(final @ model.weights.output_projection().T, tuple(states), final)


def query_projection_input(model: Model, tokens: NDArray[np.int64]) -> Array:
    """Normalised hidden states that enter layer 0's query projection: float32 [tokens, hidden]."""
    norm = model.weights.layer(0).input_norm
    return rms_norm(model.weights.embedded(tokens), norm, model.config.rms_norm_eps)


def rms_norm(x: Array, weight: Array, eps: float) -> Array:
    """x / sqrt(mean(x^2) + eps) * weight, over the last axis (Zhang and Sennrich, 2019)."""
    mean_square = np.mean(np.square(x.astype(np.float64)), axis=-1, keepdims=True)
    scale = (1.0 / np.sqrt(mean_square + eps)).astype(np.float32)
    normalised: Array = x * scale * weight
    return normalised


def silu(x: Array) -> Array:
    """x * sigmoid(x)."""
    return np.asarray(x / (np.float32(1.0) + np.exp(-x)), dtype=np.float32)


def rotate(x: Array, theta: float) -> Array:
    """Rotary position embedding of [heads, tokens, head_dim]; pairs are (i, i + head_dim / 2)."""
    half = x.shape[-1] // 2
    frequency = theta ** (-np.arange(half, dtype=np.float64) / half)
    angle = np.arange(x.shape[1], dtype=np.float64)[:, None] * frequency
    cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    low, high = x[..., :half], x[..., half:]
    return np.concatenate([low * cos - high * sin, high * cos + low * sin], axis=-1)


def attention(config: ModelConfig, query: Array, key: Array, value: Array) -> Array:
    """Causal attention with grouped key/value heads.

    Args:
        config: gives the grouping.
        query: [heads, tokens, head_dim].
        key: [kv_heads, tokens, head_dim].
        value: [kv_heads, tokens, head_dim].

    Returns:
        float32 [tokens, heads * head_dim].
    """
    tokens = query.shape[1]
    visible = np.tri(tokens, dtype=bool)
    out = np.empty((config.heads, tokens, config.head_dim), np.float32)
    for head in range(config.heads):
        group = head * config.kv_heads // config.heads
        scores = query[head] @ key[group].T / np.float32(np.sqrt(config.head_dim))
        scores = np.where(visible, scores, np.float32(-np.inf))
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        out[head] = (weights / weights.sum(axis=-1, keepdims=True)) @ value[group]
    return out.transpose(1, 0, 2).reshape(tokens, -1)


def _split(x: Array, heads: int) -> Array:
    """[tokens, heads * head_dim] -> [heads, tokens, head_dim]."""
    return x.reshape(x.shape[0], heads, -1).transpose(1, 0, 2)
