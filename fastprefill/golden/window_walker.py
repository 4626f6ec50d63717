"""Jobs in windows of query blocks, all heads of a group together, and their words (``kernels/window_walker.py``).

A window is `window` query blocks of all heads of a group. Its key blocks come in ascending order, each once: a *visit*,
which is a request to the cache and serves all jobs of the window with that key block, by query block and then by head.
A block's next use is the next window of its KV head that has it. Windows of a KV head ascend.

A *state* is that of one query block of one head. Its slot is its place in the window: `group` * query block + head,
with the group of the unit's size, so it is free again when the next window begins. States end in the order of their
last jobs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fastprefill.golden import jobs, list_faults
from fastprefill.golden.attention_windows import DIAGONAL, FIRST, LAST, SLOT
from fastprefill.golden.jobs import JobList
from fastprefill.golden.kv_cache_words import NEVER
from fastprefill.golden.list_faults import COUNTS, DROPPED, status
from fastprefill.golden.walker import Walk, command, prompts
from fastprefill.system.case import Case

TARGET = 8
"""In ``targets``: from which bit on the number of the window; below is the slot."""


@dataclass(frozen=True)
class Visit:
    """The jobs of a window with one key block.

    Attributes:
        window: number among all windows of the layer.
        kv_head: number of the KV head.
        key_block: its number.
        states: query block and head within the group of each job, in order.
    """

    window: int
    kv_head: int
    key_block: int
    states: tuple[tuple[int, int], ...]


def visits(lists: Sequence[JobList], window: int) -> list[Visit]:
    """All visits of a layer, in order.

    Args:
        lists: of each KV head, of equally many blocks and heads.
        window: query blocks.
    """
    found: list[Visit] = []
    for kv, listed in enumerate(lists):
        mask, windows = listed.mask(), -(-listed.blocks // window)
        for number in range(windows):
            rows = slice(number * window, (number + 1) * window)
            for key in np.flatnonzero(mask[:, rows].any(axis=(0, 1))):
                chosen = np.argwhere(mask[:, rows, key].T)
                states = tuple((number * window + int(row), int(head)) for row, head in chosen)
                found.append(Visit(kv * windows + number, kv, int(key), states))
    return found


def requests(lists: Sequence[JobList], window: int) -> list[int]:
    """What the cache is asked for, in order: numbers of blocks of keys and values, ``kv_head * blocks + block``."""
    return [visit.kv_head * lists[0].blocks + visit.key_block for visit in visits(lists, window)]


def request_words(lists: Sequence[JobList], window: int) -> list[int]:
    """The same as words of 48 bits: block, window, window of the block's next use (0xFFFF: none), 16 bits each."""
    following: dict[int, int] = {}
    words = []
    for visit in reversed(visits(lists, window)):
        number = visit.kv_head * lists[0].blocks + visit.key_block
        words.append(number | visit.window << 16 | following.get(number, NEVER) << 32)
        following[number] = visit.window
    return words[::-1]


def totals(lists: Sequence[JobList], window: int) -> dict[str, int]:
    """The scalars ``jobs``, ``query_blocks`` (those with jobs, of each head), ``visits``; at least 1."""
    all_visits = visits(lists, window)
    states = {(visit.kv_head, *state) for visit in all_visits for state in visit.states}
    counts = {
        "jobs": sum(len(visit.states) for visit in all_visits), "query_blocks": len(states), "visits": len(all_visits),
    }  # fmt: skip
    return {name: max(1, count) for name, count in counts.items()}


