"""Small wrong changes to the RTL of the 4 x 4 outer product: its contract notices each, or SAT proves that it is none.

The changes are drawn from all that the rules of ``fastprefill.tools.mutate`` allow; the run ends with their table.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fastprefill.checks import contract
from fastprefill.tools import equivalence, mutate
from fastprefill.tools.mutate import CAUGHT, EQUIVALENT, SURVIVED, Mutant
from tests.contract.test_contract import CONTRACTS, SEED
from tests.mutants.subject import MARKS, Subject

GENERATED, HAND_WRITTEN = 56, 12

# What holds in all states that can be reached and makes some changes none, such as the sign of a counter.
LEMMAS = {
    "outer_array": (
        "lane_enable_s2_s1 == (step_valid_s1 & (step_first_s1 | step_live_s1))",
        "lane_enable_s2_s2 == (step_valid_s2 & (step_first_s2 | step_live_s2))",
    ),
}

UNIT = Subject(CONTRACTS["outer_product"], 2, GENERATED, HAND_WRITTEN, LEMMAS)

pytestmark = MARKS


@pytest.mark.parametrize("index", range(GENERATED + HAND_WRITTEN))
def test_mutant(index: int, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    UNIT.check(index, tmp_path, record_property)


def test_mutants_are_of_every_file_and_of_many_kinds() -> None:
    chosen = UNIT.mutants
    assert len(chosen) == len(set(chosen)) == GENERATED + HAND_WRITTEN
    generated = {name for name in UNIT.design[0] if not name.startswith("fp_")}
    drawn_from = {mutant.file for mutant in chosen}
    assert generated | {"fp_fifo.sv", "fp_credit.sv"} <= drawn_from
    assert len({mutant.rule for mutant in chosen}) >= 20


def test_lemmas_hold() -> None:
    files, _ = UNIT.design
    assert equivalence.prove_lemmas(files, LEMMAS) == []


def test_a_wrong_lemma_is_not_proven() -> None:
    files, _ = UNIT.design
    assert equivalence.prove_lemmas(files, {"outer_drain": ["!(i_turn && i > 2)"]}) == ["outer_drain"]


def test_the_design_itself_is_no_mutant(tmp_path: Path) -> None:
    unchanged = Mutant("none", "outer.sv", 1, 0, "// outer", "// outer")
    assert UNIT.judge.verdict(unchanged, tmp_path).status == EQUIVALENT


@pytest.mark.parametrize(
    ("file", "rule", "before"),
    [
        ("outer_array_lane.sv", "sign extension to zero extension", ""),
        ("outer_finished.sv", "enable dropped", ""),
        ("outer_drain.sv", "wrong slice", "finished_rdata"),
    ],
)
def test_a_mutant_survives_weak_cases(file: str, rule: str, before: str, tmp_path: Path) -> None:
    """With starts on no tiles alone nearly everything survives: that mutants are caught is the cases' doing."""
    sites = mutate.sites(UNIT.design[0])
    mutant = next(m for m in sites if m.file == file and m.rule == rule and m.before.startswith(before))
    weak = replace(UNIT.contract, cases=lambda seed: [c for c in UNIT.contract.cases(seed) if c.name == "no_tiles"])
    passed = contract.check(weak, "rtl", seed=SEED, folder=tmp_path)
    weakly = replace(UNIT.judge, contract=weak, timing=[cycles for *_, cycles in passed.timing])
    assert weakly.verdict(mutant, tmp_path).status == SURVIVED
    assert UNIT.judge.verdict(mutant, tmp_path).status == CAUGHT


def test_what_the_cases_catch_is_never_proven_equivalent() -> None:
    files, unit_ports = UNIT.design
    for rule in ("and to or", "constant", "wrong slice", "handshake tied low", "multiply to add"):
        mutant = next(m for m in mutate.sites(files) if m.file.startswith("outer_array") and m.rule == rule)
        changed = mutant.apply(files)
        found = equivalence.prove(files, changed, unit_ports.name, ignored=mutate.UNCHECKED, lemmas=LEMMAS)
        assert not found.proved, mutant.describe()
