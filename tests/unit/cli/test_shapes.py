"""`generate` and `accuracy` with a model shape that has no weights."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from fastprefill import models
from fastprefill.build import project
from fastprefill.cli import main
from fastprefill.golden import projection
from fastprefill.golden.mpu import Size

SIZE = ("--rows", "4", "--dsp-columns", "4", "--lut-columns", "4", "--k-parallel", "2", "--drain-rows", "2")
NOTE = (
    "note: 'qwen2.5-0.5b' is a shape without weights: they were drawn at random, so the test vectors check the "
    "hardware and say nothing about the model\n"
)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def generate(out: Path, *more: str | Path) -> Result:
    return run("generate", "--model", "qwen2.5-0.5b", "--board", "kv260", "--out", out, *SIZE, *more)


@pytest.fixture(autouse=True)
def small_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "VECTOR_BYTES", 896 * (4 + 8) * 6)


def test_generate_draws_weights_and_says_so(tmp_path: Path) -> None:
    out = tmp_path / "qwen"
    result = generate(out)
    assert result.exit_code == 0, result.output
    assert NOTE in result.output
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["weights"] == "random"
    assert manifest["title"].endswith("qwen2 (24 layers, hidden size 896), random weights")
    readme = (out / "README.md").read_text()
    assert "on a prompt, 8 tokens of 1024 by 24 channels of 896, quantised" in readme
    assert "The weights were drawn at random" in readme
    again = generate(tmp_path / "again", "--json")
    printed = json.loads(again.stdout)
    assert f"note: {printed['note']}\n" == NOTE and printed["digest"] == manifest["digest"]


def test_a_prompt_and_a_context_are_taken(tmp_path: Path) -> None:
    prompt = tmp_path / "ids.json"
    prompt.write_text("[1, 2, 151935]")
    result = generate(tmp_path / "qwen", "--prompt", prompt, "--context", "3")
    assert result.exit_code == 0, result.output
    shape = json.loads((tmp_path / "qwen/vectors/layer0_q_proj/projection.json").read_text())
    assert (shape["tokens"], shape["channels"], shape["k"]) == (3, 48, 896)


def test_accuracy_refuses_a_shape(tmp_path: Path) -> None:
    result = run("accuracy", "--model", "qwen2.5-0.5b")
    assert result.exit_code == 1
    assert result.stderr.endswith(
        "'qwen2.5-0.5b' is a shape without weights, and the accuracy of random ones would mean nothing; give the "
        "folder of a checkpoint\n"
    )


@pytest.mark.parametrize(
    ("shape", "kept"),
    [
        ((1024, 128, 896), (8, 24)),  # both are cut
        ((4, 128, 896), (4, 48)),  # one row of tiles
        ((1024, 8, 896), (24, 8)),  # one column of tiles
        ((5, 9, 896), (5, 9)),  # all of it
        ((100, 100, 10**6), (4, 8)),  # never less than a tile
    ],
)
def test_large_projections_are_cut(shape: tuple[int, int, int], kept: tuple[int, int]) -> None:
    assert project._corner(projection.Shape(*shape, Size(4, 4, 4, 2, 2))) == kept


def test_rows_of_a_drawn_table_are_the_tables() -> None:
    weights = models.random_weights(models.load("qwen2.5-0.5b"), 5).weights
    chosen = np.array([7, 0, 7, 151935])
    rows = weights.embedded(chosen)
    assert np.array_equal(rows[[0, 1]], weights.output_projection(slice(0, 8))[[7, 0]])
    assert np.array_equal(rows[0], rows[2]) and not np.array_equal(rows[0], rows[3])
