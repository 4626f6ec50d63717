"""Cycles of index generation in RTL by length, a formula fitted on some lengths, and how it predicts the others.

The unit is the one for the KV260: 16 query rows and 2 keys a cycle, blocks of 128 tokens, 4 query heads, on 512 to
4,096 tokens; with ``--small``, 4 query rows and 2 keys, blocks of 16, 2 heads, on up to 16 blocks. Its inputs are
always there and its outputs always taken, so the cycles are its own.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import numpy as np

from fastprefill import boards
from fastprefill.estimate import sigu as model
from fastprefill.golden.sigu import cases
from fastprefill.golden.sigu.size import Size
from fastprefill.kernels import sigu
from fastprefill.system.ports import ports
from fastprefill.system.system import link
from fastprefill.targets import rtl
from fastprefill.tools import testbench, verilator

SMALL = "--small" in sys.argv
SIZE = Size(4, 2, 4, 16, 2, 256) if SMALL else Size(rows=16, lanes=2, tile_keys=16, longest=4096)
FITTED = tuple(SIZE.block * blocks for blocks in ((4, 8, 12, 16) if SMALL else (4, 8, 16, 24)))
OTHERS = tuple(SIZE.block * blocks for blocks in ((3, 5, 7, 10, 14) if SMALL else (5, 12, 20, 32)))
WITHIN = 0.03
HEAD_DIM = 16 if SMALL else 64


def measured(lengths: list[int]) -> dict[int, int]:
    """Cycles of each length, its job list compared with the golden model's."""
    module = link(sigu.system(**asdict(SIZE)))
    build = verilator.build(rtl.emit(module, boards.load("u280")), ports(module))
    found = {}
    for tokens in lengths:
        prompt = cases.Prompt(f"tokens_{tokens}", tokens, settings={"tau": 0.0})
        case = cases.make(prompt, SIZE, 17, HEAD_DIM)
        result = testbench.run(build, [case], stall=(0,), resets=0, waveform=False)
        if not result.ok:
            sys.exit(f"{tokens} tokens: the RTL differs: {result.failure.describe() if result.failure else ''}")
        found[tokens] = result.cycles(case.name) or 0
        print(f"{tokens} tokens: {found[tokens]} cycles", file=sys.stderr, flush=True)
    return found


lacking = verilator.missing()
if lacking is not None:
    print(json.dumps({"benchmark": "sigu_cycles", "target": "", "met": False, "results": [], "skipped": lacking}))
    sys.exit(1)
lengths = sorted((*FITTED, *OTHERS))
cycles = measured(lengths)
rest = np.array([cycles[n] - model.counted(n, SIZE) for n in FITTED], float)
coefficients, *_ = np.linalg.lstsq(np.array([model.features(n, SIZE) for n in FITTED]), rest, rcond=None)
results = []
for tokens in lengths:
    predicted = model.counted(tokens, SIZE) + float(np.dot(coefficients, model.features(tokens, SIZE)))
    results.append(
        {
            "tokens": tokens,
            "cycles": cycles[tokens],
            "words_of_scores": model.score_words(tokens, SIZE),
            "predicted": round(predicted),
            "error": round(predicted / cycles[tokens] - 1, 4),
            "fitted": tokens in FITTED,
        }
    )
met = all(abs(one["error"]) <= WITHIN for one in results if not one["fitted"])
print(
    json.dumps(
        {
            "benchmark": "sigu_cycles",
            "target": f"lengths that were not fitted within {WITHIN:.0%}",
            "met": met,
            "unit": asdict(SIZE),
            "coefficients": [round(float(value), 3) for value in coefficients],
            "results": results,
        },
        indent=1,
    )
)
sys.exit(0 if met else 1)
