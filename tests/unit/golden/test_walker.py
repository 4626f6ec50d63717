"""The order of a layer's jobs: requests as words decide like the sequence of blocks, and the jobs are those listed."""

import numpy as np
import pytest

from fastprefill.golden import jobs, kv_cache, walker
from fastprefill.golden.jobs import JobList
from fastprefill.golden.kv_cache_words import NEVER, decision_words


def random_lists(seed: int) -> list[JobList]:
    random = np.random.default_rng(seed)
    heads, blocks = int(random.integers(1, 5)), int(random.integers(1, 24))
    density = random.random((2, heads, blocks, 1)) ** 2
    masks = random.random((2, heads, blocks, blocks)) < density
    return [jobs.job_list(mask & np.tri(blocks, dtype=bool)) for mask in masks]


@pytest.mark.parametrize("seed", range(12))
def test_each_job_is_visited_once_in_order(seed: int) -> None:
    lists = random_lists(seed)
    seen = np.zeros((len(lists), *lists[0].mask().shape), int)
    for visit in walker.visits(lists):
        assert list(visit.key_blocks) == sorted(visit.key_blocks)
        seen[visit.kv_head, visit.head, visit.query_block, list(visit.key_blocks)] += 1
    assert np.array_equal(seen, [listed.mask() for listed in lists])
    words = walker.request_words(lists)
    assert [word & 0xFFFF for word in words] == walker.requests(lists)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("capacity", [0, 1, 3, 8])
def test_windows_of_the_walk_decide_like_runs(seed: int, capacity: int) -> None:
    """The unit ranks next uses by (window, block) of the words; `liveness` by their place in the sequence."""
    lists = random_lists(seed)
    order = walker.requests(lists)
    resident: dict[int, tuple[int, int]] = {}
    decisions = decision_words(order, capacity, capacity // 2, 0)
    hits = 0
    for word in walker.request_words(lists):
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
    assert hits == sum(word >> 32 & 3 == 0 for word in decisions)
    assert hits == kv_cache.replay(order, capacity).hits


def test_next_uses_go_through_the_heads_of_a_query_block_and_then_to_the_next_one() -> None:
    mask = np.zeros((2, 3, 3), bool)
    mask[:, 1, 0] = mask[1, 2, 0] = mask[0, 2, 2] = True
    listed = jobs.job_list(mask)
    found = [(word & 0xFFFF, word >> 16 & 0xFFFF, word >> 32) for word in walker.request_words([listed])]
    # windows: query block 1 of heads 0 and 1 are 2 and 3, query block 2 of them 4 and 5
    assert found == [(0, 2, 3), (0, 3, 5), (2, 4, NEVER), (0, 5, NEVER)]
    visits = walker.visits([listed])
    assert [len(visit.key_blocks) for visit in visits] == [0, 0, 1, 1, 1, 1]
    assert [list(walker.flags(visit)) for visit in visits[2:]] == [[6], [6], [7], [6]]


def test_commands_of_the_lists() -> None:
    listed = jobs.job_list(np.tri(3, dtype=bool)[None])
    whole, single = walker.list_reads([listed], 0x1000, 0x8000)
    assert [(word & (1 << 64) - 1, word >> 64) for word in whole] == [
        (0x1000, 64), (0x2000, 16), (0x4000, 16), (0x3000, 24),
    ]  # fmt: skip
    # key block 0 has entries 0 to 2 of the list by key block, key block 1 has 3 and 4
    assert [word & (1 << 64) - 1 for word in single] == [0x5004, 0x5008, 0x5010]
