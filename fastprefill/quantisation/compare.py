"""Perplexity of integer models against the float model, with and without each transformation and planted outliers.

``python -m fastprefill.quantisation.compare MODEL TEXT [--tokens N] [--windows N]`` prints the table of
``docs/numerics.md``.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastprefill.errors import FastprefillError
from fastprefill.golden import reference
from fastprefill.golden.model import prefill
from fastprefill.models import Model, load, tokeniser
from fastprefill.quantisation.fold import Transform
from fastprefill.quantisation.integer import QuantisedModel, quantise
from fastprefill.quantisation.outliers import plant

# name -> (transformations, group)
SCHEMES: dict[str, tuple[Transform, int | None]] = {
    "plain": (Transform(balance=False, rotate=False), None),
    "balance": (Transform(balance=True, rotate=False), None),
    "rotate": (Transform(balance=False, rotate=True), None),
    "both": (Transform(), None),
    "both, groups of 32": (Transform(), 32),
}
# name -> (kind, factor), None for the checkpoint as it is
WEIGHTS: dict[str, tuple[str, float] | None] = {
    "as stored": None,
    "norms x 50": ("norms", 50.0),
    "pairs x 50": ("pairs", 50.0),
    "pairs x 300": ("pairs", 300.0),
    "stream x 10": ("stream", 10.0),
}


@dataclass(frozen=True)
class Row:
    """Perplexities on one set of weights.

    Attributes:
        weights: a name of `WEIGHTS`.
        reference: of the float model.
        integer: by name of the scheme.
    """

    weights: str
    reference: float
    integer: dict[str, float]


def compare(model: Model, windows: Sequence[NDArray[np.int64]]) -> Iterator[Row]:
    """Perplexity over windows of token ids, int64 [tokens] each, for every set of weights and scheme."""
    for name, planted in WEIGHTS.items():
        weights = model if planted is None else plant(model, *planted)
        exact = [reference.forward(weights, window, hidden_states=False).logits for window in windows]
        integer = {
            scheme: perplexity(
                [logits(quantise(weights, transform=transform, group=group), window) for window in windows],
                windows,
            )
            for scheme, (transform, group) in SCHEMES.items()
        }
        yield Row(name, perplexity(exact, windows), integer)


def logits(model: QuantisedModel, window: ArrayLike) -> NDArray[np.float64]:
    """Logits of every token of the integer model as real numbers: [tokens, vocabulary]."""
    result = prefill(model, window, last=None)
    return np.ldexp(result.logits.astype(np.float64), -result.fraction)


def perplexity(outputs: Sequence[NDArray[np.floating]], windows: Sequence[NDArray[np.int64]]) -> float:
    """exp of the mean negative log-likelihood of each token but the first of its window, given those before it."""
    total, count = 0.0, 0
    for output, window in zip(outputs, windows, strict=True):
        rows = output[:-1].astype(np.float64)
        top = rows.max(axis=-1, keepdims=True)
        log_sum = np.log(np.exp(rows - top).sum(axis=-1)) + top[:, 0]
        total += float((log_sum - rows[np.arange(len(rows)), window[1:]]).sum())
        count += len(rows)
    return math.exp(total / count)


def cut(model: Model, text: str, tokens: int, windows: int) -> list[NDArray[np.int64]]:
    """Windows of `tokens` ids at equal distances in a text, each after the model's start token.

    Raises:
        FastprefillError: windows shorter than 2 tokens, or a text that is too short for them.
    """
    config = model.config
    ids = tokeniser(config, model.folder).encode(text)
    start = ids[:1] if ids and ids[0] == config.bos_token else []
    ids = ids[len(start) :]
    wanted = tokens - len(start)
    if tokens < 2 or windows < 1 or wanted * windows > len(ids):
        raise FastprefillError(
            f"the text has {len(ids)} tokens, which is not enough for {windows} windows of {tokens}; at least one "
            "window of 2 tokens is needed"
        )
    step = (len(ids) - wanted) // max(windows - 1, 1)
    return [np.array([*start, *ids[i * step : i * step + wanted]], np.int64) for i in range(windows)]


def main(arguments: Sequence[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m fastprefill.quantisation.compare", description=__doc__)
    parser.add_argument("model", help="folder of a checkpoint")
    parser.add_argument("text", type=Path, help="a text file")
    parser.add_argument("--tokens", type=int, default=512, help="per window")
    parser.add_argument("--windows", type=int, default=4)
    options = parser.parse_args(arguments)
    model = load(options.model)
    windows = cut(model, options.text.read_text(errors="replace"), options.tokens, options.windows)
    print("| weights | float | " + " | ".join(SCHEMES) + " |\n|" + "---|" * (len(SCHEMES) + 2))
    for row in compare(model, windows):
        ratios = (f"{100 * (value / row.reference - 1):+.2f} %" for value in row.integer.values())
        print(f"| {row.weights} | {row.reference:.3f} | " + " | ".join(ratios) + " |", flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except FastprefillError as error:
        sys.exit(f"error: {error}")
