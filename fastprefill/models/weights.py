"""A checkpoint's tensors by what they are, as float32, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprefill.models.config import ModelConfig
from fastprefill.models.sources import Source

Array = NDArray[np.float32]

_EMBEDDING, _FINAL_NORM, _OUTPUT = "model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"


@dataclass(frozen=True)
class Layer:
    """Weights of one decoder layer, float32. Matrices are [output channels, input channels].

    Biases [output channels] and the norms of query and key heads [head_dim] are None where the model has none.
    """

    input_norm: Array
    query: Array
    key: Array
    value: Array
    output: Array
    post_attention_norm: Array
    gate: Array
    up: Array
    down: Array
    query_bias: Array | None = None
    key_bias: Array | None = None
    value_bias: Array | None = None
    output_bias: Array | None = None
    gate_bias: Array | None = None
    up_bias: Array | None = None
    down_bias: Array | None = None
    query_norm: Array | None = None
    key_norm: Array | None = None


# where a checkpoint keeps each of them, below ``model.layers.N.``
_NAMES = {
    "input_norm": "input_layernorm.weight",
    "query": "self_attn.q_proj.weight",
    "key": "self_attn.k_proj.weight",
    "value": "self_attn.v_proj.weight",
    "output": "self_attn.o_proj.weight",
    "post_attention_norm": "post_attention_layernorm.weight",
    "gate": "mlp.gate_proj.weight",
    "up": "mlp.up_proj.weight",
    "down": "mlp.down_proj.weight",
    "query_bias": "self_attn.q_proj.bias",
    "key_bias": "self_attn.k_proj.bias",
    "value_bias": "self_attn.v_proj.bias",
    "output_bias": "self_attn.o_proj.bias",
    "gate_bias": "mlp.gate_proj.bias",
    "up_bias": "mlp.up_proj.bias",
    "down_bias": "mlp.down_proj.bias",
    "query_norm": "self_attn.q_norm.weight",
    "key_norm": "self_attn.k_norm.weight",
}


class Weights:
    """Tensors are read and converted when asked for, so that a large checkpoint never lies in memory whole.

    Opening checks the presence and shape of every tensor; reading one checks that it is finite.
    """

    def __init__(self, config: ModelConfig, source: Source) -> None:
        self._config, self._source = config, source
        for name, shape in tensor_shapes(config):
            source.check(name, shape)

    def embedding(self) -> Array:
        """float32 [vocabulary, hidden]."""
        return self._source.float32(_EMBEDDING)

    def embedded(self, tokens: NDArray[np.int64]) -> Array:
        """The embedding's rows for int64 [tokens]: float32 [tokens, hidden]; the others are not read."""
        return self._source.float32(_EMBEDDING, tokens)

    def final_norm(self) -> Array:
        """float32 [hidden]."""
        return self._source.float32(_FINAL_NORM)

    def output_projection(self, rows: slice | None = None) -> Array:
        """float32 [vocabulary, hidden], or only the token ids of `rows`; the embedding where the two are tied."""
        return self._source.float32(_EMBEDDING if self._config.tied_embeddings else _OUTPUT, rows)

    def layer(self, index: int) -> Layer:
        """The weights of decoder layer `index`, from 0."""
        return Layer(**{field: self.of_layer(index, field) for field in _layer_shapes(self._config)})

    def of_layer(self, index: int, field: str) -> Array:
        """One tensor of decoder layer `index`: a field of `Layer` that the model has."""
        return self._source.float32(f"model.layers.{index}.{_NAMES[field]}")


def tensor_shapes(config: ModelConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of every tensor of a model, as its checkpoint has them."""
    yield _EMBEDDING, (config.vocabulary, config.hidden)
    yield _FINAL_NORM, (config.hidden,)
    if not config.tied_embeddings:
        yield _OUTPUT, (config.vocabulary, config.hidden)
    shapes = _layer_shapes(config)
    for index in range(config.layers):
        for field, shape in shapes.items():
            yield f"model.layers.{index}.{_NAMES[field]}", shape


def _layer_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """The fields of `Layer` that a model has, in their order."""
    hidden, query, kv, wide = config.hidden, config.query_width, config.kv_width, config.intermediate
    shapes: dict[str, tuple[int, ...]] = {
        "input_norm": (hidden,),
        "query": (query, hidden),
        "key": (kv, hidden),
        "value": (kv, hidden),
        "output": (hidden, query),
        "post_attention_norm": (hidden,),
        "gate": (wide, hidden),
        "up": (wide, hidden),
        "down": (hidden, wide),
    }
    if config.qkv_bias:
        shapes |= {"query_bias": (query,), "key_bias": (kv,), "value_bias": (kv,)}
    if config.output_bias:
        shapes["output_bias"] = (hidden,)
    if config.mlp_bias:
        shapes |= {"gate_bias": (wide,), "up_bias": (wide,), "down_bias": (hidden,)}
    if config.qk_norm:
        shapes |= {"query_norm": (config.head_dim,), "key_norm": (config.head_dim,)}
    return shapes
