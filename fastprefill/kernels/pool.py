"""Pooled rows for SIGU: the mean of each block of tokens, made from codes as they pass, as codes with a scale.

Three units: `sums` aligns the tokens of a block to their largest scale and divides their sum, ``sfu.quantise`` codes
the mean, and `restore` puts the block's exponent back into the scale. ``docs/sigu.md`` has the arithmetic.
"""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Int, Stream, UInt, int32

from fastprefill.errors import FastprefillError
from fastprefill.golden.sfu import ACTIVATION_BITS
from fastprefill.golden.sigu.operands import ALIGNMENT, RECIPROCAL_FRACTION, reciprocals
from fastprefill.kernels.sfu import quantise
from fastprefill.kernels.sfu.size import MOST_ROWS, check_lanes
from fastprefill.system.system import System
from fastprefill.system.unit import Unit

MEANS_AHEAD = 4
"""Room for exponents of blocks: those of the rows in ``quantise``, and one more."""


def sums(dim: int, block: int, lanes: int) -> Unit:
    """Means of blocks of tokens, before they are quantised.

    Streams in: ``scales``, one of each token, and ``codes``, tokens of words of `lanes` int8. Out: ``means``, for each
    block words of `lanes` 24-bit integers, and ``tops``, the exponent of the block's largest scale. Scalar: ``tokens``.
    """
    WORDS, HALF = dim // lanes, 1 << RECIPROCAL_FRACTION - 1
    Codes, Sums, Means = UInt(8 * lanes), UInt(32 * lanes), UInt(ACTIVATION_BITS * lanes)
    MEAN = ACTIVATION_BITS
    FACTORS = np.concatenate([[0], reciprocals(np.arange(1, block + 1))])

    @df.region()
    def pool_sums(tokens: int32[1]):
        scales: Stream[UInt(16), 2]
        codes: Stream[Codes, 2]
        multipliers: Stream[UInt(16), block]
        tops: Stream[Int(8), MEANS_AHEAD]
        whole: Stream[Sums, 2]
        means: Stream[Means, 2]

        @df.kernel(mapping=[1], args=[tokens])
        def align(ltokens: int32[1]):
            held: UInt(16)[block]
            left: int32 = ltokens[0]
            while left > 0:
                length: int32 = min(left, block)
                top: Int(8) = -128
                for t in range(length):
                    scale: UInt(16) = scales.get()
                    held[t] = scale
                    exponent: Int(8) = scale[8:16]
                    top = max(top, exponent)
                tops.put(top)
                for u in range(length):
                    kept: UInt(16) = held[u]
                    own: Int(8) = kept[8:16]
                    below: UInt(8) = top - own
                    mantissa: UInt(16) = kept[0:8]
                    mantissa = mantissa << ALIGNMENT
                    multipliers.put(mantissa >> min(below, 16))
                left -= length

        @df.kernel(mapping=[1], args=[tokens])
        def add(ltokens: int32[1]):
            totals: Sums[WORDS]
            multiplier: UInt(16) = 0
            left: int32 = ltokens[0]
            while left > 0:
                length: int32 = min(left, block)
                for t in range(length):
                    for w in range(WORDS):
                        if w == 0:
                            multiplier = multipliers.get()
                        word: Codes = codes.get()
                        so_far: Sums = 0
                        if t > 0:
                            so_far = totals[w]
                        after: Sums = 0
                        for j in range(lanes, unroll=True):
                            code: Int(8) = word[8 * j : 8 * j + 8]
                            total: int32 = so_far[32 * j : 32 * j + 32]
                            weighted = code * multiplier
                            after[32 * j : 32 * j + 32] = total + weighted
                        totals[w] = after
                        if t == length - 1:
                            whole.put(after)
                left -= length

        @df.kernel(mapping=[1], args=[tokens])
        def divide(ltokens: int32[1]):
            factors: UInt(RECIPROCAL_FRACTION + 1)[block + 1] = FACTORS
            row: Sums = 0
            mean: Means = 0
            left: int32 = ltokens[0]
            while left > 0:
                length: int32 = min(left, block)
                for w in range(WORDS):
                    for e in range(lanes):  # one multiplier is enough: a mean is due once in a block
                        if e == 0:
                            row = whole.get()
                        total: int32 = row[32 * e : 32 * e + 32]
                        share = total * factors[length]
                        rounded: Int(MEAN) = (share + HALF) >> RECIPROCAL_FRACTION
                        mean[MEAN * e : MEAN * e + MEAN] = rounded
                        if e == lanes - 1:
                            means.put(mean)
                left -= length

    def schedule(s) -> None:
        for loop in ("align:t", "align:u", "add:w", "divide:e"):
            s.pipeline(loop, initiation_interval=1)

    return Unit(
        "pool_sums",
        pool_sums,
        inputs=("scales", "codes"),
        outputs=("means", "tops"),
        schedule=schedule,
        operators={"add:weighted": "dsp", "divide:share": "dsp"},
        limits={"tokens": (1, MOST_ROWS)},
    )


