"""Measured errors of the integer functions against float64, over their whole argument range.

``python -m fastprefill.golden.functions.errors`` prints the table of ``docs/numerics.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden import functions

SEED = 20260101


@dataclass(frozen=True)
class Error:
    """Of one function: the largest and the mean error, and what they are relative to."""

    function: str
    arguments: str
    kind: str
    largest: float
    mean: float


def measure() -> Iterator[Error]:
    """Every function: all arguments where they can be counted, else all small ones and a log-uniform sample."""
    sample = np.exp2(np.random.default_rng(SEED).uniform(0, 62, 400_000)).astype(np.int64)
    n = np.unique(np.concatenate([np.arange(1, 1 << 17), sample]))
    real = n.astype(np.float64)
    whole = "1 to 2^62"

    x = np.arange(-(1 << 16), 1 << 16)
    mantissa, exponent = functions.exp2(x)
    yield _error(
        "exp2", "-256 to 256, all", "relative", np.ldexp(mantissa * 1.0, exponent - 15), np.exp2(x / 256)
    )
    yield _error("log2", whole, "absolute", functions.log2(n) / 65536, np.log2(real))
    mantissa, exponent = functions.reciprocal(n)
    yield _error("reciprocal", whole, "relative", np.ldexp(mantissa * 1.0, -16 - exponent), 1 / real)
    mantissa, half = functions.rsqrt(n)
    yield _error("rsqrt", whole, "relative", np.ldexp(mantissa * 1.0, -16 - half), 1 / np.sqrt(real))
    mantissa, half = functions.sqrt(n)
    yield _error("sqrt", whole, "relative", np.ldexp(mantissa * 1.0, half - 16), np.sqrt(real))
    x = np.arange(-20 << 16, (20 << 16) + 1)
    logistic = 1 / (1 + np.exp(-x / 65536))
    yield _error("sigmoid", "-20 to 20, all", "absolute", functions.sigmoid(x) / 65536, logistic)
    silu = functions.silu(x, 16) / 65536
    yield _error("silu", "-20 to 20, all", "absolute", silu, x / 65536 * logistic)
    phase = np.arange(1 << 20)
    sine, cosine = functions.sincos(phase)
    yield _error("sine", "a turn, all", "absolute", sine / 65536, np.sin(2 * np.pi * phase / 2**20))
    yield _error("cosine", "a turn, all", "absolute", cosine / 65536, np.cos(2 * np.pi * phase / 2**20))


def _error(name: str, arguments: str, kind: str, got: NDArray[Any], exact: NDArray[Any]) -> Error:
    error = np.abs(got - exact)
    if kind == "relative":
        error = error / np.abs(exact)
    return Error(name, arguments, kind, float(error.max()), float(error.mean()))


def main() -> None:
    """Print the table."""
    print("| function | arguments | error | largest | mean |\n|---|---|---|---|---|")
    for e in measure():
        print(f"| {e.function} | {e.arguments} | {e.kind} | {e.largest:.1e} | {e.mean:.1e} |")


if __name__ == "__main__":
    main()
