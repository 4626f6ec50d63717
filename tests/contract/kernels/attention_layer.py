"""A layer's attention from memory to memory at the smallest size: two heads of one group, and two KV heads."""

from dataclasses import asdict, replace

import numpy as np

from fastprefill.golden import attention_layer as golden
from fastprefill.golden.attention import Heads
from fastprefill.golden.attention_layer import Prompt, Size
from fastprefill.golden.jobs import pack
from fastprefill.golden.scale import Codes, Scales
from fastprefill.kernels import attention_layer
from fastprefill.system.case import Case
from fastprefill.system.system import System

SIZE = Size(
    rows=4, columns=4, k_parallel=2, drain_rows=2, dim=8, block=8, beat_bits=64, blocks=8, group=2, lines=3,
    look_ahead=6,
)  # fmt: skip
LARGER = replace(SIZE, block=16)
"""Two parts of a block's keys for each of the values' products."""
FRACTION = 14


def system(size: Size = SIZE) -> System:
    return attention_layer.system(**asdict(size), dsp_columns=2, most_words=16)


def operands(rng: np.random.Generator, tokens: int, heads: int, kv_heads: int, dim: int) -> Heads:
    """Random codes, and scales that spread the scores over many powers of two."""

    def codes(count: int) -> Codes:
        values = rng.integers(-127, 128, (tokens, count, dim)).astype(np.int8)
        mantissas, exponents = (rng.integers(*ends, (tokens, count)) for ends in ((128, 256), (-10, -4)))
        return Codes(values, Scales(mantissas, exponents))

    return Heads(codes(heads), codes(kv_heads), codes(kv_heads))


def prompt(
    rng: np.random.Generator,
    size: Size,
    tokens: int,
    heads: tuple[int, int],
    density: float,
    scale_group: int,
    keep: bool = True,
) -> Prompt:
    """Random jobs of query heads and KV heads; with `keep` each query block keeps its own block."""
    blocks = -(-tokens // size.block)
    mask = rng.random((heads[0], blocks, blocks)) < density
    if keep:
        mask |= np.eye(blocks, dtype=bool)
    return Prompt(
        operands(rng, tokens, *heads, size.dim), mask & np.tri(blocks, dtype=bool), FRACTION, scale_group
    )


def cases(seed: int, size: Size = SIZE) -> list[Case]:
    rng = np.random.default_rng(seed)
    block = size.block
    holes = prompt(rng, size, 4 * block, (2, 1), 0.0, 8, keep=False)
    holes.mask[1, 2, (0, 2)] = True
    return [
        golden.case("sparse", prompt(rng, size, 4 * block + 3, (2, 1), 0.4, 16), size, size.lines, 1),
        golden.case("kv_heads", prompt(rng, size, 2 * block + 1, (4, 2), 0.5, 8), size, 2, 1),
        golden.case("no_line", prompt(rng, size, 2 * block, (2, 1), 1.0, 16), size, 0, 0),
        golden.case("one_token", prompt(rng, size, 1, (1, 1), 1.0, 8), size, 1, 0),
        golden.case("holes", holes, size, 1, 1),
        golden.faulty_case("faulty", *faulty(rng, size)),
    ]


def faulty(rng: np.random.Generator, size: Size) -> tuple[Prompt, Size, dict[int, int]]:
    """Two KV heads, of which the second one's list says that it is of another prompt."""
    good = prompt(rng, size, 2 * size.block + 1, (4, 2), 0.5, 8)
    return good, size, {max(len(pack(listed)) for listed in good.lists) + 8: 4}
