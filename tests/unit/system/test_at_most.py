"""Scalars that must not exceed others: what is refused when a unit or a system is built, and at a start."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fastprefill import boards
from fastprefill.build.cases import random_cases
from fastprefill.errors import FastprefillError
from fastprefill.frontend import load_module
from fastprefill.ir.query import regions
from fastprefill.ir.text import parse, to_text
from fastprefill.kernels import kv_cache
from fastprefill.system import registers
from fastprefill.system.build import build_unit
from fastprefill.system.limits import at_most_of, attach, error_code, limits_of, outside, process_limits
from fastprefill.system.ports import ports
from fastprefill.system.system import System, link
from fastprefill.system.unit import Unit
from fastprefill.targets import vitis_hls

KERNELS = Path(__file__).parents[2] / "contract" / "kernels"
REQUANT = load_module(KERNELS / "requant.py")
CONTRACT = load_module(KERNELS / "at_most.py")


def requantiser(**limits: object) -> Unit:
    unit: Unit = replace(REQUANT.requantiser(4), limits=limits)
    return unit


def test_names_are_in_the_ir_beside_numbers() -> None:
    module = parse(to_text(build_unit(requantiser(words=(0, "scale"), scale=(-5, 40)))))
    module.verify()
    region = regions(module)[-1]
    assert limits_of(region) == {"scale": (-5, 40), "words": (0, 40)}
    assert at_most_of(region) == {"words": ("scale",)}
    assert process_limits(module)["requant_scale_words"]["lwords"] == (0, 40)
    assert outside(region, {"scale": 7, "words": 7}) == 0
    assert outside(region, {"scale": 7, "words": 8}) == error_code(1)
    assert outside(region, {"scale": -1, "words": 0}) == error_code(1)
    assert outside(region, {"scale": (1 << 32) - 1, "words": 0}) == error_code(1)
    assert outside(region, {"scale": 41, "words": 41}) == error_code(0)


def test_without_limits_of_its_own_the_other_one_has_those_of_its_type() -> None:
    region = regions(build_unit(requantiser(words=(0, "scale"))))[-1]
    assert limits_of(region) == {"words": (0, 2**31 - 1)} and at_most_of(region) == {"words": ("scale",)}


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (
            {"words": (0, "rows")},
            "'requant' is to have 'words' at most 'rows'; it has no run-time scalar 'rows', only scale, words",
        ),
        (
            {"words": (0, "x")},
            "'requant' is to have 'words' at most 'x'; it has no run-time scalar 'x', only scale, words",
        ),
        ({"rows": (0, "words")}, "limits of 'rows': 'requant' has no such run-time scalar; it has scale, words"),
        ({"words": (0, "words")}, "limits of 'requant' go round in a circle, words <= words; leave one of them out"),
        (
            {"words": (0, "scale"), "scale": (0, "words")},
            "limits of 'requant' go round in a circle, words <= scale <= words; leave one of them out",
        ),
        (
            {"words": (6, "scale"), "scale": (0, 5)},
            "limits 6..scale of the scalar 'words' of 'requant', which is at most 5 as scale is; its type holds "
            "-2147483648..2147483647, and the lower limit comes first",
        ),
    ],
)
def test_names_that_do_not_fit_are_refused(limits: dict[str, object], message: str) -> None:
    with pytest.raises(FastprefillError) as caught:
        build_unit(requantiser(**limits))
    assert str(caught.value) == message


def test_scalars_of_two_types_are_not_compared() -> None:
    unit = replace(CONTRACT.stepper(), limits={"first": (0, "marked")})
    message = (
        "'at_most_step' is to have 'first' at most 'marked'; the first holds 0..4294967295, the second "
        "-2147483648..2147483647: give both the same type"
    )
    with pytest.raises(FastprefillError) as caught:
        build_unit(unit)
    assert str(caught.value) == message


@pytest.mark.parametrize("wrong", ['"scale"', "[]", "[1 : i32]", '["scale", 1 : i32]'])
def test_names_of_another_form_are_refused(wrong: str) -> None:
    text = to_text(build_unit(requantiser(words=(0, "scale"))))
    assert text.count('["scale"]') == 1
    with pytest.raises(FastprefillError, match=r"'words' is to be at most .*; that is no list of names of scalars"):
        at_most_of(regions(parse(text.replace('["scale"]', wrong)))[-1])


def test_a_system_has_the_conditions_of_all_its_units() -> None:
    module = link(CONTRACT.system())
    *inner, top = regions(module)
    assert at_most_of(top) == {
        "marked": ("mark_most", "step_steps"), "mark_most": ("mark_words",), "mark_low": ("mark_high",),
        "step_first": ("step_last",),
    }  # fmt: skip
    assert limits_of(top)["marked"] == (1, 20) and limits_of(top)["mark_most"] == (0, 20)
    assert all(not at_most_of(region) and not limits_of(region) for region in inner)
    assert process_limits(module)["at_most_step_pick"]["lmarked"] == (1, 20)


def test_two_scalars_of_a_unit_that_are_one_in_the_system_are_not_compared() -> None:
    names = {"mark.marked": "count", "mark.most": "count", "step.marked": "count", "mark.words": "words"}
    top = regions(link(replace(CONTRACT.system(), names=names)))[-1]
    assert at_most_of(top)["count"] == ("words", "step_steps")


def test_a_circle_through_two_units_is_refused() -> None:
    system: System = CONTRACT.system()
    back = replace(system.units["step"], limits={"steps": (0, "marked")})
    system = replace(
        system, units={**system.units, "step": back}, names={**system.names, "mark.words": "n", "step.steps": "n"}
    )
    with pytest.raises(FastprefillError) as caught:
        link(system)
    expected = "limits of 'at_most' go round in a circle, marked <= mark_most <= n <= marked; leave one of them out"
    assert str(caught.value) == expected


def test_the_lowest_of_one_unit_may_be_above_the_highest_of_another() -> None:
    system: System = CONTRACT.system()
    few = replace(system.units["step"], limits={"marked": (0, "steps"), "steps": (0, 3)})
    many = replace(system.units["mark"], limits={"marked": (4, "most")})
    with pytest.raises(FastprefillError, match=r"no value of the scalar 'marked' is within the limits of all units"):
        link(replace(system, units={"mark": many, "step": few}))
    few = replace(few, limits={"steps": (0, 3)})
    many = replace(many, limits={"marked": (4, "words")})
    names = {**system.names, "mark.words": "n", "step.steps": "n"}
    with pytest.raises(FastprefillError, match=r"limits 4\.\.2147483647 of the scalar 'marked' of 'at_most', which is "
                       "at most 3 as n is"):  # fmt: skip
        link(replace(system, units={"mark": many, "step": few}, names=names))


def test_the_c_plus_plus_top_compares_them() -> None:
    files = vitis_hls.emit(build_unit(requantiser(words=(0, "scale"), scale=(-5, 40))), board=boards.load("kv260"))
    assert "if (scale < -5 || scale > 40 || words < 0 || words > 40 || words > scale) {" in files["requant.cpp"]


def test_registers_name_them() -> None:
    found = registers.register_map(link(CONTRACT.system()))
    (register,) = (each for each in found["registers"] if each["name"] == "marked")
    assert (register["minimum"], register["maximum"], register["at_most"]) == (1, 20, ["mark_most", "step_steps"])
    assert all("at_most" not in each for each in found["registers"] if each["name"] == "mark_words")
    (error,) = (each for each in found["errors"] if each["name"] == "marked_outside")
    description = "a start with marked outside 1..20 or above mark_most or above step_steps; nothing was run"
    assert error["description"] == description
    assert f"/* first_error: {description} */" in registers.host_header(found)


def test_random_starts_keep_to_them() -> None:
    module = link(CONTRACT.system())
    found = ports(module)
    assert found.at_most["marked"] == ("mark_most", "step_steps")
    cases = random_cases(build_unit(CONTRACT.marker()), 5)
    above = [case.name for case in cases if case.scalars["low"] > case.scalars["high"]]
    assert len(cases) > 8 and not above
    assert all(case.scalars["marked"] <= case.scalars["most"] <= case.scalars["words"] for case in cases)


def test_a_hot_tier_larger_than_the_cache_is_refused() -> None:
    region = regions(build_unit(kv_cache.decisions(lines=6)))[-1]
    rng = np.random.default_rng(1)
    for capacity, hot in rng.integers(0, 8, (50, 2)).tolist():
        wrong = outside(region, {"n": 1, "capacity": capacity, "hot": hot, "base": 0})
        assert wrong == (error_code(1) if capacity > 6 else error_code(2) if hot > min(capacity, 6) else 0)


def test_conditions_alone_are_conditions() -> None:
    """In IR that somebody writes there may be names without numbers."""
    region = regions(build_unit(requantiser()))[-1]
    attach(region, {}, {"words": ("scale",)})
    assert limits_of(region) == {} and at_most_of(region) == {"words": ("scale",)}
    assert outside(region, {"words": 2, "scale": 1}) == error_code(1)
    assert outside(region, {"words": 1, "scale": 1}) == 0
