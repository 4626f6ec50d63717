"""Text to token ids: bytes, and a tokeniser file."""

import builtins
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastprefill import models
from fastprefill.errors import FastprefillError

TINY = Path(__file__).parents[3] / "examples" / "tiny-llama"
CONFIG = models.load(TINY).config
# words by white space; every text starts with <s>
WORDS = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [
        {
            "id": 0, "content": "<s>", "special": True, "normalized": False,
            "single_word": False, "lstrip": False, "rstrip": False,
        }
    ],
    "normalizer": None,
    "pre_tokenizer": {"type": "Whitespace"},
    "post_processor": {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}},
    },
    "decoder": None,
    "model": {"type": "WordLevel", "vocab": {"<s>": 0, "?": 1, "to": 2, "be": 3, "or": 4, "not": 5}, "unk_token": "?"},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pytest.importorskip("tokenizers", reason="tokenizers is not installed: pip install 'fastprefill[text]'")
    (tmp_path / "tokenizer.json").write_text(json.dumps(WORDS))
    return tmp_path


def test_bytes_are_the_tokens_of_a_model_without_a_tokeniser(tmp_path: Path) -> None:
    tokens = models.tokeniser(CONFIG, tmp_path)
    assert tokens.encode("né") == [256, 110, 195, 169] == tokens.encode("né".encode())
    assert tokens.encode(b"\xff") == [256, 255]
    assert tokens.decode([256, 110, 195, 169, 257]) == "né"


def test_tokeniser_file(folder: Path) -> None:
    tokens = models.tokeniser(CONFIG, folder)
    assert tokens.encode("to be or not to be") == [0, 2, 3, 4, 5, 2, 3]
    assert tokens.encode(b"to see") == [0, 2, 1]
    assert tokens.decode([0, 5, 2, 3]) == "not to be"


def test_prompt_goes_through_the_tokeniser_file(folder: Path) -> None:
    (folder / "prompt.txt").write_text("not to be")
    assert models.read_prompt(CONFIG, folder).tolist() == [0, 5, 2, 3]


def test_prompt_that_is_not_utf8(folder: Path) -> None:
    (folder / "prompt.txt").write_bytes(b"to be \xff")
    with pytest.raises(FastprefillError) as caught:
        models.read_prompt(CONFIG, folder)
    assert str(caught.value) == "the text is not UTF-8 at byte 6; the model's tokeniser needs UTF-8"


def test_damaged_tokeniser(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(FastprefillError, match=r"tokenizer.json is not a tokeniser that can be read: "):
        models.tokeniser(CONFIG, folder)


def test_tokeniser_of_another_form(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"")
    with pytest.raises(FastprefillError) as caught:
        models.tokeniser(CONFIG, tmp_path)
    assert str(caught.value) == (
        f"the model in '{tmp_path}' has a tokeniser (tokenizer.model) but no tokenizer.json; convert it with the "
        "transformers library, or give token ids as a JSON list with --prompt ids.json"
    )


def test_library_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(WORDS))
    real: Callable[..., Any] = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "tokenizers":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(FastprefillError) as caught:
        models.tokeniser(CONFIG, tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/tokenizer.json needs the tokenizers library, which is not installed: "
        "pip install 'fastprefill[text]', or give token ids as a JSON list with --prompt ids.json"
    )
