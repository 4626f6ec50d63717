"""Cycles of index generation in RTL by length, a formula fitted on some lengths, and how it predicts the others.

The unit is the one for the KV260: 16 query rows and 2 keys a cycle, blocks of 128 tokens, 4 query heads. Its inputs are
always there and its outputs always taken, so the cycles are its own. ``--quick`` stops at 2,048 tokens.
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

SIZE = Size(rows=16, lanes=2, tile_keys=16, longest=4096)
FITTED = (512, 1024, 2048, 3072)
OTHERS = (640, 1536, 2560, 4096)
WITHIN = 0.03
HEAD_DIM = 64


def measured(lengths: list[int]) -> dict[int, int]:
    """Cycles of each length, its job list compared with the golden model's."""
    module = link(sigu.system(**asdict(SIZE)))
    build = verilator.build(rtl.emit(module, boards.load("kv260")), ports(module))
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
most = 2048 if "--quick" in sys.argv else 4096
lengths = sorted(n for n in (*FITTED, *OTHERS) if n <= most)
cycles = measured(lengths)
fitted = [n for n in lengths if n in FITTED]
rest = np.array([cycles[n] - model.score_words(n, SIZE) for n in fitted], float)
coefficients, *_ = np.linalg.lstsq(np.array([model.features(n, SIZE) for n in fitted]), rest, rcond=None)
results = []
for tokens in lengths:
    predicted = model.score_words(tokens, SIZE) + float(np.dot(coefficients, model.features(tokens, SIZE)))
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
            "coefficients": [round(float(value), 3) for value in coefficients],
            "results": results,
        },
        indent=1,
    )
)
sys.exit(0 if met else 1)
