"""Speed of the interpreter: lane operations per second of the matrix unit, as one JSON object.

    python benchmarks/interpreter.py [--size 16 32] [--k-parallel 1 8] [--k 512] [--tiles 8]

A lane operation is one arithmetic or slice op, load or store of the IR, done for one lane of an unrolled loop
(``Statistics.operations``: constants and index arithmetic are not counted). The result is compared with the
golden model before its time counts. The exit status is 1 when a size is slower than the target.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict

import numpy as np

from fastprefill.golden import mpu as golden
from fastprefill.kernels import mpu
from fastprefill.system.build import build_unit
from fastprefill.targets.interpreter import Program, Statistics

TARGET = 2e7
"""Lane operations per second that are asked for."""


def measure(size: int, k_parallel: int, k: int, tiles: int, repeats: int) -> dict[str, float | int]:
    """Compile the matrix unit of `size` x `size`, half of it on DSP slices; keep the fastest of some runs."""
    rng = np.random.default_rng(size)
    a = rng.integers(-128, 128, (tiles, size, k), dtype=np.int8)
    b = rng.integers(-128, 128, (tiles, k, size), dtype=np.int8)
    whole = golden.Size(size, size // 2, size - size // 2, k_parallel)
    case = golden.case("bench", a, b, whole)
    module = build_unit(mpu.unit(**asdict(whole)))
    start = time.perf_counter()
    program = Program(module)
    compile_seconds = time.perf_counter() - start
    seconds = []
    for _ in range(repeats):
        statistics = Statistics()
        start = time.perf_counter()
        outputs = program.run(case, statistics=statistics)
        seconds.append(time.perf_counter() - start)
        if outputs != case.outputs:
            sys.exit(f"the interpreter differs from the golden model at {whole}")
    return {
        **asdict(whole),
        "k": k,
        "tiles": tiles,
        "compile_seconds": round(compile_seconds, 4),
        "run_seconds": round(min(seconds), 4),
        "lane_operations": statistics.operations,
        "lane_operations_per_second": round(statistics.operations / min(seconds)),
        "scalar_nests": sum(len(process.scalar_nests) for process in program.processes.values()),
    }


def main() -> None:
    """Measure every size asked for."""
    parser = argparse.ArgumentParser(description="lane operations per second of the interpreter")
    parser.add_argument("--size", type=int, nargs="+", default=[4, 16, 32], help="rows and columns of the array")
    parser.add_argument("--k-parallel", type=int, nargs="+", default=[1, 8], help="products of an output in a cycle")
    parser.add_argument("--k", type=int, default=512, help="products per output")
    parser.add_argument("--tiles", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    results = [
        measure(size, k_parallel, options.k, options.tiles, options.repeats)
        for size in options.size
        for k_parallel in options.k_parallel
    ]
    slow = [result for result in results if result["rows"] >= 16 and result["lane_operations_per_second"] < TARGET]
    print(json.dumps({"benchmark": "interpreter", "target": TARGET, "met": not slow, "results": results}, indent=1))
    sys.exit(1 if slow else 0)


if __name__ == "__main__":
    main()
