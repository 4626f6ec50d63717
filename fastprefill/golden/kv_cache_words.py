"""Words of the KV cache's decision unit, and its model: the decisions of `kv_cache.liveness` with the lines they name.

Which line a block takes is not part of the policy: one that was found keeps its line, any other takes that of the
block it replaces, or else the lowest free one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fastprefill.errors import FastprefillError
from fastprefill.golden import kv_cache
from fastprefill.golden.jobs import LARGEST_BLOCKS, JobList
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


def list_words(listed: JobList, window: int) -> list[int]:
    """The same from the list by key block alone: a pointer for each key block gives this use and the next one.

    Equal to `request_words` where every window begins with a block below the last one of the window before, as when
    all windows use the first block.

    Args:
        listed: jobs of one KV head.
        window: open query blocks, all heads of the group together.
    """
    rows = [
        (listed.column_entries[start:end] & (LARGEST_BLOCKS - 1)) // window
        for start, end in zip(listed.column_start[:-1], listed.column_start[1:], strict=True)
    ]
    uses = [deque(dict.fromkeys(row.tolist())) for row in rows]
    words = []
    for number in range(-(-listed.blocks // window)):
        for block, queue in enumerate(uses):
            if queue and queue[0] == number:
                queue.popleft()
                words.append(block | number << 16 | (queue[0] if queue else NEVER) << 32)
    return words


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


@dataclass(frozen=True)
class Size:
    """Parameters of the unit (``kernels/kv_cache.py`` says what they mean)."""

    lines: int = 8
    look_ahead: int = 4
    beats: int = 5
    beat_bits: int = 64
    stride: int = 512


BASE = 0x1_2000_0000
"""Byte address of block 0 in the cases."""


def block_beats(block: int, size: Size) -> list[int]:
    """A made-up content of a block: each beat has a value of its own."""
    mask = (1 << size.beat_bits) - 1
    return [
        (block * size.beats + n + 1) * 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835 & mask
        for n in range(size.beats)
    ]


def case(
    name: str, requests: Sequence[int], capacity: int, hot: int, size: Size, stores: bool = True
) -> Case:
    """A run of the unit, or of its decisions alone."""
    policy = kv_cache.liveness(requests, capacity, hot=hot, look_ahead=size.look_ahead)
    words = decision_words(requests, capacity, hot, size.look_ahead)
    fetched = [word & 0xFFFF for word in words if word >> 32 & 3 >= _FOUND["miss"]]
    outputs = {
        "addresses": [BASE + block * size.stride for block in fetched],
        "statistics": [
            sum(decision.found == "hit" for decision in policy),
            sum(decision.found == "ahead" for decision in policy),
            sum(decision.victim is not None for decision in policy),
            sum(decision.found == "miss" and not decision.kept for decision in policy),
        ],
    }
    inputs = {"requests": request_words(requests)}
    if stores:
        inputs["fetched"] = [beat for block in fetched for beat in block_beats(block, size)]
        outputs["blocks"] = [beat for block in requests for beat in block_beats(int(block), size)]
    else:
        outputs["decisions"] = words
    return Case(name, {"n": len(requests), "capacity": capacity, "hot": hot, "base": BASE}, inputs, outputs)


def cases(seed: int, size: Size = Size(), stores: bool = True) -> list[Case]:
    """Corner cases and random job lists: no line, one line in all and per tier, everything fits, one block, repeats."""
    random = np.random.default_rng(seed)
    lines = size.lines

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
    return [case(name, requests, capacity, hot, size, stores) for name, requests, capacity, hot in played]
