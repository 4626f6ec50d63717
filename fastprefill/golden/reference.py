"""Reference of a whole model in floating point, plain NumPy: what the integer units are an approximation of.

The same computation as the `transformers` library's in float32, layer by layer, so that only one layer's weights
are in memory. Mean squares of RMSNorm are taken in float64, so that they do not depend on the machine's vector
width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastprefill.errors import FastprefillError
from fastprefill.golden import rope
from fastprefill.golden.arguments import whole
from fastprefill.golden.float_attention import attention
from fastprefill.golden.selection import Selection
from fastprefill.models import Layer, Model, ModelConfig

Array = NDArray[np.floating]
Select = Callable[[Array, Array], Selection]

_FEED_FORWARD_TILE = 2048  # tokens at a time: the block is several times wider than the residual stream
_LOGITS_TILE = 16384  # token ids at a time: the output projection of a large vocabulary is the largest tensor


@dataclass(frozen=True)
class Result:
    """What a forward pass gives, in the precision asked for.

    Attributes:
        logits: [tokens, vocabulary], or of the last tokens only.
        hidden_states: [tokens, hidden] each: the embedding's output, then one per layer, the last one
            normalised; empty where they were not asked for.
        selections: the blocks that each layer attended to; empty for dense attention.
    """

    logits: Array
    hidden_states: tuple[Array, ...]
    selections: tuple[Selection, ...] = ()


def forward(
    model: Model,
    input_ids: ArrayLike,
    *,
    dtype: DTypeLike = np.float32,
    select: Select | None = None,
    last: int | None = None,
    hidden_states: bool = True,
) -> Result:
    """The whole model on a prompt.

    Args:
        model: checkpoint, or a shape with random weights.
        input_ids: whole numbers [tokens].
        dtype: float32 or float64, of everything.
        select: from rotated q [tokens, heads, head_dim] and k [tokens, kv_heads, head_dim] of a layer, the
            blocks to attend to; None: everything.
        last: logits of this many last tokens only; None: of all.
        hidden_states: keep them.

    Raises:
        FastprefillError: no tokens, ids outside the vocabulary, another dtype, a shape without weights.
    """
    config, weights = model.config, model.weights
    try:
        kind = None if dtype is None else np.dtype(dtype)
    except TypeError:
        kind = None
    if kind not in (np.float32, np.float64):
        raise FastprefillError(f"dtype is {kind or repr(dtype)}; the reference computes in float32 or float64")
    if last is not None and whole("last", last) < 1:
        raise FastprefillError(f"last is {last}; the logits of at least one token are computed, or of all with None")
    x: Array = weights.embedded(_checked(config, input_ids)).astype(dtype, copy=False)
    cos, sin = rope.tables(config, len(x), dtype)
    states, selections = [x], []
    for index in range(config.layers):
        layer = weights.layer(index)
        q, k, v = projections(config, layer, x, cos, sin)
        chosen = select(q, k) if select else None
        if chosen is None:
            heads = attention(q, k, v)
        else:
            heads = attention(q, k, v, chosen.mask, block=chosen.block)
            selections.append(chosen)
        x = x + linear(heads.reshape(len(x), -1), layer.output, layer.output_bias)
        x = x + feed_forward(layer, rms_norm(x, layer.post_attention_norm, config.rms_norm_eps))
        if hidden_states and index < config.layers - 1:
            states.append(x)
    final = rms_norm(x, weights.final_norm(), config.rms_norm_eps)
    logits = _logits(model, final if last is None else final[max(len(final) - last, 0) :])
    return Result(logits, (*states, final) if hidden_states else (), tuple(selections))


def query_projection_input(model: Model, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
    """Normalised hidden states that enter layer 0's query projection: float32 [tokens, hidden]."""
    norm = model.weights.of_layer(0, "input_norm")
    return rms_norm(model.weights.embedded(tokens), norm, model.config.rms_norm_eps).astype(np.float32)


def projections(
    config: ModelConfig, layer: Layer, x: Array, cos: Array, sin: Array
) -> tuple[Array, Array, Array]:
    """What a layer's attention gets from the residual stream [tokens, hidden].

    Returns:
        q [tokens, heads, head_dim] and k [tokens, kv_heads, head_dim], normalised where the model does that,
        and rotated; v [tokens, kv_heads, head_dim].
    """
    normed = rms_norm(x, layer.input_norm, config.rms_norm_eps)
    q, k, v = (
        linear(normed, weight, bias).reshape(len(x), -1, config.head_dim)
        for weight, bias in (
            (layer.query, layer.query_bias),
            (layer.key, layer.key_bias),
            (layer.value, layer.value_bias),
        )
    )
    if layer.query_norm is not None and layer.key_norm is not None:
        q = rms_norm(q, layer.query_norm, config.rms_norm_eps)
        k = rms_norm(k, layer.key_norm, config.rms_norm_eps)
    return rope.rotate(q, cos, sin), rope.rotate(k, cos, sin), v


def feed_forward(layer: Layer, normed: Array) -> Array:
    """down(silu(gate(x)) * up(x)) of [tokens, hidden]."""
    out = np.empty_like(normed)
    for start in range(0, len(normed), _FEED_FORWARD_TILE):
        part = normed[start : start + _FEED_FORWARD_TILE]
        gated = silu(linear(part, layer.gate, layer.gate_bias)) * linear(part, layer.up, layer.up_bias)
        out[start : start + len(part)] = linear(gated, layer.down, layer.down_bias)
    return out


def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """x weight^T + bias, in the precision of x."""
    product: Array = x @ weight.astype(x.dtype, copy=False).T
    return product if bias is None else product + bias.astype(x.dtype, copy=False)


def rms_norm(x: Array, weight: Array, eps: float) -> Array:
    """x / sqrt(mean(x^2) + eps) * weight, over the last axis (Zhang and Sennrich, 2019), in the precision of x."""
    mean_square = np.mean(np.square(x, dtype=np.float64), axis=-1, keepdims=True)
    scale = (1.0 / np.sqrt(mean_square + eps)).astype(x.dtype)
    normalised: Array = x * scale * weight.astype(x.dtype, copy=False)
    return normalised


def silu(x: Array) -> Array:
    """x * sigmoid(x)."""
    # exp of a large number is infinite, and x over infinity is the 0 that is right
    with np.errstate(over="ignore"):
        result: Array = x / (1 + np.exp(-x))
    return result


def _checked(config: ModelConfig, input_ids: ArrayLike) -> NDArray[np.int64]:
    try:
        ids = np.asarray(input_ids)
    except ValueError:
        raise FastprefillError("input_ids are lists of unequal lengths; they must be one list of token ids") from None
    if ids.ndim != 1 or not ids.size:
        raise FastprefillError(
            f"input_ids has shape {list(ids.shape)}; it must be a list of at least one token id"
        )
    if ids.dtype.kind not in "iu":
        raise FastprefillError(f"input_ids has dtype {ids.dtype}; token ids are whole numbers")
    if ids.min() < 0 or ids.max() >= config.vocabulary:
        bad = ids[(ids < 0) | (ids >= config.vocabulary)][0]
        raise FastprefillError(f"input_ids holds {bad}; the vocabulary has {config.vocabulary} ids")
    return ids.astype(np.int64)


def _logits(model: Model, final: Array) -> Array:
    logits = np.empty((len(final), model.config.vocabulary), final.dtype)
    for rows in _slices(model.config.vocabulary, _LOGITS_TILE):
        logits[:, rows] = linear(final, model.weights.output_projection(rows))
    return logits


def _slices(length: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, length)) for start in range(0, length, size))
