"""The runs: selection, int8 and integers each do something, and nothing else."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fastprefill.accuracy import RUNS, Selection, int8
from fastprefill.accuracy.runs import DENSE, TRANSFORMS, Output, runs
from fastprefill.golden import reference
from fastprefill.models import load, read_prompt
from fastprefill.quantisation import Transform, fold
from fastprefill.quantisation.outliers import plant

TINY = Path(__file__).parents[3] / "examples" / "tiny-llama"
MODEL = load(TINY)
TOKENS = read_prompt(MODEL.config, TINY)[:320]
SPARSE = [run for run in RUNS if run not in DENSE]


def outputs(choice: Selection, gamma: float) -> dict[str, Output]:
    functions = runs(MODEL, choice, Transform(), None)
    return {name: functions[name](TOKENS, 8, gamma) for name in RUNS}


def error(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


@pytest.fixture(scope="module")
def everything() -> dict[str, Output]:
    return outputs(Selection(min_budget=1024, block=32), 1.0)


@pytest.fixture(scope="module")
def few() -> dict[str, Output]:
    return outputs(Selection(min_budget=32, block=32), 0.6)


def test_with_all_blocks_sparse_is_dense(everything: dict[str, Output]) -> None:
    assert all(output.density == 1 for output in everything.values())
    assert error(everything["float_sigu"].logits, everything["float_dense"].logits) < 1e-5
    np.testing.assert_array_equal(everything["integer_sigu"].logits, everything["integer_dense"].logits)


def test_with_few_blocks_every_sparse_run_is_sparse(
    everything: dict[str, Output], few: dict[str, Output]
) -> None:
    for name in DENSE:
        assert few[name].density == 1
        np.testing.assert_array_equal(few[name].logits, everything[name].logits)
    for name in SPARSE:
        assert 0.1 < few[name].density < 0.7
        assert error(few[name].logits, everything[name].logits) > 0.02


def test_steps_from_float_to_hardware_are_small(few: dict[str, Output]) -> None:
    assert error(few["float_sigu"].logits, few["float_flexprefill"].logits) < 0.05
    assert 1e-4 < error(few["int8_sigu"].logits, few["float_sigu"].logits) < 0.1
    assert 1e-4 < error(few["integer_sigu"].logits, few["int8_sigu"].logits) < 0.1


def test_the_float_run_is_the_reference(everything: dict[str, Output]) -> None:
    expected = reference.forward(MODEL, TOKENS, last=8).logits
    np.testing.assert_array_equal(everything["float_dense"].logits, expected)


@pytest.mark.parametrize("group", [None, 4])
def test_codes_are_within_half_a_step(group: int | None) -> None:
    x = np.random.default_rng(1).standard_normal((5, 3, 8)).astype(np.float32)
    x[2, 1] = 0
    parts = x.reshape(5, 3, -1, group or 8)
    step = np.abs(parts).max(axis=-1, keepdims=True) / 127
    near = int8.rounded(x, group).reshape(parts.shape)
    assert (np.abs(near - parts) <= step * 0.50001).all()
    whole = near / np.where(step > 0, step, 1)
    np.testing.assert_allclose(whole, np.rint(whole), atol=1e-4)


def test_int8_operands_are_hurt_by_outliers_that_transformations_remove() -> None:
    exact = reference.forward(MODEL, TOKENS, last=8).logits
    hard = plant(plant(MODEL, "norms", 300.0), "pairs", 300.0)
    found = {
        name: error(int8.forward(fold(hard, TRANSFORMS[name]), TOKENS, last=8)[0], exact)
        for name in ("plain", "both")
    }
    assert found["both"] < 0.1 < 0.3 < found["plain"]
