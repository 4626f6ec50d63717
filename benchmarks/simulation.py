"""Speed of RTL simulation: a 16 x 16 matrix unit in Verilator, built from nothing and run without gaps."""

from __future__ import annotations

import json
import os
import sys
import tempfile

import numpy as np

from fastprefill import boards
from fastprefill.golden import mpu as golden
from fastprefill.kernels import mpu
from fastprefill.system.build import build_unit
from fastprefill.system.ports import ports
from fastprefill.targets import rtl
from fastprefill.tools import testbench, verilator

SIZE = 16
CYCLES_PER_SECOND = 150_000
BUILD_SECONDS = 90.0


def measure() -> dict[str, object]:
    """Build with an empty cache, run one long case, compare with the golden model."""
    rng = np.random.default_rng(SIZE)
    a = rng.integers(-128, 128, (16, SIZE, 16384), dtype=np.int8)
    b = rng.integers(-128, 128, (16, 16384, SIZE), dtype=np.int8)
    case = golden.case("bench", a, b)
    module = build_unit(mpu.unit(SIZE, SIZE))
    files = rtl.emit(module, boards.load("kv260"))
    build = verilator.build(files, ports(module))
    result = testbench.run(build, [case], stall=(0,), resets=0, waveform=False)
    if not result.ok:
        sys.exit(f"the RTL differs from the golden model: {result.failure.describe() if result.failure else ''}")
    return {
        "rows": SIZE,
        "cols": SIZE,
        "build_seconds": round(build.seconds, 1),
        "cycles": result.total_cycles,
        "cycles_per_second": round(result.cycles_per_second),
    }


lacking = verilator.missing()
if lacking is not None:
    print(json.dumps({"benchmark": "simulation", "target": "", "met": False, "results": [], "skipped": lacking}))
    sys.exit(1)
with tempfile.TemporaryDirectory() as cache:
    os.environ["XDG_CACHE_HOME"] = cache
    measured = measure()
met = measured["cycles_per_second"] >= CYCLES_PER_SECOND and measured["build_seconds"] < BUILD_SECONDS  # type: ignore[operator]
target = f"at least {CYCLES_PER_SECOND} cycles/s, build under {BUILD_SECONDS:g} s"
print(json.dumps({"benchmark": "simulation", "target": target, "met": met, "results": [measured]}, indent=1))
sys.exit(0 if met else 1)
