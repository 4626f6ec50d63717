"""Measuring: what is counted, what is kept, what is refused."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fastprefill.accuracy import RUNS, Selection, Settings, measure, runner
from fastprefill.accuracy.runs import DENSE, Output
from fastprefill.errors import FastprefillError

ROOT = Path(__file__).parents[3]
TINY = ROOT / "examples" / "tiny-llama"
VOCABULARY = 272


@pytest.fixture
def text(tmp_path: Path) -> Path:
    file = tmp_path / "text.txt"
    file.write_text((TINY / "prompt.txt").read_text().replace("The code of", "A code of") * 2)
    return file


@pytest.fixture
def settings(text: Path) -> Settings:
    choice = Selection(min_budget=16, block=16)
    return Settings(TINY, ("code", "perplexity"), (200,), (0.9,), text, samples=2, selection=choice)


def quiet(line: str) -> None:
    pass


Fake = Callable[[NDArray[np.int64], int, float], Output]


def pretend(monkeypatch: pytest.MonkeyPatch, run: Fake) -> list[str]:
    """Let every run be `run`; the names of those called are returned."""
    called: list[str] = []

    def named(name: str) -> Fake:
        def call(tokens: NDArray[np.int64], last: int, gamma: float) -> Output:
            called.append(name)
            return run(tokens, last, gamma)

        return call

    monkeypatch.setattr(runner, "runs", lambda *_: {name: named(name) for name in RUNS})
    return called


def test_a_model_that_knows_nothing_has_the_perplexity_of_its_vocabulary(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    pretend(monkeypatch, lambda tokens, last, gamma: Output(np.zeros((last, VOCABULARY)), 0.25))
    code, perplexity = measure(settings, show=quiet).rows
    assert set(perplexity.values.values()) == {VOCABULARY}
    assert set(code.values.values()) == {0} and code.losses_nats["float_sigu"] == pytest.approx(
        math.log(VOCABULARY)
    )
    assert set(code.density.values()) == {0.25}


def test_a_value_counts_when_all_of_its_tokens_are_right(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    def last_digit_wrong(tokens: NDArray[np.int64], last: int, gamma: float) -> Output:
        # the answer itself is in the text; what is asked for comes after the last token given
        text = bytes(int(token) for token in tokens if token < 256).decode()
        name = text.rsplit("The code of ", 1)[1].split()[0]
        answer = text.split(f"The code of {name} is ", 1)[1][:5]
        logits = np.zeros((last, VOCABULARY))
        assert last == 5
        for row, digit in enumerate(answer):
            logits[row, ord(digit)] = 9
        if gamma == 0.5:
            logits[4] = 0
        return Output(logits, 1.0)

    pretend(monkeypatch, last_digit_wrong)
    found = measure(replace(settings, tasks=("code",), gammas=(0.9, 0.5)), show=quiet)
    right, wrong = found.rows
    assert set(right.values.values()) == {100}
    assert wrong.values["float_dense"] == 100 and wrong.values["float_sigu"] == 0
    assert wrong.cost["selection"] == 100


def test_what_is_stored_is_not_measured_again(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path
) -> None:
    def nothing(tokens: NDArray[np.int64], last: int, gamma: float) -> Output:
        return Output(np.zeros((last, VOCABULARY)), 1.0)

    called = pretend(monkeypatch, nothing)
    out = tmp_path / "new" / "out"
    first = measure(settings, out, quiet)
    assert len(called) == 2 * 2 * len(RUNS)
    files = {file.name: file.read_text() for file in out.iterdir()}
    assert set(files) == {"accuracy.json", "accuracy.svg"}
    called.clear()
    assert measure(settings, out, quiet) == first and not called
    assert {file.name: file.read_text() for file in out.iterdir()} == files
    measure(replace(settings, gammas=(0.9, 0.8)), out, quiet)
    assert sorted(set(called)) == sorted(set(RUNS) - set(DENSE))


def test_a_run_that_was_stopped_goes_on(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path
) -> None:
    calls = 0

    def stopped(tokens: NDArray[np.int64], last: int, gamma: float) -> Output:
        nonlocal calls
        calls += 1
        if calls == 6:
            raise KeyboardInterrupt
        return Output(np.zeros((last, VOCABULARY)), 1.0)

    pretend(monkeypatch, stopped)
    with pytest.raises(KeyboardInterrupt):
        measure(settings, tmp_path, quiet)
    stored = json.loads((tmp_path / "accuracy.json").read_text())
    assert [cell["run"] for cell in stored["cells"]] == list(RUNS)[:2] and stored["rows"] == []
    measure(settings, tmp_path, quiet)
    assert calls == 6 + 2 * 2 * len(RUNS) - 2 * 2


def test_results_of_other_settings_are_refused(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path
) -> None:
    pretend(monkeypatch, lambda tokens, last, gamma: Output(np.zeros((last, VOCABULARY)), 1.0))
    measure(settings, tmp_path, quiet)
    with pytest.raises(
        FastprefillError, match=r"was measured with other settings \(seed, plant_outliers\); give"
    ):
        measure(replace(settings, seed=2, plant_outliers=50.0), tmp_path, quiet)
    (tmp_path / "accuracy.json").write_text("[]")
    with pytest.raises(
        FastprefillError, match=r"accuracy.json' is not a result of fastprefill accuracy; give"
    ):
        measure(settings, tmp_path, quiet)


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"tasks": ("qa",)}, "there is no task 'qa'; choose from perplexity, code, niah_single"),
        ({"tasks": ()}, "there are no tasks; give at least one"),
        ({"gammas": (0.9, 0.9)}, "one of the gammas is given twice; give each once"),
        ({"lengths": (0,)}, "a length is 0 tokens; it must be 2 to 4096, the model's context"),
        ({"lengths": (200, 5000)}, "a length is 5000 tokens; it must be 2 to 4096, the model's context"),
        ({"gammas": (1.5,)}, "gamma is 1.5; it is a share of the attention mass, above 0 and at most 1"),
        ({"gammas": (0.0,)}, "gamma is 0.0; it is a share"),
        ({"selection": Selection(tau=-1)}, "tau is -1; it is compared with a distance between 0 and 1"),
        ({"selection": Selection(block=100)}, "block is 100; a block has 16, 32, 64, 128 tokens"),
        ({"samples": 0}, "samples is 0; at least 1 prompt of each task is needed"),
        ({"seed": -1}, "the seed is -1; it must be 0 or more"),
        ({"transform": "svd"}, "there is no transformation 'svd'; choose from plain, balance, rotate, both"),
        ({"group": 2}, "group is 2; at least 8 inputs share a scale"),
        ({"plant_outliers": -1.0}, "planted outliers grow by a positive finite factor, not by -1.0"),
        (
            {"model": Path("llama-3.2-1b")},
            "'llama-3.2-1b' is a shape without weights, and the accuracy of random ones would mean nothing; "
            "give the folder",
        ),
        ({"text": Path("missing.txt")}, "the text 'missing.txt' cannot be read: No such file or directory"),
        ({"text": None}, "the task code needs a text; give a file with --text"),
    ],
)
def test_bad_settings(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, change: dict[str, Any], sentence: str
) -> None:
    called = pretend(monkeypatch, lambda tokens, last, gamma: Output(np.zeros((last, VOCABULARY)), 1.0))
    with pytest.raises(FastprefillError) as refused:
        measure(replace(settings, **change), show=quiet)
    assert str(refused.value).startswith(sentence)
    assert not called


def test_a_folder_that_cannot_be_made(settings: Settings, text: Path) -> None:
    with pytest.raises(FastprefillError, match=r"^the folder '.*/inside' cannot be made: Not a directory$"):
        measure(settings, text / "inside", quiet)


@pytest.mark.parametrize("outliers", [None, 300.0])
def test_integers_keep_one_percent(settings: Settings, outliers: float | None) -> None:
    licence = ROOT / "LICENSE"
    chosen = replace(
        settings, text=licence, lengths=(224,), samples=2, selection=Selection(), plant_outliers=outliers
    )
    code, perplexity = measure(chosen, show=quiet).rows
    assert code.values["float_dense"] == 100  # else the comparison would say nothing
    assert abs(code.cost["integer_dense"]) <= 1 and abs(perplexity.cost["integer_dense"]) <= 1


def test_without_transformations_outliers_cost_more(settings: Settings) -> None:
    chosen = replace(
        settings,
        text=ROOT / "LICENSE",
        tasks=("perplexity",),
        samples=2,
        transform="plain",
        plant_outliers=300.0,
    )
    (row,) = measure(chosen, show=quiet).rows
    assert row.cost["integer_dense"] > 20 and row.cost["int8"] > 20
