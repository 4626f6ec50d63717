"""Utilisation of the matrix unit in RTL, tiles back to back, by K and by the rows that leave in a cycle; its LUTs.

``utilisation`` is of a whole run, from start to done. ``steady`` leaves out what a run takes once, ``once`` cycles: the
start, the length of the pipeline, the last tile's way out. It is that of the second half of a run of twice the tiles.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from fastprefill import boards, tools
from fastprefill.golden import mpu as golden
from fastprefill.kernels import mpu
from fastprefill.system.build import build_unit
from fastprefill.system.ports import ports
from fastprefill.targets import rtl
from fastprefill.tools import testbench, verilator, yosys

ROWS, DSP_COLUMNS, LUT_COLUMNS, K_PARALLEL = 16, 4, 4, 8
PRODUCTS = 64 * 512
"""K times tiles of each run."""
LEAST = {64: 0.90, 128: 0.98, 512: 0.98}
"""K -> utilisation asked for."""


def measure(drain_rows: int) -> list[dict[str, object]]:
    """Runs of one unit without gaps in its inputs and with its output always ready, compared with the golden model."""
    size = golden.Size(ROWS, DSP_COLUMNS, LUT_COLUMNS, K_PARALLEL, drain_rows)
    rng = np.random.default_rng(ROWS)
    module = build_unit(mpu.unit(ROWS, DSP_COLUMNS, LUT_COLUMNS, K_PARALLEL, drain_rows))
    files = rtl.emit(module, boards.load("kv260"))
    build = verilator.build(files, ports(module))
    luts = count(files)
    measured: list[dict[str, object]] = []
    for k in LEAST:
        tiles, steps = PRODUCTS // k, k // K_PARALLEL
        a = rng.integers(-128, 128, (2 * tiles, ROWS, k), dtype=np.int8)
        b = rng.integers(-128, 128, (2 * tiles, k, size.columns), dtype=np.int8)
        cases = [golden.case(f"k_{k}_{count}", a[:count], b[:count], size) for count in (tiles, 2 * tiles)]
        result = testbench.run(build, cases, stall=(0,), resets=0, waveform=False)
        if not result.ok:
            sys.exit(f"K = {k}: the RTL differs: {result.failure.describe() if result.failure else ''}")
        cycles, twice = (result.cycles(case.name) or 0 for case in cases)
        measured.append(
            {
                "drain_rows": drain_rows,
                "k": k,
                "tiles": tiles,
                "cycles": cycles,
                "utilisation": round(tiles * steps / cycles, 4),
                "steady": round(tiles * steps / (twice - cycles), 4),
                "once": cycles - tiles * steps,
                "lut": luts,
            }
        )
    return measured


def count(files: dict[str, str]) -> int | None:
    """LUTs of the unit, by Yosys; None where that is not installed."""
    if not tools.available("yosys"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        sources = [Path(folder) / name for name in files if name.endswith(".sv")]
        for source in sources:
            source.write_text(files[source.name])
        return yosys.synthesise(sources, "mpu").total.lut


lacking = verilator.missing()
if lacking is not None:
    print(
        json.dumps(
            {"benchmark": "utilisation", "target": "", "met": False, "results": [], "skipped": lacking}
        )
    )
    sys.exit(1)
results = [one for drain_rows in (2, 4) for one in measure(drain_rows)]
met = all(one["utilisation"] >= LEAST[one["k"]] for one in results)  # type: ignore[index,operator]
target = ", ".join(f"at least {least} at K = {k}" for k, least in LEAST.items())
print(json.dumps({"benchmark": "utilisation", "target": target, "met": met, "results": results}, indent=1))
sys.exit(0 if met else 1)
