"""Planted outlier channels: weights that are hard to quantise, as those of large models are, on any checkpoint.

A few channels are made `factor` times as large in one tensor and as much smaller in the tensor behind it:

    norms     weights of the norms / the projections that read them       same function
    pairs     values / output projection, up / down projection,
              pairs of key channels / the same of the queries (root)      same function
    stream    the residual stream / the norms that read it                another function: the channels count
                                                                          in the mean square
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fastprefill.errors import FastprefillError
from fastprefill.models import Model, ModelConfig
from fastprefill.models.sources import Source

KINDS = ("norms", "pairs", "stream")

Array = NDArray[np.float32]


@dataclass(frozen=True)
class PlantedTensors:
    """Tensors of another source, some multiplied by an array that broadcasts over them."""

    source: Source
    factors: Mapping[str, Array]

    def check(self, name: str, shape: tuple[int, ...]) -> None:
        """See `Source`."""
        self.source.check(name, shape)

    def float32(self, name: str, rows: slice | NDArray[np.int64] | None = None) -> Array:
        """See `Source`."""
        tensor, factor = self.source.float32(name, rows), self.factors.get(name)
        if factor is None:
            return tensor
        # a column of factors belongs to rows, of which only some may have been asked for
        own = factor[rows] if rows is not None and len(factor) > 1 and factor.ndim == 2 else factor
        return tensor * own


def plant(model: Model, kind: str, factor: float, channels: int = 4, seed: int = 0) -> Model:
    """The model with planted outlier channels.

    Args:
        model: checkpoint.
        kind: one of `KINDS`.
        factor: by which channels grow, above 0.
        channels: how many of each tensor.
        seed: of the choice of channels.

    Raises:
        FastprefillError: another kind, a factor that is not positive, a shape without weights.
    """
    if kind not in KINDS:
        raise FastprefillError(f"there are no outliers of kind '{kind}'; choose {', '.join(KINDS)}")
    if not factor > 0:
        raise FastprefillError(f"outliers grow by a positive factor, not by {factor}")
    if model.source is None:
        raise FastprefillError(
            f"'{model.name}' is a shape without weights; outliers are planted in a checkpoint"
        )
    config, factors = model.config, dict[str, Array]()
    if kind == "stream":
        large = _large(np.random.default_rng(seed), config.hidden, channels, factor)
        factors |= _stream(config, large)
    for index in range(config.layers):
        generator = np.random.default_rng([seed, index])
        prefix = f"model.layers.{index}"
        if kind == "norms":
            for norm, readers in (
                ("input_layernorm", ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")),
                ("post_attention_layernorm", ("mlp.gate_proj", "mlp.up_proj")),
            ):
                large = _large(generator, config.hidden, channels, factor)
                factors[f"{prefix}.{norm}.weight"] = large
                factors |= {f"{prefix}.{name}.weight": np.reciprocal(large) for name in readers}
        elif kind == "pairs":
            factors |= _pairs(config, prefix, generator, channels, factor)
    return replace(model, source=PlantedTensors(model.source, factors))


def _stream(config: ModelConfig, large: Array) -> dict[str, Array]:
    column = large[:, None]
    factors = {"model.embed_tokens.weight": large[None]}
    # with tied embeddings the output projection has grown too
    factors["model.norm.weight"] = np.reciprocal(large * large if config.tied_embeddings else large)
    for index in range(config.layers):
        prefix = f"model.layers.{index}"
        for norm in ("input_layernorm", "post_attention_layernorm"):
            factors[f"{prefix}.{norm}.weight"] = np.reciprocal(large)
        for writer in ("self_attn.o_proj", "mlp.down_proj"):
            factors[f"{prefix}.{writer}.weight"] = column
            factors[f"{prefix}.{writer}.bias"] = large
    return factors


def _pairs(
    config: ModelConfig, prefix: str, generator: np.random.Generator, channels: int, factor: float
) -> dict[str, Array]:
    value = _large(generator, config.kv_width, channels, factor).reshape(config.kv_heads, 1, -1)
    output: Array = np.repeat(value, config.group, axis=1).ravel()
    up = _large(generator, config.intermediate, channels, factor)
    root = _large(generator, config.head_dim // 2, max(channels // 2, 1), factor**0.5)
    pair: Array = np.tile(root, 2)
    factors: dict[str, Array] = {
        "self_attn.v_proj.weight": value.reshape(-1, 1),
        "self_attn.v_proj.bias": value.ravel(),
        "self_attn.o_proj.weight": np.reciprocal(output),
        "mlp.up_proj.weight": up[:, None],
        "mlp.up_proj.bias": up,
        "mlp.down_proj.weight": np.reciprocal(up),
    }
    if config.qk_norm:
        factors |= {"self_attn.k_norm.weight": pair, "self_attn.q_norm.weight": np.reciprocal(pair)}
    else:
        key: Array = np.tile(pair, config.kv_heads)
        query: Array = np.tile(np.reciprocal(pair), config.heads)
        factors |= {"self_attn.k_proj.weight": key[:, None], "self_attn.k_proj.bias": key}
        factors |= {"self_attn.q_proj.weight": query[:, None], "self_attn.q_proj.bias": query}
    return {f"{prefix}.{name}": array for name, array in factors.items()}


def _large(generator: np.random.Generator, width: int, channels: int, factor: float) -> Array:
    """Ones, and `factor` in a few places."""
    factors: Array = np.ones(width, np.float32)
    factors[generator.choice(width, min(channels, width), replace=False)] = factor
    return factors
