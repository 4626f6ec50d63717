"""The end of attention: a state's O over its l, row by row."""

import allo.dataflow as df
from allo.ir.types import Int, Stream, UInt, int32

from fastprefill.errors import FastprefillError
from fastprefill.golden.attention_size import MOST_BLOCK
from fastprefill.golden.partial import CODE_FRACTION, WEIGHT_FRACTION
from fastprefill.golden.sfu import ACTIVATION_BITS
from fastprefill.kernels import functions
from fastprefill.kernels.attention.state import Head
from fastprefill.kernels.sfu.size import FRACTIONS, MOST_ROWS, check_lanes, check_row
from fastprefill.system.unit import Unit

LEFT, RIGHT = 13, 63
"""Most places to either side: to the left what saturates, to the right what leaves nothing of 49 bits."""


def region(lanes: int, block: int, words: int):
    """The dataflow region; the parameters are those of ``unit``."""
    Word, Result, Out = UInt(32 * lanes), UInt(ACTIVATION_BITS * lanes), Int(ACTIVATION_BITS)
    OUT = ACTIVATION_BITS
    Factor = UInt(17 + 7)
    LEAST = 16 - WEIGHT_FRACTION + CODE_FRACTION
    reciprocal = functions.reciprocal(32)
    to_result = functions.shift_round(50, -LEFT, RIGHT)
    saturate = functions.saturate(50 + LEFT, ACTIVATION_BITS)

    @df.region()
    def normalise(blocks: int32[1], fraction: int32[1]):
        head: Stream[Head, 2]
        sums: Stream[Word, 2]
        y: Stream[Result, 2]
        factors: Stream[Factor, 4]

        @df.kernel(mapping=[1], args=[blocks, fraction])
        def heads(lblocks: int32[1], lfraction: int32[1]):
            for b in range(lblocks[0]):
                for r in range(block):
                    word: Head = head.get()
                    m: Int(16) = word[0:16]
                    n: Int(16) = word[16:32]
                    found: UInt(23) = reciprocal(word[32:64])
                    exponent: UInt(6) = found[17:23]
                    amount: Int(19) = m - n + exponent + LEAST - lfraction[0]
                    least: Int(19) = max(amount, -LEFT)
                    places: Int(7) = min(least, RIGHT)
                    factor: Factor = found[0:17]
                    factor[17:24] = places
                    factors.put(factor)

        @df.kernel(mapping=[1], args=[blocks])
        def scale(lblocks: int32[1]):
            for b in range(lblocks[0]):
                for r in range(block):
                    factor: Factor = factors.get()
                    for w in range(words):
                        word: Word = sums.get()
                        result: Result = 0
                        mantissa: UInt(17) = factor[0:17]
                        amount: Int(7) = factor[17:24]
                        for j in range(lanes, unroll=True):
                            x: Int(32) = word[32 * j : 32 * j + 32]
                            product = x * mantissa
                            out: Out = saturate(to_result(product, amount))
                            result[OUT * j : OUT * j + OUT] = out
                        y.put(result)

    return normalise


def unit(lanes: int = 8, block: int = 1, words: int = 1) -> Unit:
    """``golden.partial.normalise`` of a stream of states: ``head`` and ``sums`` in, as ``merge`` gives them, ``y`` out.

    Words of ``y`` have `lanes` elements of 24 bits. Scalars: ``blocks``; ``fraction`` bits of ``y``.

    Args:
        lanes: elements of a word.
        block: rows of a block.
        words: of a row.

    Raises:
        FastprefillError: a number of lanes, rows or words that is not allowed.
    """
    check_lanes("normalise", lanes)
    check_row("normalise", words)
    if not 1 <= block <= MOST_BLOCK:
        raise FastprefillError(f"normalise of blocks of {block} rows; choose 1 to {MOST_BLOCK}")

    def schedule(s) -> None:
        s.pipeline("heads:r", initiation_interval=1)
        s.pipeline("scale:w", initiation_interval=1)

    return Unit(
        "normalise",
        region(lanes, block, words),
        inputs=("head", "sums"),
        outputs=("y",),
        schedule=schedule,
        operators={"scale:product": "dsp"},
        limits={"blocks": (1, MOST_ROWS), "fraction": FRACTIONS},
        parameters={"lanes": lanes, "block": block, "words": words},
    )
