"""Cases of the hardware unit: prompts of all kinds and lengths, corner cases of scores, registers and budgets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastprefill.golden import traces
from fastprefill.golden.scale import Codes, Scales
from fastprefill.golden.sigu.operands import keys, queries
from fastprefill.golden.sigu.registers import LONGEST, Registers
from fastprefill.golden.sigu.size import Size
from fastprefill.golden.sigu.unit import Group, case, refused
from fastprefill.system.case import Case

#: Exponents of scales with which a product of codes is a score of about its own size, and one that saturates.
_PLAIN, _LARGE = -18, 0


@dataclass(frozen=True)
class Prompt:
    """A case before its numbers are made.

    Attributes:
        name: of the case.
        tokens: length.
        kind: "text": the patterns of real prompts; "uniform": all scores 0; "one_hot": all attention on one key;
            "equal": all keys are the same; "highest", "lowest", "ends": scores at the ends of their range.
        settings: of `Registers.of`, other than the usual ones.
    """

    name: str
    tokens: int
    kind: str = "text"
    settings: dict[str, Any] = field(default_factory=dict)


def prompts(size: Size) -> list[Prompt]:
    """Corner cases for a size; lengths count its blocks."""
    block = size.block
    ragged = 5 * block + block // 4 + 1
    return [
        Prompt("one_token", 1),
        Prompt("one_block", block),
        Prompt("two_blocks", 2 * block),
        Prompt("three_blocks", 3 * block, settings={"tau": 0.0}),
        Prompt("ragged", ragged),
        Prompt("ragged_aware", ragged, settings={"tau": 1.0, "gamma": 0.95}),
        Prompt("least_after_two_blocks", 2 * block + 1, settings={"tau": 1.0}),
        Prompt("half", 4 * block, settings={"gamma": 0.5, "tau": 0.1}),
        Prompt("everything", ragged, settings={"gamma": 1.0, "tau": 0.0, "compat": False}),
        Prompt("everything_aware", ragged, settings={"gamma": 1.0, "tau": 1.0}),
        Prompt("uniform", 4 * block + 3, "uniform"),
        Prompt("uniform_aware", 4 * block + 3, "uniform", {"tau": 1.0}),
        Prompt("one_hot", ragged, "one_hot"),
        Prompt("equal_keys", ragged, "equal", {"tau": 1.0, "gamma": 0.5}),
        Prompt("highest", 4 * block, "highest"),
        Prompt("lowest", 4 * block, "lowest", {"tau": 1.0}),
        Prompt("ends", ragged, "ends", {"tau": 0.3}),
        Prompt("at_least", 6 * block, settings={"min_budget": 4 * block, "tau": 0.0}),
        Prompt(
            "at_most",
            6 * block,
            settings={"min_budget": block, "max_budget": 2 * block, "gamma": 0.95, "tau": 0.0, "compat": False},
        ),
        Prompt("short_by_budget", 6 * block, settings={"min_budget": 6 * block}),
    ]


def make(prompt: Prompt, size: Size, seed: int, dim: int = 64) -> Case:
    """The streams of a prompt and its job list."""
    return case(prompt.name, group_of(prompt, size, seed, dim), registers_of(prompt, size), size)


def registers_of(prompt: Prompt, size: Size) -> Registers:
    """The registers of a start with this prompt."""
    settings = {"gamma": 0.9, "tau": 0.1, "min_budget": size.block, **prompt.settings}
    return Registers.of(prompt.tokens, block=size.block, lanes=size.lanes, **settings)


def group_of(prompt: Prompt, size: Size, seed: int, dim: int) -> Group:
    """Codes of a prompt."""
    tokens, heads = prompt.tokens, size.group
    rng = np.random.default_rng([seed, tokens])
    if prompt.kind == "text":
        made = traces.tensors(seed, max(tokens, 8), heads, 1, dim)
        return Group([queries(made.q[:tokens, head]) for head in range(heads)], keys(made.k[:tokens, 0]))
    q = rng.integers(-127, 128, (heads, tokens, dim)).astype(np.int8)
    k = rng.integers(-127, 128, (tokens, dim)).astype(np.int8)
    exponent = _PLAIN
    if prompt.kind == "uniform":
        q[:] = 0
    elif prompt.kind == "one_hot":
        k[:], q[:] = 0, 127
        k[tokens // 3] = 127
        exponent = _PLAIN + 4
    elif prompt.kind == "equal":
        k[:] = k[0]
    else:
        signs = {"highest": (1, 1), "lowest": (1, -1)}.get(prompt.kind)
        q[:] = 127 if signs else rng.choice(np.array([-127, 127], np.int8), q.shape[:2])[..., None]
        k[:] = 127 * signs[1] if signs else rng.choice(np.array([-127, 127], np.int8), (tokens, 1))
        exponent = _LARGE
    return Group([_codes(head, rng, exponent) for head in q], _codes(k, rng, 0))


def _codes(values: Any, rng: np.random.Generator, exponent: int) -> Codes:
    mantissa = rng.integers(128, 256, len(values))
    return Codes(values, Scales(mantissa, np.full(len(values), exponent)))


def cases(seed: int, names: tuple[str, ...] = (), dim: int = 64, **parameters: int) -> list[Case]:
    """Cases of the unit with these parameters of `Size`; those named, or all; and starts that are refused."""
    size = Size(**parameters)
    chosen = [prompt for prompt in prompts(size) if not names or prompt.name in names]
    return [make(prompt, size, seed, dim) for prompt in chosen if prompt.tokens <= size.longest] + refusals(size)


def refusals(size: Size) -> list[Case]:
    """Starts with a scalar outside its limits, or with two."""
    bad: list[dict[str, int]] = [
        {"tokens": 0}, {"tokens": size.longest + 1}, {"tokens": -1}, {"gamma": 0}, {"gamma": 65_537},
        {"threshold": -1}, {"threshold": 1 << 27}, {"min_blocks": 0}, {"max_blocks": LONGEST}, {"line_block": 129},
        {"tokens": size.longest + 1, "gamma": 0},
    ]  # fmt: skip
    return [
        refused(
            "refused_" + "_".join(f"{n}_{v}" for n, v in wrong.items()).replace("-", "minus_"), size, **wrong
        )
        for wrong in bad
    ]
