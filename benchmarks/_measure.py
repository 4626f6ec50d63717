"""Time and peak memory of a program."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence


def program(arguments: Sequence[str]) -> tuple[float, float, str]:
    """Run ``python -m fastprefill`` with `arguments`.

    Returns:
        Wall-clock seconds from start to exit, peak resident memory in MiB, and what it printed.
    """
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "fastprefill", *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"fastprefill {' '.join(arguments)} failed with status {process.returncode}")
    return seconds, usage.ru_maxrss / 1024, printed
