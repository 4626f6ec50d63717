"""The SFU's units at other sizes and widths than the contract's, and the sizes that they refuse."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from xdsl.dialects.builtin import IntegerAttr, i32

from fastprefill import passes
from fastprefill.build.kernel import builtin_kernels
from fastprefill.checks.compare import difference
from fastprefill.errors import FastprefillError
from fastprefill.golden import rope as embedding
from fastprefill.golden import sfu
from fastprefill.golden import sfu_streams as streams
from fastprefill.golden.fixed_point import Format
from fastprefill.golden.scale import Scales
from fastprefill.ir.pipe import BodyOp
from fastprefill.kernels.sfu import dequantise, quantise, residual, rms_norm, rope, silu_up
from fastprefill.models.shapes import named_shape
from fastprefill.system.build import build_unit
from fastprefill.system.case import Case
from fastprefill.system.unit import Unit
from fastprefill.targets import interpreter

RNG = np.random.default_rng(11)


def sizes(shape: tuple[int, ...], bits: int) -> np.ndarray:
    rows = RNG.integers(0, bits, (shape[0],) + (1,) * (len(shape) - 1))
    return RNG.integers(-(1 << bits - 1), 1 << bits - 1, shape) >> rows


def scales(count: int) -> Scales:
    return Scales(RNG.integers(128, 256, count), RNG.integers(-20, 4, count))


def agrees(unit: Unit, case: Case) -> None:
    assert difference(interpreter.run(build_unit(unit), case), case.outputs) == ""


@pytest.mark.parametrize("lanes", [1, 2, 8])
def test_rows_of_24_bits(lanes: int) -> None:
    """Heads: quantised after the embedding, normalised where a model normalises them."""
    heads = sizes((9, 16), 24)
    agrees(quantise.unit(lanes, 24, 16), streams.quantise("heads", heads, 12, None, lanes, 24))
    norm = sfu.Norm.of(RNG.normal(1, 0.5, 16), 1e-6, 15, Format(24, 19))
    agrees(rms_norm.unit(lanes, 24, 16), streams.rms_norm("heads", heads, norm, lanes, 24))


@pytest.mark.parametrize("bits", [24, 32])
def test_a_bias_is_added_before_the_result_saturates(bits: int) -> None:
    products, bias = sizes((6, 8), 31), sizes((8,), 32)
    case = streams.dequantise("bias", products, scales(6), scales(8), Format(bits, 10), 4, bias, rows=3)
    agrees(dequantise.unit(4, bits, 8, bias=1), case)


def test_positions_up_to_131071_with_the_scaling_of_llama_3() -> None:
    config = named_shape("llama-3.2-1b")
    assert config is not None and config.rope.kind == "llama3"
    frequencies = sfu.phases(embedding.frequencies(config, 131_072))
    heads = sizes((4, 2, 64), 24)
    agrees(rope.unit(8, 64), streams.rope("last", heads, 131_068, frequencies, 8))


@pytest.mark.parametrize("board", ["u280", pytest.param("kv260", marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "unit",
    [
        dequantise.unit(8), dequantise.unit(8, bias=1), quantise.unit(8), quantise.unit(8, 32), residual.unit(8),
        rms_norm.unit(8), rope.unit(8), silu_up.unit(8),
    ],
    ids=lambda unit: f"{unit.name}_{'_'.join(map(str, unit.parameters.values()))}",
)  # fmt: skip
def test_a_word_in_every_cycle(unit: Unit, board: str) -> None:
    bodies = [op for op in passes.run(build_unit(unit), board).walk() if isinstance(op, BodyOp)]
    assert bodies
    for body in bodies:
        assert body.attributes["ii"] == IntegerAttr(1, i32)
        assert "reason" not in body.attributes and "gaps" not in body.attributes, body.body_name


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: residual.unit(3), "residual with 3 lanes; choose a power of two from 1 to 64"),
        (lambda: quantise.unit(8, 16), "quantise with elements of 16 bits; choose 24 or 32"),
        (lambda: rms_norm.unit(8, 32, 0), "rms_norm with rows of 0 words; choose 1 to 65536"),
        (lambda: rope.unit(8, 24), "rope of heads of 24 with 8 lanes; choose a multiple of 16, at most 1024"),
    ],
)
def test_sizes_that_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(FastprefillError) as caught:
        call()
    assert str(caught.value) == message


def test_the_units_are_kernels_that_come_with_the_package() -> None:
    names = [f"sfu.{name}" for name in ("dequantise", "quantise", "residual", "rms_norm", "rope", "silu_up")]
    assert set(names) <= set(builtin_kernels())
