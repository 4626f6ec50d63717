"""Small wrong changes to the RTL of a 4 x 4 matrix unit of both kinds of column, as ``test_mutants`` makes them."""

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from fastprefill import boards, tools
from fastprefill.checks import contract
from fastprefill.system.ports import Ports, ports
from fastprefill.targets import rtl
from fastprefill.tools import mutate, verilator
from fastprefill.tools.mutate import SURVIVED, Judge, Mutant
from tests.contract.test_contract import CONTRACTS, SEED

CONTRACT = CONTRACTS["mpu_4_2_2_2_2"]
DRAWN_WITH, COUNT = 2, 24

pytestmark = [
    pytest.mark.mutants,
    pytest.mark.skipif(verilator.missing() is not None, reason=f"mutants NOT run: {verilator.missing()}"),
    pytest.mark.skipif(not tools.available("yosys"), reason="mutants NOT run: yosys is not installed"),
]


@cache
def design() -> tuple[dict[str, str], Ports]:
    """The sources of the unit by file name, and its ports."""
    module = CONTRACT.build()
    files = rtl.emit(module, boards.load(CONTRACT.board))
    return {name: text for name, text in files.items() if name.endswith(".sv")}, ports(module)


@cache
def mutants() -> list[Mutant]:
    """Of the generated files alone; the hand-written parts are in ``test_mutants``."""
    generated = [mutant for mutant in mutate.sites(design()[0]) if not mutant.file.startswith("fp_")]
    return mutate.choose(generated, COUNT, DRAWN_WITH)


@cache
def judge() -> Judge:
    files, unit_ports = design()
    with tempfile.TemporaryDirectory() as folder:
        passed = contract.check(CONTRACT, "rtl", seed=SEED, folder=Path(folder))
    return Judge(CONTRACT, files, unit_ports, SEED, [cycles for *_, cycles in passed.timing], {}, {})


@pytest.mark.parametrize("index", range(COUNT))
def test_mutant(index: int, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    mutant = mutants()[index]
    verdict = judge().verdict(mutant, tmp_path)
    record_property("mutant", verdict.to_json())
    assert verdict.status != SURVIVED, (
        f"{mutant.describe()} (drawn with seed {DRAWN_WITH}) passes all cases of {CONTRACT.name} "
        f"with seed {SEED}; {verdict.detail}"
    )


def test_mutants_are_of_every_generated_file_and_of_many_kinds() -> None:
    chosen = mutants()
    assert len(set(chosen)) == COUNT
    assert {mutant.file for mutant in chosen} >= {"mpu_array.sv", "mpu_array_lane2.sv", "mpu_control.sv"}
    assert len({mutant.rule for mutant in chosen}) >= 15
