"""Cache policies: against naive ones and exhaustive search; what the hardware's policy promises; its targets."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastprefill.errors import FastprefillError
from fastprefill.golden import jobs, kv_cache

DATA = Path(__file__).resolve().parents[2] / "data" / "flexprefill"

sequences = st.lists(st.integers(0, 8), max_size=40)
capacities = st.integers(0, 6)


def naive(order, capacity, refresh):
    queue, hits = [], 0
    for block in order:
        if block in queue:
            hits += 1
            if refresh:
                queue.remove(block)
                queue.append(block)
        else:
            queue = [*queue, block][-capacity:] if capacity else []
    return hits


@settings(deadline=None)
@given(sequences, capacities)
def test_lru_and_fifo(order, capacity):
    assert kv_cache.replay(order, capacity, "lru").hits == naive(order, capacity, True)
    assert kv_cache.replay(order, capacity, "fifo").hits == naive(order, capacity, False)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 4), max_size=12), st.integers(0, 3))
def test_belady_is_the_optimum(order, capacity):
    @functools.cache
    def best(place, resident):
        if place == len(order):
            return 0
        block = order[place]
        hit = block in resident
        with_it = resident | {block}
        keeps = {with_it - {gone} for gone in with_it} | {with_it}
        return hit + max(best(place + 1, kept) for kept in keeps if len(kept) <= capacity)

    assert kv_cache.replay(order, capacity, "belady").hits == best(0, frozenset())


@settings(deadline=None)
@given(sequences, capacities, st.sampled_from(kv_cache.POLICIES))
def test_the_books_balance(order, capacity, policy):
    result = kv_cache.replay(order, capacity, policy)
    assert result.hits + result.misses == len(order)
    assert result.misses >= result.least == len(set(order))
    assert result.hits <= kv_cache.replay(order, capacity, "belady").hits
    if capacity >= result.least:
        assert result.misses == result.least
    if capacity == 0:
        assert result.hits == result.evictions == 0


@settings(deadline=None)
@given(sequences, capacities, st.data())
def test_decisions_keep_the_promises(order, capacity, data):
    """Replayed with books of our own: room, dead blocks, pinned blocks, look-ahead."""
    hot, look_ahead = data.draw(st.integers(0, capacity)), data.draw(st.integers(0, 5))
    resident, unused = set(), set()
    for place, decision in enumerate(kv_cache.liveness(order, capacity, hot=hot, look_ahead=look_ahead)):
        block, rest = order[place], order[place + 1 :]
        assert decision.block == block
        expected = "ahead" if block in unused else "hit" if block in resident else "miss"
        assert decision.found == expected
        unused.discard(block)
        resident.discard(block)
        # whatever is resident has uses left: dead blocks were freed at once
        assert all(other in rest for other in resident)
        if decision.victim is not None:
            assert len(resident) == capacity
            assert decision.victim in resident - unused
            assert rest.index(decision.victim) > rest.index(block)
            resident.remove(decision.victim)
        if decision.kept:
            assert block in rest
            resident.add(block)
        for other in decision.read_ahead:
            assert other in rest[:look_ahead]
            assert other not in resident
            resident.add(other)
            unused.add(other)
        assert len(resident) <= capacity
        if len(resident) < capacity:
            assert all(other in resident for other in rest[:look_ahead])


def test_a_newcomer_that_is_used_last_is_streamed():
    # 0 and 1 come back before 2 does
    decisions = kv_cache.liveness([0, 1, 2, 0, 1, 2], 2, look_ahead=0)
    assert [decision.found for decision in decisions] == ["miss", "miss", "miss", "hit", "hit", "miss"]
    assert [decision.kept for decision in decisions] == [True, True, False, False, False, False]
    assert kv_cache.replay([0, 1, 2, 0, 1, 2], 2, "lru").hits == 0


def masks():
    for number in (1, 2, 3):
        recorded = np.load(DATA / f"flexprefill_{number}.npz")
        shape = tuple(recorded["mask_shape"])
        mask = np.unpackbits(recorded["mask"], count=int(np.prod(shape))).reshape(shape).astype(bool)
        kv_heads = json.loads(str(recorded["params"]))["kv_heads"]
        for group in range(kv_heads):
            size = shape[0] // kv_heads
            yield f"recorded {number}, group {group}", mask[group * size : (group + 1) * size]
    for density in (0.05, 0.1, 0.2):
        random = np.random.default_rng(round(100 * density))
        chosen = random.random((1, 256, 256)) < density
        yield f"random, density {density}", (chosen | np.eye(256, dtype=bool)) & np.tri(256, dtype=bool)


@pytest.mark.parametrize(("name", "mask"), list(masks()), ids=[name for name, _ in masks()])
def test_targets_of_windows_of_eight_query_blocks(name, mask):
    """Capacities of 1/16 to 1/2 of the key blocks: hits as Belady's, and bytes."""
    order = jobs.requests(jobs.job_list(mask), 8)
    shares = []
    for part in (16, 8, 4, 2):
        capacity = max(mask.shape[1] // part, 1)
        ours, best = (kv_cache.replay(order, capacity, policy) for policy in ("liveness", "belady"))
        shares.append(ours.hits / best.hits)
        assert ours.misses <= 1.10 * best.misses
        if part == 2 and name.startswith("recorded"):
            assert ours.over_least <= 1.30
    mean, worst = (0.99, 0.98) if name.startswith("recorded") else (0.97, 0.92)
    assert np.mean(shares) >= mean
    assert min(shares) >= worst
    assert kv_cache.replay(order, mask.shape[1]).over_least == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: kv_cache.replay([1], 1, "mru"),
            "unknown cache policy 'mru'; there are liveness, lru, fifo, belady",
        ),
        (lambda: kv_cache.replay([1], -1), "the capacity is -1 blocks"),
        (lambda: kv_cache.replay([1], 1.5), "the capacity is 1.5; it must be a whole number"),
        (lambda: kv_cache.replay([1], float("nan"), "lru"), "the capacity is nan; it must be a whole number"),
        (lambda: kv_cache.replay([[1], [1, 2]], 1), "requests are lists of unequal lengths"),
        (lambda: kv_cache.replay(np.array([2**63 + 5], np.uint64), 1), "a request for block 9223372036854775813"),
        (lambda: kv_cache.liveness([1], 1, look_ahead=1.5), "look_ahead is 1.5; it must be a whole number"),
        (lambda: kv_cache.replay([1, -2], 1), "a request for block -2"),
        (lambda: kv_cache.replay([0.5], 1), "type float64"),
        (lambda: kv_cache.replay([[1]], 1), r"shape \[1, 1\]"),
        (lambda: kv_cache.liveness([1], 1, hot=2), "a hot tier of 2 blocks in a cache of 1"),
        (lambda: kv_cache.liveness([1], 1, look_ahead=-1), "look_ahead is -1"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(FastprefillError, match=message):
        call()


def test_no_requests_cost_nothing():
    for policy in kv_cache.POLICIES:
        result = kv_cache.replay([], 4, policy)
        assert result == kv_cache.Statistics(0, 0, 0, 0, 0, 0)
        assert result.over_least == 1.0
