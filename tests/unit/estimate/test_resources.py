"""The early resource model and the lower bound against what Yosys counts, and refusals that say by how much."""

from dataclasses import asdict
from pathlib import Path

import pytest

from fastprefill import boards, config, tools
from fastprefill.boards import Resources
from fastprefill.errors import FastprefillError
from fastprefill.estimate import resources
from fastprefill.estimate.unit import least
from fastprefill.golden.mpu import Size
from fastprefill.kernels import mpu
from fastprefill.system.build import build_unit
from fastprefill.targets import rtl
from fastprefill.tools import yosys


@pytest.mark.parametrize(
    "size", [Size(4, 4, 0, 2, 2), pytest.param(Size(8, 4, 4, 8, 2), marks=pytest.mark.long)], ids=str
)
def test_model_and_bound_against_yosys(size: Size, tmp_path: Path) -> None:
    if not tools.available("yosys"):
        pytest.skip("yosys is not installed: pip install 'fastprefill[sim]'")
    built, sources = build_unit(mpu.unit(**asdict(size))), []
    (bound,) = least(built).values()
    for name, text in rtl.emit(built, boards.load("kv260")).items():
        (tmp_path / name).write_text(text)
        sources.append(tmp_path / name)
    modelled, counted = resources.matrix_unit(size), yosys.synthesise(sources, "mpu").total
    assert modelled.lut == pytest.approx(counted.lut, rel=0.15)
    assert modelled.ff == pytest.approx(counted.ff, rel=0.15)
    assert modelled.dsp == bound.dsp == counted.dsp
    assert counted.bram36 == counted.uram == bound.bram36 == bound.uram == 0
    assert size.rows * size.columns * 32 <= bound.ff <= counted.ff and bound.lut <= counted.lut


@pytest.mark.parametrize("board", ["kv260", "u280"])
def test_default_sizes_fit_their_boards(board: str) -> None:
    there = boards.load(board)
    size = config.default_size(there)
    assert size.macs > Size(4, 4).macs
    for slr in range(len(there.slrs)):
        resources.check_fits("mpu", resources.matrix_unit(size), there, slr)


def test_excess_of_each_resource() -> None:
    with pytest.raises(FastprefillError) as caught:
        resources.check_fits("a unit", Resources(lut=400_000, dsp=3_000, uram=320), boards.load("u280"))
    assert str(caught.value) == (
        "a unit does not fit SLR 0 of board 'u280': it needs 400,000 LUT where there are 369,000 (31,000 too many), "
        "3,000 DSP where there are 2,733 (267 too many) (modelled); choose a smaller size or a larger board"
    )


def test_exactly_full_fits() -> None:
    resources.check_fits("a unit", boards.load("kv260").resources, boards.load("kv260"))
