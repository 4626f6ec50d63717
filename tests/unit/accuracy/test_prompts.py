"""Prompts: as long as they may be, facts where they belong, values found whatever the tokeniser joins."""

import numpy as np
import pytest

from fastprefill.accuracy.prompts import NOISE, Filler, Prompt, encode, fit
from fastprefill.errors import FastprefillError
from fastprefill.models import Tokeniser
from fastprefill.models.tokens import Bytes

BYTES = Bytes(256)


class Joining:
    """A tokeniser that joins a space with the letters or the two digits behind it, or two digits, as real ones do."""

    def encode(self, text: str | bytes) -> list[int]:
        assert isinstance(text, str)
        ids, place = [1], 0
        while place < len(text):
            size = 1
            while size < 3 and text[place : place + size + 1].strip(" ").isdigit():
                size += 1
            ids.append(hash_of(text[place : place + size]))
            place += size
        return ids

    def decode(self, ids: list[int]) -> str:
        return "".join(TEXTS[i] for i in ids if i in TEXTS)


TEXTS: dict[int, str] = {}


def hash_of(text: str) -> int:
    number = 2 + int.from_bytes(text.encode(), "big")
    TEXTS[number] = text
    return number


def draft(amount: int) -> Prompt:
    return Prompt("ab " * amount + "Answer:", (("", " 4711"), (",", " 815")))


@pytest.mark.parametrize("tokeniser", [BYTES, Joining()])
@pytest.mark.parametrize("tokens", [64, 65, 66, 67, 200])
def test_as_long_as_it_may_be(tokeniser: Tokeniser, tokens: int) -> None:
    sample = fit(draft, tokeniser, tokens, "test")
    assert len(sample.tokens) <= tokens
    amount = tokeniser.decode(sample.tokens.tolist()).count("ab ")
    assert len(encode(draft(amount + 1), tokeniser).tokens) > tokens


@pytest.mark.parametrize("tokeniser", [BYTES, Joining()])
def test_values_are_where_the_spans_say(tokeniser: Tokeniser) -> None:
    sample = encode(draft(5), tokeniser)
    values = [tokeniser.decode(sample.tokens[start:end].tolist()) for start, end in sample.spans]
    assert values == [" 4711", " 815"]
    assert sample.spans[-1][1] == len(sample.tokens)


def test_a_value_that_is_joined_with_the_prompt_begins_at_the_joined_token() -> None:
    sample = encode(Prompt("It is ", (("", "4711"),)), Joining())
    (start, end), tokens = sample.spans[0], sample.tokens
    assert Joining().decode(tokens[start:end].tolist()) == " 4711"


def test_too_short() -> None:
    with pytest.raises(
        FastprefillError, match=r"^the task test does not fit into 10 tokens: without filler it has 18 "
    ):
        fit(draft, BYTES, 10, "test")


def test_facts_are_where_they_belong() -> None:
    filler = Filler("one two three four", np.random.default_rng(1))
    text = filler.around([(1.0, "LAST"), (0.0, "FIRST "), (0.5, "B "), (0.5, "A ")], 8)
    words = text.split()
    assert words[0] == "FIRST" and text.endswith("LAST")
    assert words[1:5] == words[7:11] and set(words[1:5]) == {"one", "two", "three", "four"}
    assert words[5:7] == ["B", "A"]


def test_without_a_text_there_are_whole_sentences() -> None:
    text = Filler(None, np.random.default_rng(1)).around([], 9)
    assert text.count(". ") == 9 and all(text.count(sentence) >= 2 for sentence in NOISE)
