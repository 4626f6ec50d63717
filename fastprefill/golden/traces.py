"""Queries, keys and values whose heads attend as real prompts do, for tests and measurements without a model.

Every query head mixes four patterns in its own proportions: *sink* (the first tokens draw weight from everywhere),
*vertical* (so do a few heading tokens), *slash* (fixed distances, by rotary embedding) and *topic* (segments that
share a topic attend to each other). The same seed gives the same tensors on every machine.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastprefill.errors import FastprefillError

Array = NDArray[np.float32]

_TOPICS = 6
_SEGMENTS = 12
_SINK_TOKENS = 4
_TOKENS_PER_HEADING = 600
#: Proportions of sink, vertical, slash and topic: Dirichlet parameters, and the strength that they share.
_MIX = (0.6, 0.6, 0.8, 0.7)
_STRENGTH = 11.0


class Tensors(NamedTuple):
    """Input of attention, float32.

    Attributes:
        q: [tokens, heads, head_dim].
        k: [tokens, kv_heads, head_dim].
        v: [tokens, kv_heads, head_dim].
    """

    q: Array
    k: Array
    v: Array


def tensors(seed: int, tokens: int, heads: int, kv_heads: int, head_dim: int) -> Tensors:
    """Make queries, keys and values.

    Raises:
        FastprefillError: a size below 1, heads that do not divide over KV heads, an odd head dimension.
    """
    if tokens < _SINK_TOKENS or heads < 1 or kv_heads < 1 or heads % kv_heads or head_dim < 2 or head_dim % 2:
        raise FastprefillError(
            f"cannot make {tokens} tokens, {heads} heads over {kv_heads} KV heads of dimension {head_dim}; it takes at "
            f"least {_SINK_TOKENS} tokens, whole groups of heads and an even dimension"
        )
    random = np.random.default_rng(seed)
    norm = np.float32(np.sqrt(head_dim))
    # the order of the draws is part of what a seed means
    k, v, q = (
        random.standard_normal((tokens, count, head_dim)).astype(np.float32)
        for count in (kv_heads, kv_heads, heads)
    )
    k *= np.float32(0.6)
    q *= np.float32(0.6)
    sink, heading, local = (_directions(random, kv_heads, head_dim) for _ in range(3))
    topic = _directions(random, kv_heads, _TOPICS, head_dim)
    borders = np.sort(random.integers(0, tokens, _SEGMENTS - 1))
    segment = np.searchsorted(borders, np.arange(tokens), side="right")
    topic_of = random.integers(0, _TOPICS, _SEGMENTS)[segment]
    headings = random.choice(tokens, min(max(4, tokens // _TOKENS_PER_HEADING), tokens), replace=False)

    for head in range(kv_heads):
        k[:_SINK_TOKENS, head] += sink[head] * norm
        k[headings, head] += heading[head] * norm
        k[:, head] += topic[head, topic_of] * norm * np.float32(0.55)
    k += _rotated(local * norm * np.float32(0.7), tokens)

    mix = random.dirichlet(np.array(_MIX), heads).astype(np.float32) * np.float32(_STRENGTH)
    distance = _rotated(np.repeat(local, heads // kv_heads, axis=0) * np.float32(1.4), tokens)
    for head in range(heads):
        group = head * kv_heads // heads
        to_sink, to_heading, to_distance, to_topic = mix[head]
        q[:, head] += (
            to_sink * sink[group]
            + to_heading * heading[group]
            + np.float32(1.6) * to_topic * topic[group, topic_of]
            + to_distance * distance[:, head]
        )
    return Tensors(q, k, v)


def _directions(random: np.random.Generator, *shape: int) -> Array:
    """Unit vectors along the last axis."""
    drawn = random.standard_normal(shape)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=-1, keepdims=True), dtype=np.float32)


def _rotated(vectors: Array, tokens: int) -> Array:
    """One vector per head, [heads, head_dim], rotated to every position: [tokens, heads, head_dim].

    Rotary embedding with base 10,000 and pairs (i, i + head_dim / 2) (Su et al., 2021).
    """
    half = vectors.shape[-1] // 2
    frequency = 10000.0 ** (-np.arange(half, dtype=np.float64) / half)
    angle = np.arange(tokens)[:, None] * frequency
    cos = np.cos(angle).astype(np.float32)[:, None, :]
    sin = np.sin(angle).astype(np.float32)[:, None, :]
    low, high = vectors[None, :, :half], vectors[None, :, half:]
    return np.concatenate([low * cos - high * sin, low * sin + high * cos], axis=-1)
