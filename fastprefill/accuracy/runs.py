"""The runs that are compared: float or integers, dense or with chosen blocks.

From float to hardware in three steps, each a run of its own: blocks are chosen (float, SIGU), operands become int8
(int8, SIGU), everything becomes integer (integer, SIGU: bit for bit what the hardware computes).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprefill.accuracy import int8
from fastprefill.golden import flexprefill, reference, selection, selectors, sigu
from fastprefill.golden.attention import Heads
from fastprefill.golden.model import prefill
from fastprefill.models import Model
from fastprefill.quantisation import Transform, fold, quantise

# name -> title
RUNS = {
    "float_dense": "float, dense",
    "float_flexprefill": "float, FlexPrefill",
    "float_sigu": "float, SIGU",
    "int8_sigu": "int8 operands, SIGU",
    "integer_dense": "integer, dense",
    "integer_sigu": "integer, SIGU (hardware)",
}
DENSE = ("float_dense", "integer_dense")

# name -> transformations of the weights before they are quantised
TRANSFORMS = {
    "plain": Transform(balance=False, rotate=False),
    "balance": Transform(balance=True, rotate=False),
    "rotate": Transform(balance=False, rotate=True),
    "both": Transform(),
}


@dataclass(frozen=True)
class Selection:
    """Parameters of block selection but for gamma; see `fastprefill.golden.selection.Selector`."""

    tau: float = 0.1
    min_budget: int = 512
    max_budget: int | None = None
    block: int = 128
    compat: bool = True

    def with_gamma(self, gamma: float) -> dict[str, Any]:
        """Keyword arguments of a selector."""
        return {
            "gamma": gamma, "tau": self.tau, "min_budget": self.min_budget, "max_budget": self.max_budget,
            "block": self.block, "compat": self.compat,
        }  # fmt: skip


@dataclass(frozen=True)
class Output:
    """What a run gives.

    Attributes:
        logits: [last, vocabulary], as real numbers.
        density: blocks computed of the causal ones, mean over layers and heads.
    """

    logits: NDArray[np.floating]
    density: float


Run = Callable[[NDArray[np.int64], int, float], Output]


def runs(model: Model, choice: Selection, transform: Transform, group: int | None) -> dict[str, Run]:
    """A function for each of `RUNS`: of token ids int64 [tokens], the number of last tokens, and gamma.

    Args:
        model: checkpoint.
        choice: of blocks.
        transform: before quantisation.
        group: inputs that share a scale, None for all.
    """
    folded = fold(model, transform)

    def in_float(selector: selection.Selector | None) -> Run:
        def run(tokens: NDArray[np.int64], last: int, gamma: float) -> Output:
            select = None if selector is None else _of(selector, choice, gamma)
            result = reference.forward(model, tokens, select=select, last=last, hidden_states=False)
            return Output(result.logits, _density(result.selections))

        return run

    def with_int8(tokens: NDArray[np.int64], last: int, gamma: float) -> Output:
        select = _of(sigu.select_blocks, choice, gamma)
        logits, chosen = int8.forward(folded, tokens, group=group, select=select, last=last)
        return Output(logits, _density(chosen))

    def in_integers(sparse: bool) -> Run:
        def run(tokens: NDArray[np.int64], last: int, gamma: float) -> Output:
            densities: list[float] = []
            streaming = selectors.streaming(**choice.with_gamma(gamma))

            def select(index: int, heads: Heads) -> NDArray[np.bool_]:
                mask = streaming(index, heads)
                blocks = mask.shape[1]
                densities.append(float(mask.sum()) / (len(mask) * blocks * (blocks + 1) / 2))
                return mask

            quantised = quantise(model, transform=transform, group=group, tokens=len(tokens))
            result = prefill(
                quantised, tokens, select=select if sparse else None, block=choice.block, last=last
            )
            logits = np.ldexp(result.logits.astype(np.float64), -result.fraction)
            return Output(logits, float(np.mean(densities)) if densities else 1.0)

        return run

    return {
        "float_dense": in_float(None),
        "float_flexprefill": in_float(flexprefill.select_blocks),
        "float_sigu": in_float(sigu.select_blocks),
        "int8_sigu": with_int8,
        "integer_dense": in_integers(sparse=False),
        "integer_sigu": in_integers(sparse=True),
    }


def _of(selector: selection.Selector, choice: Selection, gamma: float) -> reference.Select:
    return lambda q, k: selector(q, k, **choice.with_gamma(gamma))


def _density(chosen: Sequence[selection.Selection]) -> float:
    return float(np.mean([layer.density for layer in chosen])) if chosen else 1.0
