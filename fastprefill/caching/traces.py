"""Traces: block masks of groups of query heads, by name: recorded, of a checkpoint on a text, or made up."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastprefill import models
from fastprefill.errors import FastprefillError
from fastprefill.golden import jobs, reference, sigu, traces
from fastprefill.golden.selection import Selection

GROUP = 4
"""Query heads of a KV head in made-up traces."""
LONGEST = 1 << 20
"""Tokens of the longest."""

_FORMS = (
    "selected:TOKENS (SIGU on made-up heads), random:DENSITY or random:DENSITY:TOKENS, a .npz file with recorded "
    "masks, a job list in memory's format, or a checkpoint's folder"
)


@dataclass(frozen=True, eq=False)
class Trace:
    """The jobs of one KV head's group.

    Attributes:
        name: for tables.
        kind: ``recorded``, ``selected``, ``random`` or ``checkpoint``.
        mask: bool [heads, blocks, blocks], query block by key block.
    """

    name: str
    kind: str
    mask: NDArray[np.bool_]

    @property
    def blocks(self) -> int:
        """Key blocks of the KV head."""
        return int(self.mask.shape[1])

    @property
    def density(self) -> float:
        """Blocks kept of those on and below the diagonal, mean over the heads."""
        return float(self.mask.mean(axis=0).sum() / (self.blocks * (self.blocks + 1) / 2))


def load(
    name: str, *, text: Path | None = None, gamma: float = 0.9, tau: float = 0.1, min_budget: int = 1024
) -> list[Trace]:
    """The traces that a name stands for, one for each KV head (and layer).

    Args:
        name: see the message of the error.
        text: what a checkpoint reads, cut at its longest context; default: its ``prompt.txt``.
        gamma: share of the attention mass that SIGU keeps.
        tau: heads with a distance below this are query-aware.
        min_budget: least tokens that SIGU keeps.

    Raises:
        FastprefillError: no such trace.
    """
    selection = {"gamma": gamma, "tau": tau, "min_budget": min_budget}
    kind, _, rest = name.partition(":")
    if kind == "selected":
        return [_selected(name, rest, selection)]
    if kind == "random":
        return [_random(name, rest)]
    path = Path(name)
    if path.suffix == ".npz" and path.is_file():
        return _recorded(path)
    if path.is_file():
        return [Trace(path.name, "recorded", jobs.unpack(path.read_bytes()).mask())]
    if (path / "config.json").is_file():
        return _of_checkpoint(path, text, selection)
    raise FastprefillError(f"there is no trace '{name}'; give {_FORMS}")


def random_mask(density: float, blocks: int, heads: int, seed: int = 0) -> NDArray[np.bool_]:
    """Blocks drawn one by one, each head for itself, and the diagonal: bool [heads, blocks, blocks]."""
    drawn = np.random.default_rng(seed).random((heads, blocks, blocks), dtype=np.float32) < density
    return np.asarray((drawn | np.eye(blocks, dtype=bool)) & np.tri(blocks, dtype=bool))


def _selected(name: str, rest: str, selection: dict[str, float]) -> Trace:
    tokens = int(_number(name, rest, 128, LONGEST))
    made = traces.tensors(tokens, tokens, GROUP, 1, 64)
    chosen = sigu.select_blocks(
        made.q,
        made.k,
        gamma=selection["gamma"],
        tau=selection["tau"],
        min_budget=int(selection["min_budget"]),
    )
    return Trace(f"selected, {tokens} tokens", "selected", chosen.mask)


def _random(name: str, rest: str) -> Trace:
    density, _, tokens = rest.partition(":")
    share = _number(name, density, 0, 1)
    blocks = -(-int(_number(name, tokens or "65536", 128, LONGEST)) // 128)
    return Trace(f"random, density {share:g}, {128 * blocks} tokens", "random", random_mask(share, blocks, 1))


def _number(name: str, text: str, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not least <= value <= most:
        raise FastprefillError(
            f"trace '{name}': '{text}' is no number from {least:g} to {most:g}; give {_FORMS}"
        )
    return value


def _recorded(path: Path) -> list[Trace]:
    """Masks as `tests/data/flexprefill` has them: packed bits, their shape, and the number of KV heads."""
    found = np.load(path)
    if not {"mask", "mask_shape", "params"} <= set(found):
        raise FastprefillError(
            f"'{path}' holds {', '.join(found)}; recorded masks are mask, mask_shape and params"
        )
    shape = tuple(int(size) for size in found["mask_shape"])
    mask = np.unpackbits(found["mask"], count=int(np.prod(shape))).reshape(shape).astype(bool)
    heads = int(json.loads(str(found["params"]))["kv_heads"])
    groups = mask.reshape(heads, -1, *shape[1:])
    return [Trace(f"{path.stem}, group {n}", "recorded", group) for n, group in enumerate(groups)]


def _of_checkpoint(folder: Path, text: Path | None, selection: dict[str, float]) -> list[Trace]:
    checkpoint = models.load(folder)
    config = checkpoint.config
    tokens = models.read_prompt(config, folder, text, cut=True)

    def select(q: NDArray[np.floating], k: NDArray[np.floating]) -> Selection:
        return sigu.select_blocks(
            q.astype(np.float32), k.astype(np.float32), gamma=selection["gamma"], tau=selection["tau"],
            min_budget=int(selection["min_budget"]),
        )  # fmt: skip

    result = reference.forward(checkpoint, tokens, select=select, last=1, hidden_states=False)
    found = []
    for layer, chosen in enumerate(result.selections):
        groups = chosen.mask.reshape(config.kv_heads, -1, *chosen.mask.shape[1:])
        name = f"{folder.name}, {len(tokens)} tokens, layer {layer}"
        found += [Trace(f"{name}, group {n}", "checkpoint", group) for n, group in enumerate(groups)]
    return found
