"""Models as Hugging Face writes them (``config.json``, ``*.safetensors``), and shapes without weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from fastprefill.errors import FastprefillError
from fastprefill.models.config import MODEL_TYPES, ModelConfig, read_config
from fastprefill.models.prompt import drawn_prompt, read_prompt
from fastprefill.models.rope import ROPE_TYPES, Rope
from fastprefill.models.safetensors import Safetensors
from fastprefill.models.shapes import named_shape, shape_names
from fastprefill.models.sources import RandomTensors, Source, open_source
from fastprefill.models.tokens import Tokeniser, tokeniser
from fastprefill.models.weights import Layer, Weights, tensor_shapes

__all__ = [
    "MODEL_TYPES",
    "ROPE_TYPES",
    "Layer",
    "Model",
    "ModelConfig",
    "Rope",
    "Safetensors",
    "Tokeniser",
    "Weights",
    "drawn_prompt",
    "load",
    "parameters",
    "random_weights",
    "read_config",
    "read_prompt",
    "shape_names",
    "tensor_shapes",
    "tokeniser",
]


@dataclass(frozen=True)
class Model:
    """A checkpoint, or a shape without weights.

    Attributes:
        name: the folder's name, or the shape's.
        folder: of the checkpoint; for a shape a folder of that name, which need not exist.
        config: the shape.
        source: of the tensors; None for a shape without weights.
        drawn: the weights are random, from `random_weights`.
    """

    name: str
    folder: Path
    config: ModelConfig
    source: Source | None
    drawn: bool = False

    @cached_property
    def weights(self) -> Weights:
        """The tensors, each read when it is asked for.

        Raises:
            FastprefillError: this is a shape without weights.
        """
        if self.source is None:
            raise FastprefillError(
                f"'{self.name}' is a shape without weights; give the folder of a checkpoint for this"
            )
        return Weights(self.config, self.source)


def load(path: str | Path) -> Model:
    """Open a checkpoint folder, or take a shape by its name; no weight is read.

    Args:
        path: a folder with ``config.json`` and ``model.safetensors`` (or its shards and index), or one of
            `shape_names`. A folder wins over a shape of the same name.

    Raises:
        FastprefillError: neither a folder nor a shape, a bad ``config.json``, files that are missing, truncated
            or contradict it.
    """
    if not isinstance(path, str | Path) or not str(path):
        raise FastprefillError(f"the model is {path!r}; give a folder, or one of {', '.join(shape_names())}")
    folder = Path(path)
    if not _is_folder(folder):
        config = named_shape(str(path))
        if config is None:
            advice = "give a folder with config.json and model.safetensors"
            if folder.name == str(path):  # a bare name: a shape may have been meant
                advice += f", or one of the shapes {', '.join(shape_names())}"
            raise FastprefillError(f"there is no model folder '{path}'; {advice}")
        return Model(str(path), folder, config, None)
    config = read_config(folder / "config.json")
    model = Model(folder.resolve().name, folder, config, open_source(folder))
    _ = model.weights  # checks every tensor now rather than in the middle of a run
    return model


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long
        return False


def random_weights(model: Model, seed: int) -> Model:
    """The same shape with weights drawn at random: for sizes and times, not for results that mean anything."""
    source = RandomTensors(dict(tensor_shapes(model.config)), seed)
    return replace(model, source=source, drawn=True)


def parameters(config: ModelConfig) -> int:
    """Number of parameters of a model."""
    return sum(math.prod(shape) for _, shape in tensor_shapes(config))
