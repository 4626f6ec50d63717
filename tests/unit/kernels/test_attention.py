"""The attention engine's units: a word in every cycle on both boards, and the sizes that they refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import pytest
from xdsl.dialects.builtin import IntegerAttr, i32

from fastprefill import passes
from fastprefill.build.kernel import builtin_kernels, load_kernel
from fastprefill.errors import FastprefillError
from fastprefill.golden.attention_size import Size
from fastprefill.ir.pipe import BodyOp
from fastprefill.kernels.attention import accumulate, engine, merge, normalise, operands, softmax
from fastprefill.system.build import build_unit
from fastprefill.system.unit import Unit

SIZE = asdict(Size(rows=4, columns=4, k_parallel=2, drain_rows=2, dim=8, block=16))
UNITS = [operands.unit(**SIZE), softmax.unit(**SIZE), accumulate.unit(**SIZE), normalise.unit(4), merge.unit(4)]


@pytest.mark.parametrize("board", ["u280", pytest.param("kv260", marks=pytest.mark.long)])
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_word_in_every_cycle(unit: Unit, board: str) -> None:
    bodies = [op for op in passes.run(build_unit(unit), board).walk() if isinstance(op, BodyOp)]
    assert bodies
    for body in bodies:
        assert body.attributes["ii"] == IntegerAttr(1, i32), body.body_name


def test_the_engine_is_a_kernel_that_comes_with_the_package() -> None:
    names = {f"attention.{name}" for name in ("accumulate", "engine", "merge", "normalise", "operands", "softmax")}
    assert names <= set(builtin_kernels())
    assert load_kernel("attention.engine", SIZE).only().name == "attention"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: operands.unit(**{**SIZE, "rows": 16, "drain_rows": 4}),
            "blocks of 16 tokens are 1 row tiles of 16; the engine overlaps 2: choose at most 8 rows",
        ),
        (lambda: merge.unit(5), "merge with 5 lanes; choose a power of two from 1 to 64"),
        (lambda: normalise.unit(0), "normalise with 0 lanes; choose a power of two from 1 to 64"),
        (
            lambda: engine.system(**{**SIZE, "columns": 3}),
            "a matrix unit with 0 DSP and 3 LUT columns; choose 4 to 64 in all, none negative",
        ),
    ],
)
def test_sizes_that_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(FastprefillError) as caught:
        call()
    assert str(caught.value) == message
