"""What the walker makes of job lists in memory, whatever they hold: the words of its outputs, and the first fault.

A list is not trusted. What the walk follows - header, counts, starts of rows and columns, key blocks - is checked as it
comes; from the first fault on no list is read further and the query blocks that are left have no jobs. The units behind
the walker are told beforehand how many jobs and query blocks there will be, so those that are then missing are made up:
jobs of block 0 with block 0, whose rows are dropped. The run ends as one without a fault does.

Entries of the list by key block are not checked: only the cache's decisions depend on them, no result does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fastprefill.golden import jobs as lists
from fastprefill.golden.jobs import JobList
from fastprefill.golden.kv_cache_words import NEVER
from fastprefill.golden.walker import Visit, Walk, beats, command, flags, memory_of, totals
from fastprefill.system.case import Case

HEADER, STARTS, ENTRY, COUNTS = 1, 2, 3, 4
"""The header is not that of a list of this prompt; the starts of rows or columns do not ascend from 0 to the number of
entries, or a row is longer than it can be; key blocks of a row do not ascend up to its query block; the lists have
other numbers of jobs and query blocks than the scalars say."""

FAULT = 2
"""Low byte of the status word of a fault; 1 is a scalar outside its limits (``system.limits.error_code``)."""

DROPPED = 0x7FFF_FFFF
"""In ``targets``: the rows of a query block that was made up."""


def status(fault: int, kv_head: int) -> int:
    """The word on ``fault``, as ``first_error`` has it: 0 for no fault, else `FAULT`, the kind of fault from bit 8 on
    and from bit 16 on the KV head whose list it is in (all lists have too few jobs: the number of KV heads).
    """
    return fault and FAULT | fault << 8 | kv_head << 16


@dataclass
class Read:
    """What was read of the lists.

    Attributes:
        whole, single: commands for the lists, and for single entries by key block.
        rows: for each KV head, for each query block: (key block, heads, word by key block or None).
        fault: status word.
    """

    whole: list[int] = field(default_factory=list)
    single: list[int] = field(default_factory=list)
    rows: list[list[list[tuple[int, int, int | None]]]] = field(default_factory=list)
    fault: int = 0


def _word(memory: bytes | bytearray, at: int) -> int:
    return int.from_bytes(memory[at : at + 4], "little")


def _ascend(starts: list[int], longest: list[int], end: int) -> bool:
    """Whether starts go from 0 to `end` in steps of at most `longest`."""
    steps = zip(starts[:-1], starts[1:], longest, strict=True)
    return starts[0] == 0 and all(0 <= b - a <= most for a, b, most in steps) and starts[-1] == end


def read(memory: bytes | bytearray, scalars: Mapping[str, int], walk: Walk) -> Read:
    """The lists as the walker takes them.

    Args:
        memory: from address 0 on.
        scalars: of the walker.
        walk: its sizes.
    """
    found = Read()
    blocks, heads = -(-scalars["tokens"] // walk.block), scalars["group"]
    for kv in range(scalars["kv_heads"]):
        found.rows.append([[] for _ in range(blocks)])
        if not found.fault:
            base = scalars["lists"] + kv * scalars["list_stride"]
            found.fault = status(_read_list(memory, base, blocks, heads, found), kv)
    return found


def _read_list(memory: bytes | bytearray, base: int, blocks: int, heads: int, found: Read) -> int:
    """Reads one list; returns its fault."""
    found.whole.append(command(base, 4 * lists.HEADER_WORDS))
    header = [_word(memory, base + 4 * n) for n in range(lists.HEADER_WORDS)]
    offsets = header[lists.ROW_START_WORD : lists.COLUMN_ENTRIES_WORD + 1]
    if header[:4] != [lists.MAGIC, lists.VERSION, blocks, heads] or any(at % lists.PAGE for at in offsets):
        return HEADER
    starts = []
    for which in (lists.ROW_START_WORD, lists.COLUMN_START_WORD):
        found.whole.append(command(base + header[which], 4 * (blocks + 1)))
        starts.append([_word(memory, base + header[which] + 4 * n) for n in range(blocks + 1)])
    row_start, column_start = starts
    entries = header[lists.ENTRIES_WORD]
    if not _ascend(row_start, [row + 1 for row in range(blocks)], entries):
        return STARTS
    if not _ascend(column_start, [blocks] * blocks, entries):
        return STARTS
    found.whole.append(command(base + header[lists.ROW_ENTRIES_WORD], 4 * entries))
    pointer, fault = column_start[:-1], 0
    for row in range(blocks):
        before = -1
        for n in range(row_start[row], row_start[row + 1]):
            entry = _word(memory, base + header[lists.ROW_ENTRIES_WORD] + 4 * n)
            key, chosen = entry & 0xFFFF, entry >> lists.HEADS_SHIFT
            if not before < key <= row:
                fault = ENTRY
            if fault:
                return fault
            before, later = key, None
            pointer[key] += 1
            if pointer[key] < column_start[key + 1]:
                at = base + header[lists.COLUMN_ENTRIES_WORD] + 4 * pointer[key]
                found.single.append(command(at, 4))
                later = _word(memory, at)
            found.rows[-1][row].append((key, chosen, later))
    return fault


def outputs(memory: bytes | bytearray, scalars: Mapping[str, int], walk: Walk) -> dict[str, list[int]]:
    """Words of all outputs of the unit, for any memory. `scalars` has at least as many jobs as query blocks."""
    taken = read(memory, scalars, walk)
    words: dict[str, list[int]] = {
        "list_commands": taken.whole, "next_commands": taken.single, "query_commands": [], "requests": [],
        "count": [], "repeats": [], "score_job": [], "state_job": [], "targets": [],
    }  # fmt: skip
    jobs, blocks, fault = scalars["jobs"], scalars["query_blocks"], 0
    heads, window, all_blocks = scalars["group"], 0, len(taken.rows[0])

    def say(record: int, target: int, requests: list[int], flagged: Iterable[int]) -> None:
        for name in ("count", "repeats"):
            words[name].append(len(requests))
        words["targets"].append(target)
        words["query_commands"].append(
            command(scalars["queries"] + record * walk.query_stride, walk.query_bytes)
        )
        words["requests"] += requests
        flagged = list(flagged)
        words["score_job"] += flagged
        words["state_job"] += flagged

    for kv, rows in enumerate(taken.rows):
        first = kv * all_blocks
        for row, entries in enumerate(rows):
            for head in range(heads):
                chosen = [entry for entry in entries if entry[1] >> head & 1]
                left, others = jobs - len(chosen), blocks - 1
                if chosen and not fault and left >= others and (others > 0 or left == 0):
                    requests = [
                        first + key | window << 16 | _next(walk, first, heads, window, head, held, later) << 32
                        for key, held, later in chosen
                    ]
                    visit = Visit(window, kv, head, row, tuple(key for key, *_ in chosen))
                    say((kv * heads + head) * all_blocks + row, window, requests, flags(visit))
                    jobs, blocks = left, others
                elif chosen and not fault:
                    fault = status(COUNTS, kv)
                window += 1
    if blocks and not fault:
        fault = status(COUNTS, scalars["kv_heads"])
    while blocks:
        count = 1 if blocks > 1 else jobs
        made_up = flags(Visit(window, 0, 0, -1, (0,) * count))  # no job is on the diagonal
        say(0, DROPPED, [window << 16 | NEVER << 32] * count, made_up)
        jobs, blocks = jobs - count, blocks - 1
    words["targets"].append(window)
    return {**words, "fault": [taken.fault or fault]}


def _next(walk: Walk, first: int, heads: int, window: int, head: int, held: int, later: int | None) -> int:
    """The window of a block's next use: the next head of this query block that has it, else the entry by key block."""
    after = [other for other in range(head + 1, walk.group) if held >> other & 1]
    if after:
        return window - head + after[0]
    if later is None:
        return NEVER
    lowest = next((other for other in range(walk.group) if later >> lists.HEADS_SHIFT + other & 1), 0)
    return ((first + (later & 0xFFFF)) * heads + lowest) & 0xFFFF


