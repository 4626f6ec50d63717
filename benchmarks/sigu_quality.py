"""SIGU's integer selection against FlexPrefill's: attention mass kept and blocks computed, head by head.

python benchmarks/sigu_quality.py [--cases N] [--seed N] [--out FILE]

Heads: those recorded with the authors' code (tests/data/flexprefill) and random ones of 2,048 to 32,768 tokens, head
dimension 64 or 128, block 128 or 64, gamma 0.8 to 0.95, tau 0.1 to 0.3. Mass is that of the float softmax over 16
sampled rows of every query block. Heads whose sqrt(JSD) is within 0.003 of tau may fall on either side of it: they
are listed apart.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fastprefill.golden import flexprefill, sigu, traces

RECORDED = Path(__file__).resolve().parent.parent / "tests/data/flexprefill"
SAMPLED_ROWS = 16
NEAR_TAU = 0.003
TARGET = {
    "mass_kept_mean": 0.999,
    "mass_kept_worst": 0.99,
    "blocks_mean": 1.01,
    "blocks_worst": 1.10,
}


def cases(count: int, seed: int) -> list[dict[str, Any]]:
    """Inputs and parameters: the recorded ones, then `count` random ones of four heads each."""
    listed = []
    for file in sorted(RECORDED.glob("flexprefill_*.npz")):
        listed.append(json.loads(str(np.load(file)["params"])))
    random = np.random.default_rng(seed)
    for _ in range(count):
        block = int(random.choice([128, 128, 128, 64]))
        listed.append(
            {
                "seed": int(random.integers(1_000_000)),
                "tokens": int(2.0 ** random.uniform(11, 15)),
                "heads": 4,
                "kv_heads": int(random.choice([1, 2, 4])),
                "head_dim": int(random.choice([64, 128])),
                "gamma": round(float(random.uniform(0.8, 0.95)), 3),
                "tau": round(float(random.uniform(0.1, 0.3)), 3),
                "min_budget": int(random.choice([128, 256, 512, 1024])),
                "block": block,
            }
        )
    return listed


def block_mass(
    q: NDArray[np.float32], k: NDArray[np.float32], block: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """Softmax mass of each key block, averaged over sampled rows: float64 [blocks, blocks]; rows sum to 1."""
    tokens, head_dim = q.shape
    blocks = -(-tokens // block)
    mass = np.zeros((blocks, blocks))
    edges = np.arange(0, tokens, block)
    for index in range(blocks):
        first, stop = index * block, min((index + 1) * block, tokens)
        rows = random.choice(np.arange(first, stop), min(SAMPLED_ROWS, stop - first), replace=False)
        scores = q[rows] @ k[:stop].T / np.float32(math.sqrt(head_dim))
        scores[np.arange(stop) > rows[:, None]] = -np.inf
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        mass[index, : index + 1] = np.add.reduceat(weights, edges[: index + 1], axis=1).mean(axis=0)
    return mass


def heads(case: dict[str, Any]) -> list[dict[str, Any]]:
    """Both selections for one case; a record per head."""
    made = traces.tensors(*(case[name] for name in ("seed", "tokens", "heads", "kv_heads", "head_dim")))
    arguments = {name: case[name] for name in ("gamma", "tau", "min_budget", "block")}
    reference = flexprefill.select_blocks(made.q, made.k, **arguments)
    ours = sigu.select_blocks(made.q, made.k, **arguments)
    records = []
    for head in range(case["heads"]):
        group = head * case["kv_heads"] // case["heads"]
        random = np.random.default_rng(head)
        mass = block_mass(made.q[:, head], made.k[:, group], case["block"], random)
        kept, expected = ((mass * chosen.mask[head]).sum() for chosen in (ours, reference))
        records.append(
            {
                **case,
                "head": head,
                "query_aware": [bool(reference.query_aware[head]), bool(ours.query_aware[head])],
                "sqrt_jsd": [round(float(x.sqrt_jsd[head]), 5) for x in (reference, ours)],
                "density": round(float(reference.density[head]), 4),
                "mass": round(float(expected / len(mass)), 5),
                "mass_kept": round(float(kept / expected), 5),
                "blocks": round(float(ours.mask[head].sum() / reference.mask[head].sum()), 5),
            }
        )
    return records


def summary(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Means and worst heads of those away from tau, and the others one by one."""
    near = [r for r in records if abs(r["sqrt_jsd"][0] - r["tau"]) < NEAR_TAU]
    clear = [r for r in records if r not in near]
    mass, blocks = ([r[name] for r in clear] for name in ("mass_kept", "blocks"))
    return {
        "heads": len(clear),
        "query_aware_heads": sum(r["query_aware"][0] for r in clear),
        "other_kind": sum(r["query_aware"][0] != r["query_aware"][1] for r in clear),
        "mass_kept_mean": round(float(np.mean(mass)), 5),
        "mass_kept_worst": min(mass),
        "blocks_mean": round(float(np.mean(blocks)), 5),
        "blocks_worst": max(blocks),
        "near_tau": near,
    }


def main() -> int:
    """Run, print, and with --out store every head's record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=48, help="random cases of four heads each")
    parser.add_argument("--seed", type=int, default=2026, help="of the random cases")
    parser.add_argument("--out", type=Path, help="file for the records of all heads, JSON")
    asked = parser.parse_args()
    records: list[dict[str, Any]] = []
    listed = cases(asked.cases, asked.seed)
    for number, case in enumerate(listed, 1):
        print(f"case {number} of {len(listed)}: {case['tokens']} tokens", file=sys.stderr, flush=True)
        records += heads(case)
    result = summary(records)
    met = (
        result["mass_kept_mean"] >= TARGET["mass_kept_mean"]
        and result["mass_kept_worst"] >= TARGET["mass_kept_worst"]
        and result["blocks_mean"] <= TARGET["blocks_mean"]
        and result["blocks_worst"] <= TARGET["blocks_worst"]
    )
    answer = {"benchmark": "sigu_quality", "target": TARGET, "met": met, "results": result}
    print(json.dumps(answer, indent=1))
    if asked.out:
        lines = ",\n".join("  " + json.dumps(record) for record in records)
        asked.out.write_text(json.dumps(answer, indent=1)[:-2] + f',\n "heads": [\n{lines}\n ]\n}}\n')
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
