"""Run the block selection of FlexPrefill's and XAttention's authors on a CPU and store what it chose.

Needs fastprefill, torch, and checkouts of https://github.com/bytedance/FlexPrefill and https://github.com/mit-han-lab/x-attention:

    python tests/data/make_selections.py FLEXPREFILL_CHECKOUT XATTENTION_CHECKOUT FOLDER

Their Triton kernels need a GPU. FlexPrefill calls one here, a mean over blocks, for which `mean_of_blocks` stands in;
XAttention has a path without.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from fastprefill.golden import traces

SHAPE = ("seed", "tokens", "heads", "kv_heads", "head_dim")
# scale: queries are multiplied by it; a large one makes probabilities underflow to 0
FLEXPREFILL: dict[str, dict[str, Any]] = {
    "block64": dict(zip(SHAPE, (11, 1500, 4, 2, 64), strict=True))
    | {"gamma": 0.95, "tau": 0.2, "min_budget": 128, "block": 64},
    "block32": dict(zip(SHAPE, (12, 1037, 4, 1, 32), strict=True))
    | {"gamma": 0.8, "tau": 0.3, "min_budget": 64, "block": 32},
    "max_budget": dict(zip(SHAPE, (13, 3001, 4, 4, 64), strict=True))
    | {"gamma": 0.9, "tau": 0.1, "min_budget": 256, "max_budget": 700, "block": 128},
    "underflow": dict(zip(SHAPE, (14, 2000, 4, 2, 64), strict=True))
    | {"gamma": 0.9, "tau": 1.0, "min_budget": 128, "block": 64, "scale": 40.0},
}
XATTENTION: dict[str, dict[str, Any]] = {
    "stride8": dict(zip(SHAPE, (21, 2000, 4, 2, 64), strict=True))
    | {"gamma": 0.9, "block": 128, "stride": 8},
    "stride16": dict(zip(SHAPE, (22, 5003, 2, 1, 32), strict=True))
    | {"gamma": 0.8, "block": 128, "stride": 16},
    "chunks": dict(zip(SHAPE, (23, 20000, 1, 1, 32), strict=True))
    | {"gamma": 0.7, "block": 128, "stride": 16},
}


def source(checkout: str, path: str, **names: object) -> dict[str, Any]:
    """The names that a file of a checkout defines, on a CPU and without its imports of GPU libraries."""
    text = (Path(checkout) / path).read_text().replace('"cuda"', '"cpu"')
    scope: dict[str, Any] = dict(names)
    absent = ("triton", "triton.language", "einops", "block_sparse_attn", "xattn", "xattn.src")
    absent += ("xattn.src.utils", "xattn.src.kernels", "transformers", "transformers.utils", "flash_attn")
    with mock.patch.dict(sys.modules, {name: mock.MagicMock(__all__=[]) for name in absent}):
        exec(compile(text, path, "exec"), scope)
    return scope


def mean_of_blocks(x: torch.Tensor, size: int) -> torch.Tensor:
    """Mean over each block of [batch, tokens, heads, dim]; the last block counts the tokens that it has."""
    return torch.stack([part.mean(1) for part in x.split(size, dim=1)], dim=1)


def flexprefill(scope: dict[str, Any], params: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Mask bool [heads, blocks, blocks] and distances [heads]."""
    q, k, v = inputs(params)
    block, distances = params["block"], []
    divergence = scope["square_root_js_divergence"]

    def recorded(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        distances.append(divergence(p, q))
        return distances[-1]

    scope |= {
        "triton_bnhd_pool": mean_of_blocks,
        "rearrange": lambda x, _: x.flatten(1, 2),
        "square_root_js_divergence": recorded,
        "causal_mask": None,
    }
    most = params.get("max_budget", 2**31 - 1)
    chosen = scope["get_active_blocks"](
        q[None], k[None], v[None], block, params["gamma"], -(-params["min_budget"] // block), -(-most // block),
        params["tau"],
    )[0]  # fmt: skip
    blocks = -(-len(q) // block)
    mask = np.zeros((len(chosen), blocks * blocks), bool)
    for head, index in enumerate(chosen):
        mask[head, index.numpy()] = True
    return mask.reshape(len(chosen), blocks, blocks), distances[0][0].numpy()


def xattention(scope: dict[str, Any], params: dict[str, Any]) -> np.ndarray:
    """Mask bool [heads, blocks, blocks]."""
    q, k, _ = inputs(params)
    k = k.repeat_interleave(q.shape[1] // k.shape[1], dim=1)
    _, mask = scope["xattn_estimate"](
        q.transpose(0, 1)[None], k.transpose(0, 1)[None], params["block"], params["stride"],
        threshold=params["gamma"], chunk_size=chunk(len(q)), use_triton=False,
    )  # fmt: skip
    blocks = -(-len(q) // params["block"])
    return mask[0, :, :blocks, :blocks].numpy()


def chunk(tokens: int) -> int:
    """The chunk that their Xattention_prefill chooses."""
    power = 1 << (tokens - 1).bit_length()
    return max(min(max(2048, power), 128 * 1024 * 2048 // power), 2048)


def inputs(params: dict[str, Any]) -> tuple[torch.Tensor, ...]:
    q, k, v = traces.tensors(*(params[name] for name in SHAPE))
    return torch.tensor(q * np.float32(params.get("scale", 1.0))), torch.tensor(k), torch.tensor(v)


def main(flex_checkout: str, xattn_checkout: str, out: Path) -> None:
    flex = source(flex_checkout, "flex_prefill/ops/flex_prefill_attention.py")
    for name, params in FLEXPREFILL.items():
        mask, distances = flexprefill(flex, params)
        store(out / "flexprefill" / f"{name}.npz", params, mask, sqrt_jsd=distances)
    blocks = source(xattn_checkout, "xattn/src/utils.py")
    xattn = source(
        xattn_checkout, "xattn/src/Xattention.py", find_blocks_chunked=blocks["find_blocks_chunked"]
    )
    for name, params in XATTENTION.items():
        store(out / "xattention" / f"{name}.npz", params, xattention(xattn, params))


def store(file: Path, params: dict[str, Any], mask: np.ndarray, **more: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        file, params=json.dumps(params), mask=np.packbits(mask), mask_shape=np.array(mask.shape), **more
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
