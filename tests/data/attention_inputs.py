"""Deterministic query/key/value tensors with the attention shapes real prompts show.

Each query head gets its own mixture of four well-known patterns, so that an
index generator has to find a different answer for every head:

* sink     - the first tokens draw weight from everywhere,
* vertical - a few scattered "heading" tokens draw weight from everywhere,
* slash    - tokens attend to a fixed set of distances (position rotation),
* topic    - queries attend to the segments that share their topic.

Only numpy's seeded PCG64 generator and float32 arithmetic are used, so the same
seed gives the same tensors everywhere.
"""

from __future__ import annotations

import numpy as np


def rotate(x: np.ndarray, positions: np.ndarray, base: float = 10000.0) -> np.ndarray:
    """Rotary position embedding, half-split layout; x is [tokens, heads, dim]."""
    half = x.shape[-1] // 2
    freq = base ** (-np.arange(half, dtype=np.float64) / half)
    angle = positions[:, None] * freq[None, :]
    cos = np.cos(angle).astype(np.float32)[:, None, :]
    sin = np.sin(angle).astype(np.float32)[:, None, :]
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)


def make_qkv(
    seed: int,
    tokens: int,
    heads: int,
    kv_heads: int,
    head_dim: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return q [tokens, heads, dim], k and v [tokens, kv_heads, dim], all float32."""
    rng = np.random.default_rng(seed)
    group = heads // kv_heads

    def unit(*shape: int) -> np.ndarray:
        u = rng.standard_normal(shape)
        return (u / np.linalg.norm(u, axis=-1, keepdims=True)).astype(np.float32)

    scale = np.float32(np.sqrt(head_dim))

    k = rng.standard_normal((tokens, kv_heads, head_dim)).astype(np.float32) * np.float32(0.6)
    v = rng.standard_normal((tokens, kv_heads, head_dim)).astype(np.float32)
    q = rng.standard_normal((tokens, heads, head_dim)).astype(np.float32) * np.float32(0.6)

    sink, heading, local = unit(kv_heads, head_dim), unit(kv_heads, head_dim), unit(kv_heads, head_dim)
    topics = unit(kv_heads, 6, head_dim)
    segment = np.sort(rng.integers(0, tokens, 11))
    topic_of = rng.integers(0, 6, 12)[np.searchsorted(segment, np.arange(tokens), side="right")]
    headings = rng.choice(tokens, max(4, tokens // 600), replace=False)

    positions = np.arange(tokens)
    for h in range(kv_heads):
        k[:4, h] += sink[h] * scale * np.float32(1.0)
        k[headings, h] += heading[h] * scale * np.float32(1.0)
        k[:, h] += topics[h, topic_of] * scale * np.float32(0.55)
    k += rotate(np.broadcast_to(local * scale * np.float32(0.7), k.shape).astype(np.float32), positions)

    mix = rng.dirichlet(np.array([0.6, 0.6, 0.8, 0.7]), heads).astype(np.float32) * np.float32(11.0)
    slash_q = rotate(
        np.broadcast_to(np.repeat(local, group, axis=0) * np.float32(1.4), q.shape).astype(np.float32),
        positions,
    )
    for h in range(heads):
        g = h // group
        w_sink, w_head, w_slash, w_topic = mix[h]
        q[:, h] += (
            w_sink * sink[g]
            + w_head * heading[g]
            + np.float32(1.6) * w_topic * topics[g, topic_of]
            + w_slash * slash_q[:, h]
        )
    return q, k, v
