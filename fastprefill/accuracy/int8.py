"""A model with int8 operands and everything else in float: what quantisation costs, without the integer datapath.

Weights, activations in front of projections, queries, keys and values are rounded to int8 codes with the scales of
the integer model (a channel, a token, a token and head); sums, norms, softmax and its weights, SiLU and the residual
stream stay in float32, as on a processor with int8 matrix products.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden import reference, rope
from fastprefill.golden.float_attention import attention
from fastprefill.golden.reference import Select
from fastprefill.golden.scale import LIMIT
from fastprefill.golden.selection import Selection
from fastprefill.quantisation import FoldedModel
from fastprefill.quantisation.integer import codes

Array = NDArray[np.float32]

_VOCABULARY_TILE = 8192  # token ids at a time


def forward(
    model: FoldedModel,
    tokens: NDArray[np.int64],
    *,
    group: int | None = None,
    select: Select | None = None,
    last: int = 1,
) -> tuple[Array, tuple[Selection, ...]]:
    """Logits of the last tokens, float32 [last, vocabulary], and the blocks of each layer.

    Args:
        model: folded as for the integer model.
        tokens: int64 [tokens].
        group: inputs that share a scale, None for all of a token's or channel's.
        select: index method on queries and keys, as `reference.forward` takes it; None: everything.
        last: number of tokens whose logits are wanted.
    """
    config, weights, eps = model.config, model.weights, model.config.rms_norm_eps
    x: Array = weights.embedded(tokens)
    cos, sin = rope.tables(config, len(x), np.float32)
    selections = []
    for index in range(config.layers):
        layer = weights.layer(index)
        normed = reference.rms_norm(x, layer.input_norm, eps)
        q, k, v = (
            _linear(normed, weight, bias, group).reshape(len(x), -1, config.head_dim)
            for weight, bias in (
                (layer.query, layer.query_bias), (layer.key, layer.key_bias), (layer.value, layer.value_bias),
            )
        )  # fmt: skip
        if layer.query_norm is not None and layer.key_norm is not None:
            q, k = reference.rms_norm(q, layer.query_norm, eps), reference.rms_norm(k, layer.key_norm, eps)
        q, k, v = (rounded(a) for a in (rope.rotate(q, cos, sin), rope.rotate(k, cos, sin), v))
        chosen = select(q, k) if select else None
        if chosen is None:
            heads = attention(q, k, v)
        else:
            selections.append(chosen)
            heads = attention(q, k, v, chosen.mask, block=chosen.block)
        x = x + _linear(heads.reshape(len(x), -1), layer.output, layer.output_bias, group)
        normed = reference.rms_norm(x, layer.post_attention_norm, eps)
        gate = _linear(normed, layer.gate, layer.gate_bias, group)
        up = _linear(normed, layer.up, layer.up_bias, group)
        x = x + _linear(reference.silu(gate) * up, layer.down, layer.down_bias, group)
    final = reference.rms_norm(x[len(x) - last :], weights.final_norm(), eps)
    logits = [
        _linear(final, weights.output_projection(slice(start, start + _VOCABULARY_TILE)), None, group)
        for start in range(0, config.vocabulary, _VOCABULARY_TILE)
    ]
    return np.concatenate(logits, axis=1), tuple(selections)


def rounded(x: NDArray[np.floating], group: int | None = None) -> Array:
    """The values of int8 codes that share a scale along groups of the last axis, or all of it."""
    parts = x.reshape(*x.shape[:-1], -1, group or x.shape[-1])
    scale = np.abs(parts).max(axis=-1, keepdims=True) / LIMIT
    scale = np.where(scale > 0, scale, 1)
    near: Array = (np.rint(parts / scale) * scale).astype(np.float32).reshape(x.shape)
    return near


def _linear(x: NDArray[np.floating], weight: Array, bias: Array | None, group: int | None) -> Array:
    width = x.shape[-1]
    own = group if group and width % group == 0 else width
    coded = codes(weight, own).real().astype(np.float32)
    return reference.linear(rounded(x, own), coded, bias).astype(np.float32)
