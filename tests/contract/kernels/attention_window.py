"""The attention engine with a window of open query blocks: jobs of several states in turns."""

from dataclasses import asdict, replace
from pathlib import Path

from fastprefill.frontend import load_module
from fastprefill.golden import attention_windows as windows
from fastprefill.golden.attention import Heads
from fastprefill.golden.attention_streams import Row
from fastprefill.golden.attention_windows import Job
from fastprefill.kernels.attention import engine
from fastprefill.system.case import Case
from fastprefill.system.system import System

SOFTMAX = load_module(Path(__file__).parent / "attention_softmax.py")
SIZE = SOFTMAX.SIZE
FRACTION = 14
WINDOW = 4


def system(window: int = WINDOW) -> System:
    return engine.system(**asdict(SIZE), dsp_columns=2, window=window)


def cases(seed: int, window: int = WINDOW) -> list[Case]:
    return [windows.engine(name, jobs, SIZE, FRACTION) for name, jobs in runs(seed, window)]


def states(seed: int, window: int = WINDOW) -> list[Case]:
    """The same for the unit that holds the states, alone."""
    return [windows.accumulating(name, jobs, SIZE) for name, jobs in runs(seed, window)]


def runs(seed: int, window: int) -> list[tuple[str, list[Job]]]:
    rng = SOFTMAX.np.random.default_rng(seed)
    block = SIZE.block
    three = SOFTMAX.operands(rng, 3 * block)
    ragged = SOFTMAX.operands(rng, 2 * block + 3, lowest=-9, highest=-7)

    def case(name: str, heads: Heads, rows: list[Row], order: list[int]) -> tuple[str, list[Job]]:
        return name, windows.interleaved(heads, rows, order, window, block)

    def in_windows(name: str, heads: Heads, rows: list[Row]) -> tuple[str, list[Job]]:
        return case(name, heads, rows, windows.in_windows(rows, window))

    def slots(jobs: list[Job], given: dict[int, int]) -> list[Job]:
        """Jobs with other slots; one that the unit does not have means slot 0."""
        return [replace(job, slot=given[job.state]) for job in jobs]

    full = [Row(head, query, tuple(range(query + 1))) for query in range(3) for head in range(2)]
    return [
        in_windows("heads_together", three, full),
        # state 0 begins first and ends last; slots are taken again by others
        case("ends_first", three, [full[4], full[2], full[1], full[5]], [0, 1, 1, 0, 2, 3, 3, 3, 0]),
        case("in_turns", three, [full[4], full[5]], [0, 1, 0, 1, 1, 0]),
        case("one_after_the_other", three, [full[4], full[2]], [0, 0, 0, 1, 1]),
        in_windows("ragged", ragged, [Row(1, 2, (0, 2)), Row(0, 2, (1, 2))]),
        in_windows("one_token", SOFTMAX.operands(rng, 1), [Row(0, 0, (0,))]),
        ("no_such_slot", slots(case("", three, [full[4], full[5]], [0, 1, 0, 1, 1, 0])[1], {0: 255, 1: 1})),
        ("one_too_many", slots(case("", three, [full[2]], [0, 0])[1], {0: window})),
        in_windows("saturating", SOFTMAX.extreme(2 * block, 127), [Row(0, 1, (0, 1)), Row(0, 0, (0,))]),
    ]
