"""The integer model as a whole: causality, sparse with all blocks, bad prompts, first token, the selection's hook."""

from pathlib import Path

import numpy as np
import pytest

from fastprefill.errors import FastprefillError
from fastprefill.golden import flexprefill, layer, linear, reference, selectors
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


@pytest.mark.parametrize("tokens", [40, 300])
def test_streaming_selection_reads_the_codes_of_attention(tokens: int) -> None:
    """SIGU on the heads of a layer, block 16: gamma 1 keeps everything, less keeps less, the diagonal always."""
    heads = layer.project(INTEGER.embedded(PROMPT[:tokens]), INTEGER.layer(1))
    blocks = -(-tokens // 16)
    few = selectors.streaming(gamma=0.5, tau=0.0, min_budget=16, block=16, compat=False)(1, heads)
    assert few.shape == (2, blocks, blocks)
    assert few[:, np.arange(blocks), np.arange(blocks)].all()
    if tokens > 100:
        assert few.sum() < np.tri(blocks).sum() * 2


def test_selection_in_float_and_in_integers_agree_about_most_blocks() -> None:
    heads = layer.project(INTEGER.embedded(PROMPT), INTEGER.layer(1))
    options = {"gamma": 0.8, "tau": 0.1, "min_budget": 32, "block": 16}
    exact = selectors.in_float(flexprefill.select_blocks, **options)(1, heads)
    integer = selectors.streaming(**options)(1, heads)
    assert (exact & integer).sum() >= 0.9 * (exact | integer).sum()


def test_whole_prefill_with_streaming_selection() -> None:
    select = selectors.streaming(gamma=0.95, tau=0.1, min_budget=64, block=16)
    sparse, dense = prefill(INTEGER, PROMPT, select=select, block=16), prefill(INTEGER, PROMPT, block=16)
    assert not np.array_equal(sparse.logits, dense.logits)
    assert np.abs(sparse.logits - dense.logits).max() < 0.3 * np.abs(dense.logits).max()


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
