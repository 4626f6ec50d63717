"""Transformations of the weights that leave the model's function as it is and make it easier to quantise.

- norms: the weights of an RMSNorm go into the projections behind it, so outlier channels of a norm vanish
- balance: a channel between two matrices is scaled down in one and up in the other (SmoothQuant, Xiao et al.,
  2023): values / output projection, up / down projection, and query / key by pairs that the rotary embedding
  keeps together
- rotate: an orthogonal map of the residual stream, and one of each head's values (QuaRot, Ashkboos et al.,
  2024), which spread what outliers are left over all channels

Everything is folded into the weights: the hardware does nothing for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fastprefill.models import Layer, Model, ModelConfig
from fastprefill.quantisation.rotation import Rotation
from fastprefill.quantisation.statistics import Statistics

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Transform:
    """Which transformations to apply; norms are always folded.

    Attributes:
        balance: scale channels between pairs of matrices.
        rotate: rotate the residual stream and the heads' values.
    """

    balance: bool = True
    rotate: bool = True


class FoldedWeights:
    """The transformed tensors, float32, with the interface of a checkpoint's weights; made when asked for.

    Args:
        model: checkpoint.
        transform: what to do.
        statistics: of activations; without them magnitudes are estimated from the weights.
    """

    def __init__(self, model: Model, transform: Transform, statistics: Statistics | None = None) -> None:
        self._model, self._transform, self._statistics = model, transform, statistics
        config = model.config
        self._residual = Rotation(config.hidden) if transform.rotate else None
        self._head = Rotation(config.head_dim) if transform.rotate else None

    def embedding(self) -> Array:
        """[vocabulary, hidden]."""
        return self._rotated(self._model.weights.embedding())

    def embedded(self, tokens: NDArray[np.int64]) -> Array:
        """Rows of the embedding for int64 [tokens]: [tokens, hidden]."""
        return self._rotated(self._model.weights.embedded(tokens))

    def final_norm(self) -> Array:
        """[hidden], ones: its weights are in the output projection."""
        return np.ones(self._model.config.hidden, np.float32)

    def output_projection(self, rows: slice | None = None) -> Array:
        """[vocabulary, hidden], or the token ids of `rows`."""
        weights = self._model.weights
        return self._rotated(weights.output_projection(rows) * weights.final_norm())

    def layer(self, index: int) -> Layer:
        """Weights of one layer; the norms in front of projections are ones."""
        config = self._model.config
        layer = _without_norms(self._model.weights.layer(index))
        if self._transform.balance:
            statistics = self._statistics
            layer = _balanced_queries(layer, config)
            layer = _balanced_values(layer, config, statistics.value[index] if statistics else None)
            layer = _balanced_feed_forward(layer, statistics.activated[index] if statistics else None)
        if self._residual and self._head:
            layer = _rotated(layer, config, self._residual, self._head)
        return layer

    def _rotated(self, rows: Array) -> Array:
        return self._residual(rows) if self._residual else rows


@dataclass(frozen=True)
class FoldedModel:
    """A model in new coordinates: same function, same shape. The float reference runs it like a checkpoint."""

    config: ModelConfig
    weights: FoldedWeights


def fold(
    model: Model, transform: Transform | None = None, statistics: Statistics | None = None
) -> FoldedModel:
    """Transform a checkpoint; nothing is read before it is asked for.

    Args:
        model: checkpoint.
        transform: what to do; None: everything.
        statistics: largest activations on a sample prompt, or None.
    """
    return FoldedModel(model.config, FoldedWeights(model, transform or Transform(), statistics))


def _without_norms(layer: Layer) -> Layer:
    before, after = layer.input_norm, layer.post_attention_norm
    return replace(
        layer,
        input_norm=np.ones_like(before),
        query=layer.query * before,
        key=layer.key * before,
        value=layer.value * before,
        post_attention_norm=np.ones_like(after),
        gate=layer.gate * after,
        up=layer.up * after,
    )


def _balanced_queries(layer: Layer, config: ModelConfig) -> Layer:
    """Scale a pair (i, i + dim / 2) of query channels up and of key channels down until they are equally large.

    Both channels of a pair get one factor, which a rotation in their plane does not see.
    """
    dim = config.head_dim
    if layer.query_norm is not None and layer.key_norm is not None:
        # behind a norm the magnitude of a channel is its weight, the same for all heads
        factor = _pair_factor(np.abs(layer.query_norm)[None], np.abs(layer.key_norm)[None])[0]
        return replace(layer, query_norm=layer.query_norm * factor, key_norm=layer.key_norm / factor)
    query = _magnitude(layer.query, layer.query_bias).reshape(config.kv_heads, config.group, dim)
    key = _magnitude(layer.key, layer.key_bias).reshape(config.kv_heads, dim)
    factor = _pair_factor(np.sqrt(np.mean(query**2, axis=1)), key)
    queries: Array = np.repeat(factor, config.group, axis=0).ravel()
    keys: Array = np.reciprocal(factor).ravel()
    return replace(
        layer,
        query=layer.query * queries[:, None],
        key=layer.key * keys[:, None],
        query_bias=None if layer.query_bias is None else layer.query_bias * queries,
        key_bias=None if layer.key_bias is None else layer.key_bias * keys,
    )


def _balanced_values(layer: Layer, config: ModelConfig, largest: Array | None) -> Layer:
    """Scale channels of the values against the columns of the output projection that read them."""
    values = _magnitude(layer.value, layer.value_bias) if largest is None else largest
    columns = np.sqrt((layer.output**2).sum(axis=0)).reshape(config.kv_heads, config.group, config.head_dim)
    factor = _factor(values, np.sqrt(np.mean(columns**2, axis=1)).ravel())
    spread: Array = np.repeat(factor.reshape(config.kv_heads, 1, -1), config.group, axis=1).ravel()
    return replace(
        layer,
        value=layer.value * factor[:, None],
        value_bias=None if layer.value_bias is None else layer.value_bias * factor,
        output=layer.output / spread,
    )


def _balanced_feed_forward(layer: Layer, largest: Array | None) -> Layer:
    """Scale channels of the up projection against the columns of the down projection."""
    estimate = _magnitude(layer.up, layer.up_bias) * _magnitude(layer.gate, layer.gate_bias)
    columns = np.sqrt((layer.down**2).sum(axis=0))
    factor = _factor(estimate if largest is None else largest, columns)
    return replace(
        layer,
        up=layer.up * factor[:, None],
        up_bias=None if layer.up_bias is None else layer.up_bias * factor,
        down=layer.down / factor,
    )


def _rotated(layer: Layer, config: ModelConfig, residual: Rotation, head: Rotation) -> Layer:
    """New coordinates of the residual stream and of each head's values."""
    value = residual(layer.value).reshape(config.kv_heads, config.head_dim, -1)
    bias = layer.value_bias
    output = residual(layer.output.T).T.reshape(config.hidden, config.heads, config.head_dim)
    return replace(
        layer,
        query=residual(layer.query),
        key=residual(layer.key),
        value=head(value.transpose(0, 2, 1)).transpose(0, 2, 1).reshape(config.kv_width, -1),
        value_bias=None if bias is None else head(bias.reshape(config.kv_heads, -1)).ravel(),
        output=head(output).reshape(config.hidden, -1),
        output_bias=None if layer.output_bias is None else residual(layer.output_bias),
        gate=residual(layer.gate),
        up=residual(layer.up),
        down=residual(layer.down.T).T,
        down_bias=None if layer.down_bias is None else residual(layer.down_bias),
    )


def _magnitude(weight: Array, bias: Array | None) -> Array:
    """What a channel's output is expected to be for normalised inputs: [channels]."""
    square = (weight**2).sum(axis=1)
    magnitude: Array = np.sqrt(square if bias is None else square + bias**2)
    return magnitude


def _factor(scaled: Array, against: Array) -> Array:
    """Factor by which `scaled` is multiplied and `against` divided to make them equal up to a common scale."""
    factor = np.sqrt(_positive(against) / _positive(scaled))
    balanced: Array = factor / np.exp(np.log(factor).mean())
    return balanced


def _pair_factor(query: Array, key: Array) -> Array:
    """The same for the pairs of channels of heads: [heads, dim] from two of [heads, dim]."""
    pairs = [np.sqrt((a.reshape(len(a), 2, -1) ** 2).sum(axis=1)) for a in (query, key)]
    factor = np.stack([_factor(q, k) for q, k in zip(*pairs, strict=True)])
    return np.tile(factor, 2)


def _positive(magnitude: Array) -> Array:
    """A dead channel counts as a thousandth of the largest: its factor must stay finite."""
    floor = max(float(magnitude.max()) * 1e-3, 1e-30)
    return np.maximum(magnitude, floor)
