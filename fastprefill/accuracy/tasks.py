"""Tasks that need no data set: those of RULER (Hsieh et al., COLM 2024, arXiv 2404.06654) but for questions, the task
of `examples/tiny-llama`, and perplexity of a text. Everything is drawn from a seed; wordings are our own.

Each task draws its facts, then says how the prompt looks with a given amount of filler.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprefill.accuracy.prompts import Draft, Filler, Prompt, Sample, fit
from fastprefill.errors import FastprefillError
from fastprefill.models import Tokeniser

PERPLEXITY = "perplexity"

_KEYS = 4  # needles with other keys than the one asked for, values of a key, keys asked for
_HOPS = 4  # of variable tracking: five variables hold the value
_COMMON, _COMMON_TIMES, _RARE_TIMES = 10, 30, 3
_FREQUENT = 3
_ALPHA = 2  # exponent of the frequent words' zeta distribution

NAMES = (
    "AMBER", "BIRCH", "CEDAR", "COMET", "DELTA", "EMBER", "FALCON", "GARNET", "HARBOR", "HERON", "INDIGO", "JASPER",
    "LOTUS", "MAPLE", "METEOR", "ONYX", "OPAL", "ORBIT", "PEARL", "RAVEN", "SIERRA", "TIGER", "VELVET", "WILLOW",
    "ZEPHYR",
)  # fmt: skip
_SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
        title: for people.
        draft: from a generator and filler, how a prompt looks with an amount of filler.
        least: smallest amount.
        needs_text: filler must be a real text.
    """

    title: str
    draft: Callable[[np.random.Generator, Filler], Draft]
    least: int = 0
    needs_text: bool = False


def samples(
    name: str, tokeniser: Tokeniser, tokens: int, count: int, seed: int, text: str | None
) -> list[Sample]:
    """Samples of a task.

    Args:
        name: one of `TASKS`.
        tokeniser: the model's.
        tokens: most tokens of each, the answer included.
        count: how many; of a text as many windows as it has, at most so many.
        seed: of everything that is drawn.
        text: filler, or the text whose perplexity is measured; None: noise.

    Raises:
        FastprefillError: a task that does not fit into so many tokens, or needs a text and has none.
    """
    if text is None and (name == PERPLEXITY or TASKS[name].needs_text):
        raise FastprefillError(f"the task {name} needs a text; give a file with --text")
    if text is not None and not text.strip():
        raise FastprefillError("the text is empty; give another file with --text")
    if name == PERPLEXITY:
        return _windows(tokeniser, text or "", tokens, count)
    task, found = TASKS[name], []
    for index in range(count):
        rng = np.random.default_rng([seed, list(TASKS).index(name), tokens, index])
        draft = task.draft(rng, Filler(text, rng))
        found.append(fit(draft, tokeniser, tokens, name, task.least))
    return found


