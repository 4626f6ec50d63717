"""Time to generate 16 x 16 matrix units of 1 and 8 products a cycle, from the start of Python to its exit.

The target is for the array: 256 multiply-accumulates a cycle. The unit of eight products a cycle, which is a KV260's,
does eight times as much and is shown beside it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from _measure import program

SECONDS = 3.0
CPP_LINES = 400
REPEATS = 3


SIZES = (
    {"rows": 16, "dsp_columns": 16},
    {"rows": 16, "dsp_columns": 11, "lut_columns": 5, "k_parallel": 8, "drain_rows": 4},
)


def measure(target: str, size: dict[str, int]) -> dict[str, object]:
    """The quickest of some runs of ``compile mpu --emit <target>``."""
    options = [word for name, value in size.items() for word in ("--param", f"{name}={value}")]
    runs = [program(["compile", "mpu", "--emit", target, "--json", *options]) for _ in range(REPEATS)]
    texts = json.loads(runs[0][2])
    kernel = [text for path, text in texts.items() if path.endswith(".cpp") and not path.endswith("_tb.cpp")]
    return {
        "target": target,
        **size,
        "seconds": round(min(run[0] for run in runs), 2),
        "memory_mib": round(min(run[1] for run in runs)),
        "files": len(texts),
        "lines": sum(text.count("\n") for text in texts.values()),
        "kernel_cpp_lines": sum(text.count("\n") for text in kernel),
        "reproducible": len({run[2] for run in runs}) == 1,
    }


results = [measure(target, size) for size in SIZES for target in ("rtl", "hls")]
of_the_array = [r for r in results if "k_parallel" not in r]
met = all(r["reproducible"] for r in results) and all(
    r["seconds"] < SECONDS and r["kernel_cpp_lines"] <= CPP_LINES for r in of_the_array
)
target = (
    f"the array of one product a cycle in less than {SECONDS} s and at most {CPP_LINES} lines of C++; "
    "the same bytes every time"
)
print(json.dumps({"benchmark": "generation", "target": target, "met": met, "results": results}, indent=1))
sys.exit(0 if met else 1)
