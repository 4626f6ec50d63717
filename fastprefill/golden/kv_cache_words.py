"""Words of the KV cache's decision unit, and its model: the decisions of `kv_cache.liveness` with the lines they name.

Which line a block takes is not part of the policy: one that was found keeps its line, any other takes that of the
block it replaces, or else the lowest free one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from fastprefill.errors import FastprefillError
from fastprefill.golden import kv_cache
from fastprefill.system.case import Case

NEVER = NO_LINE = 0xFFFF
_LARGEST = 0xFFFE
_FOUND = {"hit": 0, "ahead": 1, "miss": 2}
_READ = 3


def request_words(requests: ArrayLike) -> list[int]:
    """A word of 48 bits for each request: block, window, and window of the block's next use, 16 bits each.

    Windows are stretches of ascending block numbers, counted from 0; 0xFFFF: no further use.

    Raises:
        FastprefillError: a block or window above 65,534.
    """
    order = np.asarray(requests, dtype=np.int64).reshape(-1)
    window = np.cumsum(np.diff(order, prepend=-1) <= 0)
    for what, values in (("block", order), ("window", window)):
        if len(values) and values.max() > _LARGEST:
            raise FastprefillError(f"{what} {values.max()} in a request; the word holds up to {_LARGEST}")
    following: dict[int, int] = {}
    words = []
    for block, number in zip(order[::-1].tolist(), window[::-1].tolist(), strict=True):
        words.append(block | number << 16 | following.get(block, NEVER) << 32)
        following[block] = number
    return words[::-1]


def decision_words(
    requests: Sequence[int], capacity: int, hot: int, look_ahead: int = kv_cache.LOOK_AHEAD
) -> list[int]:
    """What the unit says: a word of 52 bits for each request, followed by one for each block that is read ahead.

    Bits 0 .. 15 block, 16 .. 31 line (0xFFFF: none, it is streamed), 32 .. 33: 0 found, 1 found and used for the first
    time since it was read ahead, 2 to be read now, 3 to be read ahead; 34 it stays after this use, 35 it replaces
    the block in bits 36 .. 51.
    """
    lines: list[int | None] = [None] * capacity
    words = []
    for decision in kv_cache.liveness(requests, capacity, hot=hot, look_ahead=look_ahead):
        block, victim = decision.block, decision.victim
        found = lines.index(block) if decision.found != "miss" else None
        line = found
        if found is None and decision.kept:
            line = lines.index(victim)
        if line is not None:
            lines[line] = block if decision.kept else None
        words.append(
            block
            | (NO_LINE if line is None else line) << 16
            | _FOUND[decision.found] << 32
            | decision.kept << 34
            | (0 if victim is None else 1 << 35 | victim << 36)
        )
        for ahead in decision.read_ahead:
            line = lines.index(None)
            lines[line] = ahead
            words.append(ahead | line << 16 | _READ << 32)
    return words


def case(name: str, requests: Sequence[int], capacity: int, hot: int, look_ahead: int) -> Case:
    """A run of the unit."""
    counts = [0, 0, 0, 0]
    for decision in kv_cache.liveness(requests, capacity, hot=hot, look_ahead=look_ahead):
        counts[0] += decision.found == "hit"
        counts[1] += decision.found == "ahead"
        counts[2] += decision.victim is not None
        counts[3] += decision.found == "miss" and not decision.kept
    return Case(
        name,
        {"n": len(requests), "capacity": capacity, "hot": hot},
        {"requests": request_words(requests)},
        {"decisions": decision_words(requests, capacity, hot, look_ahead), "statistics": counts},
    )


def cases(seed: int, lines: int = 8, look_ahead: int = 4) -> list[Case]:
    """Corner cases and random job lists: no line, one line in all and per tier, everything fits, one block, repeats."""
    random = np.random.default_rng(seed)

    def windows(count: int, blocks: int, density: float) -> list[int]:
        chosen = random.random((count, blocks)) < density
        return [int(block) for row in chosen for block in np.flatnonzero(row)]

    busy, sparse = windows(7, 12, 0.7), windows(9, 30, 0.25)
    played = [
        ("none", [], lines, 1),
        ("no_line", busy, 0, 0),
        ("one_line", busy, 1, 0),
        ("one_of_each", busy, 2, 1),
        ("busy", busy, lines, lines // 2),
        ("all_hot", sparse, lines - 1, lines - 1),
        ("sparse", sparse, lines, 1),
        ("fits", windows(5, lines, 0.8), lines, lines // 2),
        ("one_block", [_LARGEST] * 5, lines, 1),
        ("one_window", list(range(20)), 3, 1),
        ("one_request", [3], lines, 1),
        ("repeats", random.integers(0, 10, 40).tolist(), 5, 2),
    ]
    return [case(name, requests, capacity, hot, look_ahead) for name, requests, capacity, hot in played]
