"""A system of two units one of which puts out a result of its own when a start is refused."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Int, Stream, UInt, int32

from fastprefill.system.case import Case
from fastprefill.system.system import System
from fastprefill.system.unit import Unit

LIMITS = {"words": (1, 20), "scale": (-3, 3)}
INSTEAD = {"words": 0, "mark": -5}


def worker() -> Unit:
    @df.region()
    def work(words: int32[1], scale: int32[1]):
        x: Stream[Int(16), 2]
        y: Stream[Int(32), 2]

        @df.kernel(mapping=[1], args=[words, scale])
        def scaled(lwords: int32[1], lscale: int32[1]):
            for w in range(lwords[0]):
                y.put(x.get() * lscale[0])

    return Unit("refused_work", work, inputs=("x",), outputs=("y",), limits=LIMITS)


def reporter() -> Unit:
    @df.region()
    def report(words: int32[1], mark: int32[1]):
        y: Stream[Int(32), 2]
        total: Stream[Int(32), 2]
        marks: Stream[UInt(32), 2]

        @df.kernel(mapping=[1], args=[words])
        def add_up(lwords: int32[1]):
            held: int32 = 0
            for w in range(lwords[0]):
                held += y.get()
            total.put(held)

        @df.kernel(mapping=[1], args=[words, mark])
        def say(lwords: int32[1], lmark: int32[1]):
            marks.put(lmark[0])
            marks.put(lwords[0])

    return Unit(
        "refused_report", report, inputs=("y",), outputs=("total", "marks"), limits={"mark": (-4, 4)}, refused=INSTEAD,
    )  # fmt: skip


def system() -> System:
    return System(
        "refused_starts",
        {"work": worker(), "report": reporter()},
        (("work.y", "report.y", 2),),
        names={
            "work.words": "words", "report.words": "words", "work.scale": "scale", "report.mark": "mark", "work.x": "x",
            "report.total": "total", "report.marks": "marks",
        },
    )  # fmt: skip


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    found = []
    starts = ((1, 3, 0), (20, -3, 4), (21, 1, 1), (0, 1, 1), (5, 4, 2), (7, 2, -4), (7, -4, -5), (9, 1, 9))
    for words, scale, mark in starts:
        refused = not (1 <= words <= 20 and -3 <= scale <= 3 and -4 <= mark <= 4)
        x = [] if refused else rng.integers(-(1 << 15), 1 << 15, words).tolist()
        marks = (INSTEAD["mark"], INSTEAD["words"]) if refused else (mark, words)
        found.append(
            Case(
                f"start_{words}_{scale}_{mark}".replace("-", "minus_"),
                {"words": words, "scale": scale, "mark": mark},
                {"x": x},
                {"total": [sum(x) * scale % (1 << 32)], "marks": [word % (1 << 32) for word in marks]},
            )
        )
    return found


def alone(seed: int) -> list[Case]:
    """Starts of the reporter by itself."""
    return [
        Case("good", {"words": 2, "mark": 3}, {"y": [4, -9]}, {"total": [(1 << 32) - 5], "marks": [3, 2]}),
        Case("bad", {"words": 2, "mark": 5}, {"y": []}, {"total": [0], "marks": [(1 << 32) - 5, 0]}),
        Case("again", {"words": 0, "mark": -4}, {"y": []}, {"total": [0], "marks": [(1 << 32) - 4, 0]}),
    ]
