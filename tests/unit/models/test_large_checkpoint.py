"""A checkpoint of eight billion parameters, all of them zero, in a file that takes no room on the disk."""

import json
import math
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from fastprefill import models

CONFIG = {
    "model_type": "llama", "vocab_size": 128256, "max_position_embeddings": 131072, "rms_norm_eps": 1e-5,
    "rope_theta": 500000.0, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "tie_word_embeddings": False, "bos_token_id": 128000,
}  # fmt: skip
MIB = 1 << 20


@pytest.fixture
def large(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    header, end = {}, 0
    for name, shape in models.tensor_shapes(models.load("llama-3.1-8b").config):
        start, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    return tmp_path


def test_only_what_is_asked_for_comes_into_memory(large: Path) -> None:
    assert (large / "model.safetensors").stat().st_size > 16e9
    tracemalloc.start()
    try:
        model = models.load(large)
        assert models.parameters(model.config) == 8_030_261_248
        assert not model.weights.embedded(np.array([7, 128_255])).any()
        assert not model.weights.output_projection(slice(1000, 1004)).any()
        assert not model.weights.of_layer(31, "key").any()  # 16 MiB as float32
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * MIB
