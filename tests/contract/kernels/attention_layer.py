"""A layer's attention from memory to memory at the smallest size: two heads of one group, and two KV heads."""

from dataclasses import asdict

import numpy as np

from fastprefill.golden import attention_layer as golden
from fastprefill.golden.attention import Heads
from fastprefill.golden.attention_layer import Prompt, Size
from fastprefill.golden.scale import Codes, Scales
from fastprefill.kernels import attention_layer
from fastprefill.system.case import Case
from fastprefill.system.system import System

SIZE = Size(
    rows_=4, columns=4, k_parallel=2, drain_rows=2, dim=8, block=16, beat_bits=64, blocks=8, group=2, lines=3,
    look_ahead=2,
)  # fmt: skip
FRACTION = 14


def system() -> System:
    return attention_layer.system(**asdict(SIZE), dsp_columns=2, most_words=16)


def operands(rng: np.random.Generator, tokens: int, heads: int, kv_heads: int, lowest: int = -10) -> Heads:
    """Random codes, and scales that spread the scores over many powers of two."""

    def codes(count: int) -> Codes:
        values = rng.integers(-127, 128, (tokens, count, SIZE.dim)).astype(np.int8)
        mantissas, exponents = (rng.integers(*ends, (tokens, count)) for ends in ((128, 256), (lowest, -4)))
        return Codes(values, Scales(mantissas, exponents))

    return Heads(codes(heads), codes(kv_heads), codes(kv_heads))


def prompt(
    rng: np.random.Generator,
    tokens: int,
    heads: int,
    kv_heads: int,
    density: float,
    scale_group: int,
    keep: bool = True,
) -> Prompt:
    """Random jobs; with `keep` each query block keeps its own block."""
    blocks = -(-tokens // SIZE.block)
    mask = rng.random((heads, blocks, blocks)) < density
    if keep:
        mask |= np.eye(blocks, dtype=bool)
    causal = np.tri(blocks, dtype=bool)
    return Prompt(operands(rng, tokens, heads, kv_heads), mask & causal, FRACTION, scale_group)


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    holes = prompt(rng, 4 * SIZE.block, 2, 1, 0.0, 8, keep=False)
    holes.mask[1, 2, (0, 2)] = True
    return [
        golden.case("sparse", prompt(rng, 5 * SIZE.block + 3, 2, 1, 0.4, 16), SIZE, SIZE.lines, 1),
        golden.case("kv_heads", prompt(rng, 2 * SIZE.block + 1, 4, 2, 0.5, 8), SIZE, 2, 1),
        golden.case("no_line", prompt(rng, 3 * SIZE.block, 2, 1, 1.0, 16), SIZE, 0, 0),
        golden.case("one_token", prompt(rng, 1, 1, 1, 1.0, 8), SIZE, 1, 0),
        golden.case("holes", holes, SIZE, 1, 1),
    ]
