"""Rotary position embedding of heads at successive positions.

A head comes in two halves, so that the partner of an element is half a head before or behind it. A word of the first
result leaves when its partner in the second half arrives, a word of the second result while the first half of the next
head arrives: two products for each element, all of the time. One turn more than there are half heads empties the unit.

The phase of a pair grows by its frequency from token to token, so no position is multiplied by a frequency: phases are
kept modulo one turn, 40 bits, which is exact. The first position is multiplied bit by bit before the first token.
"""

import allo.dataflow as df
from allo.ir.types import Int, Stream, UInt, int32

from fastprefill.errors import FastprefillError
from fastprefill.golden.sfu import ACTIVATION_BITS, PHASE_FRACTION
from fastprefill.kernels import functions
from fastprefill.kernels.functions import cosine, sine
from fastprefill.kernels.sfu.size import MOST_ROWS, check_lanes
from fastprefill.system.unit import Unit

POSITION_BITS = 20


def region(lanes: int, head_dim: int):
    """The dataflow region; the parameters are those of ``unit``."""
    Word, Element = UInt(ACTIVATION_BITS * lanes), Int(ACTIVATION_BITS)
    Phases, Phase = UInt(PHASE_FRACTION * lanes), UInt(PHASE_FRACTION)
    BITS, TURN = ACTIVATION_BITS, PHASE_FRACTION
    HALF_WORDS = head_dim // 2 // lanes
    CUT = PHASE_FRACTION - 20
    Product = Int(ACTIVATION_BITS + 18)
    saturate = functions.saturate(ACTIVATION_BITS + 3, ACTIVATION_BITS)

    @df.region()
    def rope(heads: int32[1], group: int32[1], first: int32[1]):
        x: Stream[Word, 2]
        frequency: Stream[Phases, 2]
        y: Stream[Word, 2]

        @df.kernel(mapping=[1], args=[heads, group, first])
        def rotate(lheads: int32[1], lgroup: int32[1], lfirst: int32[1]):
            low: Word[HALF_WORDS]
            high: Word[HALF_WORDS]
            steps: Phases[HALF_WORDS]
            phases: Phases[HALF_WORDS]
            for f in range(HALF_WORDS):
                steps[f] = frequency.get()
                phases[f] = 0
                low[f] = 0  # read, without effect, in the first turn
                high[f] = 0
            for place in range(POSITION_BITS):
                for g in range(HALF_WORDS):
                    reached: Phases = phases[g]
                    after: Phases = 0
                    position: UInt(POSITION_BITS) = lfirst[0]
                    take: UInt(1) = position[POSITION_BITS - 1 - place]
                    each: Phases = steps[g]
                    for j in range(lanes, unroll=True):
                        turned: Phase = reached[TURN * j : TURN * j + TURN]
                        step: Phase = each[TURN * j : TURN * j + TURN]
                        more: Phase = step if take == 1 else 0
                        after[TURN * j : TURN * j + TURN] = (turned << 1) + more
                    phases[g] = after
            head: UInt(24) = 0  # of the token, whose halves arrive
            for turn in range(lheads[0] + lheads[0] + 1):
                second: UInt(1) = turn[0]
                arrives: UInt(1) = turn < lheads[0] + lheads[0]
                for w in range(HALF_WORDS):
                    word: Word = 0
                    if arrives == 1:
                        word = x.get()
                    a_word: Word = low[w]
                    b_word: Word = high[w]
                    now: Phases = phases[w]
                    each: Phases = steps[w]
                    result: Word = 0
                    later: Phases = 0
                    for j in range(lanes, unroll=True):
                        a: Element = a_word[BITS * j : BITS * j + BITS]
                        b: Element = b_word[BITS * j : BITS * j + BITS]
                        c: Element = word[BITS * j : BITS * j + BITS]
                        phase: Phase = now[TURN * j : TURN * j + TURN]
                        angle: UInt(20) = (phase + (1 << CUT - 1)) >> CUT
                        step: Phase = each[TURN * j : TURN * j + TURN]
                        later[TURN * j : TURN * j + TURN] = phase + step
                        by_cosine: Element = a if second == 1 else b
                        by_sine: Element = c if second == 1 else a
                        p: Product = by_cosine * cosine(angle)
                        q: Product = by_sine * sine(angle)
                        both: Int(ACTIVATION_BITS + 19) = p - q if second == 1 else p + q
                        result[BITS * j : BITS * j + BITS] = saturate((both + 32768) >> 16)
                    if turn > 0:
                        y.put(result)
                    if second == 1:
                        high[w] = word
                    else:
                        low[w] = word
                        if turn > 0 and head == 0:
                            phases[w] = later
                if second == 1:
                    head = 0 if head + 1 == lgroup[0] else head + 1

    return rope


def unit(lanes: int = 8, head_dim: int = 64) -> Unit:
    """``golden.sfu.rope`` of heads at successive positions: streams ``x`` and ``frequency`` in, ``y`` out.

    Words of ``x`` and ``y`` have `lanes` elements of 24 bits, heads in the order of tokens; ``frequency`` has `lanes`
    elements of 40 bits, those of one head, read once in a run. Scalars: ``heads`` of a run in all; ``group``, heads of
    a token; ``first``, the position of the first token.

    Raises:
        FastprefillError: a size that is not allowed.
    """
    check_lanes("rope", lanes)
    if head_dim % (2 * lanes) or not 2 <= head_dim <= 1024:
        raise FastprefillError(
            f"rope of heads of {head_dim} with {lanes} lanes; choose a multiple of {2 * lanes}, at most 1024"
        )

    def schedule(s) -> None:
        for loop in ("rotate:f", "rotate:g", "rotate:w"):
            s.pipeline(loop, initiation_interval=1)

    return Unit(
        "rope",
        region(lanes, head_dim),
        inputs=("x", "frequency"),
        outputs=("y",),
        schedule=schedule,
        operators={"rotate:p": "dsp", "rotate:q": "dsp"},
        limits={"heads": (1, MOST_ROWS), "group": (1, MOST_ROWS), "first": (0, 2**POSITION_BITS - 1)},
        parameters={"lanes": lanes, "head_dim": head_dim},
    )
