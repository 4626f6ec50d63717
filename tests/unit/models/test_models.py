"""Reading config.json, one .safetensors file, and prompts."""

import json
from pathlib import Path

import numpy as np
import pytest

from fastprefill import models
from fastprefill.errors import FastprefillError
from fastprefill.models.safetensors import Safetensors

TINY = Path(__file__).parents[3] / "examples" / "tiny-llama"


def write_safetensors(path: Path, tensors: dict[str, tuple[str, list[int], bytes]]) -> None:
    """A file in the format's own words, so that the reader is not tested with itself."""
    header, data = {}, b""
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def test_tiny_llama_config() -> None:
    config = models.load(TINY).config
    assert (config.hidden, config.heads, config.kv_heads, config.head_dim) == (128, 2, 1, 64)
    assert (config.layers, config.intermediate, config.vocabulary, config.bos_token) == (4, 384, 272, 256)
    assert config.tied_embeddings and config.context == 4096
    assert config.rope == models.Rope("default", 10000.0)


def test_prompt_is_the_recorded_one() -> None:
    model = models.load(TINY)
    expected = np.load(TINY / "expected.npz")
    assert np.array_equal(models.read_prompt(model.config, model.folder), expected["input_ids"])


def test_dtypes(tmp_path: Path) -> None:
    values = np.array([[1.0, -2.5], [0.15625, 96.0]], np.float32)  # exact in all three
    file = tmp_path / "x.safetensors"
    write_safetensors(
        file,
        {
            "single": ("F32", [2, 2], values.astype("<f4").tobytes()),
            "half": ("F16", [2, 2], values.astype("<f2").tobytes()),
            "brain": ("BF16", [2, 2], (values.view("<u4") >> 16).astype("<u2").tobytes()),
            "whole": ("I8", [2, 2], b"abcd"),
        },
    )
    tensors = Safetensors.open(file)
    for name in ("single", "half", "brain"):
        assert np.array_equal(tensors.float32(name), values), name
        assert tensors.float32(name).dtype == np.float32
        assert np.array_equal(tensors.float32(name, np.array([1, 0, 1])), values[[1, 0, 1]]), name
    with pytest.raises(FastprefillError) as caught:
        tensors.float32("whole")
    assert str(caught.value) == f"{file}: tensor 'whole' is I8; supported: F32, F16, BF16"


