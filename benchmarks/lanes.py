"""How time and memory of generation grow with the number of outputs, 16 to 4,096, of 1 and of 8 products a cycle."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from _measure import program

SIZES = (4, 8, 16, 32, 64)
# Four times the lanes may take four times as long, with this much for noise.
TOLERANCE = 1.25


def curve(target: str, k_parallel: int) -> list[dict[str, float | int]]:
    """Seconds and memory of ``compile mpu --emit <target>``, each the least of two runs."""
    points = []
    for size in SIZES:
        parameters = {"rows": size, "dsp_columns": size // 2, "lut_columns": size // 2, "k_parallel": k_parallel}
        options = [word for name, value in parameters.items() for word in ("--param", f"{name}={value}")]
        arguments = ["compile", "mpu", "--emit", target, *options]
        runs = [program(arguments) for _ in range(2)]
        seconds, memory = min(run[0] for run in runs), min(run[1] for run in runs)
        points.append({"lanes": size * size, "seconds": round(seconds, 2), "memory_mib": round(memory)})
    return points


def linear(points: list[dict[str, float | int]]) -> bool:
    """Whether no step grows faster than the number of lanes does."""
    return all(
        after[what] / before[what] <= TOLERANCE * after["lanes"] / before["lanes"]
        for before, after in itertools.pairwise(points)
        for what in ("seconds", "memory_mib")
    )


results = {
    f"{target}, k_parallel {k_parallel}": curve(target, k_parallel)
    for target in ("rtl", "hls")
    for k_parallel in (1, 8)
}
met = all(linear(points) for points in results.values())
target = f"growth per step at most {TOLERANCE} times that of the lanes"
print(json.dumps({"benchmark": "lanes", "target": target, "met": met, "results": results}, indent=1))
sys.exit(0 if met else 1)
