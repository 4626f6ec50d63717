"""A prompt file -> token ids."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastprefill.errors import FastprefillError
from fastprefill.models.config import ModelConfig
from fastprefill.models.tokens import tokeniser

_DRAWN_TOKENS = 1024


def read_prompt(
    config: ModelConfig, model_folder: Path, prompt: Path | None = None, *, cut: bool = False
) -> NDArray[np.int64]:
    """Token ids, int64 [tokens], of a prompt file.

    A ``.json`` file is a list of token ids, taken as it is. Any other file is text, which the model's
    ``tokenizer.json`` turns into ids; for a model without one the text's bytes are the ids, after the
    model's start token.

    Args:
        config: gives the vocabulary and the start token.
        model_folder: where the tokeniser is.
        prompt: defaults to ``prompt.txt`` in the model's folder.
        cut: take what fits into the context of a longer one.

    Raises:
        FastprefillError: no such file, an empty one, ids outside the vocabulary, more tokens than the
            context, or a tokeniser that cannot be used.
    """
    path = prompt or model_folder / "prompt.txt"
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FastprefillError(f"there is no prompt '{path}'; give a text file with --prompt") from None
    except OSError as error:
        raise FastprefillError(f"the prompt '{path}' cannot be read: {error.strerror}") from None
    if path.suffix == ".json":
        ids = _listed(path, content)
    else:
        ids = tokeniser(config, model_folder).encode(content) if content else []
    if not ids:
        raise FastprefillError(f"the prompt '{path}' is empty")
    if not all(0 <= token < config.vocabulary for token in ids):
        bad = next(token for token in ids if not 0 <= token < config.vocabulary)
        raise FastprefillError(
            f"the prompt '{path}' holds token {bad}; the vocabulary has {config.vocabulary} ids"
        )
    if cut:
        ids = ids[: config.context]
    if len(ids) > config.context:
        raise FastprefillError(
            f"the prompt '{path}' has {len(ids)} tokens; the model's context is {config.context}"
        )
    return np.array(ids, dtype=np.int64)


def drawn_prompt(config: ModelConfig, seed: int) -> NDArray[np.int64]:
    """Token ids drawn at random, int64 [tokens], for a shape without tokeniser: 1,024, or the context if less."""
    tokens = min(_DRAWN_TOKENS, config.context)
    return np.random.default_rng(seed).integers(0, config.vocabulary, tokens, dtype=np.int64)


def _listed(path: Path, content: bytes) -> list[int]:
    try:
        ids = json.loads(content)
    except ValueError:
        raise FastprefillError(f"the prompt '{path}' is not JSON; a list of token ids is needed") from None
    if not isinstance(ids, list) or not all(isinstance(n, int) and not isinstance(n, bool) for n in ids):
        raise FastprefillError(f"the prompt '{path}' must be a JSON list of token ids")
    return ids
