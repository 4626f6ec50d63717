"""What a product costs on each kind of column of the matrix unit, accumulators included, counted by Yosys; and that a
small unit of both kinds keeps the rules of depth and loads for 300 and 200 MHz, its control included."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from fastprefill import boards, tools
from fastprefill.golden.mpu import Size
from fastprefill.kernels import mpu
from fastprefill.system.build import build_unit
from fastprefill.targets import rtl
from fastprefill.tools import yosys

SIZE = Size(4, 2, 2, 8, 2)
MOST = {"mpu_array_lane": (16, 4.5, 4.5), "mpu_array_lane2": (8, 48.0, 32.0)}
"""Element -> its products in a cycle, and the most LUTs and flip-flops for each."""


@pytest.mark.parametrize(
    ("board", "clock_mhz", "luts"), [("u280", 300.0, 4), pytest.param("kv260", 200.0, 6, marks=pytest.mark.long)]
)
def test_what_a_product_costs_and_the_rules_of_depth(board: str, clock_mhz: float, luts: int, tmp_path: Path) -> None:
    if not tools.available("yosys"):
        pytest.skip("yosys is not installed: pip install 'fastprefill[sim]'")
    sources = []
    target = replace(boards.load(board), clock_mhz=clock_mhz)
    for name, text in rtl.emit(build_unit(mpu.unit(**asdict(SIZE))), target).items():
        (tmp_path / name).write_text(text)
        sources.append(tmp_path / name)
    found = yosys.synthesise(sources, "mpu")
    elements = {module.name: module for module in found.modules}
    for name, (products, most_luts, most_flip_flops) in MOST.items():
        own = elements[name].own
        assert 0 < own.lut / products <= most_luts, name
        assert 0 < own.ff / products <= most_flip_flops, name
    assert found.total.dsp == SIZE.rows * SIZE.dsp_columns * SIZE.k_parallel // 2
    assert found.depth.luts.luts <= luts, found.depth.luts.describe()
    assert found.depth.carry_bits.carry_bits <= 32, found.depth.carry_bits.describe()
    assert found.fan_out.above == 0, [net.describe() for net in found.fan_out.nets]
    assert 8 < found.fan_out.nets[0].loads <= 64
