"""Train a small Llama that retrieves facts from long texts, and write it in Hugging Face form.

    python train.py --out DIR --theta 50000                            from nothing
    python train.py --out DIR --theta 50000 --init . --phases 4-5      from this checkpoint
    python train.py --init DIR --evaluate --prompts 96

Needs PyTorch, NumPy and safetensors. Runs on a GPU where there is one, otherwise on the CPU. Times are for one core.

Texts are what a Linux machine has: manual pages, Python's sources, Perl's and other documentation; one file in twenty
is held out. A training sequence is text, text with facts and questions about them, or random strings that come again.
Facts are `The code of NAME is 12345. ` and those of the needle tasks and variable tracking of `fastprefill accuracy`.
Answers weigh as much in the loss as all other text. Looking back is learnt first, from strings of a few characters that
come again and again: in these it appears after 1.5 million tokens, and then facts in 128 tokens take a quarter of a
million; from these facts and text alone it did not appear in five million. Phases end after a number of tokens, so a
seed gives the same model on machines of one kind.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from sequences import BOS, again, excerpt, facts, prompt, repeats, texts

TEXT, STRING, ANSWER = range(3)
SHORT, ALL = (0.65, 0.35, 0, 0, 0), (0.3, 0.25, 0.15, 0.15, 0.15)  # shares of sequences.KINDS


@dataclass(frozen=True)
class Phase:
    """Part of the training.

    Attributes:
        lengths: of sequences, with how often each is taken; a step takes sequences of one length.
        step: tokens of one step.
        millions: of tokens in all.
        rates: learning rate at the start and at the end.
        facts: share of sequences with facts.
        repeats: share of random strings that come again; the rest is text.
        again: share of one string again and again.
        kinds: shares of `sequences.KINDS` in the sequences with facts.
    """

    lengths: dict[int, float]
    step: int
    millions: float
    rates: tuple[float, float]
    facts: float
    repeats: float
    again: float = 0.0
    kinds: tuple[float, ...] = SHORT


PHASES = (
    Phase({32: 0.6, 64: 0.4}, 1024, 2.5, (3e-3, 3e-3), 0.0, 0.0, 1.0),
    Phase({64: 0.4, 128: 0.6}, 2048, 1.5, (3e-3, 2.4e-3), 0.2, 0.4, 0.4),
    Phase({128: 0.2, 256: 0.4, 512: 0.4}, 2048, 1.5, (2e-3, 1.5e-3), 0.4, 0.2, 0.1),
    Phase({256: 0.2, 512: 0.3, 1024: 0.5}, 4096, 2.0, (1.5e-3, 1e-3), 0.4, 0.2),
    Phase({256: 0.1, 512: 0.15, 1024: 0.3, 2048: 0.45}, 4096, 1.5, (1e-3, 1e-3), 0.4, 0.15),
    Phase({256: 0.1, 512: 0.25, 1024: 0.25, 2048: 0.3, 4096: 0.1}, 4096, 4.0, (1e-3, 5e-5), 0.55, 0.1, 0.0, ALL),
)


class Layer(torch.nn.Module):
    """A Llama layer; parameters have the names of the checkpoint."""

    def __init__(self, c: dict) -> None:
        super().__init__()
        width, self.dim, inner = c["hidden_size"], c["head_dim"], c["intermediate_size"]
        self.heads, self.kv_heads, self.eps = c["num_attention_heads"], c["num_key_value_heads"], c["rms_norm_eps"]

        def linear(a: int, b: int) -> torch.nn.Linear:
            return torch.nn.Linear(a, b, bias=False)

        self.input_layernorm = torch.nn.RMSNorm(width, self.eps)
        self.post_attention_layernorm = torch.nn.RMSNorm(width, self.eps)
        self.self_attn = torch.nn.ModuleDict({
            "q_proj": linear(width, self.heads * self.dim),
            "k_proj": linear(width, self.kv_heads * self.dim),
            "v_proj": linear(width, self.kv_heads * self.dim),
            "o_proj": linear(self.heads * self.dim, width),
        })
        self.mlp = torch.nn.ModuleDict({
            "gate_proj": linear(width, inner), "up_proj": linear(width, inner), "down_proj": linear(inner, width)
        })  # fmt: skip

    def forward(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        def heads(t: torch.Tensor) -> torch.Tensor:
            return t.unflatten(-1, (-1, self.dim)).transpose(1, 2)

        def rotated(t: torch.Tensor) -> torch.Tensor:
            a, b = t.chunk(2, -1)
            return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)

        h, p = self.input_layernorm(x), self.self_attn
        q, k, v = rotated(heads(p["q_proj"](h))), rotated(heads(p["k_proj"](h))), heads(p["v_proj"](h))
        k, v = (t.repeat_interleave(self.heads // self.kv_heads, 1) for t in (k, v))
        o = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + p["o_proj"](o.transpose(1, 2).flatten(2))
        h, p = self.post_attention_layernorm(x), self.mlp
        return x + p["down_proj"](F.silu(p["gate_proj"](h)) * p["up_proj"](h))


class Llama(torch.nn.Module):
    """Llama with tied embeddings."""

    def __init__(self, config: dict) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = torch.nn.Embedding(config["vocab_size"], config["hidden_size"])
        self.layers = torch.nn.ModuleList(Layer(config) for _ in range(config["num_hidden_layers"]))
        self.norm = torch.nn.RMSNorm(config["hidden_size"], config["rms_norm_eps"])
        for name, p in self.named_parameters():
            if p.dim() == 2:
                out = name.endswith(("o_proj.weight", "down_proj.weight"))
                scale = (2 * len(self.layers)) ** -0.5 if out else 1.0
                torch.nn.init.normal_(p, std=scale * (0.02 if "embed" in name else p.shape[1] ** -0.5))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        dim = self.config["head_dim"]
        exponents = torch.arange(0, dim, 2, device=ids.device, dtype=torch.float64) / dim
        angles = torch.arange(ids.shape[1], device=ids.device)[:, None] / self.config["rope_theta"] ** exponents
        cos, sin = angles.cos().float(), angles.sin().float()
        x = self.embed_tokens(ids)
        for layer in self.layers:
            x = layer(x, cos, sin)
        return F.linear(self.norm(x), self.embed_tokens.weight)


def batch(
    rng: np.random.Generator, text: np.ndarray, phase: Phase, length: int, count: int, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids [count, length]; weights of ids[:, 1:] in the loss as TEXT, STRING, ANSWER [3, count, length - 1]."""
    ids = np.full((count, length), BOS, np.int64)
    weights = np.zeros((3, count, length), np.float32)
    for i in range(count):
        kind = rng.random()
        if kind < phase.facts:
            ids[i, 1:], weights[ANSWER, i, 1:] = facts(rng, text, length - 1, phase.kinds)
            weights[TEXT, i] = 1 - weights[ANSWER, i]
        elif kind < phase.facts + phase.repeats + phase.again:
            strings = repeats if kind < phase.facts + phase.repeats else again
            ids[i, 1:], weights[STRING, i, 1:] = strings(rng, length - 1)
        else:
            ids[i, 1:], weights[TEXT, i] = excerpt(rng, text, length - 1), 1
    return torch.from_numpy(ids).to(device), torch.from_numpy(weights[:, :, 1:]).to(device)


