"""Walks the attention of a layer of Llama-3.2-1B's shape at 131,072 tokens head by head, and prints times and memory.

python benchmarks/long_context.py [--groups N] [--rows N] [--tokens N]

A group is the four query heads of one key/value head; the layer has eight. SIGU chooses blocks for each head from its
codes (gamma 0.9, tau 0.1), and the integer model computes some of its query blocks, spread over the prompt; --rows 0
computes all of them, which takes hours. What the layer holds beside them is in memory too: the residual stream before
and after it, the codes of every head, and the attention's result.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fastprefill.golden import sfu, traces
from fastprefill.golden.attention import BLOCK, Heads, query_block
from fastprefill.golden.partial import normalise
from fastprefill.golden.scale import Codes, Scales
from fastprefill.golden.sigu import Registers, select_codes
from fastprefill.models import load

GIB = 24.0
FRACTION = 16


def peak_gib() -> float:
    """Of this program alone; ru_maxrss starts at the parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 2**20, 2)


def coded(values: np.ndarray, factor: float = 1.0) -> Codes:
    """Codes of float32 [tokens, heads, dim]."""
    return sfu.quantise(np.rint(values * np.float32(factor * 2**FRACTION)).astype(np.int64), FRACTION)


def empty(tokens: int, heads: int, dim: int) -> Codes:
    """Codes of a layer, to be filled head by head."""
    like = coded(np.ones((1, 1, dim), np.float32))
    scales = Scales(*(np.zeros((tokens, heads), part.dtype) for part in (like.scales.mantissa, like.scales.exponent)))
    return Codes(np.zeros((tokens, heads, dim), np.int8), scales)


def fill(into: Codes, first: int, part: Codes) -> None:
    """Put the codes of some heads into those of the layer."""
    heads = slice(first, first + part.values.shape[1])
    into.values[:, heads] = part.values
    into.scales.mantissa[:, heads] = part.scales.mantissa
    into.scales.exponent[:, heads] = part.scales.exponent


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--groups", type=int, default=1, help="key/value heads to walk, at most 8")
    parser.add_argument("--rows", type=int, default=4, help="query blocks to compute in each head; 0: all")
    parser.add_argument("--tokens", type=int, default=131_072)
    args = parser.parse_args()
    config, tokens = load("llama-3.2-1b").config, args.tokens
    blocks = -(-tokens // BLOCK)
    group, dim = config.group, config.head_dim
    residual = np.ones((tokens, config.hidden), np.int32), np.ones((tokens, config.hidden), np.int32)
    attended = np.ones((tokens, config.heads, dim), np.int32)
    q, k, v = (empty(tokens, count, dim) for count in (config.heads, config.kv_heads, config.kv_heads))
    for number in range(config.kv_heads):
        made = traces.tensors(number, tokens, group, 1, dim)
        fill(q, number * group, coded(made.q, math.log2(math.e) / math.sqrt(dim)))
        fill(k, number, coded(made.k))
        fill(v, number, coded(made.v))
        if number + 1 == args.groups and args.groups < config.kv_heads:
            break  # the other heads' codes stay zero, in memory all the same
    del made
    registers = Registers.of(tokens, gamma=0.9, tau=0.1, min_budget=1024)
    heads = []
    for head in range(args.groups * group):
        kv = head // group
        one = Heads(q[:, head : head + 1], k[:, kv : kv + 1], v[:, kv : kv + 1])
        start = time.perf_counter()
        chosen = select_codes(one.q, one.k, registers)
        middle = time.perf_counter()
        jobs = 0
        for row in np.unique(np.linspace(0, blocks - 1, args.rows or blocks).astype(int)):
            kept = np.flatnonzero(chosen.mask[0, row, : row + 1])
            state = query_block(one, 0, row, kept)
            attended[row * BLOCK : (row + 1) * BLOCK, head] = normalise(state, FRACTION)
            jobs += len(kept)
        end = time.perf_counter()
        line = {
            "head": head, "density": round(float(chosen.density[0]), 4), "blocks_kept": int(chosen.mask.sum()),
            "blocks_computed": jobs, "select_seconds": round(middle - start, 1),
            "attend_seconds": round(end - middle, 1),
        }  # fmt: skip
        heads.append(line)
        print(f"{line}, peak {peak_gib()} GiB", file=sys.stderr, flush=True)
    met = peak_gib() <= GIB
    held = sum(part.nbytes for part in (*residual, attended)) / 2**30
    result = {
        "tokens": tokens, "heads_walked": len(heads), "of_heads": config.heads, "peak_gib": peak_gib(),
        "residual_and_result_gib": round(held, 2), "heads": heads,
    }  # fmt: skip
    target = f"heads of llama-3.2-1b's shape at {tokens} tokens within {GIB:g} GiB"
    print(json.dumps({"benchmark": "long_context", "target": target, "met": met, "results": result}, indent=1))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
