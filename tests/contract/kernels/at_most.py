"""A system of two units whose scalars must not exceed others: chains, two conditions for one, signed and not."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Int, Stream, UInt, int32, uint32

from fastprefill.system.case import Case
from fastprefill.system.system import System
from fastprefill.system.unit import Unit


def marker() -> Unit:
    @df.region()
    def mark(marked: int32[1], most: int32[1], words: int32[1], low: int32[1], high: int32[1]):
        x: Stream[Int(16), 2]
        y: Stream[Int(33), 2]

        @df.kernel(mapping=[1], args=[marked, most, words, low, high])
        def add(lmarked: int32[1], lmost: int32[1], lwords: int32[1], llow: int32[1], lhigh: int32[1]):
            for w in range(lwords[0]):
                y.put(x.get() + (lhigh[0] if w < lmarked[0] else llow[0]))

    return Unit(
        "at_most_mark", mark, inputs=("x",), outputs=("y",),
        limits={"marked": (1, "most"), "most": (0, "words"), "words": (0, 20), "low": (-(1 << 31), "high")},
    )  # fmt: skip


def stepper() -> Unit:
    @df.region()
    def step(marked: int32[1], steps: int32[1], first: uint32[1], last: uint32[1]):
        y: Stream[Int(33), 2]
        z: Stream[UInt(32), 2]

        @df.kernel(mapping=[1], args=[marked, steps, first, last])
        def pick(lmarked: int32[1], lsteps: int32[1], lfirst: uint32[1], llast: uint32[1]):
            for s in range(lsteps[0]):
                word: Int(33) = y.get()
                z.put(word + (lfirst[0] if s < lmarked[0] else llast[0]))

    return Unit(
        "at_most_step", step, inputs=("y",), outputs=("z",),
        limits={"first": (0, "last"), "marked": (0, "steps"), "steps": (0, 1000)},
    )  # fmt: skip


def system() -> System:
    """``marked`` is at most ``most`` in one unit and at most ``steps`` in the other."""
    return System(
        "at_most",
        {"mark": marker(), "step": stepper()},
        (("mark.y", "step.y", 2),),
        names={"mark.marked": "marked", "step.marked": "marked", "mark.x": "x", "step.z": "z"},
    )


GOOD = {
    "marked": 2, "mark_most": 3, "mark_words": 5, "mark_low": -7, "mark_high": 9, "step_steps": 5, "step_first": 1,
    "step_last": 4,
}  # fmt: skip
STARTS: dict[str, dict[str, int]] = {
    "inside": {},
    "equal": {"marked": 5, "mark_most": 5, "mark_low": 9, "step_first": 4},
    "one": {"marked": 1, "mark_most": 1, "mark_words": 1, "step_steps": 1},
    "negative": {"mark_low": -9, "mark_high": -8},
    "ends": {"mark_low": -(1 << 31), "mark_high": (1 << 31) - 1, "step_first": 0, "step_last": (1 << 32) - 1},
    "pattern": {"mark_low": (1 << 32) - 9, "mark_high": (1 << 32) - 8},
    "large": {"step_first": 1 << 31, "step_last": (1 << 31) + 1},
}
REFUSED: dict[str, dict[str, int]] = {
    "above_most": {"marked": 4},
    "below": {"marked": 0},
    "most_above_words": {"mark_most": 6},
    "words_below_most": {"mark_words": 2, "step_steps": 2},
    "above_steps": {"marked": 3, "step_steps": 2},
    "words_too_many": {"mark_words": 21, "step_steps": 21},
    "low_above_high": {"mark_low": 10},
    "low_above_zero": {"mark_low": 1, "mark_high": 0},
    "low_above_negative": {"mark_low": 0, "mark_high": -1},
    "low_above_pattern": {"mark_low": 9, "mark_high": (1 << 32) - 9},
    "first_above_last": {"step_first": 5},
    "first_large": {"step_first": 1 << 31, "step_last": (1 << 31) - 1},
    "nothing": {"marked": 1, "mark_most": 0, "mark_words": 0, "step_steps": 0},
    "two": {"marked": 7, "step_first": 9},
}
"""What differs from `GOOD`, in starts that run and in starts that are refused."""


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    found = []
    for name, given in STARTS.items():
        scalars = {**GOOD, **given}
        low, high = ((scalars[f"mark_{end}"] + (1 << 31)) % (1 << 32) - (1 << 31) for end in ("low", "high"))
        marked = np.arange(scalars["mark_words"]) < scalars["marked"]
        x = rng.integers(-(1 << 15), 1 << 15, scalars["mark_words"])
        z = x + np.where(marked, high, low) + np.where(marked, scalars["step_first"], scalars["step_last"])
        found.append(Case(name, scalars, {"x": x.tolist()}, {"z": (z % (1 << 32)).tolist()}))
    refused = [found[0].refused(name, **given) for name, given in REFUSED.items()]
    return [each for n, case in enumerate(found) for each in (*refused[2 * n : 2 * n + 2], case)]