@torch.no_grad()
def evaluate(
    model: Llama, held_out: np.ndarray, lengths: Sequence[int], prompts: int, device: str
) -> dict:
    """Share of prompts with all five digits right and bits per byte of held-out text, by length."""
    right, bits = {}, {}
    for length in lengths:
        rng = np.random.default_rng(length)
        hits, losses = 0, []
        for _ in range(prompts):
            ids = torch.from_numpy(prompt(rng, held_out, length))[None].to(device)
            hits += bool((model(ids)[0, -6:-1].argmax(-1) == ids[0, -5:]).all())
        for _ in range(max(8, min(prompts, 32 * 1024 // length))):
            text = np.array([BOS, *excerpt(rng, held_out, length - 1)], np.int64)
            ids = torch.from_numpy(text)[None].to(device)
            losses.append(F.cross_entropy(model(ids)[0, :-1], ids[0, 1:]).item())
        right[length] = hits / prompts
        bits[length] = round(float(np.mean(losses)) / math.log(2), 4)
    return {"right": right, "bits_per_byte": bits}


def save(model: Llama, folder: Path, trained_on: int) -> None:
    """Write config.json and model.safetensors in float16."""
    folder.mkdir(parents=True, exist_ok=True)
    config = model.config | {"max_position_embeddings": trained_on}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    state = {f"model.{name}": p.detach().cpu().half().contiguous() for name, p in model.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def adam(model: Llama) -> torch.optim.Optimizer:
    groups = [
        {"params": [p for p in model.parameters() if p.dim() == 2], "weight_decay": 0.05},
        {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98))


def train(
    model: Llama,
    optimiser: torch.optim.Optimizer,
    text: np.ndarray,
    phase: Phase,
    rng: np.random.Generator,
    show: Callable[[dict], None],
    every: float,
) -> None:
    """Train for one phase; `show` gets what was done so far every so many million tokens and at the end."""
    device = model.norm.weight.device.type
    sizes, shares = list(phase.lengths), list(phase.lengths.values())
    total = 1_000_000 * phase.millions
    start, step, tokens, shown, sums = time.monotonic(), 0, 0, 0, np.zeros((2, 3))
    while tokens < total:
        part = tokens / total
        first, last = phase.rates
        rate = (first + (last - first) * part) * min(1.0, (step + 1) / 40)
        for group in optimiser.param_groups:
            group["lr"] = rate
        length = int(rng.choice(sizes, p=shares))
        ids, weights = batch(rng, text, phase, length, max(1, phase.step // length), device)
        losses = F.cross_entropy(model(ids)[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        weighed = (losses.view(weights[0].shape) * weights).sum((1, 2)) / weights.sum((1, 2)).clamp(min=1)
        weighed.sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        step, tokens = step + 1, tokens + ids.numel()
        sums += torch.stack((weighed.detach(), weights.any(2).any(1).float())).cpu().numpy()
        if tokens - shown >= 1_000_000 * every or tokens >= total:
            shown = tokens
            done = {"minutes": round((time.monotonic() - start) / 60, 1), "step": step, "tokens": tokens}
            losses = np.round(sums[0] / np.maximum(sums[1], 1), 4).tolist()
            show(done | {"loss": dict(zip(("text", "strings", "answers"), losses, strict=True))})
            sums[:] = 0


def main() -> None:
    """Train, or only evaluate."""
    parser = argparse.ArgumentParser(description="Train a small Llama that retrieves facts from long texts.")
    parser.add_argument("--out", type=Path, help="folder of the checkpoint, written at each evaluation")
    parser.add_argument("--init", type=Path, help="folder of a checkpoint to start from")
    parser.add_argument("--phases", default="0-5", help="first and last of them")
    parser.add_argument("--theta", type=float, help="another rope_theta")
    parser.add_argument("--millions", type=float, help="of tokens of each phase, instead of its own")
    parser.add_argument("--every", type=float, default=1, help="million tokens between evaluations")
    parser.add_argument("--lengths", default="256,512,1024,2048,4096", help="of evaluations")
    parser.add_argument("--prompts", type=int, default=32, help="of an evaluation at each length")
    parser.add_argument("--megabytes", type=int, default=40, help="of text")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--evaluate", action="store_true", help="only print how good --init is")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    config = json.loads(((args.init or Path(__file__).resolve().parent) / "config.json").read_text())
    model = Llama(config | ({"rope_theta": args.theta} if args.theta else {})).to(device)
    if args.init:
        state = load_file(args.init / "model.safetensors")
        model.load_state_dict({name.removeprefix("model."): t.float() for name, t in state.items()})
    text, held_out = texts(args.megabytes * 1_000_000)
    print(f"{sum(p.numel() for p in model.parameters())} parameters; {len(text)} bytes of text", flush=True)
    lengths = [int(length) for length in args.lengths.split(",")]
    if args.evaluate:
        print(json.dumps(evaluate(model, held_out, lengths, args.prompts, device)))
        return
    optimiser = adam(model)
    first, last = (int(number) for number in args.phases.split("-"))
    for index in range(first, last + 1):
        phase = replace(PHASES[index], millions=args.millions or PHASES[index].millions)

        def show(done: dict, index: int = index, phase: Phase = phase) -> None:
            save(model, args.out, max(phase.lengths))
            found = evaluate(model, held_out, lengths, args.prompts, device)
            print(json.dumps({"phase": index} | done | found), flush=True)

        train(model, optimiser, text, phase, rng, show, args.every)


if __name__ == "__main__":
    main()
