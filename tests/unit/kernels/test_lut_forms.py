"""Every form of a LUT column multiplies right, in the interpreter and, of the smallest, in RTL."""

from pathlib import Path

import numpy as np
import pytest

from fastprefill.checks import contract
from fastprefill.checks.contract import Contract
from fastprefill.errors import FastprefillError
from fastprefill.golden import mpu as golden
from fastprefill.kernels import lut_forms
from fastprefill.system.build import build_unit
from fastprefill.system.case import Case

ROWS, COLUMNS = 4, 2


def cases(seed: int, k_parallel: int) -> list[Case]:
    """Random operands, and the lowest and highest values of int8."""
    rng = np.random.default_rng(seed)
    tiles, steps = 3, 4
    found = []
    for name in ("random", "ends"):
        ends = np.array([-128, 127], np.int8)
        a, b = (
            rng.integers(-128, 128, (tiles, size, steps * k_parallel), dtype=np.int8)
            if name == "random"
            else rng.choice(ends, (tiles, size, steps * k_parallel))
            for size in (ROWS, COLUMNS)
        )
        words = [
            golden.words(
                m.reshape(tiles, m.shape[1], steps, k_parallel).transpose(0, 2, 1, 3).reshape(tiles * steps, -1)
            )
            for m in (a, b)
        ]
        c = golden.tiles(a, b.transpose(0, 2, 1)).reshape(tiles, -1)
        found.append(
            Case(name, {"steps": steps, "tiles": tiles}, {"a": words[0], "b": words[1]}, {"c": golden.words(c)})
        )
    return found


def of(form: str, k_parallel: int) -> Contract:
    return Contract(
        f"form_{form}",
        lambda: build_unit(lut_forms.unit(form, ROWS, COLUMNS, k_parallel)),
        lambda seed: cases(seed, k_parallel),
    )


@pytest.mark.parametrize("form", lut_forms.FORMS)
@pytest.mark.parametrize(
    ("k_parallel", "level"), [(8, "interpreter"), (2, "interpreter"), pytest.param(8, "rtl", marks=pytest.mark.long)]
)
def test_form(form: str, k_parallel: int, level: str, tmp_path: Path) -> None:
    lacking = contract.missing(level)
    if lacking is not None:
        pytest.skip(f"{level} NOT run: {lacking}")
    assert contract.check(of(form, k_parallel), level, seed=5, folder=tmp_path).tokens > 0


def test_another_form_is_refused() -> None:
    with pytest.raises(FastprefillError) as caught:
        lut_forms.unit("booth")
    assert str(caught.value) == (
        "form 'booth' with k_parallel 8; choose one of planes, digits, pairs and 2, 4 or 8 products"
    )
