"""Scores a cycle against the time that index generation adds to a layer of Llama-3.2-1B on the U280, a model.

The layer: three matrix units of 16 x 32 outputs, 8 products each, busy 99 % of the time at 250 MHz, with every
projection, and attention on the blocks that are kept. Index generation: eight KV heads on three units, one for each
matrix unit, half of the heads query-aware, nothing of it hidden behind other work; cycles by `estimate.sigu`, whose
coefficients are fitted to RTL. A unit is not faster than its matrix unit delivers scores. LUTs are those of
``results/sigu_resources_u280.json``: of its wide stages, constant + rows + rows x lanes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from _sigu_stages import whole

from fastprefill.estimate import sigu as model
from fastprefill.golden.mpu import Size as Array
from fastprefill.golden.sigu.size import Size

CLOCK_HZ, REGIONS, BUSY = 250e6, 3, 0.99
ARRAY = Array(16, 25, 7, 8, 4)
HIDDEN, HEADS, KV_HEADS, HEAD_DIM, FFN = 2048, 32, 8, 64, 8192
GROUP = HEADS // KV_HEADS
DENSITY = {4_096: 0.5, 32_768: 0.2, 131_072: 0.1}
"""Share of causal blocks that is kept: assumed; the less, the larger is the share of index generation."""
LARGEST_SHARE = 0.02
WIDTHS = ((4, 2), (8, 2), (12, 2), (16, 2), (24, 2), (32, 2), (8, 4), (12, 4), (16, 4))
RESOURCES = Path(__file__).resolve().parent.parent / "results" / "sigu_resources_u280.json"


def layer_cycles(tokens: int) -> float:
    """Cycles of the matrix units for a layer without index generation."""
    linear = tokens * (HIDDEN * (HEADS + 2 * KV_HEADS) * HEAD_DIM + HEADS * HEAD_DIM * HIDDEN + 3 * HIDDEN * FFN)
    attention = DENSITY[tokens] * HEADS * tokens * (tokens + 1) / 2 * 2 * HEAD_DIM
    return (linear + attention) / (REGIONS * ARRAY.macs * BUSY)


def index_cycles(tokens: int, size: Size) -> float:
    """Cycles of index generation for a layer."""
    rounds = -(-KV_HEADS // REGIONS)
    words = model.score_words(tokens, size)
    tiles = words / size.key_groups
    blocks = tokens // size.block
    kept = min(1.0, GROUP * DENSITY[tokens])  # by any head of the group, if no two keep the same block
    entries = round(kept * blocks * (blocks + 1) / 2)
    own = model.cycles(tokens, size, query_aware=GROUP // 2, entries=entries)
    return rounds * (own - words + max(words, tiles * ARRAY.steps(HEAD_DIM)))


def luts(rows: int, lanes: int) -> int:
    """LUTs of a unit of this width, its wide stages from their probes."""
    return round(whole(json.loads(RESOURCES.read_text())["results"]["stages"], "lut", rows, lanes))


def main() -> int:
    """Print the curve and the smallest width below the share."""
    results = []
    enough = None
    for rows, lanes in sorted(WIDTHS, key=lambda width: width[0] * width[1]):
        size = Size(rows, lanes, ARRAY.rows, columns=ARRAY.columns, choices=rows // 2)
        shares = {n: index_cycles(n, size) / (layer_cycles(n) + index_cycles(n, size)) for n in DENSITY}
        milliseconds = {n: round(1e3 * index_cycles(n, size) / CLOCK_HZ, 3) for n in DENSITY}
        results.append(
            {
                "rows": rows,
                "lanes": lanes,
                "scores_a_cycle": rows * lanes,
                "share_of_layer": {str(n): round(share, 4) for n, share in shares.items()},
                "milliseconds_a_layer": {str(n): value for n, value in milliseconds.items()},
                "lut_each_of_three": luts(rows, lanes),
            }
        )
        if enough is None and all(share < LARGEST_SHARE for share in shares.values()):
            enough = rows * lanes
    print(
        json.dumps(
            {
                "benchmark": "sigu_lanes",
                "target": f"the smallest number of scores a cycle that adds less than {LARGEST_SHARE:.0%}",
                "met": enough is not None,
                "smallest": enough,
                "results": results,
            },
            indent=1,
        )
    )
    return 0 if enough is not None else 1


if __name__ == "__main__":
    sys.exit(main())
