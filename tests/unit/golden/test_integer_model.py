"""The integer model as a whole: causality, sparse with all blocks, bad prompts, first token, the selection's hook."""

from pathlib import Path

import numpy as np
import pytest

from fastprefill.errors import FastprefillError
from fastprefill.golden import layer, linear, reference
from fastprefill.golden.attention import Heads
from fastprefill.golden.model import prefill
from fastprefill.models import load, read_prompt
from fastprefill.quantisation import quantise

TINY = Path(__file__).parents[3] / "examples" / "tiny-llama"
MODEL = load(TINY)
INTEGER = quantise(MODEL)
PROMPT = read_prompt(MODEL.config, TINY)[:300]


def test_first_token_of_the_prompt() -> None:
    whole = read_prompt(MODEL.config, TINY)
    assert prefill(INTEGER, whole[:600]).first_token == int(
        reference.forward(MODEL, whole[:600], last=1).logits.argmax()
    )


def test_one_token() -> None:
    result = prefill(INTEGER, [256], keep=True)
    assert result.logits.shape == (1, 272) and len(result.residual) == MODEL.config.layers + 1


def test_a_later_token_changes_nothing_before_it() -> None:
    other = PROMPT.copy()
    other[200:] = 65
    a, b = (prefill(INTEGER, ids, last=None).logits for ids in (PROMPT, other))
    assert np.array_equal(a[:200], b[:200]) and not np.array_equal(a[200:], b[200:])


def test_all_blocks_selected_is_dense_and_the_hook_sees_every_layer() -> None:
    seen = []

    def select(index: int, heads: Heads) -> np.ndarray:
        seen.append((index, heads.q.values.shape, heads.k.values.shape))
        return np.ones((2, 5, 5), bool)

    sparse = prefill(INTEGER, PROMPT, select=select, block=64)
    assert np.array_equal(sparse.logits, prefill(INTEGER, PROMPT, block=64).logits)
    assert seen == [(i, (300, 2, 64), (300, 1, 64)) for i in range(4)]


def test_fewer_blocks_change_the_result() -> None:
    diagonal = prefill(
        INTEGER,
        PROMPT,
        select=lambda index, heads: np.broadcast_to(np.eye(5, dtype=bool), (2, 5, 5)),
        block=64,
    )
    assert not np.array_equal(diagonal.logits, prefill(INTEGER, PROMPT, block=64).logits)


def test_tiles_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = prefill(INTEGER, PROMPT, last=None).logits
    monkeypatch.setattr(layer, "_TILE", 77)
    monkeypatch.setattr(linear, "_TILE", 31)
    assert np.array_equal(prefill(INTEGER, PROMPT, last=None).logits, expected)


@pytest.mark.parametrize(
    "ids, message",
    [
        ([], r"the prompt has shape \[0\]; a list of at least one token id is needed"),
        ([[1, 2]], r"the prompt has shape \[1, 2\]"),
        ([1.5], r"a list of at least one token id"),
        ([5, 272], "the prompt holds token 272; the vocabulary has 272 ids"),
        ([-1], "the prompt holds token -1"),
    ],
)
def test_bad_prompts(ids: list[float], message: str) -> None:
    with pytest.raises(FastprefillError, match=message):
        prefill(INTEGER, ids)