Outputs = Callable[[bytes | bytearray, Mapping[str, int], Walk], dict[str, list[int]]]
"""Words of all outputs of a walker, for a memory, scalars and sizes."""


def case(
    name: str, good: Sequence[JobList], tokens: int, walk: Walk, changes: Mapping[int, int],
    made: Outputs = outputs, **given: int,
) -> Case:  # fmt: skip
    """A run on lists with changed words.

    Args:
        name: of the case.
        good: lists without a fault.
        tokens: of the prompt.
        walk: sizes of the unit.
        changes: by byte from the first list on, the new word.
        made: what the unit makes of a memory.
        given: scalars in place of those that fit the lists.
    """
    base, queries = 0x3000, 0x1_0000_0000
    memory, stride = memory_of(good, base)
    for at, word in changes.items():
        memory[base + at : base + at + 4] = word.to_bytes(4, "little")
    scalars = {
        "tokens": tokens, "kv_heads": len(good), "group": good[0].heads, "lists": base, "list_stride": stride,
        "queries": queries, **totals(good), **given,
    }  # fmt: skip
    expected = made(memory, scalars, walk)
    inputs = {
        "list_beats": beats(memory, expected["list_commands"], walk.beat_bits),
        "next_beats": beats(memory, expected["next_commands"], walk.beat_bits),
    }
    return Case(name, scalars, inputs, expected)