def row_order(lists: Sequence[JobList], window: int) -> list[tuple[int, int, int]]:
    """KV head, query block and head in the order in which rows are written.

    In each window the states come in the order of their last jobs, then the query blocks without jobs.
    """
    blocks, heads = lists[0].blocks, lists[0].heads
    windows = -(-blocks // window)
    last = {
        (visit.kv_head, *state): n for n, visit in enumerate(visits(lists, window)) for state in visit.states
    }
    never = len(last) + sum(listed.jobs for listed in lists)
    found = []
    for kv in range(len(lists)):
        for number in range(windows):
            rows = range(number * window, min((number + 1) * window, blocks))
            states = [(kv, row, head) for row in rows for head in range(heads)]
            found += sorted(states, key=lambda state: last.get(state, never))
    return found


@dataclass
class _Left:
    """Jobs, states and visits that the other units still wait for."""

    jobs: int
    states: int
    visits: int

    def without(self, visits: Sequence[Visit]) -> _Left:
        states = {state for visit in visits for state in visit.states}
        return _Left(
            self.jobs - sum(len(visit.states) for visit in visits),
            self.states - len(states),
            self.visits - len(visits),
        )

    @property
    def possible(self) -> bool:
        """Whether jobs can be made up so that nothing is left."""
        if self.states == 0:
            return self.jobs == 0 and self.visits == 0
        return self.states > 0 and self.visits > 0 and self.jobs >= max(self.states, self.visits)


class _Words:
    """What the walker says."""

    def __init__(self, scalars: Mapping[str, int], walk: Walk, all_blocks: int) -> None:
        names = ("query_commands", "requests", "uses", "repeats", "query_job", "scale_job", "score_job", "state_job")
        self.words: dict[str, list[int]] = {name: [] for name in (*names, "targets")}
        self._queries, self._walk, self._blocks = scalars["queries"], walk, all_blocks
        self._heads = scalars["group"]

    def visit(self, request: int, count: int) -> None:
        self.words["requests"].append(request)
        for name in ("uses", "repeats"):
            self.words[name].append(count)

    def job(self, record: int, word: int, target: int) -> None:
        """A job, with its query block's record and target if it is its first or last one."""
        if word >> FIRST & 1:
            address = self._queries + record * self._walk.query_stride
            self.words["query_commands"].append(command(address, self._walk.query_bytes))
        for name in ("query_job", "scale_job", "state_job"):
            self.words[name].append(word)
        self.words["score_job"].append(word & 0xFF)
        if word >> LAST & 1:
            self.words["targets"].append(target)

    def window(self, found: Sequence[Visit], following: Mapping[int, int]) -> None:
        """All visits of a window; `following` is the window of a key block's next use."""
        first, last = _ends(found)
        for n, visit in enumerate(found):
            number = visit.kv_head * self._blocks + visit.key_block
            self.visit(number | visit.window << 16 | following[visit.key_block] << 32, len(visit.states))
            for row, head in visit.states:
                slot = row % self._walk.window * self._walk.group + head
                word = (
                    (row == visit.key_block) << DIAGONAL | (first[row, head] == n) << FIRST
                    | (last[row, head] == n) << LAST | slot << SLOT
                )  # fmt: skip
                record = (visit.kv_head * self._heads + head) * self._blocks + row
                self.job(record, word, visit.window << TARGET | slot)

    def make_up(self, left: _Left, window: int) -> None:
        """One job for each visit and query block that is missing, all that are left for the last ones."""
        counts = [1] * (left.visits - 1) + [left.jobs - left.visits + 1]
        for count in counts:
            self.visit(window << 16 | NEVER << 32, count)
        for n in range(left.jobs):
            word = (n < left.states) << FIRST | (n < left.states - 1 or n == left.jobs - 1) << LAST
            self.job(0, word, DROPPED)


def _ends(found: Sequence[Visit]) -> tuple[dict[tuple[int, int], int], dict[tuple[int, int], int]]:
    """For each state its first visit and its last one."""
    first: dict[tuple[int, int], int] = {}
    last: dict[tuple[int, int], int] = {}
    for n, visit in enumerate(found):
        for state in visit.states:
            first.setdefault(state, n)
            last[state] = n
    return first, last


def outputs(memory: bytes | bytearray, scalars: Mapping[str, int], walk: Walk) -> dict[str, list[int]]:
    """Words of all outputs, for any memory. `scalars` has at least as many jobs as query blocks, and as visits.

    A window is done only if the other units can then still have what they were promised; else the walk ends before it.
    """
    taken = list_faults.read(memory, scalars, walk)
    blocks, heads = len(taken.rows[0]), scalars["group"]
    windows = -(-blocks // walk.window)
    said = _Words(scalars, walk, blocks)
    left, fault = _Left(*(scalars[name] for name in ("jobs", "query_blocks", "visits"))), 0
    for kv, rows in enumerate(taken.rows):
        for number in range(windows):
            states: dict[int, list[tuple[int, int]]] = {}
            following: dict[int, int] = {}
            for row in range(number * walk.window, min((number + 1) * walk.window, blocks)):
                for key, held, later in rows[row]:
                    chosen = [(row, head) for head in range(heads) if held >> head & 1]
                    if chosen:
                        again = NEVER if later is None else kv * windows + (later & 0xFFFF) // walk.window
                        following[key] = again & 0xFFFF
                        states.setdefault(key, []).extend(chosen)
            found = [Visit(kv * windows + number, kv, key, tuple(states[key])) for key in sorted(states)]
            if not found or fault:
                continue
            rest = left.without(found)
            if rest.possible:
                said.window(found, following)
                left = rest
            else:
                fault = status(COUNTS, kv)
    total = scalars["kv_heads"] * windows
    if left.states:
        fault = fault or status(COUNTS, scalars["kv_heads"])
        said.make_up(left, total)
    said.words["targets"].append(total << TARGET)
    return {
        "list_commands": taken.whole, "next_commands": taken.single, **said.words, "fault": [taken.fault or fault],
    }  # fmt: skip


def cases(seed: int, walk: Walk) -> list[Case]:
    """Runs on the prompts of the other order, on lists with faults, on counts that are wrong.

    In one the first entry has a bit for a head that the group does not have, which means nothing.
    """

    def counts(lists: Sequence[JobList]) -> dict[str, int]:
        return totals(lists, walk.window)

    def played(name: str, lists: Sequence[JobList], tokens: int, **given: int) -> Case:
        return list_faults.case(name, lists, tokens, walk, {}, outputs, **{**counts(lists), **given})

    sound = [played(name, lists, tokens) for name, lists, tokens in prompts(seed, walk)]
    blocks = min(5, walk.blocks)
    full = [jobs.job_list(np.broadcast_to(np.tri(blocks, dtype=bool), (walk.group, blocks, blocks)))]
    visited = counts(full)["visits"]
    wrong: Iterable[Case] = (
        played(name, full, blocks * walk.block, visits=visited + more)
        for name, more in (("more_visits", 2), ("fewer_visits", -1))
    )
    one, first = [jobs.job_list(np.tri(blocks, dtype=bool)[None])], {2 * jobs.PAGE: 0b11 << jobs.HEADS_SHIFT}
    above = list_faults.case("no_such_head", one, blocks * walk.block, walk, first, outputs, **counts(one))
    # as many query blocks as jobs: already the first window leaves more query blocks than jobs
    crowded = played("more_blocks_than_jobs", one, blocks * walk.block, query_blocks=counts(one)["jobs"])
    return [*sound, *list_faults.cases(seed, walk, outputs, counts), *wrong, above, crowded]