def test_shape_against_bytes(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    write_safetensors(file, {"w": ("F32", [3], b"\0" * 8)})
    with pytest.raises(FastprefillError) as caught:
        Safetensors.open(file).float32("w")
    assert str(caught.value) == f"{file}: tensor 'w' of shape [3] needs 12 bytes, its header gives it 8"


def test_untied_output_projection(tmp_path: Path) -> None:
    """A checkpoint without lm_head.weight is refused when its config does not tie the embeddings."""
    config = json.loads((TINY / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": False}))
    (tmp_path / "model.safetensors").write_bytes((TINY / "model.safetensors").read_bytes())
    with pytest.raises(
        FastprefillError, match=r"has no tensor 'lm_head.weight', which config.json calls for$"
    ):
        models.load(tmp_path)


@pytest.mark.parametrize("token", [272, -1, None])
def test_a_start_token_outside_the_vocabulary_is_none(tmp_path: Path, token: int | None) -> None:
    config = json.loads((TINY / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"bos_token_id": token}))
    assert models.read_config(tmp_path / "config.json").bos_token is None


def test_rope_parameters_of_newer_files(tmp_path: Path) -> None:
    config = json.loads((TINY / "config.json").read_text())
    del config["rope_theta"], config["rope_scaling"]
    config["rope_parameters"] = {"rope_type": "default", "rope_theta": 500000.0}
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    assert models.read_config(file).rope.theta == 500000.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "gpt2"}, "model_type is 'gpt2'; supported: llama, qwen2, qwen3"),
        ({"model_type": None}, "the field model_type is missing"),
        ({"hidden_size": None}, "the field hidden_size is missing"),
        ({"hidden_size": "128"}, 'hidden_size is "128"; it must be a whole number of at least 1'),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0; it must be a whole number of at least 1"),
        (
            {"num_key_value_heads": 3},
            "num_key_value_heads is 3, which does not divide num_attention_heads = 2",
        ),
        (
            {"head_dim": None, "hidden_size": 127},
            "hidden_size is 127, which num_attention_heads = 2 does not divide, "
            "and there is no head_dim that says otherwise",
        ),
        ({"head_dim": 63}, "head_dim is 63; it must be even for the rotary embedding"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'; a llama model uses 'silu'"),
        ({"attention_bias": 1}, "attention_bias is 1; it must be true or false"),
        ({"rms_norm_eps": 10**400}, f"rms_norm_eps is {10**400}; it must be a number above 0"),
        ({"rms_norm_eps": -1}, "rms_norm_eps is -1; it must be a number above 0"),
        ({"bos_token_id": "<s>"}, 'bos_token_id is "<s>"; it must be a token id'),
        (
            {"rope_scaling": {"rope_type": "longrope", "factor": 8.0}},
            "rope_scaling.rope_type is 'longrope'; supported: default, linear, dynamic, llama3, yarn",
        ),
        (
            {"rope_parameters": {"full_attention": {"rope_type": "llama3", "rope_theta": 1e6}}, "rope_scaling": None},
            "rope_parameters.full_attention is an object; one rotary embedding for all layers is supported",
        ),
        (
            {"rope_parameters": {"rope_theta": 10000.0, "factor": 8.0}, "rope_scaling": None},
            "rope_parameters.factor is there without a rope_type; say which of linear, dynamic, llama3, yarn",
        ),
        (
            {"rope_parameters": {"rope_theta": 1e6}, "rope_scaling": {"type": "linear", "factor": 2.0}},
            "rope_scaling and rope_parameters are both there and differ; keep the one that holds",
        ),
        (
            {"max_position_embeddings": 10**400},
            f"max_position_embeddings is {10**400}; it must be at most 2147483647",
        ),
        (
            {"rope_scaling": {"type": "su"}},
            "rope_scaling.type is 'su'; supported: default, linear, dynamic, llama3, yarn",
        ),
        ({"rope_scaling": {"type": "linear"}}, "the field rope_scaling.factor is missing"),
        (
            {"rope_scaling": {"type": "linear", "factor": 0.5}},
            "rope_scaling.factor is 0.5; it must be at least 1",
        ),
        ({"rope_scaling": "linear"}, 'rope_scaling is "linear"; it must be an object'),
        (
            {"rope_scaling": {"type": "llama3", "factor": 2, "low_freq_factor": 4, "high_freq_factor": 1}},
            "rope_scaling.high_freq_factor is 1; it must be above low_freq_factor = 4",
        ),
        (
            {"rope_scaling": {"type": "yarn", "factor": 2, "mscale": 0.7}},
            "rope_scaling.mscale is set; a yarn rotary embedding with it is not supported",
        ),
        (
            {"rope_scaling": {"type": "yarn", "factor": 2, "beta_fast": 1, "beta_slow": 2}},
            "rope_scaling.beta_slow is 2 and beta_fast is 1; beta_slow must be the smaller",
        ),
        (
            {"rope_parameters": {"rope_theta": 5000.0}},
            "rope_parameters.rope_theta is 5000.0 and rope_theta is 10000.0; they must be one number",
        ),
        (
            {"partial_rotary_factor": 0.5},
            "partial_rotary_factor is 0.5; it must be 1: every component of a head is rotated here",
        ),
        (
            {"use_sliding_window": True, "sliding_window": 512, "max_window_layers": 2},
            "use_sliding_window is true with sliding_window = 512; only models whose every layer attends "
            "to the whole prompt are supported",
        ),
        ({"tie_word_embeddings": "yes"}, 'tie_word_embeddings is "yes"; it must be true or false'),
    ],
)
def test_bad_config(tmp_path: Path, change: dict[str, object], message: str) -> None:
    config = json.loads((TINY / "config.json").read_text()) | change
    file = tmp_path / "config.json"
    file.write_text(json.dumps({name: value for name, value in config.items() if value is not None}))
    with pytest.raises(FastprefillError) as caught:
        models.read_config(file)
    assert str(caught.value) == f"{file}: {message}"


