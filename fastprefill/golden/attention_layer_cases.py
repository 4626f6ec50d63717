"""Prompts that a layer's attention is tried on: sparse, several KV heads, no line, one token, holes, a faulty list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from fastprefill.golden import attention_layer as layer
from fastprefill.golden.attention import Heads
from fastprefill.golden.attention_layer import Prompt, Size
from fastprefill.golden.jobs import pack
from fastprefill.golden.scale import Codes, Scales
from fastprefill.system.case import Case
from fastprefill.system.mover import MemoryCase

FRACTION = 14


@dataclass(frozen=True)
class Played:
    """A run: a prompt, lines of the cache, and words that are changed in its job lists (then there are no lines)."""

    name: str
    prompt: Prompt
    capacity: int = 0
    hot: int = 0
    changes: Mapping[int, int] = field(default_factory=dict)

    def case(self, size: Size) -> Case:
        """What goes over the ports of the system."""
        if self.changes:
            return layer.faulty_case(self.name, self.prompt, size, self.changes)
        return layer.case(self.name, self.prompt, size, self.capacity, self.hot)

    def in_memory(self, size: Size) -> MemoryCase:
        """What is in memory before and after."""
        prompt = self.prompt
        memory = layer.memory_of(prompt, size)
        given = layer.scalars(prompt, memory, size, self.capacity, self.hot)
        fault, done = 0, prompt
        if self.changes:
            layer.change_lists(memory, self.changes)
            words = layer.walked(prompt, memory, size)
            (fault,), done = words["fault"], layer.reached(prompt, words["requests"], size)
            counted = [0, 0, 0, len(words["requests"])]
        else:
            counted = layer.statistics(prompt, size, self.capacity, self.hot)
        after = layer.after(done, memory, size)
        return MemoryCase(self.name, given, bytes(memory.data), bytes(after), (fault, *counted))


def operands(rng: np.random.Generator, tokens: int, heads: int, kv_heads: int, dim: int) -> Heads:
    """Random codes, and scales that spread the scores over many powers of two."""

    def codes(count: int) -> Codes:
        values = rng.integers(-127, 128, (tokens, count, dim)).astype(np.int8)
        mantissas, exponents = (rng.integers(*ends, (tokens, count)) for ends in ((128, 256), (-10, -4)))
        return Codes(values, Scales(mantissas, exponents))

    return Heads(codes(heads), codes(kv_heads), codes(kv_heads))


def prompt(
    rng: np.random.Generator,
    size: Size,
    tokens: int,
    heads: tuple[int, int],
    density: float,
    scale_group: int,
    keep: bool = True,
) -> Prompt:
    """Random jobs of query heads and KV heads; with `keep` each query block keeps its own block."""
    blocks = -(-tokens // size.block)
    mask = rng.random((heads[0], blocks, blocks)) < density
    if keep:
        mask |= np.eye(blocks, dtype=bool)
    return Prompt(
        operands(rng, tokens, *heads, size.dim), mask & np.tri(blocks, dtype=bool), FRACTION, scale_group
    )


def faulty(rng: np.random.Generator, size: Size, scale_group: int = 0) -> Played:
    """Two KV heads, of which the second one's list says that it is of another prompt."""
    tokens, group = min(2, size.blocks - 1) * size.block + 1, min(2, size.group)
    good = prompt(rng, size, tokens, (2 * group, 2), 0.5, scale_group or size.dim)
    return Played("faulty", good, changes={max(len(pack(listed)) for listed in good.lists) + 8: size.blocks + 1})


def played(seed: int, size: Size, most_words: int = 1024) -> list[Played]:
    """All runs, on at most five blocks and with at most two heads of a group.

    Scales are over whole tokens, over a head where there are several KV heads, or over parts of these that are at most
    `most_words` words of `beat_bits` / 32 elements.
    """

    def shared(elements: int) -> int:
        while elements > most_words * (size.beat_bits // 32):
            elements //= 2
        return elements

    rng = np.random.default_rng(seed)
    block, dim, most, group = size.block, size.dim, size.blocks, min(2, size.group)
    of_head, of_token = shared(dim), shared(group * dim)
    holes = prompt(rng, size, min(4, most) * block, (group, 1), 0.0, of_head, keep=False)
    kv_heads = prompt(rng, size, min(2, most - 1) * block + 1, (2 * group, 2), 0.5, of_head)
    one_kv_head = prompt(rng, size, min(2, most - 1) * block, (2 * group, 2), 0.5, of_head)
    one_kv_head.mask[:group] = False
    row = max(0, holes.mask.shape[1] - 2)
    holes.mask[-1, row, (0, row)] = True
    return [
        Played("sparse", prompt(rng, size, min(4, most - 1) * block + 3, (group, 1), 0.4, of_token), size.lines, 1),
        Played("kv_heads", kv_heads, min(2, size.lines), 1),
        Played("no_line", prompt(rng, size, min(2, most) * block, (group, 1), 1.0, of_token)),
        Played("one_token", prompt(rng, size, 1, (1, 1), 1.0, of_head), 1),
        Played("holes", holes, 1, 1),
        Played("one_kv_head", one_kv_head, 1, 1),
        faulty(rng, size, of_head),
        # more scales than a beat holds, and not a multiple of these
        Played("scales", prompt(rng, size, 3, (3 * group, 3), 1.0, of_head), 1),
    ]  # fmt: skip
