"""One decoder layer in integers, layer-major: all tokens are projected, then attention, then the feed-forward block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden import sfu
from fastprefill.golden.attention import BLOCK, Heads, attend
from fastprefill.golden.fixed_point import Format, Int
from fastprefill.golden.linear import Linear, linear
from fastprefill.golden.scale import Codes, Scales
from fastprefill.golden.sfu import Norm

Select = Callable[[Heads], NDArray[np.bool_]]

_TILE = 1024  # tokens whose wide intermediates are in memory at a time; of no influence on the result


@dataclass(frozen=True)
class IntegerLayer:
    """Weights and constants of a layer. Projections write the formats that the next operation reads.

    Attributes:
        head_dim: width of a head.
        frequencies: of the rotary embedding, as `sfu.phases` gives them.
        input_norm, post_attention_norm: from the residual stream.
        query: its weights, or those of `query_norm`, contain log2(e) / sqrt(head_dim).
        query_norm, key_norm: per head, or None.
        output, down: into the format of the residual stream.
        activated: format of SiLU(gate) * up.
    """

    head_dim: int
    frequencies: Int
    input_norm: Norm
    query: Linear
    key: Linear
    value: Linear
    query_norm: Norm | None
    key_norm: Norm | None
    output: Linear
    post_attention_norm: Norm
    gate: Linear
    up: Linear
    activated: Format
    down: Linear


def layer(
    x: NDArray[np.int32], weights: IntegerLayer, select: Select | None = None, block: int = BLOCK
) -> NDArray[np.int32]:
    """The residual stream after the layer: int32 [tokens, hidden] from int32 [tokens, hidden].

    Args:
        x: residual stream before the layer.
        weights: of the layer.
        select: from the layer's quantised heads, the blocks to compute: bool [heads, blocks, blocks]; None: all.
        block: tokens per block of `select`.
    """
    heads = project(x, weights)
    mask = None if select is None else select(heads)
    attended = attend(heads, weights.value.out.fraction, mask, block).reshape(len(x), -1)
    result = np.empty_like(x)
    for start in range(0, len(x), _TILE):
        part = slice(start, start + _TILE)
        codes = sfu.quantise(attended[part], weights.value.out.fraction, weights.output.group)
        middle = sfu.residual(x[part], linear(codes, weights.output))
        result[part] = sfu.residual(middle, feed_forward(middle, weights))
    return result


def project(x: NDArray[np.int32], weights: IntegerLayer) -> Heads:
    """Queries, keys and values as attention reads them: normalised, projected, rotated, quantised.

    Args:
        x: residual stream, int32 [tokens, hidden].
    """
    parts = [_project_tile(x, start, weights) for start in range(0, len(x), _TILE)]
    q, k, v = (_joined([part[i] for part in parts]) for i in range(3))
    return Heads(q, k, v)


def feed_forward(x: Int, weights: IntegerLayer) -> NDArray[np.int32]:
    """down(SiLU(gate) * up) of the normalised residual stream [tokens, hidden], in its format."""
    norm = weights.post_attention_norm
    codes = sfu.quantise(sfu.rms_norm(x, norm), norm.out.fraction, weights.gate.group)
    gate, up = linear(codes, weights.gate), linear(codes, weights.up)
    activated = sfu.silu_up(gate, up, weights.gate.out.fraction, weights.up.out.fraction, weights.activated)
    return linear(sfu.quantise(activated, weights.activated.fraction, weights.down.group), weights.down)


def _project_tile(x: NDArray[np.int32], start: int, weights: IntegerLayer) -> tuple[Codes, Codes, Codes]:
    tile, norm = x[start : start + _TILE], weights.input_norm
    positions = start + np.arange(len(tile))
    codes = sfu.quantise(sfu.rms_norm(tile, norm), norm.out.fraction, weights.query.group)

    def heads(projection: Linear, norm: Norm | None, rotate: bool) -> Codes:
        y: NDArray[np.signedinteger] = linear(codes, projection).reshape(len(tile), -1, weights.head_dim)
        fraction = projection.out.fraction
        if norm is not None:
            y, fraction = sfu.rms_norm(y, norm), norm.out.fraction
        if rotate:
            y = sfu.rope(y, positions, weights.frequencies)
        return sfu.quantise(y, fraction)

    return (
        heads(weights.query, weights.query_norm, rotate=True),
        heads(weights.key, weights.key_norm, rotate=True),
        heads(weights.value, None, rotate=False),
    )


def _joined(parts: list[Codes]) -> Codes:
    return Codes(
        np.concatenate([part.values for part in parts]),
        Scales(
            np.concatenate([part.scales.mantissa for part in parts]),
            np.concatenate([part.scales.exponent for part in parts]),
        ),
    )
