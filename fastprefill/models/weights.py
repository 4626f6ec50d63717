"""A Llama checkpoint's tensors by what they are, as float32, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprefill.errors import FastprefillError
from fastprefill.models.config import ModelConfig
from fastprefill.models.safetensors import Safetensors

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """Weights of one decoder layer, float32. Matrices are [output channels, input channels]."""

    input_norm: Array
    query: Array
    key: Array
    value: Array
    output: Array
    post_attention_norm: Array
    gate: Array
    up: Array
    down: Array


class Weights:
    """Tensors are converted when asked for, so that a large checkpoint never lies in memory whole."""

    def __init__(self, config: ModelConfig, file: Safetensors) -> None:
        self._config, self._file = config, file
        for name, shape in self._expected().items():
            tensor = file.tensors.get(name)
            if tensor is None:
                raise FastprefillError(f"{file.path} has no tensor '{name}', which config.json calls for")
            if tensor.shape != shape:
                raise FastprefillError(
                    f"{file.path}: tensor '{name}' has shape {list(tensor.shape)}; config.json makes it {list(shape)}"
                )

    def embedding(self) -> Array:
        """float32 [vocabulary, hidden]."""
        return self._file.float32("model.embed_tokens.weight")

    def embedded(self, tokens: NDArray[np.int64]) -> Array:
        """The embedding's rows for int64 [tokens]: float32 [tokens, hidden]; the others are not read."""
        return self._file.float32("model.embed_tokens.weight", tokens)

    def final_norm(self) -> Array:
        """float32 [hidden]."""
        return self._file.float32("model.norm.weight")

    def output_projection(self) -> Array:
        """float32 [vocabulary, hidden]; the embedding where the two are tied."""
        if self._config.tied_embeddings:
            return self.embedding()
        return self._file.float32("lm_head.weight")

    def layer(self, index: int) -> Layer:
        """The weights of decoder layer `index`, from 0."""
        return Layer(*(self._file.float32(name) for name in self._layer_shapes(index)))

    def _layer_shapes(self, index: int) -> dict[str, tuple[int, ...]]:
        """In the order of `Layer`."""
        config, prefix = self._config, f"model.layers.{index}"
        return {
            f"{prefix}.input_layernorm.weight": (config.hidden,),
            f"{prefix}.self_attn.q_proj.weight": (config.query_width, config.hidden),
            f"{prefix}.self_attn.k_proj.weight": (config.kv_width, config.hidden),
            f"{prefix}.self_attn.v_proj.weight": (config.kv_width, config.hidden),
            f"{prefix}.self_attn.o_proj.weight": (config.hidden, config.query_width),
            f"{prefix}.post_attention_layernorm.weight": (config.hidden,),
            f"{prefix}.mlp.gate_proj.weight": (config.intermediate, config.hidden),
            f"{prefix}.mlp.up_proj.weight": (config.intermediate, config.hidden),
            f"{prefix}.mlp.down_proj.weight": (config.hidden, config.intermediate),
        }

    def _expected(self) -> dict[str, tuple[int, ...]]:
        config = self._config
        shapes: dict[str, tuple[int, ...]] = {
            "model.embed_tokens.weight": (config.vocabulary, config.hidden),
            "model.norm.weight": (config.hidden,),
        }
        if not config.tied_embeddings:
            shapes["lm_head.weight"] = (config.vocabulary, config.hidden)
        for index in range(config.layers):
            shapes.update(self._layer_shapes(index))
        return shapes
