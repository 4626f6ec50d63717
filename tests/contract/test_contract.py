"""Every unit that declares itself here equals its golden model at every level.

A kernel takes part by lying in ``kernels/`` with ``unit()`` or ``system()`` and ``cases(seed)``.
"""

from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp

from fastprefill import frontend
from fastprefill.checks import contract
from fastprefill.checks.contract import Contract
from fastprefill.golden import mpu as golden
from fastprefill.golden.mpu import Size
from fastprefill.kernels import mpu
from fastprefill.system.build import build_unit
from fastprefill.system.case import Case
from fastprefill.system.system import link

SEED = 20


def kernel(path: Path) -> Contract:
    module = frontend.load_module(path)

    def build() -> ModuleOp:
        return link(module.system()) if hasattr(module, "system") else build_unit(module.unit())

    board, cycles = getattr(module, "BOARD", "kv260"), getattr(module, "cycles", None)
    return Contract(path.stem, build, module.cases, board=board, cycles=cycles)


def matrix_unit(size: Size, board: str = "kv260") -> Contract:
    values = astuple(size)
    return Contract(str(size), lambda: build_unit(mpu.unit(*values)), lambda seed: golden.cases(seed, *values), board)


WIDE = Size(rows=4, dsp_columns=4, k_parallel=8)


def wrapping_cases(seed: int) -> list[Case]:
    """2**31 / (128 * 128) products of -128 by -128 wrap to the lowest int32; one less does not."""
    wraps = (1 << 31) // (128 * 128)
    a = np.full((1, 4, wraps), -128, np.int8)
    b = np.full((1, wraps, 4), -128, np.int8)
    case = golden.case("wraps", a, b, WIDE)
    assert case.outputs["c"][0] & 0xFFFFFFFF == 0x80000000
    return [case]


CONTRACTS = {
    **{path.stem: kernel(path) for path in sorted((Path(__file__).parent / "kernels").glob("*.py"))},
    "mpu_dsp": matrix_unit(Size(rows=4, dsp_columns=4)),
    "mpu_lut": matrix_unit(Size(rows=4, dsp_columns=0, lut_columns=5, k_parallel=2)),
    "mpu_both": matrix_unit(Size(rows=6, dsp_columns=2, lut_columns=3, k_parallel=8), "u280"),
}


@pytest.mark.parametrize("level", contract.LEVELS)
@pytest.mark.parametrize("name", CONTRACTS)
def test_contract(name: str, level: str, tmp_path: Path) -> None:
    lacking = contract.missing(level)
    if lacking is not None:
        pytest.skip(f"{level} NOT run: {lacking}")
    passed = contract.check(CONTRACTS[name], level, seed=SEED, folder=tmp_path)
    assert level == "structure" or passed.tokens > 0


@pytest.mark.parametrize("name", ["tiles", "mpu_dsp", "mpu_lut", "mpu_both"])
def test_cycles_snapshot(name: str, snapshot: Callable[[str, str], None], tmp_path: Path) -> None:
    """How long each case takes with the same gaps: hardware that is slower or buffers less fails here."""
    lacking = contract.missing("rtl")
    if lacking is not None:
        pytest.skip(f"rtl NOT run: {lacking}")
    passed = contract.check(CONTRACTS[name], "rtl", seed=SEED, folder=tmp_path)
    lines = [
        f"{cycles:8} {gaps_in:4} {gaps_out:4}  {case}\n" for case, gaps_in, gaps_out, cycles in passed.timing
    ]
    snapshot("  cycles   in  out  case (gaps in and out, of 256)\n" + "".join(lines), f"cycles/{name}.txt")


@pytest.mark.slow
@pytest.mark.parametrize("level", ["interpreter", "csim", "rtl"])
def test_accumulators_wrap(level: str, tmp_path: Path) -> None:
    lacking = contract.missing(level)
    if lacking is not None:
        pytest.skip(f"{level} NOT run: {lacking}")
    wraps = replace(matrix_unit(WIDE), cases=wrapping_cases)
    passed = contract.check(wraps, level, seed=SEED, folder=tmp_path)
    assert passed.tokens >= 2


@pytest.mark.long
@pytest.mark.parametrize("level", ["interpreter", "csim", "rtl", "structure"])
@pytest.mark.parametrize(("rows", "cols"), [(16, 16), (32, 32), (4, 32)])
def test_matrix_unit_at_full_size(rows: int, cols: int, level: str, tmp_path: Path) -> None:
    lacking = contract.missing(level)
    if lacking is not None:
        pytest.skip(f"{level} NOT run: {lacking}")
    full = matrix_unit(Size(rows, cols))
    passed = contract.check(full, level, seed=SEED, folder=tmp_path)
    if level == "rtl":
        # A tile of K products takes K cycles; draining one overlaps computing the next.
        assert passed.cycles["long"] <= 700 + rows + 20
        assert passed.cycles["random"] <= 3 * 33 + rows + 20


@pytest.mark.long
@pytest.mark.parametrize("level", ["interpreter", "rtl"])
@pytest.mark.parametrize("seed", range(1, 9))
@pytest.mark.parametrize("name", CONTRACTS)
def test_contract_with_other_seeds(name: str, seed: int, level: str, tmp_path: Path) -> None:
    lacking = contract.missing(level)
    if lacking is not None:
        pytest.skip(f"{level} NOT run: {lacking}")
    assert contract.check(CONTRACTS[name], level, seed=seed, folder=tmp_path).cases > 0
