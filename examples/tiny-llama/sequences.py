"""What `train.py` trains on and evaluates with: texts of this machine, facts hidden in them, repeated strings."""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BOS = 256
FOLDERS = ("/usr/share/man", "/usr/share/doc", "/usr/share/perl", "/usr/share/vim", "/usr/lib/python3.11")
ENDINGS = (".1", ".2", ".3", ".5", ".7", ".8", ".1p", ".3p", ".3perl", ".3pm", ".pod", ".py", ".txt", ".rst", ".md")
LICENCE = re.compile(rb"(?i)apache license|/licen[cs]e|copyright$")
NAMES = (
    "AMBER", "BIRCH", "CEDAR", "COMET", "DELTA", "EMBER", "FALCON", "GARNET", "HARBOR", "HERON", "INDIGO", "JASPER",
    "LOTUS", "MAPLE", "METEOR", "ONYX", "OPAL", "ORBIT", "PEARL", "RAVEN", "SIERRA", "TIGER", "VELVET", "WILLOW",
    "ZEPHYR",
)  # fmt: skip
LETTERS = list("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
KINDS = ("code", "number", "values", "several", "variables")
NOISE = b"A cart rolls along the lane. Rain falls on the old roof. The kettle is warm again. "
NOISE += b"Somebody closes a door, and it is quiet. "
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]


