"""Cases of ``kernels/pool.py``: pooled rows of one head as words on its streams."""

from __future__ import annotations

import numpy as np

from fastprefill.golden.scale import Codes, Scales
from fastprefill.golden.sfu_streams import scale_words, words
from fastprefill.golden.sigu.operands import pooled
from fastprefill.system.case import Case


def case(name: str, codes: Codes, block: int, lanes: int) -> Case:
    """A run on the codes of one head's tokens [tokens, dim]."""
    tokens, dim = codes.values.shape
    rows = pooled(codes, block)
    return Case(
        name,
        {"tokens": tokens, "blocks": len(rows.values), "groups": 1, "words": dim // lanes, "fraction": 0},
        {"scales": scale_words(codes.scales), "codes": words(codes.values, lanes, 8)},
        {"pooled_codes": words(rows.values, lanes, 8), "pooled_scales": scale_words(rows.scales)},
    )


def cases(seed: int, dim: int = 64, block: int = 128, lanes: int = 8) -> list[Case]:
    """Random rows, whole and ragged blocks, one token, the largest sums, scales far apart, zeros."""
    rng = np.random.default_rng(seed)

    def random(name: str, tokens: int, exponents: tuple[int, int] = (-12, -6)) -> Case:
        codes = rng.integers(-127, 128, (tokens, dim)).astype(np.int8)
        scales = Scales(rng.integers(128, 256, tokens), rng.integers(*exponents, tokens))
        return case(name, Codes(codes, scales), block, lanes)

    def equal(name: str, tokens: int, code: int, mantissa: int = 255) -> Case:
        codes = np.full((tokens, dim), code, np.int8)
        scales = Scales(np.full(tokens, mantissa), np.full(tokens, -7))
        return case(name, Codes(codes, scales), block, lanes)

    return [
        random("random", 2 * block + 3),
        random("one_token", 1),
        random("one_block", block),
        random("two_blocks", 2 * block),
        random("one_more", block + 1),
        random("far_apart", block + 5, (-60, 60)),
        equal("highest", 2 * block, 127),
        equal("lowest", block + 1, -127),
        equal("zeros", block, 0, 128),
    ]
