"""Two matrix units and their dispatcher, in two super logic regions, at every level."""

from pathlib import Path

import pytest

from fastprefill.checks.contract import Contract, check, missing
from fastprefill.golden import mpu_array as golden
from fastprefill.kernels import mpu_array
from fastprefill.system.system import link

PARAMETERS = (2, 8, 4, 4, 2, 2, 2)
"""Two units of 8 rows, 4 + 4 columns, 2 products a cycle, 2 rows drained, in 2 regions."""


@pytest.mark.parametrize("level", ["interpreter", "csim", "rtl"])
def test_two_matrix_units(level: str, tmp_path: Path) -> None:
    if reason := missing(level):
        pytest.skip(reason)
    contract = Contract(
        "two_matrix_units",
        lambda: link(mpu_array.system(*PARAMETERS)),
        lambda seed: golden.cases(seed, *PARAMETERS),
        "u280",
    )
    assert check(contract, level, seed=11, folder=tmp_path).tokens > 0
