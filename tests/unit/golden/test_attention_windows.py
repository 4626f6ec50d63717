"""Jobs of windows: every state is that of the golden model, visits are those that the cache's model counts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fastprefill.errors import FastprefillError
from fastprefill.golden import attention_windows as windows
from fastprefill.golden import jobs as job_lists
from fastprefill.golden.attention import query_block
from fastprefill.golden.attention_streams import Row
from fastprefill.golden.attention_windows import interleaved
from tests.unit.golden.test_attention_streams import operands

BLOCK = 16
HEADS = operands(3 * BLOCK)
ROWS = [Row(0, 2, (0, 2)), Row(1, 2, (0, 1, 2)), Row(0, 1, (1,))]


def test_states_are_those_of_the_golden_model_in_any_order() -> None:
    rng = np.random.default_rng(1)
    for _ in range(5):
        order = rng.permutation([0, 0, 1, 1, 1, 2]).tolist()
        found = interleaved(HEADS, ROWS, order, 3, BLOCK)
        ends = [job.state for job in found if job.last]
        assert sorted(ends) == [0, 1, 2]
        for state, block in zip(ends, windows.finished(found), strict=True):
            row = ROWS[state]
            wanted, got = query_block(HEADS, row.head, row.query_block, row.key_blocks, BLOCK), block.state()
            assert all(np.array_equal(getattr(got, name), getattr(wanted, name)) for name in ("m", "l", "n", "o"))


def test_a_slot_is_taken_from_the_first_job_to_the_last() -> None:
    found = interleaved(HEADS, ROWS, [1, 2, 1, 0, 1, 0], 2, BLOCK)
    assert [(job.state, job.slot, job.first, job.last) for job in found] == [
        (1, 0, True, False), (2, 1, True, True), (1, 0, False, False),
        (0, 1, True, False), (1, 0, False, True), (0, 1, False, True),
    ]  # fmt: skip
    # diagonal: key block 2 of query block 2, and key block 1 of query block 1
    assert [job.word for job in found] == [2, 8 + 4 + 2 + 1, 0, 8 + 2, 4 + 1, 8 + 4 + 1]


@pytest.mark.parametrize("window", [1, 2, 4, 8])
def test_visits_are_the_requests_of_the_order_of_windows(window: int) -> None:
    heads, blocks = operands(6 * BLOCK), 6
    mask = (np.random.default_rng(window).random((2, blocks, blocks)) < 0.5) & np.tri(blocks, dtype=bool)
    listed = job_lists.job_list(mask)
    chosen = [[tuple(np.flatnonzero(mask[h, r]).tolist()) for h in range(2)] for r in range(blocks)]
    order: list[int] = []
    rows: list[Row] = []
    for begin in range(0, blocks, window):  # a window of query blocks is one of their states, of all heads
        part = [
            Row(head, r, chosen[r][head])
            for r in range(begin, min(begin + window, blocks))
            for head in range(2)
            if chosen[r][head]
        ]
        order += [len(rows) + state for state in windows.in_windows(part, max(1, len(part)))]
        rows += part
    found = interleaved(heads, rows, order, 2 * window, BLOCK)
    visits = [visit[0].key[1] for visit in windows.visits(found)]
    requests = job_lists.requests(listed, window).tolist()
    assert [block for n, block in enumerate(requests) if n == 0 or block != requests[n - 1]] == visits


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: interleaved(HEADS, ROWS, [0, 1, 2, 0, 1, 1], 2, BLOCK),
            "job 2 opens a query block while 2 are open, the whole window",
        ),
        (
            lambda: interleaved(HEADS, ROWS, [0, 1, 2], 3, BLOCK),
            "an order of 3 jobs for states that have 6; give each job once",
        ),
        (lambda: windows.check_window(257), "a window of 257 open query blocks; choose 1 to 256"),
    ],
)
def test_what_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(FastprefillError) as caught:
        call()
    assert str(caught.value) == message
