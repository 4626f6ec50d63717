"""Run every benchmark of this folder and print one JSON object: python -m benchmarks [NAME ...]

A benchmark is a file here that, run as a program, prints one JSON object with the keys ``benchmark``, ``target`` (what
is asked for, with units), ``met`` and ``results``. Each runs in a process of its own, one after the other, so that
imports and peak memory are its own. The exit status is 1 when one fails or misses its target.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent


def names() -> list[str]:
    """The benchmarks there are."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def run(name: str) -> dict[str, Any]:
    """Run one benchmark in a process of its own; its object, with ``seconds`` added."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, FOLDER / f"{name}.py"], cwd=FOLDER.parent, stdout=subprocess.PIPE, text=True, check=False
    )
    try:
        result: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        result = {"benchmark": name, "met": False, "error": f"printed no JSON; exit status {done.returncode}"}
    result["seconds"] = round(time.perf_counter() - start, 1)
    return result


def commit() -> str:
    """Commit of the checkout, with ``+`` when it has changes."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--abbrev=9"],
        cwd=FOLDER, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.strip()


def main(asked: list[str]) -> int:
    """Run the benchmarks asked for, all of them by default."""
    unknown = sorted(set(asked) - set(names()))
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are: {', '.join(names())}", file=sys.stderr)
        return 2
    results = []
    for name in asked or names():
        print(f"{name} ...", file=sys.stderr, flush=True)
        results.append(run(name))
    machine = {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
    print(json.dumps({"commit": commit(), "machine": machine, "benchmarks": results}, indent=1))
    return 0 if all(result["met"] for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
