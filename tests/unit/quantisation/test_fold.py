"""Transformations leave the function alone: the float reference gives the same logits in new coordinates."""

import sys
from pathlib import Path

import numpy as np
import pytest

from fastprefill.errors import FastprefillError
from fastprefill.golden import reference
from fastprefill.models import load
from fastprefill.quantisation import Transform, collect, fold
from fastprefill.quantisation.outliers import plant
from fastprefill.quantisation.rotation import Rotation

sys.path.insert(0, str(Path(__file__).parent))
import small_models

TINY = small_models.TINY
PROMPT = [256, *b"The code of MAPLE is 48213. All rights reserved, see the manual."]


@pytest.mark.parametrize("width", [1, 3, 64, 96, 128, 896, 1536])
def test_rotations_are_orthogonal(width: int) -> None:
    x = np.random.default_rng(width).standard_normal((4, width)).astype(np.float32)
    y = Rotation(width)(x)
    assert np.allclose(x @ x.T, y.astype(float) @ y.T, rtol=1e-5, atol=1e-4)


def test_a_rotation_spreads_one_channel() -> None:
    spike = np.zeros(1536, np.float32)
    spike[77] = 1.0
    assert np.abs(Rotation(1536)(spike)).max() <= np.sqrt(2 / 3) / np.sqrt(512) + 1e-6


@pytest.mark.parametrize("balance", [False, True])
@pytest.mark.parametrize("rotate", [False, True])
def test_same_logits(balance: bool, rotate: bool) -> None:
    model = load(TINY)
    statistics = collect(model, PROMPT) if balance and rotate else None
    folded = fold(model, Transform(balance, rotate), statistics)
    expected = reference.forward(model, PROMPT).logits
    # the reference needs nothing of a model but its shape and its weights
    got = reference.forward(folded, PROMPT).logits  # type: ignore[arg-type]
    assert np.abs(got - expected).max() < 2e-4 * np.abs(expected).max()


@pytest.mark.parametrize("qk_norm", [False, True])
def test_same_logits_with_biases_and_head_norms(qk_norm: bool) -> None:
    model = small_models.everything(qk_norm)
    prompt = [1, 2, 3, 4, 5, 6, 7, 8]
    expected = reference.forward(model, prompt).logits
    folded = fold(model, statistics=collect(model, [1, 2, 3]))
    got = reference.forward(folded, prompt).logits  # type: ignore[arg-type]
    assert np.abs(got - expected).max() < 2e-4 * np.abs(expected).max()


def test_norms_are_ones() -> None:
    layer = fold(load(TINY)).weights.layer(0)
    assert (layer.input_norm == 1).all() and (layer.post_attention_norm == 1).all()


@pytest.mark.parametrize("kind", ["norms", "pairs"])
def test_planted_outliers_of_these_kinds_leave_the_function_alone(kind: str) -> None:
    model = load(TINY)
    expected = reference.forward(model, PROMPT).logits
    planted = plant(model, kind, 50.0)
    assert np.abs(reference.forward(planted, PROMPT).logits - expected).max() < 2e-4 * np.abs(expected).max()
    assert not np.array_equal(planted.weights.layer(0).up, model.weights.layer(0).up)


def test_balance_undoes_planted_pairs() -> None:
    """The folded weights are the same as without outliers, up to a common factor."""
    model = load(TINY)
    transform = Transform(balance=True, rotate=False)
    before, after = (fold(m, transform).weights.layer(1) for m in (model, plant(model, "pairs", 50.0)))
    for name in ("query", "key", "value", "output", "up", "down"):
        ratio = getattr(after, name) / getattr(before, name)
        assert ratio.std() < 1e-3 * ratio.mean(), name


def test_what_cannot_be_planted() -> None:
    model = load(TINY)
    with pytest.raises(FastprefillError, match="no outliers of kind 'rows'; choose norms, pairs, stream"):
        plant(model, "rows", 2.0)
    with pytest.raises(FastprefillError, match="positive factor, not by 0"):
        plant(model, "norms", 0.0)
    with pytest.raises(FastprefillError, match=r"'llama-3\.2-1b' is a shape without weights"):
        plant(load("llama-3.2-1b"), "norms", 2.0)
