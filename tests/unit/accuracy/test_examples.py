"""The small checkpoints that are shipped, and what their training script trains on."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from fastprefill import models
from fastprefill.accuracy.tasks import NAMES, samples
from fastprefill.golden import reference

ROOT = Path(__file__).parents[3]
LONG = ROOT / "examples" / "tiny-llama-4k"


@pytest.mark.parametrize("task", ["code", "niah_single"])
def test_the_long_checkpoint_retrieves_at_2048_tokens(task: str) -> None:
    model = models.load(LONG)
    tokeniser = models.tokeniser(model.config, LONG)
    for sample in samples(task, tokeniser, 2048, 2, seed=7, text=(ROOT / "LICENSE").read_text()):
        ((first, end),) = sample.spans
        assert len(sample.tokens) > 1950  # whole words of the text
        logits = reference.forward(model, sample.tokens[:-1], last=len(sample.tokens) - first, hidden_states=False)
        assert np.array_equal(logits.logits[: end - first].argmax(axis=1), sample.tokens[first:end])


def test_the_long_checkpoint_is_small_and_says_its_length() -> None:
    config = json.loads((LONG / "config.json").read_text())
    assert config["max_position_embeddings"] == 4096 and config["torch_dtype"] == "float16"
    assert (LONG / "model.safetensors").stat().st_size < 8_000_000


@pytest.fixture(scope="module")
def sequences() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sequences", ROOT / "examples/tiny-llama/sequences.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("kind", range(5))
@pytest.mark.parametrize("length", [127, 511, 2047])
def test_training_answers_are_marked_and_were_said_before(sequences: ModuleType, kind: int, length: int) -> None:
    rng = np.random.default_rng(kind)
    text = np.frombuffer((ROOT / "LICENSE").read_bytes(), np.uint8)
    kinds = tuple(float(kind == other) for other in range(5))
    for _ in range(20):
        found, marks = sequences.facts(rng, text, length, kinds)
        assert len(found) == len(marks) == length
        for start in np.flatnonzero((marks > 0) & (np.r_[0, marks[:-1]] == 0)):
            value = found[start:][: int(np.argmin(np.r_[marks[start:], 0]))].tobytes().strip()
            assert value.isdigit() or value.isupper()
            if length == 2047:  # a short sequence may have lost its start
                assert value in found[:start].tobytes()


def test_training_uses_the_tasks_names(sequences: ModuleType) -> None:
    assert sequences.NAMES == NAMES


@pytest.mark.parametrize("length", [127, 2047])
def test_repeated_strings_are_marked_where_they_come_again(sequences: ModuleType, length: int) -> None:
    found, marks = sequences.repeats(np.random.default_rng(1), length)
    assert len(found) == len(marks) == length and marks.any()
    for start in np.flatnonzero((marks > 0) & (np.r_[0, marks[:-1]] == 0)):
        known = found[start - 5 : start + 5].tobytes()
        assert known in found[: start - 5].tobytes()
