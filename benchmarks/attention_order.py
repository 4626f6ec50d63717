"""What the orders of the layer's system cost: blocks read over the least possible, beside two that it does not have.

python benchmarks/attention_order.py

Random masks of four query heads, each with its own blocks, and the cache's policy. With a window of 1 the system has
the order of ``golden.walker``, one query block of one head open at a time; with 8 that of ``golden.window_walker``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fastprefill.golden import jobs, kv_cache, walker, window_walker
from fastprefill.golden.jobs import JobList

BLOCKS, HEADS = 256, 4
PARTS = (0, 16, 8, 2)


def listed(density: float) -> JobList:
    """Random causal masks; every query block keeps its own block."""
    random = np.random.default_rng(1)
    mask = (random.random((HEADS, BLOCKS, BLOCKS)) < density) | np.eye(BLOCKS, dtype=bool)
    return jobs.job_list(mask & np.tri(BLOCKS, dtype=bool))


def measure(density: float) -> list[dict[str, Any]]:
    """Every order and capacity."""
    made = listed(density)
    orders = {
        "head after head": jobs.requests(made, 1, together=False),
        "heads in turn (window 1 of the system)": walker.requests([made]),
        "window 1, together": jobs.requests(made, 1),
        "window 8 (of the system)": window_walker.requests([made], 8),
    }
    return [
        {
            "density": density, "order": order, "capacity": f"1/{part}" if part else "0",
            "over_least": round(kv_cache.replay(requests, BLOCKS // part if part else 0).over_least, 2),
        }
        for part in PARTS
        for order, requests in orders.items()
    ]  # fmt: skip


def main() -> int:
    """Print one JSON object."""
    results = [record for density in (0.05, 0.1, 0.2) for record in measure(density)]
    by_case: dict[tuple[float, str], dict[str, float]] = {}
    for record in results:
        by_case.setdefault((record["density"], record["capacity"]), {})[record["order"]] = record["over_least"]
    met = all(
        orders["heads in turn (window 1 of the system)"] <= orders["head after head"] for orders in by_case.values()
    )
    target = "heads in turn never read more blocks than head after head"
    print(json.dumps({"benchmark": "attention_order", "target": target, "met": met, "results": results}, indent=1))
    return not met


if __name__ == "__main__":
    sys.exit(main())
