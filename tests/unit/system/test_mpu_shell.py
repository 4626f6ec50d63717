"""The matrix unit in RTL behind its AXI shell, as the host of a board sees it."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from fastprefill import boards
from fastprefill.golden import mpu as golden
from fastprefill.kernels import mpu
from fastprefill.system import registers
from fastprefill.system.build import build_unit
from fastprefill.targets import rtl
from fastprefill.tools import verilator
from tests.unit.system.shells import run_tests

SIZE = golden.Size(rows=4, dsp_columns=2, lut_columns=2, k_parallel=2, drain_rows=2)
CASES = {(2, 9, 1): None, (1, 1, 1): None, (6, 3, 3): None, (3, 40, 1): 74}
"""Tiles, K and tiles of a chain of each start -> cycles from start to done, at full speed, of the last."""


@pytest.mark.skipif(verilator.missing() is not None, reason=f"rtl NOT run: {verilator.missing()}")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_host_runs_the_matrix_unit(tmp_path: Path) -> None:
    module = build_unit(mpu.unit(**asdict(SIZE)))
    found = registers.register_map(module)
    files = rtl.emit(module, boards.load("kv260"))
    files["mpu_shell.sv"] = registers.render_shell(module, found, status=registers.STATUS_OUTPUTS)
    verilator.lint(files, "mpu_shell")
    rng = np.random.default_rng(6)
    cases = []
    for (tiles, k, chain), cycles in CASES.items():
        a = rng.integers(-128, 128, (tiles, 4, k), dtype=np.int8)
        b = rng.integers(-128, 128, (tiles, k, 4), dtype=np.int8)
        cases.append({**asdict(golden.case(f"tiles{tiles}_k{k}", a, b, SIZE, chain)), "cycles": cycles})
    run_tests(files, "mpu_shell", found, 3, tmp_path, seed=5, cases=cases)
