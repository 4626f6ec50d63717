"""Small wrong changes to the RTL of a 4 x 4 matrix unit of both kinds of column, as ``test_mutants`` makes them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.test_contract import CONTRACTS
from tests.mutants.subject import MARKS, Subject

COUNT = 24
UNIT = Subject(CONTRACTS["mpu_4_2_2_2_2"], drawn_with=4, generated=COUNT)
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
