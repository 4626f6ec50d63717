"""The decision unit's words: they say what the policy decides, about lines that hold what they should."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastprefill.errors import FastprefillError
from fastprefill.golden import jobs, kv_cache
from fastprefill.golden import kv_cache_words as words
from fastprefill.kernels import kv_cache as kernel


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), max_size=40), st.integers(0, 5), st.data())
def test_lines_hold_what_the_words_say(order, capacity, data):
    """Played on a store of lines: what is found is there, what is read has a free line, nothing live is lost."""
    hot, look_ahead = data.draw(st.integers(0, capacity)), data.draw(st.integers(1, 5))
    store: dict[int, int] = {}
    decisions = iter(kv_cache.liveness(order, capacity, hot=hot, look_ahead=look_ahead))
    uses = 0
    for word in words.decision_words(order, capacity, hot, look_ahead):
        block, line, op = word & 0xFFFF, word >> 16 & 0xFFFF, word >> 32 & 3
        if op == 3:
            assert line < capacity and line not in store and block not in store.values()
            assert block in order[uses : uses + look_ahead]
            store[line] = block
            continue
        decision = next(decisions)
        assert block == order[uses] == decision.block
        uses += 1
        assert ["hit", "ahead", "miss"][op] == decision.found
        assert word >> 34 & 1 == decision.kept
        if op < 2:
            assert store[line] == block
        elif word >> 35 & 1:
            assert store[line] == word >> 36 == decision.victim
        elif decision.kept:
            assert line not in store
        else:
            assert line == words.NO_LINE
        if decision.kept:
            store[line] = block
        else:
            store.pop(line, None)
        assert len(store) <= capacity
    assert uses == len(order)
    assert not store  # every use has been made: no line is left


def test_request_words_give_the_next_use() -> None:
    # windows [1, 4], [1, 3], [3], [4]
    found = words.request_words([1, 4, 1, 3, 3, 4])
    assert [word & 0xFFFF for word in found] == [1, 4, 1, 3, 3, 4]
    assert [word >> 16 & 0xFFFF for word in found] == [0, 0, 1, 1, 2, 2]
    assert [word >> 32 for word in found] == [1, 2, words.NEVER, 2, words.NEVER, words.NEVER]


@pytest.mark.parametrize("window", [1, 4, 8])
def test_the_list_by_key_block_gives_the_requests(window: int) -> None:
    chosen = np.random.default_rng(5).random((2, 30, 30)) < 0.2
    chosen[:, :, 0] = True
    listed = jobs.job_list(chosen & np.tri(30, dtype=bool))
    assert words.list_words(listed, window) == words.request_words(jobs.requests(listed, window))


def test_cases_do_what_they_are_for() -> None:
    """Every kind of decision happens, and the statistics are those of the policy."""
    ops, evicted = set(), 0
    for case in words.cases(20, stores=False):
        for word in case.outputs["decisions"]:
            ops.add((word >> 32 & 3, word >> 34 & 1))
            evicted += word >> 35 & 1
        hits, firsts, evictions, streamed = case.outputs["statistics"]
        order = [word & 0xFFFF for word in case.inputs["requests"]]
        decisions = kv_cache.liveness(order, case.scalars["capacity"], hot=case.scalars["hot"])
        assert hits == sum(decision.found == "hit" for decision in decisions)
        assert firsts == sum(decision.found == "ahead" for decision in decisions)
        assert evictions == sum(decision.victim is not None for decision in decisions)
        assert streamed == sum(d.found == "miss" and not d.kept for d in decisions)
    assert ops == {(op, kept) for op in (0, 1, 2) for kept in (0, 1)} | {(3, 0)}
    assert evicted > 20


def test_what_is_refused() -> None:
    with pytest.raises(FastprefillError, match="block 65535 in a request; the word holds up to 65534"):
        words.request_words(np.array([65_535]))
    with pytest.raises(
        FastprefillError, match="a cache of 0 lines that looks 4 requests ahead; 1 to 4096 lines"
    ):
        kernel.unit(0)