def texts(limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Bytes to train on and bytes held out: every file that fits, in a fixed random order, up to `limit` bytes."""
    files = []
    for folder in FOLDERS:
        for path in Path(folder).rglob("*"):
            name = path.name.removesuffix(".gz")
            foreign = folder.endswith("man") and path.parent.parent != Path(folder)  # translated pages
            if name.endswith(ENDINGS) and not path.is_symlink() and not foreign:
                files.append(path)
    files.sort(key=lambda path: zlib.crc32(str(path).encode()))
    kept: dict[bool, list[bytes]] = {True: [], False: []}
    size = 0
    for path in files:
        try:
            data = path.read_bytes()
            data = gzip.decompress(data) if path.suffix == ".gz" else data
        except OSError:
            continue
        if len(data) < 1500 or LICENCE.search(data):
            continue
        data = re.sub(rb'(?m)^[.\']\\".*\n|\\f.|\\&', b"", data)[:60_000]  # comments and fonts of manual pages
        held = zlib.crc32(str(path).encode(), 1) % 20 == 0
        kept[held].append(data + b"\n")
        size += len(data)
        if size > limit:
            break
    train, held_out = (np.frombuffer(b"".join(kept[held]), np.uint8) for held in (False, True))
    return train, held_out


@dataclass(frozen=True)
class Item:
    """Sentences that are hidden in a text in this order, a question, its answer: text, value, text, value, ..."""

    said: list[str]
    question: str
    answer: list[str]


def words(rng: np.random.Generator, count: int) -> list[str]:
    return ["".join(rng.choice(SYLLABLES, 3)) for _ in range(count)]


def number(rng: np.random.Generator, digits: int) -> str:
    return str(rng.integers(10 ** (digits - 1), 10**digits))


def listed(values: list[str]) -> list[str]:
    return [piece for index, value in enumerate(values) for piece in ("," if index else "", f" {value}")]


def noise_text(rng: np.random.Generator, length: int) -> bytes:
    """The same few sentences again and again."""
    shift = int(rng.integers(len(NOISE)))
    return (NOISE * (length // len(NOISE) + 2))[shift : shift + length]


def excerpt(rng: np.random.Generator, text: np.ndarray, length: int) -> np.ndarray:
    start = int(rng.integers(len(text) - length))
    return text[start : start + length]


def items(rng: np.random.Generator, room: int, kinds: tuple[float, ...]) -> list[Item]:
    """Facts of one kind with their questions, as many as fit into `room` bytes, 24 at most."""
    kind = rng.choice(KINDS, p=kinds)
    size = {"code": 70, "number": 170, "values": 350, "several": 450, "variables": 300}[kind]
    kind, size = (kind, size) if size < room else ("code", 70)
    count = int(np.clip(rng.integers(1, max(2, room // size + 1)), 1, 24))
    if kind == "code":
        known = rng.random() < 0.7
        names = rng.permutation(NAMES)[:count] if known else [word.upper() for word in words(rng, count)]
        pairs = [(name, number(rng, 5)) for name in names]
        return [Item([f"The code of {n} is {c}. "], f"\nThe code of {n} is ", ["", c]) for n, c in pairs]
    if kind == "variables":
        return [variables(rng) for _ in range(count)]
    found = []
    for word in words(rng, count):
        others = words(rng, 3) if kind == "several" else []
        asked = [word, *others]
        values = [number(rng, 7) for _ in (range(4) if kind == "values" else asked)]
        named = asked if kind == "several" else [word] * len(values)
        said = [f"The magic number of {n} is {v}. " for n, v in zip(named, values, strict=True)]
        names = ", then of ".join(asked)
        order = " in the order of the text" if kind == "values" else ""
        question = f"\nQuestion: what is the magic number of {names}{order}?\nAnswer: the magic number of {names} is"
        found.append(Item(said, question, listed(values)))
    return found


def variables(rng: np.random.Generator) -> Item:
    """A chain of assignments."""
    names = ["".join(rng.permutation(LETTERS)[:5]) for _ in range(5)]
    value = number(rng, 5)
    said = [f"VAR {new} = {old}. " for new, old in zip(names, [value, *names], strict=False)]
    question = f"\nQuestion: which variables hold the value {value}, in the order of the text?\nAnswer: they are"
    return Item(said, question, listed(names))


def facts(
    rng: np.random.Generator, text: np.ndarray, length: int, kinds: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Text with facts and, later, questions with their answers, which are marked."""
    found = items(rng, length, kinds)
    events: list[tuple[float, list[str]]] = []  # where; text, answer, text, answer, ...
    for item in found:
        places = np.sort(rng.random(len(item.said)) * 0.95)
        events += [(float(at), [sentence]) for at, sentence in zip(places, item.said, strict=True)]
        # half of the questions near the end, where the distance is largest
        later = rng.random() if rng.random() < 0.5 else 1 - 0.1 * rng.random()
        at = places[-1] + 1e-6 + (1 - places[-1]) * later
        events.append((float(at), [item.question + item.answer[0], *item.answer[1:], "\n"]))
    events.sort(key=lambda event: event[0])
    space = max(1, length - sum(len(piece) for _, pieces in events for piece in pieces))
    noise = rng.random() < 0.15
    filler = bytes(noise_text(rng, space) if noise else excerpt(rng, text, space))
    out, marks, done = [], [], 0
    for at, pieces in events:
        place = int(min(at, 1) * len(filler))
        for index, piece in enumerate([filler[done:place], *(p.encode() for p in pieces)]):
            out.append(piece)
            marks.append(np.full(len(piece), index > 0 and index % 2 == 0 and index < len(pieces), np.float32))
        done = place
    out.append(filler[done:])
    marks.append(np.zeros(len(filler) - done, np.float32))
    return np.frombuffer(b"".join(out), np.uint8)[-length:], np.concatenate(marks)[-length:]


def again(rng: np.random.Generator, length: int) -> tuple[np.ndarray, np.ndarray]:
    """A short random string again and again; all is marked but its first time and a few characters."""
    size = int(rng.integers(4, max(5, min(40, length // 3))))
    string = rng.choice(np.arange(33, 127, dtype=np.uint8), size)
    return np.resize(string, length), (np.arange(length) >= size + 2).astype(np.float32)


def repeats(rng: np.random.Generator, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Random strings, each of which comes again somewhere later; what is known of a repetition is marked."""
    alphabet = np.frombuffer(
        [b"0123456789", b"abcdefghijklmnopqrstuvwxyz", bytes(range(33, 127))][rng.integers(3)], np.uint8
    )
    size = int(rng.integers(12, 40))
    count = max(2, length // size)
    strings = [rng.choice(alphabet, size) for _ in range((count + 1) // 2)]
    order = rng.permutation(np.repeat(np.arange(len(strings)), 2))[: count + 1]
    known, seen = np.zeros(size, np.float32), set()
    known[5:] = 0.3
    out, marks = [], []
    for index in order:
        out.append(strings[index])
        marks.append(known if index in seen else np.zeros(size, np.float32))
        seen.add(index)
    joined, mark = np.concatenate(out), np.concatenate(marks)
    if len(joined) < length:
        joined, mark = np.resize(joined, length), np.pad(mark, (0, length - len(mark)))
    return joined[:length], mark[:length]


def prompt(rng: np.random.Generator, text: np.ndarray, length: int) -> np.ndarray:
    """A prompt of the retrieval task with its five digits at the end, one fact hidden anywhere: token ids [length]."""
    name, code = NAMES[rng.integers(len(NAMES))], str(rng.integers(10_000, 100_000))
    fact, question = f"The code of {name} is {code}. ".encode(), f"\nThe code of {name} is {code}".encode()
    filler = excerpt(rng, text, length - 1 - len(fact) - len(question)).tobytes()
    place = int(rng.random() * len(filler))
    return np.array([BOS, *(filler[:place] + fact + filler[place:] + question)], np.int64)
