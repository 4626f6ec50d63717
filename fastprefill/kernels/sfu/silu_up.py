"""SiLU(gate) * up of two streams of 24-bit integers, fractions given at run time."""

import allo.dataflow as df
from allo.ir.types import Int, Stream, UInt, int32

from fastprefill.golden.functions.sigmoid import FRACTION
from fastprefill.golden.sfu import ACTIVATION_BITS, RESIDUAL_BITS
from fastprefill.kernels import functions
from fastprefill.kernels.functions import sigmoid
from fastprefill.kernels.sfu.size import FRACTIONS, MOST_WORDS, check_lanes
from fastprefill.system.unit import Unit

SHIFTS = (0, 47)
"""gate_fraction + up_fraction - the result's: bits of the product that are cut off."""


def region(lanes: int):
    """The dataflow region; the parameter is that of ``unit``."""
    Word, Element = UInt(ACTIVATION_BITS * lanes), Int(ACTIVATION_BITS)
    Result = UInt(RESIDUAL_BITS * lanes)
    IN, OUT = ACTIVATION_BITS, RESIDUAL_BITS
    Argument = Int(22)
    HALF = 1 << FRACTION - 1
    to_argument = functions.shift_round(IN, FRACTIONS[0] - FRACTION, FRACTIONS[1] - FRACTION)
    limit = functions.saturate(IN + FRACTION - FRACTIONS[0], 22)
    to_result = functions.shift_round(2 * IN, *SHIFTS)
    saturate = functions.saturate(2 * IN, OUT)

    @df.region()
    def silu_up(words: int32[1], gate_fraction: int32[1], shift: int32[1]):
        gate: Stream[Word, 2]
        up: Stream[Word, 2]
        y: Stream[Result, 2]

        @df.kernel(mapping=[1], args=[words, gate_fraction, shift])
        def activate(lwords: int32[1], lfraction: int32[1], lshift: int32[1]):
            for w in range(lwords[0]):
                gates: Word = gate.get()
                ups: Word = up.get()
                result: Result = 0
                for j in range(lanes, unroll=True):
                    g: Element = gates[IN * j : IN * j + IN]
                    u: Element = ups[IN * j : IN * j + IN]
                    argument: Argument = limit(to_argument(g, lfraction[0] - FRACTION))
                    curve: UInt(17) = sigmoid(argument)
                    product = g * curve
                    activated: Element = (product + HALF) >> FRACTION
                    gated = activated * u
                    result[OUT * j : OUT * j + OUT] = saturate(to_result(gated, lshift[0]))
                y.put(result)

    return silu_up


def unit(lanes: int = 8) -> Unit:
    """``golden.sfu.silu_up``: streams ``gate`` and ``up`` of `lanes` 24-bit integers in, ``y`` of 32-bit ones out.

    Scalars: ``words`` of a run; ``gate_fraction``, fraction bits of ``gate``; ``shift``, those of gate and up together
    less those of the result.

    Raises:
        FastprefillError: a number of lanes that is not allowed.
    """
    check_lanes("silu_up", lanes)
    return Unit(
        "silu_up",
        region(lanes),
        inputs=("gate", "up"),
        outputs=("y",),
        schedule=lambda s: s.pipeline("activate:w", initiation_interval=1),
        operators={"activate:product": "dsp", "activate:gated": "dsp"},
        limits={"words": (1, MOST_WORDS), "gate_fraction": FRACTIONS, "shift": SHIFTS},
        parameters={"lanes": lanes},
    )
