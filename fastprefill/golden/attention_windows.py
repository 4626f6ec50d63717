"""Windows of open query blocks: jobs of several query blocks in turns, the words that say so, and runs of the engine.

A *state* is that of one query block of one head. It has a slot from its first job to its last one. Jobs that follow
each other and have the same block of keys and values are a *visit* of it. Whatever the order, the jobs of a state keep
theirs, so the result of each is that of ``golden.attention``.

A job's word: bit 0 query block = key block, bit 1 first, bit 2 last job of its query block, bits 3 to 10 its slot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from fastprefill.errors import FastprefillError
from fastprefill.golden.attention import Heads
from fastprefill.golden.attention_size import Size
from fastprefill.golden.attention_streams import (
    Block,
    Row,
    Tile,
    blocks,
    code_words,
    head_words,
    key_words,
    row_scale_words,
    row_words,
    sum_words,
    value_products,
)
from fastprefill.golden.partial import normalise
from fastprefill.golden.sfu_streams import words as element_words
from fastprefill.system.case import Case

DIAGONAL, FIRST, LAST, SLOT = 0, 1, 2, 3
"""Bits of a job's word; the slot begins at the last of them."""

SLOT_BITS = 8
JOB_BITS = 16
MOST_STATES = 1 << SLOT_BITS


def check_window(window: int) -> None:
    """Refuse a number of open states that the words cannot hold.

    Raises:
        FastprefillError: it is not from 1 to 256.
    """
    if not 1 <= window <= MOST_STATES:
        raise FastprefillError(f"a window of {window} open query blocks; choose 1 to {MOST_STATES}")


@dataclass(frozen=True)
class Job:
    """A job and the state that it belongs to.

    Attributes:
        state: number of the state.
        slot: where the state is kept.
        first, last: whether it is the first or the last job of the state.
        key: KV head and key block.
        tile: what the units see.
    """

    state: int
    slot: int
    first: bool
    last: bool
    key: tuple[int, int]
    tile: Tile

    @property
    def word(self) -> int:
        """The job's word."""
        return self.tile.diagonal << DIAGONAL | self.first << FIRST | self.last << LAST | self.slot << SLOT


def in_windows(rows: Sequence[Row], window: int) -> list[int]:
    """The order of windows: `window` states at a time, key blocks ascending, for each of them the states that use it.

    Args:
        rows: states, each with its key blocks in ascending order.

    Returns:
        For each job the number of its state.
    """
    order: list[int] = []
    for begin in range(0, len(rows), window):
        open_ = range(begin, min(begin + window, len(rows)))
        order += [state for _, state in sorted((key, state) for state in open_ for key in rows[state].key_blocks)]
    return order


def interleaved(heads: Heads, rows: Sequence[Row], order: Sequence[int], window: int, block: int) -> list[Job]:
    """The jobs of states in an order, with slots; a state takes the lowest free one.

    Args:
        rows: states, each with at least one job.
        order: for each job the number of its state; a state's jobs are taken in the order of its key blocks.
        window: slots.

    Raises:
        FastprefillError: more states open than there are slots, or an order that is not of these states.
    """
    check_window(window)
    states, wanted = blocks(heads, rows, block), sorted(n for n, row in enumerate(rows) for _ in row.key_blocks)
    if sorted(order) != wanted:
        raise FastprefillError(f"an order of {len(order)} jobs for states that have {len(wanted)}; give each job once")
    done, slots, found = [0] * len(rows), dict[int, int](), list[Job]()
    for state in order:
        at, row = done[state], rows[state]
        if at == 0:
            free = [slot for slot in range(window) if slot not in slots.values()]
            if not free:
                raise FastprefillError(
                    f"job {len(found)} opens a query block while {window} are open, the whole window"
                )
            slots[state] = free[0]
        done[state] += 1
        last = done[state] == len(row.key_blocks)
        key = row.head // (heads.q.values.shape[1] // heads.k.values.shape[1]), row.key_blocks[at]
        found.append(Job(state, slots[state], at == 0, last, key, states[state].jobs[at]))
        if last:
            del slots[state]
    return found


def visits(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """Stretches of jobs with the same block of keys."""
    for _, group in groupby(jobs, key=lambda job: job.key):
        yield list(group)


def finished(jobs: Sequence[Job]) -> list[Block]:
    """The states in the order of their last jobs, as the engine puts them out."""
    ends = [job.state for job in jobs if job.last]
    return [Block(tuple(job.tile for job in jobs if job.state == state)) for state in ends]


def accumulating(name: str, jobs: Sequence[Job], size: Size) -> Case:
    """A run of the unit that holds the states."""
    inputs: dict[str, list[int]] = {"job": [], "value_sum": [], "row": [], "c": []}
    for job in jobs:
        masses, _, m, n = job.tile.weighed()
        inputs["job"].append(job.word)
        inputs["value_sum"] += sum_words(job.tile, size)
        inputs["row"] += row_words(m, n, masses.sum(axis=-1), size.drain_rows)
        inputs["c"] += value_products(job.tile, size)
    states = [part.state() for part in finished(jobs)]
    outputs = {
        "head": [word for state in states for word in head_words(state)],
        "sums": [word for state in states for word in element_words(state.o, size.columns, 32)],
    }
    return Case(name, {"jobs": len(jobs), "blocks": len(states)}, inputs, outputs)


def engine(name: str, jobs: Sequence[Job], size: Size, fraction: int) -> Case:
    """A run of the whole engine with a window larger than 1; the result has `fraction` fraction bits."""
    count, groups, ended = len(jobs), list(visits(jobs)), finished(jobs)
    tiles = [job.tile for job in jobs]
    scalars = {
        "operands_jobs": count, "operands_blocks": len(ended), "operands_visits": len(groups),
        "turns_jobs": count, "softmax_jobs": count, "accumulate_jobs": count, "accumulate_blocks": len(ended),
        **{f"{unit}_jobs": count for unit in size.halves},
        "normalise_blocks": len(ended), "normalise_fraction": fraction,
    }  # fmt: skip
    inputs = {
        "operands_job": [job.word for job in jobs],
        "operands_uses": [len(group) for group in groups],
        "operands_q": [word for job in jobs if job.first for word in code_words(job.tile.q, size)],
        "operands_k": [word for group in groups for word in code_words(group[0].tile.k, size)],
        "operands_v": [word for group in groups for word in code_words(group[0].tile.v, size)],
        "softmax_job": [job.word & 0xFF for job in jobs],
        "softmax_row_scale": [word for tile in tiles for word in row_scale_words(tile, size)],
        "softmax_key_scale": [word for tile in tiles for word in key_words(tile, size)],
        "accumulate_job": [job.word for job in jobs],
        "accumulate_value_sum": [word for tile in tiles for word in sum_words(tile, size)],
    }
    y = [word for part in ended for word in element_words(normalise(part.state(), fraction), size.columns, 24)]
    return Case(name, scalars, inputs, {"normalise_y": y})
