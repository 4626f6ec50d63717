"""Models as Hugging Face writes them: ``config.json`` and one ``model.safetensors``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastprefill.errors import FastprefillError
from fastprefill.models.config import MODEL_TYPES, ModelConfig, read_config
from fastprefill.models.prompt import read_prompt
from fastprefill.models.safetensors import Safetensors
from fastprefill.models.weights import Weights

__all__ = [
    "MODEL_TYPES",
    "Model",
    "ModelConfig",
    "Safetensors",
    "Weights",
    "load",
    "read_config",
    "read_prompt",
]


@dataclass(frozen=True)
class Model:
    """A checkpoint: its shape, and its weights, which are read only when asked for."""

    folder: Path
    config: ModelConfig
    weights: Weights


def load(folder: str | Path) -> Model:
    """Open the checkpoint in `folder`; every tensor's presence and shape is checked, no weight is read.

    Raises:
        FastprefillError: no such folder, a bad ``config.json``, a missing, sharded, truncated or
            contradictory ``model.safetensors``.
    """
    path = Path(folder)
    if not path.is_dir():
        raise FastprefillError(
            f"there is no model folder '{path}'; give a folder with config.json and model.safetensors"
        )
    config = read_config(path / "config.json")
    file = path / "model.safetensors"
    if not file.is_file():
        if (path / "model.safetensors.index.json").is_file():
            raise FastprefillError(
                f"the checkpoint in '{path}' is split over several files (model.safetensors.index.json); "
                "only a single model.safetensors can be read: save it again with one shard"
            )
        raise FastprefillError(
            f"'{path}' has no model.safetensors; its weights are needed for the test vectors"
        )
    return Model(path, config, Weights(config, Safetensors.open(file)))
