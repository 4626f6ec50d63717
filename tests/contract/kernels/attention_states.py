"""Merge of partial states and their normalisation, side by side in one system."""

import numpy as np

from fastprefill.golden import attention_streams as streams
from fastprefill.golden.partial import EMPTY, Partial
from fastprefill.kernels.attention import merge, normalise
from fastprefill.system.case import Case
from fastprefill.system.system import System

LANES, DIM = 4, 8


def system() -> System:
    return System("states", {"merge": merge.unit(LANES), "normalise": normalise.unit(LANES, words=DIM // LANES)})


def states(rng: np.random.Generator, rows: int, spread: int = 40) -> Partial:
    """Rows whose exponents lie apart by up to `spread`; l and O of any size."""
    size = rng.integers(0, 31, (rows, 1))
    return Partial(
        rng.integers(-spread, spread, rows),
        rng.integers(0, 1 << 31, rows) >> rng.integers(0, 31, rows),
        rng.integers(-spread, spread, rows),
        rng.integers(-(1 << 30), 1 << 30, (rows, DIM)) >> size,
    )


def case(name: str, left: Partial, right: Partial, fraction: int) -> Case:
    merged = streams.merging(name, left, right, LANES)
    normal = streams.normalising(name, left, fraction, LANES)
    both = {"merge": merged, "normalise": normal}

    def joined(of: str) -> dict[str, object]:
        return {f"{unit}_{key}": value for unit, one in both.items() for key, value in getattr(one, of).items()}

    return Case(name, joined("scalars"), joined("inputs"), joined("outputs"))


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    none = Partial.empty(6, DIM)
    some = states(rng, 6)
    ends = Partial(
        np.array([32767, EMPTY, 0, 0, 31, 32]), np.array([(1 << 32) - 1, 0, 1, 2, 3, (1 << 32) - 1]),
        np.array([EMPTY, 32767, 32, 33, 34, -31]), np.resize([-(1 << 31), (1 << 31) - 1, 1, -1, 3], (6, DIM)),
    )  # fmt: skip
    zero = Partial(np.zeros(6, np.int64), np.zeros(6, np.int64), np.zeros(6, np.int64), some.o >> 1)
    return [
        case("random", states(rng, 60), states(rng, 60), 12),
        case("close", states(rng, 60, 3), states(rng, 60, 3), 20),
        case("into_the_empty_state", none, some, 30),
        case("from_the_empty_state", some, none, 0),
        case("ends", ends, zero, 0),
        case("one_row", states(rng, 1), states(rng, 1), 17),
    ]
