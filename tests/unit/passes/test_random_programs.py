"""Some random programs of ``tests/fuzz`` in the interpreter and as RTL; ``campaign.py`` there tries more."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fastprefill.tools import verilator

sys.path.insert(0, str(Path(__file__).parents[2] / "fuzz"))

pytestmark = pytest.mark.skipif(verilator.missing() is not None, reason=str(verilator.missing()))

SEEDS = range(100, 110)


def test_rtl_does_what_the_interpreter_does() -> None:
    from campaign import prepare
    from programs import generate
    from simulate import simulate

    units = [prepare(generate(seed, f"u{seed}", size=7), seed) for seed in SEEDS]
    assert sum(len(tokens) for unit in units for case in unit.cases for tokens in case.outputs.values()) > 300
    assert simulate(units) == []


def test_a_wrong_token_is_noticed() -> None:
    from campaign import prepare
    from programs import generate
    from simulate import simulate

    unit = prepare(generate(101, "u101", size=3), 101)
    name, tokens = next((name, tokens) for name, tokens in unit.cases[1].outputs.items() if tokens)
    tokens[-1] ^= 1
    found = simulate([unit])
    assert found
    assert all(f"FAIL u101 case 1 round {number}: {name} " in " ".join(found) for number in range(3))
