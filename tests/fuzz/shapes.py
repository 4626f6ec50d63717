"""What random programs are made of: arrays, streams, and the statements that processes share."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

SCALARS = ("n", "m")
TOKENS = 3000
"""Tokens on offer at each input of a case; more than any program reads."""


@dataclass
class Array:
    name: str
    shape: tuple[int, ...]
    width: int
    partition: tuple[str, ...] = ()
    reads: bool = True
    writes: bool = True

    @property
    def type(self) -> str:
        return f"memref<{''.join(f'{n}x' for n in self.shape)}i{self.width}>"


@dataclass
class Ring:
    name: str
    array: Array
    depth: int
    storage: str
    writer: int
    reader: int

    @property
    def type(self) -> str:
        return f"!fp.blocks<{self.array.type}, {self.depth}>"


@dataclass
class Channel:
    name: str
    width: int
    depth: int
    writer: int
    reader: int

    @property
    def type(self) -> str:
        return f"!fp.stream<i{self.width}, {self.depth}>"


# The choreography.


@dataclass
class Token:
    channel: Channel


@dataclass
class Block:
    ring: Ring
    written: list[object]
    read: list[object]


@dataclass
class For:
    low: tuple[str, int]
    high: tuple[str, int]
    step: int
    body: list[object]


@dataclass
class If:
    value: tuple[str, int]
    predicate: str
    bound: int
    then: list[object]
    other: list[object]


@dataclass
class Scope:
    values: list[tuple[str, int]] = field(default_factory=list)
    indices: list[tuple[str, int]] = field(default_factory=list)
    """Loop variables with an upper bound; they are never negative."""
    variables: list[tuple[str, int]] = field(default_factory=list)
    arrays: list[Array] = field(default_factory=list)


ANY = 1 << 30
"""Upper bound of loop variables that may also be negative."""

PARTITIONS = ("none", "none", "complete", "cyclic 2", "block 2")
STORAGE = ("AUTO", "AUTO", "LUTRAM", "BRAM", "BRAM", "URAM")


def width_of(rng: random.Random) -> int:
    return rng.choice((1, 2, 3, 5, 7, 8, 8, 8, 13, 16, 16, 24, 32, 32, 33, 47, 64, 80))


def signature(arguments: list[tuple[str, str, str]]) -> str:
    return ", ".join(f"%{name}: {kind}" for name, kind, _ in arguments)


def names(arguments: list[tuple[str, str, str]]) -> str:
    names = ", ".join(f'"{name}"' for name, _, _ in arguments)
    directions = "".join(direction for _, _, direction in arguments)
    return f'arg_names = [{names}], itypes = "{"s" * len(arguments)}", directions = "{directions}"'


def dense(numbers: list[int], shape: tuple[int, ...]) -> str:
    if len(shape) == 1:
        return "[" + ", ".join(str(n) for n in numbers) + "]"
    size = len(numbers) // shape[0]
    return (
        "[" + ", ".join(dense(numbers[k * size : (k + 1) * size], shape[1:]) for k in range(shape[0])) + "]"
    )
