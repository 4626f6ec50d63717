"""Write small random checkpoints and what the transformers library computes with them.

Needs torch and transformers, which nothing else here does: python tests/data/make_checkpoints.py FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

CLASSES = {
    "llama": (LlamaConfig, LlamaForCausalLM),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM),
}
SMALL = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
TOKENS = 100
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


def make(
    out: Path,
    name: str,
    dtype: torch.dtype,
    *,
    shard: str | None = None,
    older: str | None = None,
    **fields: Any,
) -> None:
    """One checkpoint in `out`.

    Args:
        out: folder that the checkpoint's folder is made in.
        name: of the checkpoint; up to its first dash a family, which may be followed by a number.
        dtype: of the stored weights.
        shard: largest file, such as "10KB"; one file when None.
        older: what an older config.json calls the kind of rotary embedding; the newer form when None.
        fields: of config.json, beside `SMALL`.
    """
    config_class, model_class = CLASSES[{"llama3": "llama"}.get(family := name.partition("-")[0], family)]
    torch.manual_seed(len(name) * 7 + sum(map(ord, name)))
    config = config_class(**{**SMALL, **fields})
    model = model_class(config)
    with torch.no_grad():
        for parameter, values in model.named_parameters():
            noise = torch.randn_like(values)
            if values.ndim == 1 and "norm" in parameter:
                values.copy_(1 + 0.3 * noise)
            else:
                values.copy_(noise * (0.5 if "embed" in parameter else 0.15))
    folder = out / name
    model.to(dtype).save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
    (folder / "generation_config.json").unlink(missing_ok=True)
    # read again: a model that was cast has its rotary frequencies rounded too
    model = model_class.from_pretrained(folder, dtype=torch.float32).eval()
    ids = np.random.default_rng(5).integers(0, config.vocab_size, TOKENS)
    with torch.no_grad():
        result = model(torch.tensor(ids)[None], output_hidden_states=True)
    last = slice(-8, None)
    np.savez_compressed(
        folder / "expected.npz",
        input_ids=ids.astype(np.int32),
        logits=result.logits[0, last].numpy(),
        hidden_1=result.hidden_states[1][0, last].numpy(),
        hidden_last=result.hidden_states[-1][0, last].numpy(),
    )
    if older:
        rewrite(folder / "config.json", older)


def rewrite(file: Path, kind: str) -> None:
    """Give config.json the form it had before transformers 5."""
    values = json.loads(file.read_text())
    rope = values.pop("rope_parameters")
    values["rope_theta"] = rope.pop("rope_theta")
    rope[kind] = rope.pop("rope_type")
    values["rope_scaling"] = None if rope[kind] == "default" else rope
    values["torch_dtype"] = values.pop("dtype")
    file.write_text(json.dumps(values, indent=2) + "\n")


def main(out: Path) -> None:
    half, brain = torch.float16, torch.bfloat16
    tied, untied = {"tie_word_embeddings": True}, {"tie_word_embeddings": False}
    linear, dynamic = (
        {"rope_type": kind, "rope_theta": 10000.0, "factor": 4.0} for kind in ("linear", "dynamic")
    )
    yarn = {
        "rope_type": "yarn",
        "rope_theta": 1e6,
        "factor": 4.0,
        "original_max_position_embeddings": 32,
    }
    full_yarn = {
        "rope_type": "yarn",
        "rope_theta": 1e4,
        "factor": 2.0,
        "original_max_position_embeddings": 64,
        "attention_factor": 1.3,
        "beta_fast": 16.0,
        "beta_slow": 2.0,
        "truncate": False,
    }
    make(out, "llama3-scaled-bf16", brain, older="rope_type", rope_parameters=LLAMA3, head_dim=16, **tied)
    make(out, "llama3-scaled-new", half, rope_parameters=LLAMA3, **untied)
    make(out, "llama-biased-f16", half, older="rope_type", attention_bias=True, mlp_bias=True, **untied)
    make(out, "llama-linear", half, older="type", rope_parameters=linear)
    make(out, "llama-dynamic", half, rope_parameters=dynamic, max_position_embeddings=48)
    make(out, "qwen2-yarn-tied", half, older="type", rope_parameters=yarn, **tied)
    heads = {"head_dim": 16, "num_attention_heads": 6, "num_key_value_heads": 3}
    make(out, "qwen3-sharded", brain, shard="10KB", **heads, **untied)
    make(out, "qwen3-bias-yarn", half, rope_parameters=full_yarn, head_dim=24, attention_bias=True, **tied)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