def cases(
    seed: int, walk: Walk, made: Outputs = outputs, counts: Callable[[Sequence[JobList]], dict[str, int]] = totals
) -> list[Case]:
    """A fault of each kind, in the first list and in a later one; counts that are too large and too small.

    Args:
        made, counts: what the unit makes of a memory, and the scalars that follow from its lists.
    """
    random = np.random.default_rng(seed)
    blocks = min(5, walk.blocks)
    tokens = blocks * walk.block - 1
    masks = random.random((2, walk.group, blocks, blocks)) < 0.6
    masks[:, :, :, 0] = True
    good = [lists.job_list(mask & np.tri(blocks, dtype=bool)) for mask in masks]
    second = max(len(lists.pack(listed)) for listed in good)
    row_start, row_entries, column_start = lists.PAGE, 2 * lists.PAGE, 3 * lists.PAGE
    entries = [len(listed.row_entries) for listed in good]
    sums = counts(good)
    far = int(good[1].row_start[2])

    def faulty(name: str, changes: Mapping[int, int], **given: int) -> Case:
        return case(name, good, tokens, walk, changes, made, **{**sums, **given})

    return [
        faulty("magic", {0: lists.MAGIC + 1}),
        faulty("version", {second + 4: 2}),
        faulty("blocks", {8: blocks + 1}),
        faulty("heads", {second + 12: walk.group - 1}),
        faulty("offset", {4 * lists.COLUMN_ENTRIES_WORD: 4 * lists.PAGE + 4}),
        faulty("entries", {second + 4 * lists.ENTRIES_WORD: entries[1] - 1}),
        faulty("row_down", {row_start + 4 * 3: 0}),
        faulty("row_too_long", {second + row_start + 4 * 2: 4, second + row_start + 4: 1}),
        faulty("column_up", {column_start + 4 * 2: 0xFFFF_FFFF}),
        faulty("column_first", {second + column_start: 1}),
        faulty("key_above", {row_entries + 4: 0x1_0000 | blocks}),
        faulty("key_again", {second + row_entries + 4 * (far + 1): int(good[1].row_entries[far])}),
        faulty("more_jobs", {}, jobs=sums["jobs"] + 3),
        faulty("fewer_jobs", {}, jobs=sums["jobs"] - 1),
        faulty("more_query_blocks", {}, jobs=sums["jobs"] + 9, query_blocks=sums["query_blocks"] + 2),
        faulty("fewer_query_blocks", {}, query_blocks=1),
        faulty("header_and_counts", {second: 0}, query_blocks=2),
    ]  # fmt: skip
