"""A unit whose RTL is changed in small wrong ways, the changes that are drawn, and what each has to pass."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pytest

from fastprefill import boards, tools
from fastprefill.checks import contract
from fastprefill.checks.contract import Contract
from fastprefill.system.ports import Ports, ports
from fastprefill.targets import rtl
from fastprefill.tools import mutate, verilator
from fastprefill.tools.mutate import SURVIVED, Judge, Mutant
from tests.contract.test_contract import SEED

MARKS = [
    pytest.mark.mutants,
    pytest.mark.skipif(verilator.missing() is not None, reason=f"mutants NOT run: {verilator.missing()}"),
    pytest.mark.skipif(not tools.available("yosys"), reason="mutants NOT run: yosys is not installed"),
]


@dataclass
class Subject:
    """A unit and the changes drawn from all that ``fastprefill.tools.mutate`` allows.

    Attributes:
        contract: of the unit.
        drawn_with: seed of the choice.
        generated, hand_written: changes in generated files and in parts.
        lemmas: as for ``Judge``.
    """

    contract: Contract
    drawn_with: int
    generated: int
    hand_written: int = 0
    lemmas: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def design(self) -> tuple[dict[str, str], Ports]:
        """The sources of the unit by file name, and its ports."""
        module = self.contract.build()
        files = rtl.emit(module, boards.load(self.contract.board))
        return {name: text for name, text in files.items() if name.endswith(".sv")}, ports(module)

    @cached_property
    def mutants(self) -> list[Mutant]:
        found = mutate.sites(self.design[0])
        parts = [mutant for mutant in found if mutant.file.startswith("fp_")]
        others = [mutant for mutant in found if not mutant.file.startswith("fp_")]
        return [
            *mutate.choose(others, self.generated, self.drawn_with),
            *mutate.choose(parts, self.hand_written, self.drawn_with),
        ]

    @cached_property
    def judge(self) -> Judge:
        """What every mutant has to pass, with what the unit itself takes for it."""
        files, unit_ports = self.design
        with tempfile.TemporaryDirectory() as folder:
            passed = contract.check(self.contract, "rtl", seed=SEED, folder=Path(folder))
        cycles = [cycles for *_, cycles in passed.timing]
        return Judge(self.contract, files, unit_ports, SEED, cycles, self.lemmas)

    def check(self, index: int, folder: Path, record_property: Callable[[str, object], None]) -> None:
        """Judge a mutant; fails when it survives."""
        mutant = self.mutants[index]
        verdict = self.judge.verdict(mutant, folder)
        record_property("mutant", verdict.to_json())
        assert verdict.status != SURVIVED, (
            f"{mutant.describe()} (drawn with seed {self.drawn_with}) passes all cases of {self.contract.name} "
            f"with seed {SEED}; {verdict.detail}"
        )
