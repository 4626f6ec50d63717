"""What activations look like on a sample prompt: largest magnitudes by channel, for SmoothQuant's balance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastprefill.golden import reference, rope
from fastprefill.golden.float_attention import attention
from fastprefill.models import Model

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Statistics:
    """Largest magnitudes in the checkpoint's own coordinates.

    Attributes:
        value: [kv_heads * head_dim] per layer: the values.
        activated: [intermediate] per layer: SiLU(gate) * up.
        residual: largest element of the residual stream anywhere.
    """

    value: tuple[Array, ...]
    activated: tuple[Array, ...]
    residual: float


def collect(model: Model, input_ids: ArrayLike) -> Statistics:
    """Run the float reference on a prompt of a few hundred tokens or more; that it is typical text is enough."""
    config = model.config
    x: NDArray[np.floating] = model.weights.embedded(np.asarray(input_ids, np.int64)).astype(np.float32)
    cos, sin = rope.tables(config, len(x))
    values, activated, largest = [], [], float(np.abs(x).max())
    for index in range(config.layers):
        weights = model.weights.layer(index)
        q, k, v = reference.projections(config, weights, x, cos, sin)
        values.append(np.abs(v.reshape(len(x), -1)).max(axis=0).astype(np.float32))
        x = x + reference.linear(attention(q, k, v).reshape(len(x), -1), weights.output, weights.output_bias)
        normed = reference.rms_norm(x, weights.post_attention_norm, config.rms_norm_eps)
        gate = reference.silu(reference.linear(normed, weights.gate, weights.gate_bias))
        product = gate * reference.linear(normed, weights.up, weights.up_bias)
        activated.append(np.abs(product).max(axis=0).astype(np.float32))
        x = x + reference.linear(product, weights.down, weights.down_bias)
        largest = max(largest, float(np.abs(x).max()))
    return Statistics(tuple(values), tuple(activated), largest)
