"""Text <-> token ids: with the model's ``tokenizer.json``, or byte by byte where a model has no tokeniser."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from fastprefill.errors import FastprefillError
from fastprefill.models.config import ModelConfig

TOKENISER = "tokenizer.json"
# forms of a tokeniser that the tokenizers library does not read from a file
_OTHERS = ("tokenizer.model", "vocab.json")


class Tokeniser(Protocol):
    """Text <-> token ids."""

    def encode(self, text: str | bytes) -> list[int]:
        """Ids of a prompt, with what the model wants in front of one."""

    def decode(self, ids: list[int]) -> str:
        """The text of ids, without special tokens."""


def tokeniser(config: ModelConfig, folder: Path) -> Tokeniser:
    """The tokeniser of a model.

    Args:
        config: gives the vocabulary and the start token.
        folder: the model's; ``tokenizer.json`` there is used, bytes are the tokens otherwise.

    Raises:
        FastprefillError: a tokeniser that cannot be read, or bytes for a vocabulary with fewer than 256 ids.
    """
    if (folder / TOKENISER).is_file():
        return _FromFile(folder / TOKENISER)
    for name in _OTHERS:
        if (folder / name).exists():
            raise FastprefillError(
                f"the model in '{folder}' has a tokeniser ({name}) but no {TOKENISER}; convert it with the "
                "transformers library, or give token ids as a JSON list with --prompt ids.json"
            )
    return Bytes(config.bos_token)


class Bytes:
    """A token per byte, after the start token where the model has one. Other ids have no text."""

    def __init__(self, bos_token: int | None) -> None:
        self._start = [] if bos_token is None else [bos_token]

    def encode(self, text: str | bytes) -> list[int]:
        """See `Tokeniser`; text is taken as UTF-8."""
        return self._start + list(text.encode() if isinstance(text, str) else text)

    def decode(self, ids: list[int]) -> str:
        """See `Tokeniser`; what is not UTF-8 becomes U+FFFD."""
        return bytes(number for number in ids if 0 <= number < 256).decode(errors="replace")


class _FromFile:
    def __init__(self, path: Path) -> None:
        try:
            from tokenizers import Tokenizer
        except ImportError:
            raise FastprefillError(
                f"{path} needs the tokenizers library, which is not installed: pip install 'fastprefill[text]', "
                "or give token ids as a JSON list with --prompt ids.json"
            ) from None
        try:
            self._tokeniser: Any = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises no narrower class
            raise FastprefillError(f"{path} is not a tokeniser that can be read: {error}") from None

    def encode(self, text: str | bytes) -> list[int]:
        if isinstance(text, bytes):
            try:
                text = text.decode()
            except UnicodeDecodeError as error:
                raise FastprefillError(
                    f"the text is not UTF-8 at byte {error.start}; the model's tokeniser needs UTF-8"
                ) from None
        return list(self._tokeniser.encode(text).ids)

    def decode(self, ids: list[int]) -> str:
        return str(self._tokeniser.decode(ids))
