"""Mutants of a hand-written unit: where they are, what becomes of them; and the proofs behind it."""

from pathlib import Path

import pytest

from fastprefill import tools
from fastprefill.errors import FastprefillError
from fastprefill.tools import equivalence, mutate

SOURCE = (Path(__file__).parent / "rtl/addup.sv").read_text()
PARTS = {
    name: (Path(mutate.__file__).parents[1] / "extern/sv" / name).read_text()
    for name in ("fp_fifo.sv", "fp_credit.sv", "fp_ram.sv")
}
FILES = {"addup.sv": SOURCE, **PARTS}

needs_yosys = pytest.mark.skipif(not tools.available("yosys"), reason="yosys (pyosys) is not installed")


def changes(rule: str) -> list[str]:
    found = mutate.sites({"addup.sv": SOURCE})
    return [mutant.describe().partition(": ")[2] for mutant in found if mutant.rule == rule]


def replaced(old: str, new: str) -> dict[str, str]:
    assert SOURCE.count(old) == 1
    return {**FILES, "addup.sv": SOURCE.replace(old, new)}


def test_sites_have_their_line_and_their_text() -> None:
    for mutant in mutate.sites(FILES):
        changed = mutant.apply(FILES)
        assert changed[mutant.file] != FILES[mutant.file]
        assert {name for name in FILES if changed[name] != FILES[name]} == {mutant.file}
        before, after = (texts[mutant.file].splitlines() for texts in (FILES, changed))
        assert before[: mutant.line - 1] == after[: mutant.line - 1]
        assert before[mutant.line - 1] != after[mutant.line - 1]


def test_rules() -> None:
    assert changes("subtract to add") == ["subtract to add: '-' -> '+'"]
    assert changes("reset dropped") == ["reset dropped: 'if (rst)' -> \"if (1'h0)\""]
    assert changes("handshake tied low")[0] == "handshake tied low: '.rst(rst)' -> \".rst(1'h0)\""
    assert "register stuck at zero: 'put <= !rst && issue;' -> \"put <= '0;\"" in changes("register stuck at zero")


def test_comments_heads_and_checks_are_left_alone() -> None:
    credit = PARTS["fp_credit.sv"].splitlines()
    lines = [credit[m.line - 1] for m in mutate.sites({"fp_credit.sv": PARTS["fp_credit.sv"]})]
    assert lines
    assert not any(word in line for line in lines for word in ("//", "parameter", "localparam", "$error", "TOP"))


def test_a_draw_is_repeatable_and_even() -> None:
    found = mutate.sites(FILES)
    drawn = mutate.choose(found, 30, seed=3)
    assert drawn == mutate.choose(found, 30, seed=3) != mutate.choose(found, 30, seed=4)
    rules = {mutant.rule for mutant in found}
    assert {mutant.rule for mutant in drawn} == rules
    assert sorted(map(repr, mutate.choose(found, 10_000, seed=3))) == sorted(map(repr, found))


def test_a_mutant_is_of_its_text() -> None:
    mutant = mutate.sites({"addup.sv": SOURCE})[0]
    with pytest.raises(FastprefillError, match=r"addup\.sv is not the text that this mutant was made from"):
        mutant.apply({"addup.sv": "// other\n" + SOURCE})


def test_table_counts_and_puts_survivors_first() -> None:
    found = mutate.sites({"addup.sv": SOURCE})[:3]
    statuses = (mutate.CAUGHT, mutate.SURVIVED, mutate.EQUIVALENT)
    lines = mutate.table([mutate.Verdict(m, s, "").to_json() for m, s in zip(found, statuses, strict=True)])
    assert lines[0].startswith("survived")
    assert lines[-1].endswith("1 caught, 1 equivalent, 1 survived")


@needs_yosys
@pytest.mark.parametrize(
    ("old", "new", "proved"),
    [
        ("sum + {16'h0, x_data}", "{16'h0, x_data} + sum", True),
        ("wire accepted = start && !running;", "wire accepted = !(running || !start);", True),
        ("sum + {16'h0, x_data}", "sum - {16'h0, x_data}", False),
        ("wire accepted = start && !running;", "wire accepted = start;", False),
        (".INITIAL(5)", ".INITIAL(4)", False),
        ("if (rst) running <= 1'b0;", "if (1'b0) running <= 1'b0;", False),
    ],
)
def test_equivalence(old: str, new: str, proved: bool) -> None:
    found = equivalence.prove(FILES, replaced(old, new), "addup")
    assert found.proved is proved, found.reason


@needs_yosys
def test_a_lemma_makes_the_difference() -> None:
    other = replaced("assign x_ready = running && left", "assign x_ready = (running || slots > 3'd5) && left")
    assert not equivalence.prove(FILES, other, "addup").proved
    assert equivalence.prove(FILES, other, "addup", lemmas={"addup": ["slots <= 3'd5"]}).proved


@needs_yosys
def test_lemmas_that_do_not_hold_or_need_more_are_refused() -> None:
    assert equivalence.prove_lemmas(FILES, {"addup": ["running || !issue"]}) == []
    assert equivalence.prove_lemmas(FILES, {"addup": ["running || left == 16'd0"]}) == ["addup"]
    assert equivalence.prove_lemmas(FILES, {"addup": ["slots <= 3'd5"]}) == ["addup"]  # true, but not by itself
