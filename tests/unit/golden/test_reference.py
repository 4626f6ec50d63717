"""The float reference of a whole model against the transformers library, and its own laws."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastprefill import models
from fastprefill.errors import FastprefillError
from fastprefill.golden import reference
from fastprefill.golden.selection import all_blocks

ROOT = Path(__file__).parents[3]
CHECKPOINTS = ROOT / "tests" / "data" / "checkpoints"
RECORDED = [*sorted(CHECKPOINTS.iterdir()), *sorted((ROOT / "examples").glob("tiny-llama*"))]
LLAMA = CHECKPOINTS / "llama"


# in float64 the rotary angles are exact, which those of the recordings are not
@pytest.mark.parametrize(
    ("dtype", "limit"), [(np.float32, 1e-5), (np.float64, 5e-5)], ids=["single", "double"]
)
@pytest.mark.parametrize("folder", RECORDED, ids=lambda folder: folder.name)
def test_agrees_with_transformers(folder: Path, dtype: type[np.floating], limit: float) -> None:
    """Recorded in float32 for the last 8 positions; the largest error over the largest value."""
    model = models.load(folder)
    expected = np.load(folder / "expected.npz")
    result = reference.forward(model, expected["input_ids"], dtype=dtype)
    assert len(result.hidden_states) == model.config.layers + 1
    for name, ours in (
        ("logits", result.logits),
        ("hidden_1", result.hidden_states[1]),
        ("hidden_last", result.hidden_states[-1]),
    ):
        assert ours.dtype == dtype
        error = np.abs(ours[-8:] - expected[name]).max() / np.abs(expected[name]).max()
        assert error < limit, name


def test_embedding_comes_first() -> None:
    model = models.load(LLAMA)
    result = reference.forward(model, [5, 9, 5])
    assert np.array_equal(result.hidden_states[0], model.weights.embedding()[[5, 9, 5]])


def test_later_tokens_change_nothing_before_them() -> None:
    model = models.load(CHECKPOINTS / "qwen3-sharded")
    ids = np.random.default_rng(1).integers(0, model.config.vocabulary, 40)
    changed = ids.copy()
    changed[25:] = (changed[25:] + 1) % model.config.vocabulary
    before, after = (reference.forward(model, tokens).logits for tokens in (ids, changed))
    np.testing.assert_allclose(before[:25], after[:25], rtol=0, atol=1e-5 * np.abs(before).max())
    assert np.abs(before[25:] - after[25:]).max() > 0.01 * np.abs(before).max()


def test_all_blocks_are_dense_attention() -> None:
    model = models.load(LLAMA)
    ids = np.arange(200) % 256
    dense = reference.forward(model, ids, dtype=np.float64)
    sparse = reference.forward(
        model, ids, dtype=np.float64, select=lambda q, k: all_blocks(q.shape[1], len(q), 32)
    )
    np.testing.assert_allclose(sparse.logits, dense.logits, rtol=0, atol=1e-12 * np.abs(dense.logits).max())
    assert len(sparse.selections) == model.config.layers and not dense.selections


def test_only_the_last_logits() -> None:
    model = models.load(LLAMA)
    ids = np.arange(30)
    whole = reference.forward(model, ids)
    part = reference.forward(model, ids, last=3, hidden_states=False)
    assert part.hidden_states == () and part.logits.shape == (3, 256)
    np.testing.assert_allclose(part.logits, whole.logits[-3:], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([], "input_ids has shape [0]; it must be a list of at least one token id"),
        ([[1, 2]], "input_ids has shape [1, 2]; it must be a list of at least one token id"),
        ([1, 256], "input_ids holds 256; the vocabulary has 256 ids"),
        ([-1], "input_ids holds -1; the vocabulary has 256 ids"),
        ([[1], [2, 3]], "input_ids are lists of unequal lengths; they must be one list of token ids"),
        ([0.5], "input_ids has dtype float64; token ids are whole numbers"),
    ],
)
def test_bad_ids(ids: list[object], message: str) -> None:
    with pytest.raises(FastprefillError) as caught:
        reference.forward(models.load(LLAMA), ids)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": np.float16}, "dtype is float16; the reference computes in float32 or float64"),
        ({"dtype": None}, "dtype is None; the reference computes in float32 or float64"),
        ({"dtype": "foo"}, "dtype is 'foo'; the reference computes in float32 or float64"),
        (
            {"last": 0},
            "last is 0; the logits of at least one token are computed, or of all with None",
        ),
        ({"last": 1.5}, "last is 1.5; it must be a whole number"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(FastprefillError) as caught:
        reference.forward(models.load(LLAMA), [1], **options)
    assert str(caught.value) == message


def test_silu_of_large_numbers() -> None:
    with np.errstate(over="raise", invalid="raise"):
        assert reference.silu(np.array([-200.0, 0.0, 200.0], np.float32)).tolist() == [-0.0, 0.0, 200.0]
