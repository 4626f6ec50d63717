"""KV cache: what the order of jobs and what the policy gain, in hits and in bytes read.

python benchmarks/cache_policies.py [--out FILE]

Job lists: the recorded selections, SIGU's on made-up heads up to 131,072 tokens (four query heads share a KV head) and
on a checkpoint that reads a text, and random sparse masks. Orders: query-major (each head by itself, one query block at
a time) and windows of 1, 8 and 32 query blocks with the group together. Hit rates are per request; an order with larger
windows makes fewer requests, so compare bytes: blocks read from memory over the number of different blocks.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fastprefill import caching
from fastprefill.golden import jobs, kv_cache

ROOT = Path(__file__).resolve().parent.parent
ORDERS = {
    "query-major": {"window": 1, "together": False},
    "window 1": {"window": 1},
    "window 8": {"window": 8},
    "window 32": {"window": 32},
}
PARTS = (16, 8, 4, 2, 1)
JUDGED = (16, 8, 4, 2)
TARGET = (
    "window 8: hits at least 0.99 of Belady's on average and 0.98 in any case on selected masks, 0.97 and 0.92 on "
    "random sparse ones; blocks read at most 1.10 times Belady's, and on recorded masks at half the key blocks 1.30 "
    "times the least"
)


def lists() -> list[caching.Trace]:
    """The job lists."""
    names = [str(file) for file in sorted((ROOT / "tests/data/flexprefill").glob("flexprefill_*.npz"))]
    names += [f"selected:{tokens}" for tokens in (8192, 32_768, 131_072)]
    names += [f"random:{density}" for density in (0.05, 0.1, 0.2)]
    # real text at the checkpoint's full length; its heads select little, so a small budget
    checkpoint = caching.load(str(ROOT / "examples/tiny-llama"), text=ROOT / "LICENSE", min_budget=256)
    return [trace for name in names for trace in caching.load(name)] + checkpoint


def measure(trace: caching.Trace) -> list[dict[str, Any]]:
    """Every order, capacity and policy."""
    listed = jobs.job_list(trace.mask)
    records = []
    for order, arguments in ORDERS.items():
        requests = jobs.requests(listed, **arguments)
        for part in PARTS:
            capacity = max(listed.blocks // part, 1)
            record = {
                "list": trace.name,
                "kind": trace.kind,
                "order": order,
                "requests": len(requests),
                "part": part,
                "capacity": capacity,
            }
            for policy in kv_cache.POLICIES:
                result = kv_cache.replay(requests, capacity, policy)
                record[policy] = {
                    "hits": result.hits,
                    "rate": round(result.hits / len(requests), 4),
                    "read_over_least": round(result.over_least, 3),
                }
            records.append(record)
    return records


def judged(records: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures that the target names."""
    found: dict[str, Any] = {}
    windows = [r for r in records if r["order"] == "window 8" and r["part"] in JUDGED]
    for kind in ("recorded", "selected", "checkpoint", "random"):
        mine = [r for r in windows if r["kind"] == kind]
        hits = [r["liveness"]["hits"] / max(r["belady"]["hits"], 1) for r in mine]
        read = [r["liveness"]["read_over_least"] / r["belady"]["read_over_least"] for r in mine]
        half = [r["liveness"]["read_over_least"] for r in mine if r["part"] == 2]
        found[kind] = {
            "hits_of_belady_mean": round(float(np.mean(hits)), 4),
            "hits_of_belady_worst": round(min(hits), 4),
            "read_of_belady_worst": round(max(read), 4),
            "read_over_least_at_half": max(half),
        }
    return found


def met(found: dict[str, Any]) -> bool:
    """Whether they reach it."""
    bounds = {
        "recorded": (0.99, 0.98),
        "selected": (0.99, 0.98),
        "checkpoint": (0.99, 0.98),
        "random": (0.97, 0.92),
    }
    return found["recorded"]["read_over_least_at_half"] <= 1.30 and all(
        found[kind]["hits_of_belady_mean"] >= mean
        and found[kind]["hits_of_belady_worst"] >= worst
        and found[kind]["read_of_belady_worst"] <= 1.10
        for kind, (mean, worst) in bounds.items()
    )


def main() -> int:
    """Run, print, and with --out store every record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="file for all records, JSON")
    asked = parser.parse_args()
    records: list[dict[str, Any]] = []
    for trace in lists():
        print(trace.name, file=sys.stderr, flush=True)
        records += measure(trace)
    found = judged(records)
    answer = {"benchmark": "cache_policies", "target": TARGET, "met": met(found), "results": found}
    print(json.dumps(answer, indent=1))
    if asked.out:
        lines = ",\n".join("  " + json.dumps(record) for record in records)
        asked.out.write_text(json.dumps(answer, indent=1)[:-2] + f',\n "records": [\n{lines}\n ]\n}}\n')
    return 0 if answer["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
