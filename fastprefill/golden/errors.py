"""Measured errors of the integer functions and operations against float64, over their whole argument range.

``python -m fastprefill.golden.errors`` prints the table of ``docs/numerics.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden import attention, functions, sfu
from fastprefill.golden.fixed_point import Format
from fastprefill.golden.partial import normalise
from fastprefill.golden.scale import Scales

SEED = 20260101


@dataclass(frozen=True)
class Error:
    """Of one function: the largest and the mean error, and what they are relative to."""

    function: str
    arguments: str
    unit: str
    largest: float
    mean: float


def measure() -> Iterator[Error]:
    """Functions, then operations. All arguments where they can be counted, else all small ones and a sample."""
    yield from _functions()
    yield from _operations()


def main() -> None:
    """Print the table."""
    print("| function | arguments | error | largest | mean |\n|---|---|---|---|---|")
    for e in measure():
        print(f"| {e.function} | {e.arguments} | {e.unit} | {e.largest:.1e} | {e.mean:.1e} |")


def _functions() -> Iterator[Error]:
    sample = np.exp2(np.random.default_rng(SEED).uniform(0, 62, 400_000)).astype(np.int64)
    n = np.unique(np.concatenate([np.arange(1, 1 << 17), sample]))
    real = n.astype(np.float64)
    whole = "1 to 2^62"

    x = np.arange(-(1 << 16), 1 << 16)
    mantissa, exponent = functions.exp2(x)
    got = np.ldexp(mantissa * 1.0, exponent - 15)
    yield _relative("exp2", "-256 to 256, all", got, np.exp2(x / 256))
    yield _absolute("log2", whole, functions.log2(n) / 65536, np.log2(real))
    mantissa, exponent = functions.reciprocal(n)
    yield _relative("reciprocal", whole, np.ldexp(mantissa * 1.0, -16 - exponent), 1 / real)
    mantissa, half = functions.rsqrt(n)
    yield _relative("rsqrt", whole, np.ldexp(mantissa * 1.0, -16 - half), 1 / np.sqrt(real))
    mantissa, half = functions.sqrt(n)
    yield _relative("sqrt", whole, np.ldexp(mantissa * 1.0, half - 16), np.sqrt(real))
    x = np.arange(-20 << 16, (20 << 16) + 1)
    logistic = 1 / (1 + np.exp(-x / 65536))
    yield _absolute("sigmoid", "-20 to 20, all", functions.sigmoid(x) / 65536, logistic)
    silu = functions.silu(x, 16) / 65536
    yield _absolute("silu", "-20 to 20, all", silu, x / 65536 * logistic)
    phase = np.arange(1 << 20)
    sine, cosine = functions.sincos(phase)
    yield _absolute("sine", "a turn, all", sine / 65536, np.sin(2 * np.pi * phase / 2**20))
    yield _absolute("cosine", "a turn, all", cosine / 65536, np.cos(2 * np.pi * phase / 2**20))


def _operations() -> Iterator[Error]:
    generator = np.random.default_rng(SEED)
    # rows of every size that 32 bits hold, half of them with a channel that is far above the others
    rows = generator.standard_normal((4000, 256)) * np.exp2(generator.uniform(0, 26, (4000, 1)))
    rows[::2, 7] *= 30
    x = np.clip(np.rint(rows), 1 - 2**31, 2**31 - 1).astype(np.int64)

    coded = sfu.quantise(x, 0)
    step = coded.scales.real()[:, None]
    yield _error("quantise", "rows of 32 bits", "steps of the codes", (coded.real() - x) / step)

    products = generator.integers(-(2**28), 2**28, (500, 64))
    left = Scales(generator.integers(128, 256, 500), generator.integers(-20, -8, 500))
    right = Scales(generator.integers(128, 256, 64), generator.integers(-24, -16, 64))
    got = sfu.dequantise(products, left, right, Format(32, 8))
    exact = products * left.real()[:, None] * right.real() * 2.0**8
    yield _error("dequantise", "products of 28 bits", "units of the result", got - exact)

    norm = sfu.Norm.of(generator.uniform(0.2, 2, 256), 1e-5, 16, Format(24, 17))
    exact = x / 2.0**16
    exact = (
        exact
        / np.sqrt((exact**2).mean(axis=-1, keepdims=True) + 1e-5)
        * np.ldexp(norm.gain, -norm.gain_fraction)
        / 16
    )
    error = norm.out.decode(sfu.rms_norm(x, norm)) - exact
    size = np.maximum(np.abs(exact).max(axis=-1, keepdims=True), 2.0**-4)
    yield _error("rms_norm", "rows of 32 bits", "the row's largest", error / size)

    positions = np.arange(0, 131_072, 5)
    frequencies = 500_000.0 ** (-np.arange(32) / 32)
    vectors = np.zeros((len(positions), 1, 64), np.int64)
    vectors[..., :32] = 1 << 22
    turned = sfu.rope(vectors, positions, sfu.phases(frequencies))[:, 0] / 2.0**22
    angle = positions[:, None] * frequencies
    error = turned - np.concatenate([np.cos(angle), np.sin(angle)], axis=-1)
    yield _error("rope", "positions to 131,071", "the pair's length", error)

    gate = generator.integers(-(2**23), 2**23, 400_000) >> generator.integers(0, 20, 400_000)
    up = generator.integers(2**18, 2**20, 400_000)
    real = gate / 2.0**16
    product = real / (1 + np.exp(-real)) * (up / 2.0**16)
    error = np.ldexp(sfu.silu_up(gate, up, 16, 16, Format(32, 16)), -16) - product
    yield _error("silu_up", "-128 to 128", "up", error / (up / 2.0**16))

    yield from _attention(generator)


def _attention(generator: np.random.Generator) -> Iterator[Error]:
    """Softmax and attention of 128 rows over 4,096 keys with scores from flat to one-hot."""
    tokens, dim = 4096, 64
    spread = np.repeat(np.exp2(generator.uniform(-2, 3, tokens // 128)), 128)[:, None, None]
    q = generator.standard_normal((tokens, 1, dim)) * spread / np.sqrt(dim)
    k, v = generator.standard_normal((2, tokens, 1, dim))
    operands = attention.Heads(*(sfu.quantise(np.rint(x * 2**16).astype(np.int64), 16) for x in (q, k, v)))
    t = operands.q.real()[:, 0] @ operands.k.real()[:, 0].T
    sums, errors = [], []
    for row in range(3, tokens // 128, 4):
        seen = np.where(
            np.tri(128, (row + 1) * 128, row * 128, dtype=bool),
            t[row * 128 : row * 128 + 128, : (row + 1) * 128],
            -np.inf,
        )
        weights = np.exp2(seen - seen.max(axis=-1, keepdims=True))
        state = attention.query_block(operands, 0, row, range(row + 1))
        total = np.ldexp(state.l.astype(np.float64), state.m - 14)
        sums.append(total / (weights.sum(axis=-1) * np.exp2(seen.max(axis=-1))) - 1)
        exact = weights / weights.sum(axis=-1, keepdims=True) @ operands.v.real()[: seen.shape[1], 0]
        got = normalise(state, 18) / 2.0**18
        errors.append(np.linalg.norm(got - exact, axis=-1) / np.linalg.norm(exact, axis=-1))
    yield _error("softmax_sum", "to 4,096 keys, flat to one-hot", "relative", np.concatenate(sums))
    yield _error("attention", "to 4,096 keys, flat to one-hot", "the row's length", np.concatenate(errors))


def _relative(name: str, arguments: str, got: NDArray[Any], exact: NDArray[Any]) -> Error:
    return _error(name, arguments, "relative", (got - exact) / exact)


def _absolute(name: str, arguments: str, got: NDArray[Any], exact: NDArray[Any]) -> Error:
    return _error(name, arguments, "absolute", got - exact)


def _error(name: str, arguments: str, unit: str, error: NDArray[Any]) -> Error:
    size = np.abs(error)
    return Error(name, arguments, unit, float(size.max()), float(size.mean()))


if __name__ == "__main__":
    main()
