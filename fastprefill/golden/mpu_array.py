"""Several matrix units fed by one dispatcher: the NumPy model, and the names of the system's streams."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden import mpu
from fastprefill.system.case import Case

A_STREAM = "a"


def b_stream(array: int) -> str:
    """The input with the words of B for one of the units."""
    return f"b_{array}"


def c_stream(array: int) -> str:
    """The output of one of the units."""
    return f"c_{array}"


def case(
    name: str, a: NDArray[np.int8], b: NDArray[np.int8], arrays: int, size: mpu.Size, chain: int = 1
) -> Case:
    """One start: `a` [tiles, rows, k] for all units, `b` [tiles, k, arrays x columns] cut up between them."""
    parts = np.split(b, arrays, axis=2)
    alone = [mpu.case(name, a, part, size, chain) for part in parts]
    return Case(
        name=name,
        scalars=alone[0].scalars,
        inputs={
            A_STREAM: alone[0].inputs["a"],
            **{b_stream(n): one.inputs["b"] for n, one in enumerate(alone)},
        },
        outputs={c_stream(n): one.outputs["c"] for n, one in enumerate(alone)},
    )


def cases(
    seed: int,
    arrays: int,
    rows: int,
    dsp_columns: int,
    lut_columns: int = 0,
    k_parallel: int = 1,
    drain_rows: int = 2,
    regions: int = 1,
) -> list[Case]:
    """Cases of a system: one product, random tiles, chains, the extreme values, a start outside the limits."""
    size = mpu.Size(rows, dsp_columns, lut_columns, k_parallel, drain_rows)
    rng = np.random.default_rng(seed)
    result = []
    for name, tiles, k, chain, lowest in (
        ("one_product", 1, 1, 1, -128),
        ("random", 3, 4 * k_parallel, 1, -128),
        ("chains", 4, 8 * k_parallel, 2, -128),
        ("all_highest", 1, 4 * k_parallel, 1, 127),
    ):
        a = rng.integers(lowest, 128, (tiles, rows, k)).astype(np.int8)
        b = rng.integers(lowest, 128, (tiles, k, arrays * size.columns)).astype(np.int8)
        result.append(case(name, a, b, arrays, size, chain))
    nothing: dict[str, list[int]] = {A_STREAM: [], **{b_stream(n): [] for n in range(arrays)}}
    scalars = {"steps": rows // drain_rows - 1, "chain": 1, "sums": 1}
    result.append(Case("refused", scalars, nothing, {c_stream(n): [] for n in range(arrays)}))
    return result