def test_a_field_that_is_null(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads((TINY / "config.json").read_text()) | {"hidden_size": None}))
    with pytest.raises(FastprefillError, match=r"the field hidden_size is null$"):
        models.read_config(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "it is not JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
        ("[1]", "it must hold one JSON object"),
        ('{"a": ' + "1" * 5000 + "}", "it is not JSON that can be read: a number has thousands of digits"),
    ],
)
def test_not_a_config(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(text)
    with pytest.raises(FastprefillError) as caught:
        models.read_config(file)
    assert str(caught.value) == f"{file}: {message}"


def test_contradictory_weights(tmp_path: Path) -> None:
    config = json.loads((TINY / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"intermediate_size": 256}))
    (tmp_path / "model.safetensors").write_bytes((TINY / "model.safetensors").read_bytes())
    with pytest.raises(FastprefillError) as caught:
        models.load(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/model.safetensors: tensor 'model.layers.0.mlp.gate_proj.weight' has shape [384, 128]; "
        "config.json makes it [256, 128]"
    )


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (0, "{} is truncated: it has 0 bytes, fewer than the 8 of its header length"),
        (100, "{} is truncated: its header needs 3968 bytes, the file has 100"),
        (
            -1,
            "{} is truncated: its tensors need 1648768 bytes, the file has 1648767; copy or download it again",
        ),
    ],
)
def test_truncated_safetensors(tmp_path: Path, keep: int, message: str) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes((TINY / "model.safetensors").read_bytes()[:keep])
    with pytest.raises(FastprefillError) as caught:
        Safetensors.open(file)
    assert str(caught.value) == message.format(file)


def test_not_safetensors(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"PK\x03\x04 this is some archive")
    with pytest.raises(
        FastprefillError, match=r"is not a safetensors file: its header would be .* bytes long$"
    ):
        Safetensors.open(file)
    endless = b'{"a": {"dtype": "F32", "shape": [Infinity], "data_offsets": [0, 4]}}'
    for header in (b"[]", b"[" * 100_000, endless):
        file.write_bytes(len(header).to_bytes(8, "little") + header)
        with pytest.raises(
            FastprefillError, match=r"is not a safetensors file: its header cannot be understood$"
        ):
            Safetensors.open(file)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.json", "[1, 2, 272]", "the prompt '{}' holds token 272; the vocabulary has 272 ids"),
        ("p.json", '["a"]', "the prompt '{}' must be a JSON list of token ids"),
        ("p.json", "[]", "the prompt '{}' is empty"),
        ("p.txt", "x" * 4096, "the prompt '{}' has 4097 tokens; the model's context is 4096"),
    ],
)
def test_bad_prompt(tmp_path: Path, name: str, content: str, message: str) -> None:
    model = models.load(TINY)
    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(FastprefillError) as caught:
        models.read_prompt(model.config, model.folder, file)
    assert str(caught.value) == message.format(file)


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ([(0, 16), (8, 24)], "tensors 'a' and 'b' overlap at byte 8; the file is damaged"),
        ([(-10, 6), (6, 22)], "tensor 'a' lies from byte -10 to 6; the file is damaged"),
        ([(16, 0), (0, 16)], "tensor 'a' lies from byte 16 to 0; the file is damaged"),
    ],
)
def test_bytes_of_two_tensors_or_of_none(ranges: list[tuple[int, int]], message: str, tmp_path: Path) -> None:
    header = {
        name: {"dtype": "F32", "shape": [4], "data_offsets": list(where)}
        for name, where in zip("ab", ranges, strict=True)
    }
    text = json.dumps(header).encode()
    file = tmp_path / "x.safetensors"
    file.write_bytes(len(text).to_bytes(8, "little") + text + bytes(32))
    with pytest.raises(FastprefillError) as caught:
        Safetensors.open(file)
    assert str(caught.value) == f"{file}: {message}"


@pytest.mark.parametrize("path", ["", None, 5, b"llama-3.2-1b"])
def test_a_model_is_a_name_or_a_folder(path: object) -> None:
    with pytest.raises(FastprefillError, match=r"^the model is .*; give a folder, or one of llama-"):
        models.load(path)  # type: ignore[arg-type]


def test_a_name_that_is_too_long_is_no_folder() -> None:
    with pytest.raises(FastprefillError, match="there is no model folder 'xxx"):
        models.load("x" * 5000)
