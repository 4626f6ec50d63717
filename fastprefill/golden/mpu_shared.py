"""One matrix unit that several users have by turns: the NumPy model, and the names of the streams."""

from __future__ import annotations

import numpy as np

from fastprefill.golden import mpu
from fastprefill.system.case import Case

OPERANDS = ("turns", "a", "b")
RESULT = "c"


def stream(what: str, user: int) -> str:
    """A stream of one of the users."""
    return f"{what}_{user}"


def case(
    name: str, user: int, count: int, k: int, users: int, size: mpu.Size, rng: np.random.Generator
) -> Case:
    """A start for one of the users, with random tiles; nothing of the others is taken."""
    a = rng.integers(-128, 128, (count, size.rows, k), dtype=np.int8)
    b = rng.integers(-128, 128, (count, k, size.columns), dtype=np.int8)
    alone = mpu.case(name, a, b, size)
    given = {**alone.inputs, "turns": mpu.turn_words(size, count, size.steps(k))}
    inputs: dict[str, list[int]] = {stream(what, n): [] for n in range(users) for what in OPERANDS}
    outputs: dict[str, list[int]] = {stream(RESULT, n): [] for n in range(users)}
    inputs |= {stream(what, user): list(given[what]) for what in OPERANDS}
    outputs[stream(RESULT, user)] = list(alone.outputs[RESULT])
    return Case(name, {"user": user}, inputs, outputs)


def cases(
    seed: int,
    users: int,
    rows: int,
    dsp_columns: int,
    lut_columns: int = 0,
    k_parallel: int = 1,
    drain_rows: int = 2,
) -> list[Case]:
    """A start for each user, tiles of different length; one tile; a user who is not there."""
    size = mpu.Size(rows, dsp_columns, lut_columns, k_parallel, drain_rows)
    rng = np.random.default_rng(seed)
    runs = [(f"user_{n}", n, 3 + n, (2 + n) * k_parallel * rows // drain_rows) for n in range(users)]
    runs += [("one_tile", users - 1, 1, 1), ("shortest_tiles", 0, 5, k_parallel)]
    found = [case(name, user, count, k, users, size, rng) for name, user, count, k in runs]
    idle = found[0]
    nobody = Case(
        "nobody", {"user": users}, {name: [] for name in idle.inputs}, {name: [] for name in idle.outputs}
    )
    return [*found, nobody]