def restore() -> Unit:
    """Scales of pooled rows: those of the quantised means, with the exponents of their blocks added.

    Streams in: ``scales``, ``tops``; out: ``pooled``. Scalar: ``rows``, blocks.
    """

    @df.region()
    def pool_restore(rows: int32[1]):
        scales: Stream[UInt(16), 2]
        tops: Stream[Int(8), 2]
        pooled: Stream[UInt(16), 2]

        @df.kernel(mapping=[1], args=[rows])
        def restore(lrows: int32[1]):
            for r in range(lrows[0]):
                scale: UInt(16) = scales.get()
                top: Int(8) = tops.get()
                exponent: Int(8) = scale[8:16]
                scale[8:16] = exponent + top - ALIGNMENT
                pooled.put(scale)

    return Unit(
        "pool_restore",
        pool_restore,
        inputs=("scales", "tops"),
        outputs=("pooled",),
        schedule=lambda s: s.pipeline("restore:r", initiation_interval=1),
        limits={"rows": (1, MOST_ROWS)},
    )


def system(dim: int = 64, block: int = 128, lanes: int = 8) -> System:
    """Codes and scales of one head's tokens in, pooled codes and scales out (``golden.sigu.operands.pooled``).

    Streams in: ``scales``, a 16-bit word of each token (mantissa, exponent above it), and ``codes``, words of `lanes`
    int8, token after token; the scales of a block are taken before its codes. Out: ``pooled_codes``, words like
    ``codes``, and ``pooled_scales``, a word for each block. Scalars: ``tokens``; ``blocks``, which is tokens / `block`
    rounded up; ``groups``, 1; ``words`` of a row, `dim` / `lanes`;
    ``fraction``, 0.

    Args:
        dim: elements of a head.
        block: tokens of a block, a power of two from 8 to 128.
        lanes: elements in a cycle.

    Raises:
        FastprefillError: a size that is not allowed.
    """
    check_lanes("pool", lanes)
    if block not in (8, 16, 32, 64, 128):
        raise FastprefillError(f"pool with blocks of {block} tokens; choose a power of two from 8 to 128")
    if dim < 1 or dim % lanes:
        raise FastprefillError(f"pool with rows of {dim} elements in words of {lanes}; choose a multiple")
    units = {
        "sums": sums(dim, block, lanes),
        "quantise": quantise.unit(lanes, ACTIVATION_BITS, dim // lanes),
        "restore": restore(),
    }
    connections = (
        ("sums.means", "quantise.x", 2),
        ("quantise.scales", "restore.scales", 2),
        ("sums.tops", "restore.tops", MEANS_AHEAD),
    )
    names = {
        "sums.scales": "scales",
        "sums.codes": "codes",
        "sums.tokens": "tokens",
        "quantise.codes": "pooled_codes",
        "quantise.rows": "blocks",
        "quantise.groups": "groups",
        "quantise.words": "words",
        "quantise.fraction": "fraction",
        "restore.rows": "blocks",
        "restore.pooled": "pooled_scales",
    }
    return System("pool", units, connections, {"dim": dim, "block": block, "lanes": lanes}, names)
