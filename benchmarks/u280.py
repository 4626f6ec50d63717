"""Time and memory of generating the U280's whole project: an array in each region, C++, RTL, vectors, builds.

The target is for processor seconds: ``generate`` is one process, so on an idle core they are the time it takes, and on
a shared machine they do not depend on who else runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECONDS, MEMORY_MIB = 20.0, 2048
MODEL = Path(__file__).resolve().parents[1] / "examples" / "tiny-llama"


def generated(out: Path) -> dict[str, object]:
    """``generate --board u280`` into a new folder: its times, peak memory, and what it made."""
    begun = time.perf_counter()
    words = ["generate", "--model", str(MODEL), "--board", "u280", "--out", str(out), "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "fastprefill", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"fastprefill {' '.join(words)} failed with status {process.returncode}")
    parameters = json.loads((out / "manifest.json").read_text())["parameters"]
    sizes = ("arrays", "rows", "dsp_columns", "lut_columns", "k_parallel")
    macs = parameters["rows"] * (parameters["dsp_columns"] + parameters["lut_columns"]) * parameters["k_parallel"]
    return {
        **{name: parameters[name] for name in sizes},
        "products_per_cycle": parameters["arrays"] * macs,
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "seconds": round(seconds, 1),
        "memory_mib": round(usage.ru_maxrss / 1024),
        "rtl_modules": len(list((out / "rtl").glob("*.sv"))),
        "rtl_lines": sum(path.read_text().count("\n") for path in (out / "rtl").glob("*.sv")),
    }


with tempfile.TemporaryDirectory() as scratch:
    result = generated(Path(scratch) / "u280")
met = result["processor_seconds"] < SECONDS and result["memory_mib"] < MEMORY_MIB  # type: ignore[operator]
target = f"less than {SECONDS:g} processor seconds and {MEMORY_MIB} MiB"
print(json.dumps({"benchmark": "u280", "target": target, "met": met, "results": [result]}, indent=1))
sys.exit(0 if met else 1)
