"""RMSNorm of rows, in three passes over a row: its bit length, its sum of squares, the result.

Five kernels work on successive rows at once; the row goes from one to the next in buffers that are handed over whole.
Rows are aligned by their bit length before they are squared, so that 15 bits and a sign serve rows of any size.
"""

import allo.dataflow as df
from allo.ir.types import Int, Stream, UInt, int32

from fastprefill.golden.sfu import ACTIVATION_BITS, GAIN_BITS
from fastprefill.kernels import functions
from fastprefill.kernels.sfu.size import MOST_ROWS, check_bits, check_lanes, check_row
from fastprefill.system.unit import Unit

SHIFTS = (-8, 15)
"""gain_fraction - the result's fraction. The result's format holds sqrt(n) times the largest weight, as does the
gain's: the difference is -6 or so for any norm."""

EPSILON_BITS = 41
LEAST_LENGTH = 12


def region(lanes: int, bits: int, max_words: int):
    """The dataflow region; the parameters are those of ``unit``."""
    Word, Element, Magnitude = UInt(bits * lanes), Int(bits), UInt(bits)
    Result, Out = UInt(ACTIVATION_BITS * lanes), Int(ACTIVATION_BITS)
    Gains, Gain = UInt(GAIN_BITS * lanes), Int(GAIN_BITS)
    Epsilon, Shifted = UInt(EPSILON_BITS), UInt(EPSILON_BITS + 6)
    OUT, G = ACTIVATION_BITS, GAIN_BITS
    Kept, Aligned = UInt(bits * lanes), UInt(24 * lanes)
    Left = Int(bits + 1)
    Sum, Root = UInt(48), UInt(17 + 6)
    HIGHEST = 8 + 23 + SHIFTS[1]
    bit_length, rsqrt = functions.bit_length(bits), functions.rsqrt(48)
    sum_of = functions.total(lanes, 31)
    to_result = functions.shift_round(25 + GAIN_BITS, 0, HIGHEST)
    saturate = functions.saturate(25 + GAIN_BITS, ACTIVATION_BITS)

    @df.region()
    def rms_norm(rows: int32[1], words: int32[1], epsilon: Epsilon[1], gain_shift: int32[1]):
        x: Stream[Word, 2]
        gain: Stream[Gains, 2]
        y: Stream[Result, 2]
        kept: Stream[Kept[max_words], 2]
        lengths: Stream[UInt(6), 2]
        aligned: Stream[Aligned[max_words], 2]
        sums: Stream[Sum, 2]
        roots: Stream[Root, 2]

        @df.kernel(mapping=[1], args=[rows, words])
        def measure(lrows: int32[1], lwords: int32[1]):
            for r in range(lrows[0]):
                row: Kept[max_words]
                any_of: Magnitude = 0  # as long as the largest magnitude
                for w in range(lwords[0]):
                    word: Word = x.get()
                    row[w] = word
                    together: Magnitude = 0
                    for j in range(lanes, unroll=True):
                        v: Element = word[bits * j : bits * j + bits]
                        size: Magnitude = -v if v < 0 else v
                        together |= size
                    any_of |= together
                kept.put(row)
                length: UInt(6) = bit_length(any_of)
                lengths.put(max(length, LEAST_LENGTH))

        @df.kernel(mapping=[1], args=[rows, words, epsilon])
        def square(lrows: int32[1], lwords: int32[1], lepsilon: Epsilon[1]):
            for r in range(lrows[0]):
                row: Kept[max_words] = kept.get()
                length: UInt(6) = lengths.get()
                out: Aligned[max_words]
                total: Sum = 0
                for w in range(lwords[0]):
                    word: Word = row[w]
                    places: UInt(5) = bits - length
                    word_out: Aligned = 0
                    squares: UInt(31 * lanes) = 0
                    for j in range(lanes, unroll=True):
                        v: Element = word[bits * j : bits * j + bits]
                        left: Left = v
                        left = left << places
                        z: Int(24) = left >> bits - 23
                        word_out[24 * j : 24 * j + 24] = z
                        near: Int(17) = (z + 128) >> 8
                        squared = near * near
                        squares[31 * j : 31 * j + 31] = squared
                    out[w] = word_out
                    total += sum_of(squares)
                aligned.put(out)
                whole: Shifted = lepsilon[0]
                whole = whole << 6
                doubled: UInt(6) = 2 * length - 24
                sums.put(total + (whole >> doubled))

        @df.kernel(mapping=[1], args=[rows, gain_shift])
        def root(lrows: int32[1], lshift: int32[1]):
            for r in range(lrows[0]):
                found: UInt(22) = rsqrt(sums.get())
                half: UInt(5) = found[17:22]
                result: Root = found[0:17]
                result[17:23] = half + lshift[0] + 8
                roots.put(result)

        @df.kernel(mapping=[1], args=[rows, words])
        def finish(lrows: int32[1], lwords: int32[1]):
            gains: Gains[max_words]
            for w in range(lwords[0]):
                gains[w] = gain.get()
            for r in range(lrows[0]):
                row: Aligned[max_words] = aligned.get()
                factor: Root = roots.get()
                for i in range(lwords[0]):
                    word: Aligned = row[i]
                    here: Gains = gains[i]
                    result: Result = 0
                    mantissa: UInt(17) = factor[0:17]
                    amount: UInt(6) = factor[17:23]
                    for j in range(lanes, unroll=True):
                        z: Int(24) = word[24 * j : 24 * j + 24]
                        scaled = z * mantissa
                        unit: Int(25) = (scaled + 32768) >> 16
                        g: Gain = here[G * j : G * j + G]
                        weighted = unit * g
                        out: Out = saturate(to_result(weighted, amount))
                        result[OUT * j : OUT * j + OUT] = out
                    y.put(result)

    return rms_norm


def unit(lanes: int = 8, bits: int = 32, max_words: int = 512) -> Unit:
    """``golden.sfu.rms_norm`` of rows: streams ``x`` of `bits`-bit integers and ``gain`` of 18-bit ones in, ``y`` out.

    Words of ``y`` have `lanes` elements of 24 bits. ``gain`` is one row of words, read once in a run. Scalars:
    ``rows``; ``words`` of a row; ``epsilon``, that of ``golden.sfu.Norm``; ``gain_shift``, its gain_fraction less the
    result's fraction bits, -8 to 15.

    Args:
        lanes: elements of a word.
        bits: of an element of ``x``: 32 for the residual stream, 24 for heads.
        max_words: of a row; two rows and two aligned rows are buffered.

    Raises:
        FastprefillError: a size that is not allowed.
    """
    check_lanes("rms_norm", lanes)
    check_bits("rms_norm", bits)
    check_row("rms_norm", max_words)

    def schedule(s) -> None:
        for loop in ("measure:w", "square:w", "root:r", "finish:w", "finish:i"):
            s.pipeline(loop, initiation_interval=1)

    return Unit(
        "rms_norm",
        region(lanes, bits, max_words),
        inputs=("x", "gain"),
        outputs=("y",),
        schedule=schedule,
        operators={"square:squared": "dsp", "finish:scaled": "dsp", "finish:weighted": "dsp"},
        limits={"rows": (1, MOST_ROWS), "words": (1, max_words), "gain_shift": SHIFTS},
        parameters={"lanes": lanes, "bits": bits, "max_words": max_words},
    )
