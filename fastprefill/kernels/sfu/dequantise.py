"""Dequantisation: products of codes times a scale for each row and one for each channel, and a bias.

Products come in passes. A pass has a table of channels, read before it while the pass before is still going on, and
rows that all use that table: the tokens of a matrix row by row, or the rows of a tile of the matrix unit.
"""

import allo
import allo.dataflow as df
from allo.ir.types import Int, Stream, UInt, int32

from fastprefill.kernels import functions
from fastprefill.kernels.sfu.size import FRACTIONS, MOST_ROWS, check_bits, check_lanes, check_row
from fastprefill.system.unit import Unit

LEFT = 15
"""Most places that a product moves to the left: 15 more than its 47 bits saturate it, or it is 0."""

WIDE = 48
"""Bits of a dequantised product before the bias is added."""


def region(lanes: int, bits: int, max_words: int, bias: bool):
    """The dataflow region; the parameters are those of ``unit``."""
    Word, Element = UInt(32 * lanes), Int(32)
    Result, Out = UInt(bits * lanes), Int(bits)
    CHANNEL = 16 + (32 if bias else 0)
    Channels = UInt(CHANNEL * lanes)
    to_result = functions.shift_round(WIDE, -LEFT, 256 + 255)
    limit = functions.saturate(WIDE + LEFT, WIDE if bias else bits)
    saturate = functions.saturate(WIDE + 1, bits)

    @df.region()
    def dequantise(passes: int32[1], rows: int32[1], words: int32[1], fraction: int32[1]):
        product: Stream[Word, 2]
        row_scale: Stream[UInt(16), 2]
        channel: Stream[Channels, 2]
        y: Stream[Result, 2]
        tables: Stream[Channels[max_words], 2]

        @df.kernel(mapping=[1], args=[passes, words])
        def read(lpasses: int32[1], lwords: int32[1]):
            for p in range(lpasses[0]):
                held: Channels[max_words]
                for w in range(lwords[0]):
                    held[w] = channel.get()
                tables.put(held)

        @df.kernel(mapping=[1], args=[passes, rows, words, fraction])
        def scale(lpasses: int32[1], lrows: int32[1], lwords: int32[1], lfraction: int32[1]):
            for p in range(lpasses[0]):
                held: Channels[max_words] = tables.get()
                for r in range(lrows[0]):
                    left: UInt(16) = row_scale.get()
                    for w in range(lwords[0]):
                        word: Word = product.get()
                        here: Channels = held[w]
                        result: Result = 0
                        left_mantissa: UInt(8) = left[0:8]
                        left_exponent: Int(8) = left[8:16]
                        for j in range(lanes, unroll=True):
                            x: Element = word[32 * j : 32 * j + 32]
                            mantissa: UInt(8) = here[CHANNEL * j : CHANNEL * j + 8]
                            exponent: Int(8) = here[CHANNEL * j + 8 : CHANNEL * j + 16]
                            factor: UInt(16) = left_mantissa * mantissa
                            scaled = x * factor
                            amount: Int(10) = -(left_exponent + exponent + lfraction[0])
                            exact: Int(WIDE) = limit(to_result(scaled, max(amount, -LEFT)))
                            with allo.meta_if(bias):
                                offset: Int(32) = here[CHANNEL * j + 16 : CHANNEL * j + 48]
                                out: Out = saturate(exact + offset)
                                result[bits * j : bits * j + bits] = out
                            with allo.meta_else():
                                result[bits * j : bits * j + bits] = exact
                        y.put(result)

    return dequantise


def unit(lanes: int = 8, bits: int = 24, max_words: int = 512, bias: int = 0) -> Unit:
    """``golden.sfu.dequantise``: a result of `bits` bits for every int32 of stream ``product``.

    Streams in: ``product``, words of `lanes` int32, row after row; ``row_scale``, a scale for each row of each pass;
    ``channel``, before each pass `words` words of `lanes` scales, with a bias of 32 bits above each where `bias`
    is 1 (``golden.linear``). Out: ``y``. A scale is its mantissa (low byte) and its exponent, int8. Scalars:
    ``passes``, ``rows`` of a pass, ``words`` of a row, ``fraction`` bits of the result.

    Args:
        lanes: elements of a word.
        bits: of an element of ``y``, 24 or 32.
        max_words: of a row; the tables of two passes are buffered.
        bias: 1 where channels have one.

    Raises:
        FastprefillError: a size that is not allowed.
    """
    check_lanes("dequantise", lanes)
    check_bits("dequantise", bits)
    check_row("dequantise", max_words)

    def schedule(s) -> None:
        s.pipeline("read:w", initiation_interval=1)
        s.pipeline("scale:w", initiation_interval=1)

    return Unit(
        "dequantise",
        region(lanes, bits, max_words, bool(bias)),
        inputs=("product", "row_scale", "channel"),
        outputs=("y",),
        schedule=schedule,
        operators={"scale:factor": "fabric", "scale:scaled": "dsp"},
        limits={
            "passes": (1, MOST_ROWS), "rows": (1, MOST_ROWS), "words": (1, max_words), "fraction": FRACTIONS,
        },
        parameters={"lanes": lanes, "bits": bits, "max_words": max_words, "bias": bias},
    )  # fmt: skip
