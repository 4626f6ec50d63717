"""Jobs in windows: each job once, in the order of the engine's and the cache's models, whatever the lists hold."""

import numpy as np
import pytest

from fastprefill.golden import attention_windows, jobs, kv_cache, list_faults, walker, window_walker
from fastprefill.golden.attention_streams import Row
from fastprefill.golden.jobs import JobList
from fastprefill.golden.kv_cache_words import NEVER, decision_words
from fastprefill.golden.walker import Walk


def random_lists(seed: int) -> list[JobList]:
    random = np.random.default_rng(seed)
    heads, blocks = int(random.integers(1, 5)), int(random.integers(1, 24))
    density = random.random((2, heads, blocks, 1)) ** 2
    masks = random.random((2, heads, blocks, blocks)) < density
    return [jobs.job_list(mask & np.tri(blocks, dtype=bool)) for mask in masks]


def words_of(lists: list[JobList], window: int, group: int) -> dict[str, list[int]]:
    """What the walker makes of lists in memory, by way of their words."""
    walk = Walk(lists[0].blocks, group, 16, 8, 64, window)
    counts = window_walker.totals(lists, window)
    tokens = lists[0].blocks * walk.block
    return dict(list_faults.case("", lists, tokens, walk, {}, window_walker.outputs, **counts).outputs)


@pytest.mark.parametrize("window", [2, 3, 8])
@pytest.mark.parametrize("seed", range(8))
def test_each_job_is_done_once_in_the_order_of_the_other_models(seed: int, window: int) -> None:
    lists = random_lists(seed)
    heads, blocks = lists[0].heads, lists[0].blocks
    order = [kv * blocks + block for kv, one in enumerate(lists) for block in jobs.requests(one, window)]
    assert window_walker.requests(lists, window) == order
    seen = np.zeros((len(lists), *lists[0].mask().shape), int)
    for visit in window_walker.visits(lists, window):
        for row, head in visit.states:
            seen[visit.kv_head, head, row, visit.key_block] += 1
    assert np.array_equal(seen, [listed.mask() for listed in lists])
    # in a window the engine's model has the same order of states
    found = [
        (visit.key_block, row, head)
        for visit in window_walker.visits(lists[:1], window) for row, head in visit.states
    ]  # fmt: skip
    expected, mask = [], lists[0].mask()
    for begin in range(0, blocks, window):
        states = [
            Row(head, row, tuple(np.flatnonzero(mask[head, row]).tolist()))
            for row in range(begin, min(begin + window, blocks)) for head in range(heads) if mask[head, row].any()
        ]  # fmt: skip
        done = [0] * len(states)
        for state in attention_windows.in_windows(states, len(states) or 1):
            row = states[state]
            expected.append((row.key_blocks[done[state]], row.query_block, row.head))
            done[state] += 1
    assert found == expected


