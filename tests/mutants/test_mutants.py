"""Small wrong changes to the RTL of the 4 x 4 outer product: its contract notices each, or SAT proves that it is none.

The changes are drawn from all that the rules of ``fastprefill.tools.mutate`` allow; the run ends with their table.
"""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from fastprefill import boards, tools
from fastprefill.checks import contract
from fastprefill.system.ports import Ports, ports
from fastprefill.targets import rtl
from fastprefill.tools import equivalence, mutate, verilator
from fastprefill.tools.mutate import CAUGHT, EQUIVALENT, SURVIVED, Judge, Mutant
from tests.contract.test_contract import CONTRACTS, SEED

CONTRACT = CONTRACTS["outer_product"]
DRAWN_WITH = 2
GENERATED, HAND_WRITTEN = 56, 12

# What holds in all states that can be reached and makes some changes none, such as the sign of a counter.
LEMMAS = {
    "outer_array": (
        "lane_enable_s2_s1 == (step_valid_s1 & (step_first_s1 | step_live_s1))",
        "lane_enable_s2_s2 == (step_valid_s2 & (step_first_s2 | step_live_s2))",
    ),
}

# What passes and is beyond the proof, by rule and source line, with the argument why it changes nothing.
_BUSY = "a step with a bubble behind it is the last of a tile, and then the drain is busy for longer"
ARGUED = {
    ("or term dropped", "assign busy = step_turn | step_valid_s1 | step_valid_s2;"): _BUSY,
    ("or to and", "assign busy = step_turn | step_valid_s1 | step_valid_s2;"): _BUSY,
}

pytestmark = [
    pytest.mark.mutants,
    pytest.mark.skipif(verilator.missing() is not None, reason=f"mutants NOT run: {verilator.missing()}"),
    pytest.mark.skipif(not tools.available("yosys"), reason="mutants NOT run: yosys is not installed"),
]


@cache
def design() -> tuple[dict[str, str], Ports]:
    """The sources of the unit by file name, and its ports."""
    module = CONTRACT.build()
    files = rtl.emit(module, boards.load(CONTRACT.board))
    return {name: text for name, text in files.items() if name.endswith(".sv")}, ports(module)


@cache
def mutants() -> list[Mutant]:
    found = mutate.sites(design()[0])
    parts = [mutant for mutant in found if mutant.file.startswith("fp_")]
    generated = [mutant for mutant in found if not mutant.file.startswith("fp_")]
    return [
        *mutate.choose(generated, GENERATED, DRAWN_WITH), *mutate.choose(parts, HAND_WRITTEN, DRAWN_WITH),
    ]  # fmt: skip


@cache
def judge() -> Judge:
    """What every mutant has to pass, with what the unit itself takes for it."""
    files, unit_ports = design()
    with tempfile.TemporaryDirectory() as folder:
        passed = contract.check(CONTRACT, "rtl", seed=SEED, folder=Path(folder))
    return Judge(CONTRACT, files, unit_ports, SEED, [cycles for *_, cycles in passed.timing], LEMMAS, ARGUED)


@pytest.mark.parametrize("index", range(GENERATED + HAND_WRITTEN))
def test_mutant(index: int, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    mutant = mutants()[index]
    verdict = judge().verdict(mutant, tmp_path)
    record_property("mutant", verdict.to_json())
    assert verdict.status != SURVIVED, (
        f"{mutant.describe()} (drawn with seed {DRAWN_WITH}) passes all cases of {CONTRACT.name} "
        f"with seed {SEED}; {verdict.detail}"
    )


def test_mutants_are_of_every_file_and_of_many_kinds() -> None:
    chosen = mutants()
    assert len(chosen) == len(set(chosen)) == GENERATED + HAND_WRITTEN
    generated = {name for name in design()[0] if not name.startswith("fp_")}
    drawn_from = {mutant.file for mutant in chosen}
    assert generated | {"fp_fifo.sv", "fp_credit.sv"} <= drawn_from
    assert len({mutant.rule for mutant in chosen}) >= 20


def test_lemmas_hold() -> None:
    files, _ = design()
    assert equivalence.prove_lemmas(files, LEMMAS) == []


def test_what_is_argued_is_part_of_the_design() -> None:
    files = design()[0]
    assert set(ARGUED) <= {(mutant.rule, mutate.source_line(files, mutant)) for mutant in mutate.sites(files)}


def test_a_wrong_lemma_is_not_proven() -> None:
    files, _ = design()
    assert equivalence.prove_lemmas(files, {"outer_drain": ["!(i_turn && i > 2)"]}) == ["outer_drain"]


def test_the_design_itself_is_no_mutant(tmp_path: Path) -> None:
    unchanged = Mutant("none", "outer.sv", 1, 0, "// outer", "// outer")
    assert judge().verdict(unchanged, tmp_path).status == EQUIVALENT


@pytest.mark.parametrize(
    ("file", "rule"),
    [
        ("outer_array_lane.sv", "sign extension to zero extension"),
        ("outer_finished.sv", "enable dropped"),
        ("outer_drain.sv", "wrong slice"),
    ],
)
def test_a_mutant_survives_weak_cases(file: str, rule: str, tmp_path: Path) -> None:
    """With starts on no tiles alone nearly everything survives: that mutants are caught is the cases' doing."""
    mutant = next(m for m in mutate.sites(design()[0]) if m.file == file and m.rule == rule)
    weak = replace(CONTRACT, cases=lambda seed: [c for c in CONTRACT.cases(seed) if c.name == "no_tiles"])
    passed = contract.check(weak, "rtl", seed=SEED, folder=tmp_path)
    weakly = replace(judge(), contract=weak, timing=[cycles for *_, cycles in passed.timing])
    assert weakly.verdict(mutant, tmp_path).status == SURVIVED
    assert judge().verdict(mutant, tmp_path).status == CAUGHT


def test_what_the_cases_catch_is_never_proven_equivalent() -> None:
    files, unit_ports = design()
    for rule in ("and to or", "constant", "wrong slice", "handshake tied low", "multiply to add"):
        mutant = next(m for m in mutate.sites(files) if m.file.startswith("outer_array") and m.rule == rule)
        changed = mutant.apply(files)
        found = equivalence.prove(files, changed, unit_ports.name, ignored=mutate.UNCHECKED, lemmas=LEMMAS)
        assert not found.proved, mutant.describe()
