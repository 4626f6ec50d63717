"""Utilisation of the matrix unit while attending, in RTL, and cycles by number of jobs, heads of 64.

With ``--window N`` the jobs of N query blocks are interleaved: key blocks ascending, each for all that use it. With
``--rows`` the engine's words are one row of the pairs that a matrix unit of twice the rows drains, so softmax and
states have as much to do as the matrix unit.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace

import numpy as np

from fastprefill import boards
from fastprefill.golden import attention_streams as streams
from fastprefill.golden import attention_windows as windows
from fastprefill.golden.attention import Heads
from fastprefill.golden.attention_size import Size
from fastprefill.golden.attention_streams import Row
from fastprefill.golden.scale import Codes, Scales
from fastprefill.kernels.attention import engine
from fastprefill.system.case import Case
from fastprefill.system.ports import ports
from fastprefill.system.system import link
from fastprefill.targets import rtl
from fastprefill.tools import testbench, verilator

PAIRS = Size(rows=8, columns=8, k_parallel=8, drain_rows=2, dim=64, block=64)
ROWS = replace(PAIRS, rows=16, drain_rows=1)
JOBS = (1, 2, 4, 8, 16, 32)
LEAST_UTILISATION, LEAST_FIT = 0.85, 0.999
TARGET = f"at least {LEAST_UTILISATION} on {JOBS[-1]} jobs; R^2 of a line above {LEAST_FIT}"


def operands(tokens: int) -> Heads:
    """Random codes and scales of one head."""
    rng = np.random.default_rng(64)

    def codes() -> Codes:
        values = rng.integers(-127, 128, (tokens, 1, PAIRS.dim)).astype(np.int8)
        return Codes(values, Scales(rng.integers(128, 256, (tokens, 1)), rng.integers(-15, -9, (tokens, 1))))

    return Heads(codes(), codes(), codes())


def rows(jobs: int) -> list[Row]:
    """Query blocks with the diagonal job and up to three before it, together `jobs` jobs."""
    result: list[Row] = []
    while jobs:
        block = len(result)
        first = max(0, block - 3, block - jobs + 1)
        result.append(Row(0, block, tuple(range(first, block + 1))))
        jobs -= block + 1 - first
    return result


def case_of(jobs: int, heads: Heads, size: Size, window: int) -> Case:
    """A run of `jobs` jobs."""
    name, states = f"jobs_{jobs}", rows(jobs)
    if window == 1:
        return streams.engine(name, streams.blocks(heads, states, size.block), size, 14)
    order = windows.in_windows(states, window)
    return windows.engine(name, windows.interleaved(heads, states, order, window, size.block), size, 14)


def measure(size: Size, window: int) -> list[dict[str, object]]:
    """Runs without gaps at the ports, compared with the golden model in every bit."""
    module = link(engine.system(**asdict(size), window=window))
    build = verilator.build(rtl.emit(module, boards.load("kv260")), ports(module))
    heads = operands(size.block * (JOBS[-1] + 1))
    measured: list[dict[str, object]] = []
    for jobs in JOBS:
        case = case_of(jobs, heads, size, window)
        result = testbench.run(build, [case], stall=(0,), resets=0, waveform=False)
        if not result.ok:
            sys.exit(f"{jobs} jobs: the RTL differs: {result.failure.describe() if result.failure else ''}")
        cycles = result.cycles(case.name) or 0
        used = round(jobs * size.job_cycles / cycles, 4)
        measured.append({"jobs": jobs, "query_blocks": len(rows(jobs)), "cycles": cycles, "utilisation": used})
    return measured


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--window", type=int, default=1, help="open query blocks; 1 by default")
parser.add_argument("--rows", action="store_true", help="words of one row of results instead of two")
arguments = parser.parse_args()
window, size = arguments.window, ROWS if arguments.rows else PAIRS
lacking = verilator.missing()
if lacking is not None:
    print(json.dumps({"benchmark": "attention", "target": TARGET, "met": False, "results": [], "skipped": lacking}))
    sys.exit(1)
results = measure(size, window)
x, y = (np.array([one[key] for one in results], np.float64) for key in ("jobs", "cycles"))
slope, fixed = np.polyfit(x, y, 1)
fit = 1 - np.sum((y - slope * x - fixed) ** 2) / np.sum((y - y.mean()) ** 2)
line = {
    "cycles_per_job": round(float(slope), 1), "of_which_multiplying": size.job_cycles,
    "fixed_cycles": round(float(fixed)), "r_squared": round(float(fit), 6),
}  # fmt: skip
met = bool(results[-1]["utilisation"] >= LEAST_UTILISATION and fit > LEAST_FIT)  # type: ignore[operator]
about = {"size": asdict(size)} if window == 1 else {"size": asdict(size), "window": window}
whole = {"benchmark": "attention", "target": TARGET, "met": met, **about, "line": line, "results": results}
print(json.dumps(whole, indent=1))
sys.exit(0 if met else 1)
