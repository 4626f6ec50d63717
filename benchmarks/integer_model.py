"""Time and peak memory of the integer model: a layer of the tiny checkpoint, a long head, weights of a large layer."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from fastprefill.golden import sfu  # noqa: E402  the path comes first
from fastprefill.golden.attention import Heads, attend  # noqa: E402
from fastprefill.golden.layer import layer  # noqa: E402
from fastprefill.golden.scale import Codes  # noqa: E402
from fastprefill.models import load, random_weights  # noqa: E402
from fastprefill.quantisation import quantise  # noqa: E402

LAYER_TOKENS, HEAD_TOKENS, DENSITY = 4096, 131_072, 0.02
SECONDS, GIB = 10.0, 24.0
SEED = 1


def peak_mib() -> int:
    """Of this program alone; ru_maxrss starts at the parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024


def timed(action: Callable[[], object]) -> float:
    """Seconds."""
    start = time.perf_counter()
    action()
    return round(time.perf_counter() - start, 2)


def long_head() -> tuple[Heads, np.ndarray]:
    """Random operands of one head, and a mask of a few blocks in each row."""
    generator = np.random.default_rng(SEED)

    def coded() -> Codes:
        return sfu.quantise((generator.standard_normal((HEAD_TOKENS, 1, 64)) * 2**16).astype(np.int64), 16)

    blocks = HEAD_TOKENS // 128
    mask = (generator.random((1, blocks, blocks)) < DENSITY) | np.eye(blocks, dtype=bool)
    return Heads(coded(), coded(), coded()), np.tril(mask)


def main() -> int:
    tiny = quantise(load(ROOT / "examples" / "tiny-llama"))
    tokens = np.random.default_rng(SEED).integers(0, 256, LAYER_TOKENS)
    x, weights = tiny.embedded(tokens), tiny.layer(0)
    results = {
        "tiny-llama, a layer, 4,096 tokens": {
            "seconds": timed(lambda: layer(x, weights)),
            "peak_mib": peak_mib(),
        }
    }
    heads, mask = long_head()
    results["a head of 64, 131,072 tokens"] = {
        "seconds": timed(lambda: attend(heads, 16, mask)), "jobs": int(mask.sum()), "peak_mib": peak_mib(),
    }  # fmt: skip
    large = quantise(random_weights(load("llama-3.2-1b"), SEED))
    results["llama-3.2-1b, weights of a layer"] = {
        "seconds": timed(lambda: large.layer(0)),
        "peak_mib": peak_mib(),
    }
    seconds = results["tiny-llama, a layer, 4,096 tokens"]["seconds"]
    met = seconds <= SECONDS and peak_mib() <= GIB * 1024
    target = (
        f"a layer of tiny-llama at {LAYER_TOKENS} tokens within {SECONDS:g} s, everything within {GIB:g} GiB"
    )
    print(
        json.dumps({"benchmark": "integer_model", "target": target, "met": met, "results": results}, indent=1)
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