def _windows(tokeniser: Tokeniser, text: str, tokens: int, count: int) -> list[Sample]:
    """At most so many windows at equal distances, each after what the tokeniser puts in front of a text."""
    ids, front = tokeniser.encode(text), tokeniser.encode("")
    start = front[:1] if front and ids[:1] == front[:1] else []
    ids = ids[len(start) :]
    wanted = tokens - len(start)
    if wanted < 2 or wanted > len(ids):
        raise FastprefillError(
            f"a window of {tokens} tokens does not fit the text, which has {len(ids)} tokens; give a longer --text or "
            "--lengths from 3 to that"
        )
    count = min(count, len(ids) // wanted)
    step = (len(ids) - wanted) // max(count - 1, 1)
    windows: list[NDArray[np.int64]] = [
        np.array([*start, *ids[i * step : i * step + wanted]], np.int64) for i in range(count)
    ]
    return [Sample(window, ((1, tokens),)) for window in windows]


def _number(rng: np.random.Generator, digits: int) -> str:
    return str(rng.integers(10 ** (digits - 1), 10**digits))


def _words(rng: np.random.Generator, count: int) -> list[str]:
    """Different made-up words of three syllables; fewer are the first of more."""
    size = len(_SYLLABLES)
    chosen = rng.permutation(size**3)[:count].tolist()
    return [_SYLLABLES[n // size**2] + _SYLLABLES[n // size % size] + _SYLLABLES[n % size] for n in chosen]


def _needle(keys: int, values: int, asked: int) -> Callable[[np.random.Generator, Filler], Draft]:
    """Needles in a haystack: `keys` keys with `values` numbers each, of which the first `asked` keys are asked for."""

    def make(rng: np.random.Generator, filler: Filler) -> Draft:
        words = _words(rng, keys)
        found = []  # (where, key, number)
        for word in words:
            found += [(float(rng.random()), word, _number(rng, 7)) for _ in range(values)]
        found.sort()
        facts = [(where, f"The magic number of {key} is {number}. ") for where, key, number in found]
        wanted = [number for key in words[:asked] for _, name, number in found if name == key]
        names = ", then of ".join(words[:asked])
        order = " in the order of the text" if values > 1 else ""
        question = (
            f"\nQuestion: what is the magic number of {names}{order}?\nAnswer: the magic number of {names} is"
        )

        def draft(amount: int) -> Prompt:
            text = (
                f"Some magic numbers are hidden in this text. Remember them.\n{filler.around(facts, amount)}"
            )
            return Prompt(text + question, _listed(wanted))

        return draft

    return make


def _code(rng: np.random.Generator, filler: Filler) -> Draft:
    """The task that `examples/tiny-llama` was trained on."""
    name, code, where = NAMES[rng.integers(len(NAMES))], _number(rng, 5), float(rng.random())
    fact = f"The code of {name} is {code}. "
    return lambda amount: Prompt(
        f"{filler.around([(where, fact)], amount)}\nThe code of {name} is ", (("", code),)
    )


def _variables(rng: np.random.Generator, filler: Filler) -> Draft:
    """Variable tracking: each line assigns the variable of the one before."""
    letters = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    names = ["".join(letters[rng.permutation(len(letters))[:5]]) for _ in range(_HOPS + 1)]
    value = _number(rng, 5)
    lines = [f"VAR {new} = {old}. " for new, old in zip(names, [value, *names], strict=False)]
    places = np.sort(rng.random(len(lines))).tolist()
    facts = list(zip(places, lines, strict=True))
    question = (
        f"\nQuestion: which variables hold the value {value}, in the order of the text?\nAnswer: they are"
    )

    def draft(amount: int) -> Prompt:
        text = f"Follow the variables that are assigned in this text.\n{filler.around(facts, amount)}"
        return Prompt(text + question, _listed(names))

    return draft


def _common_words(rng: np.random.Generator, _: Filler) -> Draft:
    """Common words extraction: some words many times among others that come a few times."""
    seed = int(rng.integers(2**32))

    def draft(amount: int) -> Prompt:
        chosen = _words(np.random.default_rng(seed), _COMMON + amount)
        common, rare = sorted(chosen[:_COMMON]), chosen[_COMMON:]
        words = common * _COMMON_TIMES + rare * _RARE_TIMES
        return _asked_for(words, seed, common, "most common words in alphabetical order")

    return draft


def _frequent_words(rng: np.random.Generator, _: Filler) -> Draft:
    """Frequent words extraction: numbers of words that fall with the square of their rank."""
    seed = int(rng.integers(2**32))

    def draft(amount: int) -> Prompt:
        counts = [amount // rank**_ALPHA for rank in range(1, int(amount ** (1 / _ALPHA)) + 1)]
        names = _words(np.random.default_rng(seed), len(counts))
        words = [name for name, times in zip(names, counts, strict=True) for _ in range(times)]
        return _asked_for(words, seed, names[:_FREQUENT], "most frequent words, the most frequent first")

    return draft


def _asked_for(words: list[str], seed: int, answer: list[str], what: str) -> Prompt:
    shuffled = np.random.default_rng(seed).permutation(np.array(words)).tolist()
    listed = " ".join(shuffled)
    return Prompt(
        f"Count how often each word comes in this list.\n{listed}\nQuestion: which are the {len(answer)} {what}?\n"
        "Answer: they are",
        _listed(answer),
    )


def _listed(values: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The first value belongs to a token with the space in front of it, as most tokenisers have them."""
    return tuple(("," if index else "", f" {value}") for index, value in enumerate(values))


TASKS: dict[str, Task] = {
    "code": Task("a five-digit code in a text", _code, needs_text=True),
    "niah_single": Task("needle in a haystack", _needle(1, 1, 1)),
    "niah_multikey": Task("needle among needles with other keys", _needle(_KEYS, 1, 1)),
    "niah_multivalue": Task("all values of one key", _needle(1, _KEYS, 1)),
    "niah_multiquery": Task("values of several keys", _needle(_KEYS, 1, _KEYS)),
    "vt": Task("variable tracking", _variables),
    "cwe": Task("common words", _common_words),
    "fwe": Task("frequent words", _frequent_words, least=(_FREQUENT + 1) ** _ALPHA + _FREQUENT + 1),
}
TASK_NAMES = (PERPLEXITY, *TASKS)
