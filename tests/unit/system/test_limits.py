"""Limits of run-time scalars: a start outside them does nothing, at every level, and is reported."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from fastprefill import boards
from fastprefill.errors import FastprefillError
from fastprefill.frontend import load_module
from fastprefill.ir.query import regions
from fastprefill.ir.text import parse, to_text
from fastprefill.kernels import mpu
from fastprefill.system import registers
from fastprefill.system.build import build_unit
from fastprefill.system.case import Case
from fastprefill.system.limits import attach, error_code, limits_of, outside, process_limits, refused_of
from fastprefill.system.ports import Ports, ports
from fastprefill.system.system import System, link
from fastprefill.targets import interpreter, rtl, vitis_hls
from fastprefill.tools import csim

KERNELS = Path(__file__).parents[2] / "contract" / "kernels"
LIMITS = {"words": (0, 40), "scale": (-5, 5)}
BAD = ({"words": 41, "scale": 1}, {"words": -1, "scale": 1}, {"words": (1 << 32) - 1, "scale": 6})


@pytest.fixture(scope="module")
def requant() -> ModuleType:
    return load_module(KERNELS / "requant.py")


def start(scalars: dict[str, int]) -> Case:
    return Case("bad", scalars, {"x": []}, {"y": []})


def test_limits_are_in_the_ir(requant: ModuleType) -> None:
    module = build_unit(replace(requant.requantiser(4), limits=LIMITS))
    module.verify()
    text = to_text(module)
    region = regions(parse(text))[-1]
    assert limits_of(region) == LIMITS
    assert outside(region, {"scale": 5, "words": 40}) == 0
    assert outside(region, {"scale": 6, "words": 40}) == error_code(0) == 0x001
    assert outside(region, {"scale": -5, "words": 41}) == error_code(1) == 0x101
    assert outside(region, {"scale": (1 << 32) - 5, "words": 0}) == 0  # the pattern of -5


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"rows": (0, 1)}, "limits of 'rows': 'requant' has no such run-time scalar; it has scale, words"),
        ({"words": (5, 4)}, "limits 5..4 of the scalar 'words' of 'requant'; its type holds -2147483648..2147483647"),
        ({"words": (0, 1 << 31)}, "limits 0..2147483648 of the scalar 'words'"),
    ],
)
def test_limits_that_do_not_fit_are_refused(
    requant: ModuleType, limits: dict[str, tuple[int, int]], message: str
) -> None:
    with pytest.raises(FastprefillError, match=re.escape(message)):
        build_unit(replace(requant.requantiser(4), limits=limits))


def test_limits_of_another_form_are_refused(requant: ModuleType) -> None:
    text = to_text(build_unit(replace(requant.requantiser(4), limits=LIMITS))).replace("0..40", "0 to 40")
    with pytest.raises(FastprefillError, match=r"limits of 'words'.*not of the form"):
        limits_of(regions(parse(text))[-1])


def test_a_system_checks_the_limits_of_all_its_units(requant: ModuleType) -> None:
    system: System = requant.system()
    units = {**system.units, "quant": replace(system.units["quant"], limits=LIMITS)}
    module = link(replace(system, units=units))
    tops = regions(module)
    assert limits_of(tops[-1])["quant_words"] == (0, 40)
    assert all(not limits_of(region) for region in tops[:-1])
    # The matrix unit alone would wait for its operands; nothing in the system starts.
    case = Case(
        "bad", {"mpu_steps": 2, "mpu_chain": 1, "mpu_sums": 1, "quant_scale": 1, "quant_words": 41},
        {"mpu_a": [], "mpu_b": []}, {"quant_y": []},
    )  # fmt: skip
    assert interpreter.run(module, case) == {"quant_y": []}


@pytest.mark.parametrize("scalars", BAD)
def test_the_interpreter_runs_nothing(requant: ModuleType, scalars: dict[str, int]) -> None:
    module = build_unit(replace(requant.requantiser(4), limits=LIMITS))
    assert interpreter.run(module, start(scalars)) == {"y": []}
    left = replace(start(scalars), inputs={"x": [1]})
    with pytest.raises(FastprefillError, match="1 tokens are left in input stream 'x'"):
        interpreter.run(module, left)


@pytest.mark.skipif(csim.missing() is not None, reason=f"csim NOT run: {csim.missing()}")
def test_the_c_simulation_runs_nothing(requant: ModuleType, tmp_path: Path) -> None:
    unit = replace(requant.requantiser(4), limits=LIMITS)
    module = build_unit(unit)
    files = vitis_hls.emit(module, board=boards.load("kv260"))
    assert "if (scale < -5 || scale > 5 || words < 0 || words > 40) {" in files["requant.cpp"]
    for path, text in files.items():
        (tmp_path / path).write_text(text)
    program = csim.build(tmp_path)
    good = Case("good", {"scale": 2, "words": 1}, {"x": [5]}, {"y": []})
    good = replace(good, outputs=interpreter.run(module, good))
    assert len(good.outputs["y"]) == 1
    for index, case in enumerate([*map(start, BAD), good]):
        case.save(tmp_path / str(index), ports(module).widths)
        assert csim.run(program, tmp_path / str(index)) == case.outputs


def test_registers_say_what_is_legal() -> None:
    found = registers.map_of(Ports("u", {"n": 8, "m": 8}, {}, {}, frozenset({"m"}), {"m": (-3, 100)}))
    (register,) = [r for r in found["registers"] if r["name"] == "m"]
    assert (register["minimum"], register["maximum"]) == (-3, 100)
    (error,) = found["errors"]
    assert (error["name"], error["value"]) == ("m_outside", 0x101)
    assert "#define U_ERROR_M_OUTSIDE 0x00000101u" in registers.host_header(found)


def test_only_the_top_reports_errors(requant: ModuleType) -> None:
    files = rtl.emit(link(requant.system()), boards.load("kv260"))
    assert [name for name, text in files.items() if re.search(r"output\s+\[31:0\] error", text)] == ["mpu_requant.sv"]


@pytest.mark.parametrize(
    ("scalars", "message"),
    [
        ({"words": 0}, "'requant' runs in refused starts, but not with which 'scale'; give all its scalars"),
        ({"words": 0, "scale": 1, "rows": 1}, "refused starts with 'rows'; it has no such run-time scalar, only scale"),
        ({"words": 0, "scale": 1 << 31}, "refused starts with 'scale' = 2147483648; its type holds -2147483648..2147"),
    ],
)
def test_scalars_of_refused_starts_that_do_not_fit(
    requant: ModuleType, scalars: dict[str, int], message: str
) -> None:
    with pytest.raises(FastprefillError, match=re.escape(message)):
        build_unit(replace(requant.requantiser(4), refused=scalars))


def test_scalars_of_refused_starts_are_in_the_ir_and_in_the_limits(requant: ModuleType) -> None:
    """What a process may assume of its scalars covers both kinds of starts."""
    unit = replace(requant.requantiser(4), limits=LIMITS, refused={"words": -1, "scale": 0})
    module = parse(to_text(build_unit(unit)))
    region = regions(module)[-1]
    assert refused_of(region) == {"words": -1, "scale": 0}
    assert limits_of(region) == LIMITS
    assert process_limits(module)["requant_scale_words"] == {"lwords": (-1, 40), "lscale": (-5, 5)}
    assert refused_of(regions(build_unit(requant.requantiser(4)))[-1]) is None


def test_attach_nothing(requant: ModuleType) -> None:
    region = regions(build_unit(requant.requantiser(4)))[-1]
    attach(region, {})
    assert limits_of(region) == {} and outside(region, {}) == 0


def test_the_matrix_unit_takes_steps_enough_for_the_tile_before_to_leave() -> None:
    unit = mpu.unit(8, 4, k_parallel=2, drain_rows=4)
    assert unit.limits == {"steps": (2, 65535), "chain": (1, 65535), "sums": (1, 2**24 - 1)}
