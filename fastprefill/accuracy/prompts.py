"""Prompts of a wanted length with a known answer: filler around facts, and which tokens are scored."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprefill.errors import FastprefillError
from fastprefill.models import Tokeniser

# what stands between the facts where the user gives no text
NOISE = (
    "A cart rolls along the lane. ",
    "Rain falls on the old roof. ",
    "The kettle is warm again. ",
    "Somebody closes a door, and it is quiet. ",
)


@dataclass(frozen=True)
class Prompt:
    """A prompt as text.

    Attributes:
        text: up to the place where the answer begins.
        answer: pieces of the answer in order: what stands in front of a value, which is given, and the value, which
            is scored.
    """

    text: str
    answer: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Sample:
    """A prompt as tokens.

    Attributes:
        tokens: int64 [tokens], the answer included.
        spans: first and last position plus one of each value that is scored; a token at position i is predicted from
            those before it.
    """

    tokens: NDArray[np.int64]
    spans: tuple[tuple[int, int], ...]


class Filler:
    """Text of any length to hide facts in.

    Args:
        text: a text whose words are used from a random place on, from its start again where it ends; None: a few
            sentences again and again.
        rng: chooses the place.
    """

    def __init__(self, text: str | None, rng: np.random.Generator) -> None:
        if text is not None and not text[-1:].isspace():
            text += " "
        self._pieces: Sequence[str] = NOISE if text is None else re.findall(r"\S+\s+", text)
        self._start = int(rng.integers(len(self._pieces)))

    def around(self, facts: Sequence[tuple[float, str]], amount: int) -> str:
        """`amount` words or sentences with facts between them.

        Args:
            facts: where, from 0 at the start to 1 at the end, and what; those at the same place in their order.
            amount: of filler.
        """
        pieces = [self._pieces[(self._start + i) % len(self._pieces)] for i in range(amount)]
        places = sorted(((round(where * amount), fact) for where, fact in facts), key=lambda fact: fact[0])
        parts, done = [], 0
        for place, fact in places:
            parts += [*pieces[done:place], fact]
            done = place
        return "".join([*parts, *pieces[done:]])


Draft = Callable[[int], Prompt]


def fit(draft: Draft, tokeniser: Tokeniser, tokens: int, name: str, least: int = 0) -> Sample:
    """The longest sample of at most so many tokens.

    Args:
        draft: makes the prompt with a given amount of filler.
        tokeniser: the model's.
        tokens: most tokens, the answer included.
        name: of the task, for the message.
        least: smallest amount that `draft` takes.

    Raises:
        FastprefillError: not even the smallest amount fits.
    """

    def size(amount: int) -> int:
        prompt = draft(amount)
        return len(tokeniser.encode(prompt.text + "".join(lead + value for lead, value in prompt.answer)))

    if (smallest := size(least)) > tokens:
        raise FastprefillError(
            f"the task {name} does not fit into {tokens} tokens: without filler it has {smallest} with this model's "
            "tokeniser; give larger --lengths or leave it out of --tasks"
        )
    fits, too_large = least, max(2 * least, 1)
    while size(too_large) <= tokens:
        fits, too_large = too_large, 2 * too_large
    while too_large - fits > 1:
        middle = (fits + too_large) // 2
        if size(middle) <= tokens:
            fits = middle
        else:
            too_large = middle
    return encode(draft(fits), tokeniser)


def encode(prompt: Prompt, tokeniser: Tokeniser) -> Sample:
    """Tokens of a prompt and its answer, with the values' positions.

    All is encoded at once, as a tokeniser may join what ends the prompt with what begins the answer. A value begins
    at the first token that is not the same when the text ends in front of it.
    """
    text = prompt.text
    edges = []
    for lead, value in prompt.answer:
        edges.append((text + lead, text + lead + value))
        text += lead + value
    tokens = tokeniser.encode(text)
    spans = tuple(
        (_common(tokens, tokeniser.encode(before)), _common(tokens, tokeniser.encode(after)))
        for before, after in edges
    )
    return Sample(np.array(tokens, np.int64), spans)


def _common(a: list[int], b: list[int]) -> int:
    """Length of the common start."""
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return i
    return min(len(a), len(b))
