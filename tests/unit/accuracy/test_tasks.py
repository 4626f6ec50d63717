"""Every task can be solved from its prompt, by rules that do not know how it was made."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from fastprefill.accuracy.prompts import Sample
from fastprefill.accuracy.tasks import TASK_NAMES, TASKS, samples
from fastprefill.errors import FastprefillError
from fastprefill.models import load, tokeniser
from fastprefill.models.tokens import Bytes

TINY = Path(__file__).parents[3] / "examples" / "tiny-llama"
BYTES = Bytes(256)
TEXT = "The quick brown fox, at 5 miles an hour, jumps over a dog. " * 40
LENGTHS = {"cwe": 3000}


def made(name: str, seed: int = 1, tokens: int | None = None, count: int = 3) -> list[Sample]:
    return samples(name, BYTES, tokens or LENGTHS.get(name, 1000), count, seed, TEXT)


def text_of(sample: Sample) -> str:
    return BYTES.decode(sample.tokens.tolist())


def values_of(sample: Sample) -> list[str]:
    return [BYTES.decode(sample.tokens[a:b].tolist()).strip() for a, b in sample.spans]


def code(text: str) -> list[str]:
    name = text.rsplit("The code of ", 1)[1].split()[0]
    return re.findall(f"The code of {name} is ([0-9]+)\\.", text)


def needles(text: str) -> list[str]:
    keys = re.split(r", then of ", text.rsplit("Answer: the magic number of ", 1)[1].split(" is")[0])
    return [number for key in keys for number in re.findall(f"number of {key} is ([0-9]+)\\. ", text)]


def variables(text: str) -> list[str]:
    value = re.findall(r"hold the value ([0-9]+)", text)[0]
    held: list[str] = []
    for new, old in re.findall(r"VAR ([A-Z]+) = ([A-Z0-9]+)\.", text):
        if old == value or old in held:
            held.append(new)
    return held


def listed(text: str) -> Counter[str]:
    return Counter(text.split("\n")[1].split())


def common(text: str) -> list[str]:
    return sorted(word for word, times in listed(text).items() if times >= 20)


def frequent(text: str) -> list[str]:
    return [word for word, _ in listed(text).most_common(3)]


SOLVERS: dict[str, tuple[Callable[[str], list[str]], int]] = {
    "code": (code, 1),
    "niah_single": (needles, 1),
    "niah_multikey": (needles, 1),
    "niah_multivalue": (needles, 4),
    "niah_multiquery": (needles, 4),
    "vt": (variables, 5),
    "cwe": (common, 10),
    "fwe": (frequent, 3),
}


@pytest.mark.parametrize("name", TASKS)
def test_the_answer_is_in_the_prompt(name: str) -> None:
    solve, count = SOLVERS[name]
    for sample in made(name):
        answer = values_of(sample)
        prompt = BYTES.decode(sample.tokens[: sample.spans[0][0]].tolist())
        assert len(answer) == count
        assert solve(prompt) == answer


@pytest.mark.parametrize("name", TASKS)
def test_the_seed_decides(name: str) -> None:
    first, again, other = ([text_of(sample) for sample in made(name, seed, count=2)] for seed in (1, 1, 2))
    assert first == again
    assert first[0] != first[1] and first[0] != other[0]


@pytest.mark.parametrize("name", TASKS)
def test_prompts_are_nearly_as_long_as_they_may_be(name: str) -> None:
    tokens = LENGTHS.get(name, 1000)
    for sample in made(name):
        assert tokens - 60 <= len(sample.tokens) <= tokens


@pytest.mark.parametrize("tokens", [360, 400, 600, 900, 1500])
def test_frequent_words_are_without_ties(tokens: int) -> None:
    for sample in made("fwe", tokens=tokens):
        times = [n for _, n in listed(text_of(sample)).most_common(4)]
        assert times == sorted(set(times), reverse=True)


def test_some_needles_have_other_keys() -> None:
    found = [len(re.findall(r"The magic number of \w+ is \d{7}\.", text_of(made(name)[0]))) for name in
             ("niah_single", "niah_multikey", "niah_multivalue", "niah_multiquery")]  # fmt: skip
    assert found == [1, 4, 4, 4]


def test_windows_of_a_text_do_not_overlap() -> None:
    text = "".join(chr(33 + i % 90) for i in range(1000))
    found = samples("perplexity", BYTES, 101, 20, 1, text)
    assert len(found) == 10
    assert all(sample.spans == ((1, 101),) and sample.tokens[0] == 256 for sample in found)
    assert BYTES.decode([i for sample in found for i in sample.tokens.tolist()]) == text


@pytest.mark.parametrize("name", ["perplexity", "code"])
def test_a_text_is_needed(name: str) -> None:
    with pytest.raises(FastprefillError, match=f"^the task {name} needs a text; give a file with --text$"):
        samples(name, BYTES, 100, 1, 1, None)
    with pytest.raises(FastprefillError, match=r"^the text is empty"):
        samples(name, BYTES, 100, 1, 1, " \n")


def test_a_window_longer_than_the_text() -> None:
    with pytest.raises(
        FastprefillError, match=r"^a window of 5000 tokens does not fit the text, which has 2360 "
    ):
        samples("perplexity", BYTES, 5000, 1, 1, TEXT)


def test_all_tasks_have_a_solver() -> None:
    assert set(SOLVERS) == set(TASKS) and set(TASK_NAMES) == {*TASKS, "perplexity"}


@pytest.mark.parametrize("name", TASKS)
def test_with_a_tokeniser_that_joins_letters(name: str, tmp_path: Path) -> None:
    library = pytest.importorskip("tokenizers", reason="the tokenizers library is not installed")
    trained = library.Tokenizer(library.models.BPE())
    trained.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = library.decoders.ByteLevel()
    trainer = library.trainers.BpeTrainer(
        vocab_size=600,
        initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<s>"],
        show_progress=False,
    )
    texts = [text_of(sample) for task in TASKS for sample in made(task)]
    trained.train_from_iterator(texts, trainer)
    trained.post_processor = library.processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    trained.save(str(tmp_path / "tokenizer.json"))
    joined = tokeniser(load(TINY).config, tmp_path)
    (sample,) = samples(name, joined, 1500, 1, 1, TEXT)
    assert 1400 < len(sample.tokens) <= 1500 and sample.tokens[0] == 0
    prompt = joined.decode(sample.tokens[: sample.spans[0][0]].tolist())
    assert len(prompt) > 2000
    values = [joined.decode(sample.tokens[a:b].tolist()).strip() for a, b in sample.spans]
    assert values == SOLVERS[name][0](prompt + " ")
