"""Softmax of the attention engine: scores and scales in, weights as operands and row sums out."""

from dataclasses import astuple

import numpy as np

from fastprefill.golden import attention_streams as streams
from fastprefill.golden.attention import Heads
from fastprefill.golden.attention_size import Size
from fastprefill.golden.attention_streams import Row
from fastprefill.golden.scale import Codes, Scales
from fastprefill.kernels.attention import softmax
from fastprefill.system.case import Case
from fastprefill.system.unit import Unit

SIZE = Size(rows=4, columns=4, k_parallel=2, drain_rows=2, dim=8, block=16)


def unit() -> Unit:
    return softmax.unit(*astuple(SIZE))


def operands(rng: np.random.Generator, tokens: int, lowest: int = -12, highest: int = -4, dim: int = SIZE.dim) -> Heads:
    """Random codes, and scales that spread the scores over many powers of two."""

    def codes(count: int) -> Codes:
        values = rng.integers(-127, 128, (tokens, count, dim)).astype(np.int8)
        mantissas, exponents = (rng.integers(*ends, (tokens, count)) for ends in ((128, 256), (lowest, highest)))
        return Codes(values, Scales(mantissas, exponents))

    return Heads(codes(2), codes(1), codes(1))


def extreme(tokens: int, exponent: int) -> Heads:
    """Scores that saturate in both directions: all codes at an end, scales as large as they get."""
    signs = np.where(np.arange(tokens) % 3, 127, -127).astype(np.int8)
    values = np.broadcast_to(signs[:, None, None], (tokens, 1, SIZE.dim))
    largest = Codes(values, Scales(np.full((tokens, 1), 255), np.full((tokens, 1), exponent)))
    return Heads(largest, largest, largest)


def small(rng: np.random.Generator, tokens: int) -> Heads:
    """Codes of -1 to 1 with large scales: products that move to the left and are not saturated yet."""

    def codes() -> Codes:
        values = np.where(rng.random((tokens, 1, SIZE.dim)) < 0.2, rng.choice([-1, 1], (tokens, 1, SIZE.dim)), 0)
        return Codes(values.astype(np.int8), Scales(np.full((tokens, 1), 128), rng.integers(-5, 0, (tokens, 1))))

    return Heads(codes(), codes(), codes())


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    block = SIZE.block

    def case(name: str, heads: Heads, *rows: Row) -> Case:
        return streams.softmax(name, streams.tiles(heads, rows, block), SIZE)

    three = operands(rng, 3 * block)
    return [
        case("random", three, Row(0, 2, (0, 2)), Row(1, 1, (1,)), Row(1, 2, (0, 1))),
        case("ragged", operands(rng, block + 5, lowest=-9, highest=-7), Row(0, 1, (0, 1))),
        case("one_token", operands(rng, 1), Row(0, 0, (0,))),
        case("saturating", extreme(2 * block, 127), Row(0, 1, (1, 0))),
        case("small_codes", small(rng, block), Row(0, 0, (0,))),
        case("flat", extreme(2 * block, -128), Row(0, 1, (0, 1))),
    ]
