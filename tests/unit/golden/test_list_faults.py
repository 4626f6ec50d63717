"""Job lists with faults: what the walker's model makes of them, and that it ends as the other units expect."""

import numpy as np
import pytest

from fastprefill.golden import jobs, list_faults, walker
from fastprefill.golden.list_faults import COUNTS, DROPPED, ENTRY, HEADER, STARTS, status
from fastprefill.golden.walker import Walk

WALK = Walk(blocks=24, group=4, block=16, dim=8, beat_bits=128)
WANTED = {
    "magic": (HEADER, 0), "version": (HEADER, 1), "blocks": (HEADER, 0), "heads": (HEADER, 1), "offset": (HEADER, 0),
    "entries": (STARTS, 1), "row_down": (STARTS, 0), "row_too_long": (STARTS, 1), "column_up": (STARTS, 0),
    "column_first": (STARTS, 1), "key_above": (ENTRY, 0), "key_again": (ENTRY, 1), "more_jobs": (COUNTS, 1),
    "fewer_jobs": (COUNTS, 1), "more_query_blocks": (COUNTS, 2), "fewer_query_blocks": (COUNTS, 0),
    "header_and_counts": (HEADER, 1),
}  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_lists_without_a_fault_are_walked_as_they_are(seed: int) -> None:
    random = np.random.default_rng(seed)
    heads, blocks = int(random.integers(1, WALK.group + 1)), int(random.integers(1, WALK.blocks + 1))
    masks = random.random((2, heads, blocks, blocks)) < random.random((2, heads, blocks, 1)) ** 2
    masks[0, 0, 0, 0] = True
    lists = [jobs.job_list(mask & np.tri(blocks, dtype=bool)) for mask in masks]
    plain = walker.case("plain", lists, blocks * WALK.block, WALK)
    checked = list_faults.case("checked", lists, blocks * WALK.block, WALK, {})
    assert (checked.scalars, checked.inputs, checked.outputs) == (plain.scalars, plain.inputs, plain.outputs)


def test_each_fault_is_named_and_the_other_units_get_what_they_wait_for() -> None:
    seen = {}
    for case in list_faults.cases(3, WALK):
        out = case.outputs
        (seen[case.name],) = out["fault"]
        total = case.scalars["kv_heads"] * case.scalars["group"] * 5
        windows = [target for target in out["targets"][:-1] if target != DROPPED]
        assert out["targets"][-1] == total and windows == sorted(set(windows))
        assert len(out["requests"]) == len(out["score_job"]) == case.scalars["jobs"]
        assert len(out["count"]) == len(out["query_commands"]) == case.scalars["query_blocks"]
        assert sum(out["count"]) == case.scalars["jobs"] and min(out["count"]) > 0
        assert [flag >> 1 & 1 for flag in out["score_job"]].count(1) == case.scalars["query_blocks"]
        assert [flag >> 2 for flag in out["score_job"]].count(1) == case.scalars["query_blocks"]
    assert seen == {name: status(*fault) for name, fault in WANTED.items()}
    assert status(ENTRY, 5) == 0x50302 and status(0, 5) == 0


def test_what_came_before_a_fault_is_computed() -> None:
    (case,) = (case for case in list_faults.cases(3, WALK) if case.name == "key_again")
    requests = [word for word in case.outputs["requests"] if word >> 32 != 0xFFFF or word & 0xFFFF]
    assert {word & 0xFFFF for word in requests} >= set(range(5)), "the first list's blocks"
    assert DROPPED in case.outputs["targets"]
