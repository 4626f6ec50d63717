"""Small wrong changes to the RTL of a 4 x 4 matrix unit of both kinds of column, as ``test_mutants`` makes them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fastprefill.golden import mpu
from fastprefill.system.case import Case
from tests.contract.test_contract import CONTRACTS
from tests.mutants.subject import MARKS, Subject

COUNT = 24
SIZE = mpu.Size(4, 2, 2, 2, 2)


def with_longest(seed: int) -> list[Case]:
    """The cases of the unit, and as many tiles in one sum and as many steps in a tile as are allowed."""
    rng = np.random.default_rng(seed)
    longest = [
        mpu.case(
            f"steps_{SIZE.steps(k)}_chain_{chain}",
            rng.integers(-128, 128, (chain, SIZE.rows, k), dtype=np.int8),
            rng.integers(-128, 128, (chain, k, SIZE.columns), dtype=np.int8),
            SIZE,
            chain,
        )
        for chain, k in ((65_535, 2 * SIZE.k_parallel), (1, 65_535 * SIZE.k_parallel))
    ]
    return [*mpu.cases(seed, 4, 2, 2, 2, 2), *longest]


UNIT = Subject(replace(CONTRACTS["mpu_4_2_2_2_2"], cases=with_longest), drawn_with=4, generated=COUNT)
"""Of the generated files alone; the hand-written parts are in ``test_mutants``."""

pytestmark = MARKS


@pytest.mark.parametrize("index", range(COUNT))
def test_mutant(index: int, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    UNIT.check(index, tmp_path, record_property)


def test_mutants_are_of_control_datapath_and_elements_and_of_many_kinds() -> None:
    chosen = UNIT.mutants
    assert len(set(chosen)) == COUNT
    assert {mutant.file for mutant in chosen} >= {"mpu.sv", "mpu_array.sv", "mpu_array_lane2.sv", "mpu_control.sv"}
    assert len({mutant.rule for mutant in chosen}) >= 15