@pytest.mark.parametrize("window", [2, 4])
@pytest.mark.parametrize("seed", range(8))
def test_the_words_say_so(seed: int, window: int) -> None:
    """The words, which come out of the lists' words in memory, against the visits, which come out of the masks."""
    lists = random_lists(seed)
    heads, blocks, group = lists[0].heads, lists[0].blocks, 4
    if not any(listed.jobs for listed in lists):
        pytest.skip("no job")
    words, visits = words_of(lists, window, group), window_walker.visits(lists, window)
    assert words["requests"] == window_walker.request_words(lists, window)
    assert words["uses"] == words["repeats"] == [len(visit.states) for visit in visits]
    assert words["fault"] == [0]
    open_: dict[int, tuple[int, int, int]] = {}
    ended, begun, left = [], [], iter(words["query_job"])
    done = {(kv, row, head): 0 for kv in range(len(lists)) for row in range(blocks) for head in range(heads)}
    for visit in visits:
        for row, head in visit.states:
            word, state = next(left), (visit.kv_head, row, head)
            slot = word >> 3
            assert word & 1 == (row == visit.key_block) and slot < window * group
            if word >> 1 & 1:
                assert slot not in open_
                open_[slot] = state
                begun.append(state)
            assert open_[slot] == state
            done[state] += 1
            if word >> 2 & 1:
                assert done[state] == np.count_nonzero(lists[visit.kv_head].mask()[head, row])
                ended.append(open_.pop(slot))
    assert not open_ and next(left, None) is None
    stride = Walk(blocks, group, 16, 8, 64).query_stride
    records = [(word & (1 << 64) - 1) - 0x1_0000_0000 for word in words["query_commands"]]
    assert records == [((kv * heads + head) * blocks + row) * stride for kv, row, head in begun]
    windows, targets = -(-blocks // window), words["targets"]
    assert targets[-1] == len(lists) * windows << 8
    assert targets[:-1] == [
        (kv * windows + row // window) << 8 | row % window * group + head for kv, row, head in ended
    ]
    order = window_walker.row_order(lists, window)
    assert [state for state in order if done[state]] == ended and sorted(order) == sorted(done)
    assert [kv * windows + row // window for kv, row, _ in order] == sorted(
        kv * windows + row // window for kv, row, _ in order
    )


@pytest.mark.parametrize("window", [2, 8])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("capacity", [0, 1, 3, 8])
def test_windows_decide_like_runs(seed: int, window: int, capacity: int) -> None:
    """The unit ranks next uses by (window, block) of the words; `liveness` by their place in the sequence."""
    lists = random_lists(seed)
    order = window_walker.requests(lists, window)
    resident: dict[int, tuple[int, int]] = {}
    hits = 0
    for word in window_walker.request_words(lists, window):
        block, follows = word & 0xFFFF, word >> 32
        hits += resident.pop(block, None) is not None
        if follows == NEVER:
            continue
        if len(resident) == capacity:
            farthest = max(resident, key=lambda other: resident[other], default=None)
            if farthest is None or resident[farthest] <= (follows, block):
                continue
            del resident[farthest]
        resident[block] = (follows, block)
    assert hits == sum(word >> 32 & 3 == 0 for word in decision_words(order, capacity, capacity // 2, 0))
    assert hits == kv_cache.replay(order, capacity).hits


def test_next_uses_go_to_the_next_window_of_any_head() -> None:
    mask = np.zeros((2, 5, 5), bool)
    mask[0, 0, 0] = mask[1, 1, 0] = mask[1, 4, 0] = mask[0, 2, 1] = True
    listed = jobs.job_list(mask)
    words = words_of([listed], 2, 2)
    found = [(word & 0xFFFF, word >> 16 & 0xFFFF, word >> 32) for word in words["requests"]]
    assert found == [(0, 0, 2), (1, 1, NEVER), (0, 2, NEVER)]
    # slots 0 and 3, then 0, then 1; each state has one job, the first on the diagonal
    assert words["query_job"] == [0b111, 0b110 | 3 << 3, 0b110, 0b110 | 1 << 3]
    assert words["uses"] == [2, 1, 1]
    # words[1].order of rows: those with jobs first in each window
    assert window_walker.row_order([listed], 2) == [
        (0, 0, 0), (0, 1, 1), (0, 0, 1), (0, 1, 0),
        (0, 2, 0), (0, 2, 1), (0, 3, 0), (0, 3, 1), (0, 4, 1), (0, 4, 0),
    ]  # fmt: skip


WALK = Walk(blocks=6, group=2, block=16, dim=8, beat_bits=64, window=2)


@pytest.mark.parametrize("seed", range(4))
def test_every_run_ends_as_the_other_units_expect(seed: int) -> None:
    """Jobs, query blocks and visits as the scalars say; a slot is taken by one state at a time."""
    kinds = set()
    for case in window_walker.cases(seed, WALK):
        words, scalars = case.outputs, case.scalars
        assert len(words["query_job"]) == scalars["jobs"], case.name
        assert len(words["query_commands"]) == len(words["targets"]) - 1 == scalars["query_blocks"], case.name
        assert len(words["requests"]) == len(words["uses"]) == scalars["visits"], case.name
        assert sum(words["uses"]) == scalars["jobs"] and min(words["uses"]) > 0
        taken = set()
        for word in words["query_job"]:
            slot = word >> 3
            assert (slot in taken) == (word >> 1 & 1 == 0), case.name
            taken.add(slot)
            if word >> 2 & 1:
                taken.remove(slot)
        assert not taken
        kinds.add(words["fault"][0] >> 8 & 0xFF)
    assert kinds == {0, 1, 2, 3, 4}


def test_a_window_that_cannot_be_done_ends_the_walk() -> None:
    lists = [jobs.job_list(np.tri(5, dtype=bool)[None])]
    good = words_of(lists, 2, 1)
    walk = Walk(5, 1, 16, 8, 64, 2)
    cut = list_faults.case("", lists, 80, walk, {}, window_walker.outputs, visits=9, jobs=15, query_blocks=5)
    assert window_walker.totals(lists, 2) == {"jobs": 15, "query_blocks": 5, "visits": 11}
    words = cut.outputs
    # windows 0 and 1 have 2 and 4 visits and 10 jobs; window 2 needs 5 visits, and 3 are left
    assert words["fault"] == [2 | 4 << 8]
    assert words["requests"][:6] == good["requests"][:6]
    assert words["requests"][6:] == [3 << 16 | NEVER << 32] * 3
    assert words["uses"][6:] == [1, 1, 3]
    assert words["query_job"][10:] == [0b010, 0, 0, 0, 0b100]
    assert words["targets"][4:] == [list_faults.DROPPED, 3 << 8]
    assert walker.totals(lists) == {"jobs": 15, "query_blocks": 5}
