"""Small random models with every part that the families have."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from fastprefill.models import Model, load, random_weights, tensor_shapes
from fastprefill.quantisation.outliers import PlantedTensors, plant

TINY = Path(__file__).parents[3] / "examples" / "tiny-llama"


def everything(qk_norm: bool, hidden: int = 96) -> Model:
    """Biases, groups of heads, norms that are not 1, a width that is no power of two."""
    config = replace(
        load(TINY).config, vocabulary=64, hidden=hidden, intermediate=80, layers=2, heads=4, kv_heads=2, head_dim=16,
        qkv_bias=True, output_bias=True, mlp_bias=True, qk_norm=qk_norm,
    )  # fmt: skip
    model = random_weights(Model("everything", TINY, config, None), 3)
    assert model.source is not None
    # random weights are so small that nothing would attend to anything
    large = {
        name: np.full((1,) * len(shape), 4, np.float32)
        for name, shape in tensor_shapes(config)
        if len(shape) == 2
    }
    model = replace(model, source=PlantedTensors(model.source, large))
    return plant(plant(plant(model, "norms", 3.0), "pairs", 3.0), "stream", 2.0)
