"""Stages of index generation: widths of words, turns of the array, memories in hardware."""

import json
from pathlib import Path

import pytest

from fastprefill import boards, tools
from fastprefill.boards import Resources
from fastprefill.estimate.unit import least
from fastprefill.golden import mpu
from fastprefill.golden.sigu.size import Size
from fastprefill.kernels import sigu
from fastprefill.kernels.sigu_stages import turns
from fastprefill.system.build import build_unit
from fastprefill.system.unit import Unit
from fastprefill.targets import rtl
from fastprefill.targets.vitis_hls.validate import validate
from fastprefill.tools import yosys

DEFAULT = Size(16, 2, 16, choices=8)
"""The KV260's."""
NARROW = Size(4, 2, 16, choices=1)
RECORDED = Path(__file__).parents[3] / "results"
WIDE = ("score", "weigh", "lines")
STAGES = [name for name in sigu.units(DEFAULT) if name not in ("diagonal_tally", "diagonal_cut", "slash")]
"""Each kind once."""


@pytest.mark.parametrize("size", [Size(60, 2, 16, columns=64), Size(28, 4, 16, columns=32)])
def test_the_widest_words_fit_vitis_hls(size: Size) -> None:
    """As many scores a cycle as `Size` allows, behind as many columns."""
    units = sigu.units(size)
    for name in ("score", "weigh", "logs", "lines"):
        validate(build_unit(units[name]))


@pytest.mark.parametrize("array", [mpu.Size(16, 11, 5, 8, 2), mpu.Size(4, 2, 2, 4, 2)])
@pytest.mark.parametrize("board", ["kv260", "u280"])
def test_the_matrix_unit_gets_a_turn_in_each_cycle(array: mpu.Size, board: str) -> None:
    built = rtl.build(build_unit(turns.unit(array, 64)), boards.load(board))
    assert {report.body: report.ii for report in built.pipelines} == {"once": 1, "while": 1}


def agrees(asked: Resources, found: dict[str, float]) -> bool:
    """Whether Yosys made memories of the kinds that the IR asks for, and about as many.

    It lays two words side by side in UltraRAM where they fit, and spends half a block RAM more or less on a memory.
    """
    return (
        abs(found["bram36"] - asked.bram36) <= 0.5
        and (found["bram36"] > 0) == (asked.bram36 > 0)
        and asked.uram / 2 <= found["uram"] <= asked.uram
        and found["lutram"] >= asked.lut
    )


def asked_for(unit: Unit) -> Resources:
    return least(build_unit(unit)).get(0, Resources())


@pytest.mark.parametrize("board", ["kv260", "u280"])
def test_recorded_memories_are_those_that_the_stages_ask_for(board: str) -> None:
    found = json.loads((RECORDED / f"sigu_resources_{board}.json").read_text())["results"]
    units = sigu.units(Size(**found["size"]))
    assert set(found["stages"]) == set(STAGES)
    wrong = [name for name, cells in found["stages"].items() if not agrees(asked_for(units[name]), cells)]
    assert wrong == []


def test_other_memories_would_be_noticed() -> None:
    asked = Resources(lut=40, bram36=3, uram=8)
    good = {"bram36": 3.5, "uram": 4, "lutram": 64}
    assert agrees(asked, good)
    for cell, value in (("bram36", 2.0), ("bram36", 4.0), ("uram", 0), ("uram", 9), ("lutram", 32)):
        assert not agrees(asked, {**good, cell: value})
    assert not agrees(Resources(), {"bram36": 0.5, "uram": 0, "lutram": 0})


@pytest.mark.long
@pytest.mark.skipif(not tools.available("yosys"), reason="synthesis NOT run: yosys is not installed")
@pytest.mark.parametrize("name", STAGES)
def test_yosys_makes_the_memories_that_a_stage_asks_for(name: str, tmp_path: Path) -> None:
    """Wide stages at a small width, the others at the KV260's."""
    unit = sigu.units(NARROW if name in WIDE else DEFAULT)[name]
    files = []
    for path, text in rtl.emit(build_unit(unit), boards.load("kv260")).items():
        (tmp_path / path).write_text(text)
        if path.endswith(".sv"):
            files.append(tmp_path / path)
    total = yosys.synthesise(files, unit.name).total
    found = {cell: getattr(total, cell) for cell in ("bram36", "uram", "lutram")}
    assert agrees(asked_for(unit), found), f"asked {asked_for(unit)}, found {found}"
