"""Residual addition: the sum of two streams of 32-bit integers, saturated."""

import allo.dataflow as df
from allo.ir.types import Int, Stream, UInt, int32

from fastprefill.golden.sfu import RESIDUAL_BITS
from fastprefill.kernels import functions
from fastprefill.kernels.sfu.size import MOST_WORDS, check_lanes
from fastprefill.system.unit import Unit


def region(lanes: int):
    """The dataflow region; the parameter is that of ``unit``."""
    Word, Element = UInt(RESIDUAL_BITS * lanes), Int(RESIDUAL_BITS)
    BITS = RESIDUAL_BITS
    saturate = functions.saturate(RESIDUAL_BITS + 1, RESIDUAL_BITS)

    @df.region()
    def residual(words: int32[1]):
        x: Stream[Word, 2]
        branch: Stream[Word, 2]
        y: Stream[Word, 2]

        @df.kernel(mapping=[1], args=[words])
        def add(lwords: int32[1]):
            for w in range(lwords[0]):
                left: Word = x.get()
                right: Word = branch.get()
                result: Word = 0
                for j in range(lanes, unroll=True):
                    a: Element = left[BITS * j : BITS * j + BITS]
                    b: Element = right[BITS * j : BITS * j + BITS]
                    result[BITS * j : BITS * j + BITS] = saturate(a + b)
                y.put(result)

    return residual


def unit(lanes: int = 8) -> Unit:
    """``golden.sfu.residual`` on words of `lanes` int32: streams ``x`` and ``branch`` in, ``y`` out.

    Scalar ``words``: of a run.

    Raises:
        FastprefillError: a number of lanes that is not allowed.
    """
    check_lanes("residual", lanes)
    return Unit(
        "residual",
        region(lanes),
        inputs=("x", "branch"),
        outputs=("y",),
        schedule=lambda s: s.pipeline("add:w", initiation_interval=1),
        limits={"words": (1, MOST_WORDS)},
        parameters={"lanes": lanes},
    )
