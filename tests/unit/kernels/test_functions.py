"""The helper functions of kernels: what holds for all of them at once, and every value of the small ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from xdsl.dialects.builtin import IntegerAttr, i32

from fastprefill import passes
from fastprefill.errors import FastprefillError
from fastprefill.frontend import load_module
from fastprefill.ir.pipe import BodyOp
from fastprefill.kernels import functions
from fastprefill.system.build import build_unit
from fastprefill.targets import interpreter

KERNELS = Path(__file__).parents[2] / "contract" / "kernels"
FUNCTIONS = load_module(KERNELS / "functions.py")
FIXED_POINT = load_module(KERNELS / "fixed_point.py")


@pytest.mark.parametrize("board", ["u280", pytest.param("kv260", marks=pytest.mark.long)])
@pytest.mark.parametrize("kernels", [FUNCTIONS, FIXED_POINT], ids=lambda module: module.__name__)
def test_a_result_in_every_cycle(kernels: ModuleType, board: str) -> None:
    module = passes.run(build_unit(kernels.unit()), board)
    bodies = [op for op in module.walk() if isinstance(op, BodyOp)]
    assert bodies
    for body in bodies:
        assert body.attributes["ii"] == IntegerAttr(1, i32)
        assert "reason" not in body.attributes


def test_every_segment_of_every_table() -> None:
    """4 places in each of the 1,024 segments of a turn; as many of the other arguments, both signs and all lengths."""
    rng = np.random.default_rng(5)
    places = np.arange(1 << 12)
    inside = np.where(places % 4 < 2, places % 4 * 255, rng.integers(0, 256, len(places)))
    wanted = FUNCTIONS.case("all", places << 8 | inside, (places << 12) - (1 << 23) + inside, places << places % 48)
    found = interpreter.run(build_unit(FUNCTIONS.unit()), wanted)
    for name, tokens in wanted.outputs.items():
        assert np.array_equal(found[name], tokens), name


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: functions.normalise(63), "integers of 63 bits cannot be normalised; choose 1 to 62"),
        (lambda: functions.silu(41), "SiLU of a format with 41 fraction bits; choose -7 to 40"),
        (lambda: functions.shift_round(24, 1, 5), "a shift by 1 to 5; the range must hold 0"),
        (lambda: functions.shift(24, -9, -1), "a shift by -9 to -1; the range must hold 0"),
    ],
)
def test_widths_that_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(FastprefillError) as caught:
        call()
    assert str(caught.value) == message
