"""Time and peak memory of choosing blocks for 131,072 tokens: one head, and all 32 heads of Llama-3.2-1B."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from fastprefill.golden import traces

ROOT = Path(__file__).resolve().parent.parent
TOKENS, DIM = 131072, 64
SECONDS, MIB = 1.0, 512
# gamma and tau that make both kinds of head: 1 is always query-aware, 0 never
RUN = """
import json, sys, time
import numpy as np
from fastprefill.golden import {method} as method
q, k = (np.load(name) for name in sys.argv[1:3])
def mib(field):  # of this program alone; ru_maxrss starts at the parent's
    return int(next(line for line in open("/proc/self/status") if line.startswith(field)).split()[1]) // 1024
before = mib("VmRSS")
times = []
for _ in range({repeat}):
    start = time.perf_counter()
    chosen = method.select_blocks(q, k, gamma=0.9, tau={tau}, min_budget=1024)
    times.append(time.perf_counter() - start)
peak = mib("VmHWM")
print(json.dumps({{
    "heads": q.shape[1], "seconds": round(min(times), 2), "peak_mib": peak,
    "beside_inputs_mib": peak - before, "query_aware": int(chosen.query_aware.sum()),
    "density": round(float(chosen.density.mean()), 3),
}}))
"""


def write_inputs(folder: Path, heads: int, kv_heads: int) -> list[str]:
    """Files of q and k, made one key/value head at a time."""
    group = heads // kv_heads
    parts = [traces.tensors(seed, TOKENS, group, 1, DIM)[:2] for seed in range(kv_heads)]
    names = []
    for name, arrays in zip("qk", zip(*parts, strict=True), strict=True):
        names.append(str(folder / f"{name}{heads}.npy"))
        np.save(names[-1], np.concatenate(arrays, axis=1))
    return names


def measure(files: list[str], method: str, tau: float, repeat: int) -> dict[str, float]:
    """One method on some inputs, in a process of its own so that peak memory is its own."""
    program = RUN.format(method=method, tau=tau, repeat=repeat)
    done = subprocess.run(
        [sys.executable, "-c", program, *files], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    result: dict[str, float] = json.loads(done.stdout)
    return result


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch:
        one = write_inputs(Path(scratch), 1, 1)
        results = {
            "flexprefill, one vertical-slash head": measure(one, "flexprefill", 0.0, 3),
            "flexprefill, one query-aware head": measure(one, "flexprefill", 1.0, 3),
            "xattention, one head": measure(one, "xattention", 0.0, 1),
            "sigu, one vertical-slash head": measure(one, "sigu", 0.0, 1),
            "sigu, one query-aware head": measure(one, "sigu", 1.0, 1),
        }
        every = write_inputs(Path(scratch), 32, 8)
        results["flexprefill, 32 heads"] = measure(every, "flexprefill", 0.1, 1)
    heads = [result for name, result in results.items() if name.startswith("flexprefill, one")]
    met = all(head["seconds"] <= SECONDS and head["peak_mib"] <= MIB for head in heads)
    target = f"FlexPrefill on one head: at most {SECONDS:g} s and {MIB} MiB, inputs and interpreter included"
    print(
        json.dumps(
            {"benchmark": "index_selection", "target": target, "met": met, "results": results}, indent=1
        )
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
