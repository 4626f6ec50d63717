"""Folded float weights -> int8 codes, scales and formats: the `IntegerModel` that the golden model runs.

Formats need no calibration. A normalised vector of width n has the length sqrt(n), so no output of a projection
exceeds sqrt(n) times the length of its weights (Cauchy-Schwarz); the formats hold that.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fastprefill.errors import FastprefillError
from fastprefill.golden import rope, sfu
from fastprefill.golden.fixed_point import Format, fraction_for
from fastprefill.golden.layer import IntegerLayer
from fastprefill.golden.linear import Linear
from fastprefill.golden.scale import LIMIT, Codes, Scales
from fastprefill.golden.sfu import ACTIVATION_BITS, RESIDUAL_BITS, Norm
from fastprefill.models import Layer, Model, ModelConfig
from fastprefill.quantisation.fold import FoldedModel, Transform, fold
from fastprefill.quantisation.statistics import Statistics

Array = NDArray[np.float32]

RESIDUAL_FRACTION = 16
_MARGIN = 1.1  # rounding to int8 makes vectors a little longer
_VOCABULARY_TILE = 8192


class QuantisedModel:
    """Integer weights of a folded model, made layer by layer when asked for.

    Args:
        model: folded.
        group: inputs that share a scale within a token or a channel, None for all; where it does not divide a
            projection's inputs, that projection has one group.
        residual_fraction: fraction bits of the residual stream.
        tokens: length of the prompt, for the one rotary embedding that depends on it.
    """

    def __init__(self, model: FoldedModel, group: int | None, residual_fraction: int, tokens: int) -> None:
        self._model, self._config, self._group = model, model.config, group
        self.residual_fraction = residual_fraction
        self._frequencies = sfu.phases(rope.frequencies(model.config, tokens))

    @property
    def layers(self) -> int:
        """Number of decoder layers."""
        return self._config.layers

    @property
    def vocabulary(self) -> int:
        """Number of token ids."""
        return self._config.vocabulary

    @property
    def final_norm(self) -> Norm:
        """The norm in front of the output projection."""
        return self._norm(self._model.weights.final_norm())

    def embedded(self, tokens: NDArray[np.int64]) -> NDArray[np.int32]:
        """Rows of the embedding in the format of the residual stream, int32 [tokens, hidden]."""
        return self._residual.encode(self._model.weights.embedded(tokens)).astype(np.int32)

    def output_projection(self) -> Linear:
        """Weights of the logits; made from a few thousand token ids at a time, for it is the largest matrix."""
        lengths, parts = [0.0], []
        for start in range(0, self.vocabulary, _VOCABULARY_TILE):
            weight = self._model.weights.output_projection(slice(start, start + _VOCABULARY_TILE))
            lengths.append(_longest(weight))
            parts.append(codes(weight, self._group_of(weight)))
        bound = math.sqrt(self._config.hidden) * max(lengths) * _MARGIN
        return Linear(_stacked(parts), None, Format(RESIDUAL_BITS, fraction_for(bound, RESIDUAL_BITS)))

    def layer(self, index: int) -> IntegerLayer:
        """Weights of decoder layer `index`, from 0."""
        config = self._config
        layer = _scaled_queries(self._model.weights.layer(index), config)
        # a rotation in a plane can lengthen one component by sqrt(2)
        query = self._linear(layer.query, layer.query_bias, ACTIVATION_BITS, math.sqrt(2))
        key = self._linear(layer.key, layer.key_bias, ACTIVATION_BITS, math.sqrt(2))
        gate = self._linear(layer.gate, layer.gate_bias, ACTIVATION_BITS)
        up = self._linear(layer.up, layer.up_bias, ACTIVATION_BITS)
        product = 2.0 ** (2 * ACTIVATION_BITS - 2 - gate.out.fraction - up.out.fraction)
        return IntegerLayer(
            head_dim=config.head_dim,
            frequencies=self._frequencies,
            input_norm=self._norm(layer.input_norm),
            query=query,
            key=key,
            value=self._linear(layer.value, layer.value_bias, ACTIVATION_BITS),
            query_norm=self._head_norm(layer.query_norm, query.out),
            key_norm=self._head_norm(layer.key_norm, key.out),
            output=self._into_residual(layer.output, layer.output_bias),
            post_attention_norm=self._norm(layer.post_attention_norm),
            gate=gate,
            up=up,
            activated=Format(RESIDUAL_BITS, fraction_for(product, RESIDUAL_BITS)),
            down=self._into_residual(layer.down, layer.down_bias),
        )

    @property
    def _residual(self) -> Format:
        return Format(RESIDUAL_BITS, self.residual_fraction)

    def _norm(self, weight: Array) -> Norm:
        return _norm(weight, self._config.rms_norm_eps, self.residual_fraction)

    def _head_norm(self, weight: Array | None, projected: Format) -> Norm | None:
        if weight is None:
            return None
        return _norm(weight, self._config.rms_norm_eps, projected.fraction, math.sqrt(2))

    def _linear(self, weight: Array, bias: Array | None, bits: int, growth: float = 1.0) -> Linear:
        """A projection of normalised inputs, its format from the bound."""
        bound = math.sqrt(weight.shape[1]) * _longest(weight) * _MARGIN
        bound += 0.0 if bias is None else float(np.abs(bias).max())
        return self._coded(weight, bias, Format(bits, fraction_for(bound * growth, bits)))

    def _into_residual(self, weight: Array, bias: Array | None) -> Linear:
        return self._coded(weight, bias, self._residual)

    def _coded(self, weight: Array, bias: Array | None, out: Format) -> Linear:
        return Linear(codes(weight, self._group_of(weight)), None if bias is None else out.encode(bias), out)

    def _group_of(self, weight: Array) -> int:
        width = int(weight.shape[1])
        return self._group if self._group and width % self._group == 0 else width


def quantise(
    model: Model,
    *,
    transform: Transform | None = None,
    statistics: Statistics | None = None,
    group: int | None = None,
    residual_fraction: int = RESIDUAL_FRACTION,
    tokens: int = 1,
) -> QuantisedModel:
    """Make the integer model of a checkpoint; no weight is read before it is asked for.

    Args:
        model: checkpoint.
        transform: what to fold into the weights first; None: everything.
        statistics: largest activations on a sample prompt for the balance of channels, or None.
        group: inputs that share a scale, None for all of a token's or channel's.
        residual_fraction: fraction bits of the residual stream: 16 hold 32,768.
        tokens: length of the prompt, for the one rotary embedding that depends on it.

    Raises:
        FastprefillError: a group below 8, or a fraction outside 8 to 24.
    """
    if group is not None and group < 8:
        raise FastprefillError(f"group is {group}; at least 8 inputs share a scale")
    if not 8 <= residual_fraction <= 24:
        raise FastprefillError(f"residual_fraction is {residual_fraction}; 8 to 24 bits of 32 are possible")
    return QuantisedModel(fold(model, transform, statistics), group, residual_fraction, tokens)


def codes(weight: Array, group: int) -> Codes:
    """int8 codes of a matrix [channels, k] with one scale per channel and group of inputs, rounded to nearest."""
    parts = weight.astype(np.float64).reshape(len(weight), -1, group)
    # a channel of zeros, or next to it, gets the smallest scale there is
    smallest = np.abs(parts).max(axis=-1) / LIMIT
    exponent = np.maximum(np.floor(np.log2(np.maximum(smallest, 2.0**-120))).astype(np.int64) - 7, -127)
    mantissa = np.ceil(np.ldexp(smallest, -exponent)).astype(np.int64)
    wide = mantissa > 255
    scales = Scales(np.clip(np.where(wide, (mantissa + 1) >> 1, mantissa), 128, 255), exponent + wide)
    values = np.clip(np.rint(parts / scales.real()[..., None]), -LIMIT, LIMIT).astype(np.int8)
    return Codes(values.reshape(weight.shape), scales)


def _scaled_queries(layer: Layer, config: ModelConfig) -> Layer:
    """Put log2(e) / sqrt(head_dim), and the rotary embedding's factor, into what makes the queries."""
    factor = math.log2(math.e) / math.sqrt(config.head_dim) * config.rope.attention_factor**2
    if layer.query_norm is not None:
        return replace(layer, query_norm=layer.query_norm * factor)
    bias = None if layer.query_bias is None else layer.query_bias * factor
    return replace(layer, query=layer.query * factor, query_bias=bias)


def _longest(weight: Array) -> float:
    """The largest length of a channel of [channels, k]."""
    return float(np.sqrt((weight**2).sum(axis=1)).max())


def _stacked(parts: list[Codes]) -> Codes:
    """Codes of several ranges of channels as one."""
    return Codes(
        np.concatenate([part.values for part in parts]),
        Scales(
            np.concatenate([part.scales.mantissa for part in parts]),
            np.concatenate([part.scales.exponent for part in parts]),
        ),
    )


def _norm(weight: Array, eps: float, in_fraction: int, growth: float = 1.0) -> Norm:
    bound = math.sqrt(len(weight)) * float(np.abs(weight).max()) * growth * 1.01
    return Norm.of(weight, eps, in_fraction, Format(ACTIVATION_BITS, fraction_for(bound, ACTIVATION_BITS)))
