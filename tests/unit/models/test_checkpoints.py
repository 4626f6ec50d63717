"""Whole checkpoints: shards, what each family has, shapes without weights, memory."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastprefill import models
from fastprefill.errors import FastprefillError
from fastprefill.models.shapes import published_parameters

ROOT = Path(__file__).parents[3]
CHECKPOINTS = ROOT / "tests" / "data" / "checkpoints"


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CHECKPOINTS / "qwen2-sharded", tmp_path / "model"))


def test_shards_hold_what_the_index_says() -> None:
    model = models.load(CHECKPOINTS / "qwen2-sharded")
    layer = model.weights.layer(1)
    assert model.config.model_type == "qwen2" and not model.config.tied_embeddings
    assert layer.query.shape == (64, 64) and layer.query_bias is not None and layer.query_bias.shape == (64,)
    assert layer.key_bias is not None and layer.key_bias.shape == (32,)
    assert layer.output_bias is None and layer.query_norm is None and layer.gate_bias is None
    whole = model.weights.output_projection()
    assert np.array_equal(model.weights.output_projection(slice(7, 19)), whole[7:19])


def test_qwen3_has_norms_and_its_own_head_dim() -> None:
    model = models.load(CHECKPOINTS / "qwen3-bias-yarn")
    layer = model.weights.layer(0)
    assert model.config.head_dim == 24 != model.config.hidden // model.config.heads
    assert layer.query_norm is not None and layer.query_norm.shape == (24,)
    assert layer.output_bias is not None and layer.output_bias.shape == (32,)
    assert model.config.rope == models.Rope(
        "yarn", 1e4, 2.0, 64, beta_fast=16.0, beta_slow=2.0, whole_components=False, attention_factor=1.3
    )


def test_llama_biases() -> None:
    layer = models.load(CHECKPOINTS / "llama-biased-f16").weights.layer(0)
    for bias, width in (
        (layer.output_bias, 32),
        (layer.gate_bias, 48),
        (layer.up_bias, 48),
        (layer.down_bias, 32),
    ):
        assert bias is not None and bias.shape == (width,) and np.any(bias)


def test_both_forms_of_the_rotary_parameters_are_one() -> None:
    older = models.load(CHECKPOINTS / "llama3-scaled-bf16").config.rope
    newer = models.load(CHECKPOINTS / "llama3-scaled-new").config.rope
    assert (
        older
        == newer
        == models.Rope("llama3", 500000.0, 8.0, 64, low_frequency_factor=1.0, high_frequency_factor=4.0)
    )


def test_missing_shard(sharded: Path) -> None:
    (sharded / "model-00003-of-00010.safetensors").unlink()
    with pytest.raises(FastprefillError) as caught:
        models.load(sharded)
    assert str(caught.value) == (
        f"{sharded}/model.safetensors.index.json: weight_map names the file 'model-00003-of-00010.safetensors', "
        "which is missing; download it too"
    )


def test_truncated_shard(sharded: Path) -> None:
    file = sharded / "model-00009-of-00010.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(
        FastprefillError, match=r"model-00009-of-00010.safetensors is truncated: its tensors need"
    ):
        models.load(sharded)


def edit_map(folder: Path, **changes: object) -> Path:
    index = folder / "model.safetensors.index.json"
    values = json.loads(index.read_text())
    for tensor, file in changes.items():
        if file is None:
            del values["weight_map"][tensor]
        else:
            values["weight_map"][tensor] = file
    index.write_text(json.dumps(values))
    return index


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"model.norm.weight": None},
            "{} has no tensor 'model.norm.weight', which config.json calls for",
        ),
        (
            {"model.norm.weight": "../secret.safetensors"},
            "{}: weight_map names the file '../secret.safetensors'; it must lie beside the index",
        ),
        ({"model.norm.weight": 3}, "{}: it has no weight_map from tensor to file name"),
    ],
)
def test_bad_index(sharded: Path, change: dict[str, object], message: str) -> None:
    index = edit_map(sharded, **change)
    with pytest.raises(FastprefillError) as caught:
        models.load(sharded)
    assert str(caught.value) == message.format(index)


def test_tensor_that_is_not_in_the_shard_the_index_names(sharded: Path) -> None:
    edit_map(sharded, **{"model.norm.weight": "model-00001-of-00010.safetensors"})
    with pytest.raises(FastprefillError) as caught:
        models.load(sharded)
    assert str(caught.value) == (
        f"{sharded}/model-00001-of-00010.safetensors has no tensor 'model.norm.weight', which config.json calls for"
    )


@pytest.mark.parametrize(("bits", "shown"), [(0x7FC00000, "nan"), (0x7F800000, "inf"), (0xFF800000, "-inf")])
def test_weights_that_are_not_finite(tmp_path: Path, bits: int, shown: str) -> None:
    folder = Path(shutil.copytree(CHECKPOINTS / "llama", tmp_path / "model"))
    file = folder / "model.safetensors"
    content = bytearray(file.read_bytes())
    length = int.from_bytes(content[:8], "little")
    name = "model.layers.1.mlp.up_proj.weight"
    start = 8 + length + json.loads(content[8 : 8 + length])[name]["data_offsets"][0]
    content[start + 400 : start + 404] = bits.to_bytes(4, "little")
    file.write_bytes(content)
    model = models.load(folder)
    with pytest.raises(FastprefillError) as caught:
        model.weights.layer(1)
    assert str(caught.value) == (
        f"{file}: tensor '{name}' holds {shown}; weights must be finite: save or download it again"
    )


@pytest.mark.parametrize("name", models.shape_names())
def test_shapes_have_the_published_number_of_parameters(name: str) -> None:
    assert models.parameters(models.load(name).config) == published_parameters(name)


def test_named_shapes() -> None:
    assert set(models.shape_names()) == {
        "llama-3.2-1b", "llama-3.2-3b", "llama-3.1-8b",
        "qwen2.5-0.5b", "qwen2.5-1.5b", "qwen2.5-3b", "qwen2.5-7b",
        "qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b",
    }  # fmt: skip


def test_a_shape_has_no_weights_until_they_are_drawn() -> None:
    model = models.load("Qwen2.5-0.5B")
    assert (model.config.hidden, model.config.heads, model.config.kv_heads) == (896, 14, 2)
    with pytest.raises(FastprefillError) as caught:
        _ = model.weights
    assert str(caught.value) == (
        "'Qwen2.5-0.5B' is a shape without weights; give the folder of a checkpoint for this"
    )
    drawn = models.random_weights(model, seed=3)
    layer, again = drawn.weights.layer(2), models.random_weights(model, seed=3).weights.layer(2)
    assert np.array_equal(layer.key, again.key) and not np.array_equal(layer.key, layer.value)
    assert layer.key.shape == (128, 896) and abs(layer.key.std() - 0.02) < 0.001
    assert np.all(layer.input_norm == 1)


def test_unknown_shape() -> None:
    with pytest.raises(
        FastprefillError, match=r"^there is no model folder 'llama-5'; .* shapes llama-3.2-1b, "
    ):
        models.load("llama-5")


def test_a_folder_wins_over_a_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(CHECKPOINTS / "llama", tmp_path / "qwen3-8b")
    monkeypatch.chdir(tmp_path)
    assert models.load("qwen3-8b").config.model_type == "llama"


def test_a_large_checkpoint_is_not_read_into_memory(tmp_path: Path) -> None:
    """4 GB of weights (a sparse file of zeros), one layer of which is read under a limit of 1 GB."""
    config = json.loads((CHECKPOINTS / "llama" / "config.json").read_text())
    config |= {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 64, "head_dim": 64}
    config |= {"num_attention_heads": 16, "num_key_value_heads": 8, "vocab_size": 32000}
    (tmp_path / "config.json").write_text(json.dumps(config))
    header, end = {}, 0
    for name, shape in models.tensor_shapes(models.read_config(tmp_path / "config.json")):
        size = 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    assert end > 4e9
    program = (
        "import sys\n"
        "from fastprefill import models\n"
        "model = models.load(sys.argv[1])\n"
        "for index in (0, 40, 63):\n"
        "    assert model.weights.layer(index).down.shape == (1024, 4096)\n"
        "status = open('/proc/self/status').read()\n"
        "print(status.partition('VmHWM:')[2].split()[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 1_000_000  # KiB
