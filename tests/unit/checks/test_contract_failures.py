"""A contract that does not hold says where, in one sentence."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from fastprefill import frontend
from fastprefill.checks import contract
from fastprefill.checks.contract import Contract
from fastprefill.errors import FastprefillError
from fastprefill.system.build import build_unit
from fastprefill.system.case import Case

outer = frontend.load_module(Path(__file__).resolve().parents[2] / "contract" / "kernels" / "outer_product.py")


def right(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    a = rng.integers(-128, 128, (2, 4, 6), dtype=np.int8)
    b = rng.integers(-128, 128, (2, 6, 4), dtype=np.int8)
    return [outer.case("two_tiles", a, b)]


def wrong(seed: int) -> list[Case]:
    (case,) = right(seed)
    tokens = list(case.outputs["c"])
    tokens[5] ^= 1
    return [dataclasses.replace(case, outputs={"c": tokens})]


@pytest.mark.parametrize("level", ["interpreter", "csim", "rtl", "four_state"])
def test_a_wrong_golden_model_is_found_at_every_level(level: str, tmp_path: Path) -> None:
    lacking = contract.missing(level)
    if lacking is not None:
        pytest.skip(f"{level} NOT run: {lacking}")
    expected, actual = wrong(7)[0].outputs["c"][5], right(7)[0].outputs["c"][5]
    with pytest.raises(FastprefillError) as error:
        contract.check(
            Contract("matrix", lambda: build_unit(outer.unit(4, 4)), wrong), level, seed=7, folder=tmp_path
        )
    text = str(error.value)
    assert text.startswith(f"unit 'matrix', level {level}, seed 7: case 'two_tiles'")
    assert f"stream 'c' differs first at index 5: expected {expected:#x}, got {actual:#x}" in text
    if level == "rtl":
        waveform = Path(text.split("waveform: ")[1])
        assert waveform.read_bytes().startswith(b"$version")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cases": lambda seed: []}, "unit 'matrix' has no cases"),
        (
            {"cases": lambda seed: [dataclasses.replace(right(seed)[0], scalars={"k": 1})]},
            r"case 'two_tiles' of unit 'matrix' has the scalars \['k'\]; the unit has \['k', 'tiles'\]",
        ),
        (
            {"cases": lambda seed: [dataclasses.replace(right(seed)[0], outputs={"c": [7, -1]})]},
            r"expects -1 as token 1 on 'c'; expected tokens are bit patterns: write value & \(2\*\*128 - 1\)",
        ),
        (
            {"cases": lambda seed: [dataclasses.replace(right(seed)[0], outputs={"c": [7, "a"]})]},
            "case 'two_tiles' of unit 'matrix' has 'a' for 'c'; write integers",
        ),
        (
            {"cases": lambda seed: [dataclasses.replace(right(seed)[0], scalars={"k": 2.5, "tiles": 1})]},
            "case 'two_tiles' of unit 'matrix' has 2.5 for 'k'; write integers",
        ),
    ],
)
def test_cases_that_do_not_fit_the_unit_are_refused(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    declared = Contract("matrix", lambda: build_unit(outer.unit(4, 4)), right)
    with pytest.raises(FastprefillError, match=message):
        contract.check(dataclasses.replace(declared, **change), "interpreter", seed=1, folder=tmp_path)  # type: ignore[arg-type]


def test_an_unknown_level_is_refused(tmp_path: Path) -> None:
    declared = Contract("matrix", lambda: build_unit(outer.unit(4, 4)), right)
    with pytest.raises(FastprefillError, match="unknown level 'board'; a contract has interpreter, csim, rtl"):
        contract.check(declared, "board", seed=1, folder=tmp_path)
