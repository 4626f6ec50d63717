"""Speed of RTL simulation: 16 x 16 matrix units in Verilator, built from nothing and run without gaps.

The target is for the array of one product a cycle. A KV260's unit of eight products a cycle is shown beside it; of what
it simulates in a second, its multiply-accumulates say more than its cycles.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import asdict

import numpy as np

from fastprefill import boards
from fastprefill.golden import mpu as golden
from fastprefill.kernels import mpu
from fastprefill.system.build import build_unit
from fastprefill.system.ports import ports
from fastprefill.targets import rtl
from fastprefill.tools import testbench, verilator

SIZES = (golden.Size(16, 16), golden.Size(16, 11, 5, 8, 4))
TILES, K = 16, 16384
CYCLES_PER_SECOND = 150_000
BUILD_SECONDS = 90.0


def measure(size: golden.Size) -> dict[str, object]:
    """Build with an empty cache, run one long case, compare with the golden model."""
    rng = np.random.default_rng(size.k_parallel)
    a = rng.integers(-128, 128, (TILES, size.rows, K), dtype=np.int8)
    b = rng.integers(-128, 128, (TILES, K, size.columns), dtype=np.int8)
    case = golden.case("bench", a, b, size)
    module = build_unit(mpu.unit(**asdict(size)))
    files = rtl.emit(module, boards.load("kv260"))
    build = verilator.build(files, ports(module))
    result = testbench.run(build, [case], stall=(0,), resets=0, waveform=False)
    if not result.ok:
        sys.exit(f"the RTL differs from the golden model: {result.failure.describe() if result.failure else ''}")
    return {
        **asdict(size),
        "build_seconds": round(build.seconds, 1),
        "cycles": result.total_cycles,
        "cycles_per_second": round(result.cycles_per_second),
        "multiply_accumulates_per_second": round(
            TILES * K * size.rows * size.columns * result.cycles_per_second / result.total_cycles
        ),
    }


lacking = verilator.missing()
if lacking is not None:
    print(json.dumps({"benchmark": "simulation", "target": "", "met": False, "results": [], "skipped": lacking}))
    sys.exit(1)
with tempfile.TemporaryDirectory() as cache:
    os.environ["XDG_CACHE_HOME"] = cache
    measured = [measure(size) for size in SIZES]
array = measured[0]
met = array["cycles_per_second"] >= CYCLES_PER_SECOND and array["build_seconds"] < BUILD_SECONDS  # type: ignore[operator]
target = f"the array of one product a cycle: at least {CYCLES_PER_SECOND} cycles/s, build under {BUILD_SECONDS:g} s"
print(json.dumps({"benchmark": "simulation", "target": target, "met": met, "results": measured}, indent=1))
sys.exit(0 if met else 1)
