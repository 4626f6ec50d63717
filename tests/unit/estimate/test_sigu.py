"""The cycle formula of index generation against the cycles that the recorded RTL simulations took."""

import json
from pathlib import Path

from fastprefill.estimate import sigu as model
from fastprefill.golden.sigu.size import Size

RECORDED = Path(__file__).parents[3] / "results" / "sigu_cycles.json"


def test_recorded_lengths_are_predicted() -> None:
    recorded = json.loads(RECORDED.read_text())
    size = Size(**recorded["unit"])
    assert list(model.COEFFICIENTS) == recorded["coefficients"]
    assert len(recorded["results"]) >= 8
    for one in recorded["results"]:
        assert abs(model.cycles(one["tokens"], size) / one["cycles"] - 1) <= 0.03, one["tokens"]


def test_long_prompts_take_the_cycles_of_their_words() -> None:
    """At 131,072 tokens most cycles bring scores."""
    size = Size(20, 4, 32, columns=23, choices=10)
    words = model.score_words(131_072, size)
    assert words == 2 * 4096 * 4 * 7 * 8
    assert words < model.cycles(131_072, size) < 1.15 * words
    added = model.cycles(131_072, size, query_aware=1) - model.cycles(131_072, size)
    assert round(added) == 25 * model.pooled_words(131_072, size)


def test_a_dense_list_takes_a_cycle_for_every_entry_of_both_halves() -> None:
    size = Size(16, 2, 16)
    every = 1024 * 1025 // 2
    assert model.scan_cycles(131_072, size, every) == 2 * every
    assert model.scan_cycles(131_072, size, 1) == model.scan_cycles(131_072, size)
