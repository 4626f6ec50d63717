"""Integer weights: codes and scales, formats that hold what they promise, perplexity kept."""

import sys
from pathlib import Path

import numpy as np
import pytest

from fastprefill.errors import FastprefillError
from fastprefill.golden import reference, sfu
from fastprefill.golden.linear import linear
from fastprefill.golden.model import prefill
from fastprefill.models import Model, load
from fastprefill.quantisation import Transform, compare, quantise
from fastprefill.quantisation.integer import codes
from fastprefill.quantisation.outliers import plant

sys.path.insert(0, str(Path(__file__).parent))
import small_models

MODEL = load(small_models.TINY)
TEXT = (small_models.TINY / "prompt.txt").read_text()
WINDOWS = compare.cut(MODEL, TEXT, 320, 3)


@pytest.mark.parametrize("group", [12, 48])
def test_codes_are_within_half_a_step(group: int) -> None:
    weight = (
        np.random.default_rng(1).standard_normal((20, 48)) * np.exp2(np.arange(-10, 10))[:, None]
    ).astype(np.float32)
    weight[3] = 0
    coded = codes(weight, group)
    assert coded.scales.mantissa.shape == (20, 48 // group)
    assert coded.scales.mantissa.min() >= 128 and coded.scales.mantissa.max() <= 255
    step = np.repeat(coded.scales.real(), group, axis=1)
    assert (np.abs(coded.real() - weight) <= step * 0.5000001).all()
    largest = np.abs(coded.values.reshape(20, -1, group).astype(int)).max(axis=-1)
    assert ((largest >= 126) | (largest == 0)).all()


def perplexity(model: Model, **options: object) -> float:
    quantised = quantise(model, **options)  # type: ignore[arg-type]
    return compare.perplexity([compare.logits(quantised, window) for window in WINDOWS], WINDOWS)


@pytest.fixture(scope="module")
def exact() -> float:
    return compare.perplexity([reference.forward(MODEL, window).logits for window in WINDOWS], WINDOWS)


def test_dense_within_one_percent_of_float(exact: float) -> None:
    assert perplexity(MODEL) == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize("kind, factor", [("norms", 50.0), ("pairs", 300.0)])
def test_within_one_percent_with_planted_outliers(exact: float, kind: str, factor: float) -> None:
    assert perplexity(plant(MODEL, kind, factor)) == pytest.approx(exact, rel=0.01)


def test_without_balance_the_outliers_cost_more_than_half(exact: float) -> None:
    """The planted channels are a real difficulty."""
    assert perplexity(plant(MODEL, "pairs", 300.0), transform=Transform(False, False)) > 1.5 * exact


@pytest.mark.parametrize("qk_norm", [False, True])
@pytest.mark.parametrize("group", [None, 16])
def test_families(qk_norm: bool, group: int | None) -> None:
    """Logits of models with biases, head norms, other widths: within 5 % (random weights are not kind)."""
    model = small_models.everything(qk_norm)
    prompt = np.random.default_rng(4).integers(0, 64, 60)
    expected = reference.forward(model, prompt).logits
    got = compare.logits(quantise(model, group=group), prompt)
    assert np.linalg.norm(got - expected) < 0.05 * np.linalg.norm(expected)


def test_options_out_of_range() -> None:
    with pytest.raises(FastprefillError, match="group is 4; at least 8"):
        quantise(MODEL, group=4)
    with pytest.raises(FastprefillError, match="residual_fraction is 30; 8 to 24"):
        quantise(MODEL, residual_fraction=30)
    with pytest.raises(FastprefillError, match="not enough for 9 windows of 500"):
        compare.cut(MODEL, TEXT, 500, 9)


def test_residual_stream_is_close_to_the_reference() -> None:
    """Without a rotation the coordinates are the checkpoint's: within 3 % after every layer."""
    window = WINDOWS[0]
    states = reference.forward(MODEL, window).hidden_states
    got = prefill(quantise(MODEL, transform=Transform(True, False)), window, keep=True)
    for exact_state, residual in zip(states[:-1], got.residual[:-1], strict=True):
        real = np.ldexp(residual.astype(float), -got.residual_fraction)
        assert np.linalg.norm(real - exact_state) < 0.03 * np.linalg.norm(exact_state)


def test_formats_hold_what_comes_and_are_not_much_too_wide() -> None:
    """Every projection of every layer on real text: nothing saturates, and at least 12 of 24 bits are in use."""
    quantised = quantise(MODEL)
    states = prefill(quantised, WINDOWS[0], keep=True).residual
    for index in range(quantised.layers):
        weights = quantised.layer(index)
        for norm, projections in (
            (weights.input_norm, (weights.query, weights.key, weights.value)),
            (weights.post_attention_norm, (weights.gate, weights.up)),
        ):
            normed = sfu.rms_norm(states[index], norm)
            coded = sfu.quantise(normed, norm.out.fraction, projections[0].group)
            for values in (normed, *(linear(coded, projection) for projection in projections)):
                assert 2**11 < np.abs(values).max() < 2**23 - 1
