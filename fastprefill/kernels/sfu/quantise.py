"""Quantisation of rows to int8: the largest magnitude, a scale from it, the codes.

Three kernels work on successive rows at once: one keeps a row and finds its largest magnitude, one makes the scale,
one codes the row that was kept.
"""

import allo.dataflow as df
from allo.ir.types import Int, Stream, UInt, int32

from fastprefill.golden.scale import LIMIT, RECIPROCALS
from fastprefill.kernels import functions
from fastprefill.kernels.sfu.size import FRACTIONS, MOST_GROUPS, MOST_ROWS, check_bits, check_lanes, check_row
from fastprefill.system.unit import Unit

OVER_127 = 33026
"""2**22 / 127, rounded up."""


def region(lanes: int, bits: int, max_words: int):
    """The dataflow region; the parameters are those of ``unit``."""
    Word, Element, Magnitude = UInt(bits * lanes), Int(bits), UInt(bits)
    CodeWord = UInt(8 * lanes)
    Kept = UInt(bits * lanes)
    Aligned = UInt(38)
    # what the codes of a row need: R[m], the places to the left that align the row, and whether it is one place less
    Factor = UInt(24)
    Left = Int(bits + 1)
    BELOW = bits - 23  # of the aligned element's bits, how many are below its 23
    align, largest = functions.align(32), functions.largest(lanes, bits)

    @df.region()
    def quantise(rows: int32[1], groups: int32[1], words: int32[1], fraction: int32[1]):
        x: Stream[Word, 2]
        codes: Stream[CodeWord, 2]
        scales: Stream[UInt(16), 2]
        kept: Stream[Kept[max_words], 2]
        tops: Stream[Magnitude, 2]
        factors: Stream[Factor, 2]

        @df.kernel(mapping=[1], args=[rows, groups, words])
        def measure(lrows: int32[1], lgroups: int32[1], lwords: int32[1]):
            for r in range(lrows[0]):
                for g in range(lgroups[0]):
                    row: Kept[max_words]
                    top: Magnitude = 0
                    for w in range(lwords[0]):
                        word: Word = x.get()
                        row[w] = word
                        sizes: Word = 0
                        for j in range(lanes, unroll=True):
                            v: Element = word[bits * j : bits * j + bits]
                            size: Magnitude = -v if v < 0 else v
                            sizes[bits * j : bits * j + bits] = size
                        top = max(top, largest(sizes))
                    kept.put(row)
                    tops.put(top)

        @df.kernel(mapping=[1], args=[rows, groups, fraction])
        def choose(lrows: int32[1], lgroups: int32[1], lfraction: int32[1]):
            reciprocals: UInt(17)[128] = RECIPROCALS
            for r in range(lrows[0]):
                for g in range(lgroups[0]):
                    top: UInt(32) = tops.get()
                    aligned: Aligned = align(top)
                    length: Int(7) = aligned[32:38]
                    length = length + 1
                    high: UInt(17) = (aligned[0:32] + 65535) >> 16
                    scaled: UInt(33) = high * OVER_127
                    near: UInt(10) = (scaled + 8388607) >> 23
                    far: UInt(9) = (scaled + 16777215) >> 24
                    wide: UInt(1) = near > 255
                    mantissa: UInt(8) = far if wide == 1 else near
                    exponent: Int(8) = length - 15 + wide - lfraction[0]
                    zero: Int(8) = -15 - lfraction[0]
                    scale: UInt(16) = 0
                    scale[0:8] = 128 if top == 0 else mantissa
                    scale[8:16] = zero if top == 0 else exponent
                    scales.put(scale)
                    place: UInt(7) = mantissa
                    factor: Factor = reciprocals[place]
                    factor[17:23] = bits - length
                    factor[23:24] = wide
                    factors.put(factor)

        @df.kernel(mapping=[1], args=[rows, groups, words])
        def encode(lrows: int32[1], lgroups: int32[1], lwords: int32[1]):
            for r in range(lrows[0]):
                for g in range(lgroups[0]):
                    row: Kept[max_words] = kept.get()
                    factor: Factor = factors.get()
                    for w in range(lwords[0]):
                        word: Word = row[w]
                        result: CodeWord = 0
                        reciprocal: UInt(17) = factor[0:17]
                        places: UInt(6) = factor[17:23]
                        for j in range(lanes, unroll=True):
                            v: Element = word[bits * j : bits * j + bits]
                            left: Left = v
                            left = left << places
                            near: Int(24) = left >> BELOW
                            z: Int(24) = near >> 1 if factor[23] == 1 else near
                            product = z * reciprocal
                            code: Int(10) = (product + (1 << 30)) >> 31
                            low: Int(10) = max(code, -LIMIT)
                            result[8 * j : 8 * j + 8] = min(low, LIMIT)
                        codes.put(result)

    return quantise


def unit(lanes: int = 8, bits: int = 24, max_words: int = 1024) -> Unit:
    """``golden.sfu.quantise``: rows of stream ``x`` in, int8 ``codes`` and a word of ``scales`` for each group out.

    A scale is its mantissa (low byte) and its exponent, int8. Scalars: ``rows``; ``groups`` of a row, each with a scale
    of its own, and ``words`` of a group; ``fraction`` bits of ``x``.

    Args:
        lanes: elements of a word.
        bits: of an element of ``x``, 24 or 32.
        max_words: of a group; two groups are buffered.

    Raises:
        FastprefillError: a size that is not allowed.
    """
    check_lanes("quantise", lanes)
    check_bits("quantise", bits)
    check_row("quantise", max_words)

    def schedule(s) -> None:
        for loop in ("measure:w", "choose:g", "encode:w"):
            s.pipeline(loop, initiation_interval=1)

    return Unit(
        "quantise",
        region(lanes, bits, max_words),
        inputs=("x",),
        outputs=("codes", "scales"),
        schedule=schedule,
        operators={"choose:scaled": "fabric", "encode:product": "dsp"},
        limits={
            "rows": (1, MOST_ROWS), "groups": (1, MOST_GROUPS), "words": (1, max_words), "fraction": FRACTIONS,
        },
        parameters={"lanes": lanes, "bits": bits, "max_words": max_words},
    )  # fmt: skip
