"""The synthesis report: regions, parts, expected blocks, and its two forms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from fastprefill.boards import Resources
from fastprefill.cli import main
from fastprefill.reports import synth
from fastprefill.tools import yosys
from fastprefill.tools.fan_out import FanOut, Net
from fastprefill.tools.primitives import Cells
from fastprefill.tools.timing_proxy import Depth
from fastprefill.tools.timing_proxy import Path as Way

SLR = Resources(1000, 2000, 100, 10, 0)
PLACED = {"near.scale": 0, "far.scale": 1}
WAY = Way(5, 33, 2, 0, "near.scale.t[0]", "far.y", "k.py:3", "")
DEPTH = Depth(WAY, WAY, WAY)


def module(name: str, instances: int, own: Cells, parts: dict[str, str]) -> yosys.Module:
    return yosys.Module(name, instances, own, DEPTH, parts)


FOUND = yosys.Resources(
    "top",
    Cells(lut=1 + 2 * 10 + 3 * 4 + 7, dsp=3, bram36=1.5),
    (
        module("fp_fifo", 3, Cells(lut=4, bram36=0.5), {}),
        module("fp_relay", 1, Cells(lut=7), {}),
        module("scale", 2, Cells(lut=10, dsp=1), {}),
        module("far", 1, Cells(dsp=1), {"scale": "scale", "scale_y_fifo": "fp_fifo"}),
        module("near", 1, Cells(), {"scale": "scale", "scale_y_fifo": "fp_fifo", "other": "fp_fifo"}),
        module("top", 1, Cells(lut=1), {"near": "near", "far": "far", "far_x_relay": "fp_relay"}),
    ),
    DEPTH,
    FanOut((Net("go", "scale", 2, 70, "k.py:9"),), 2),
    1.0,
    "0.70",
)


def report(placed: dict[str, int] = PLACED) -> synth.Synthesis:
    return synth.Synthesis(
        "top of k.py",
        "card",
        300.0,
        FOUND,
        synth.parts_of(FOUND, placed),
        synth.regions_of(FOUND, placed, (SLR, SLR)),
        Resources(dsp=4, bram36=2),
        None,
        "tiers: yosys ran",
    )


def test_regions_share_the_total() -> None:
    regions = report().regions
    assert [(r.slr, r.used.lut, r.used.dsp, r.used.bram36) for r in regions] == [(0, 19, 1, 1), (1, 21, 2, 1)]
    (one,) = report({"near.scale": 1, "far.scale": 1}).regions
    assert (one.slr, one.used) == (1, Resources(lut=40, dsp=3, bram36=2))


def test_parts_add_up() -> None:
    parts = report().parts
    assert [(part.instance, part.slr) for part in parts] == [
        ("(own logic)", 0), ("far", 1), ("far_x_relay", 1), ("near", 0),
    ]  # fmt: skip
    assert sum((part.cells for part in parts), Cells()) == FOUND.total


def test_text() -> None:
    text = report().text()
    for line in (
        "top of k.py on card, 300 MHz, synthesised by Yosys 0.70, synth_xilinx -family xcup",
        "DSP            4      3  1 fewer than the compiler expected",
        "  at most 4 LUTs and 32 carry bits at 300 MHz: not kept",
        "  most LUTs:    5 LUT, 33 carry bits in 2 chains: near.scale.t[0] (k.py:3) -> far.y",
        "highest fan-out, without clock and reset; at most 64 loads: 2 nets above it",
        "  70 loads: scale.go (k.py:9), 2 times",
    ):
        assert line in text.splitlines()
    assert "SLR 1    21 of 1,000 (2.1%)" in text and "0 of 0" in text
    assert text.splitlines()[-1] == "tiers: yosys ran"


def test_json_has_fixed_names() -> None:
    data = json.loads(json.dumps(report().as_dict()))
    assert set(data) == {
        "ok", "title", "board", "source", "seconds", "used", "available", "regions", "parts", "modules", "expected",
        "depth", "fan_out", "tiers",
    }  # fmt: skip
    assert data["used"] == {"lut": 40, "ff": 0, "dsp": 3, "bram36": 2, "uram": 0}
    assert data["available"]["lut"] == 2000
    assert data["expected"] == {"dsp": 4, "bram36": 2, "uram": 0}
    assert data["depth"]["within"] is False and data["depth"]["most_luts"] == 4
    assert data["depth"]["luts"]["end"] == "far.y"
    assert data["fan_out"]["above"] == 2 and data["fan_out"]["nets"][0]["loads"] == 70
    assert data["modules"][0]["depth"]["carry_bits"]["chains"] == 2


def test_kernel_over_two_regions(tool) -> None:
    """From the command line: a kernel on a card, compared with what the compiler expects of it."""
    tool("yosys")
    kernel = Path(__file__).resolve().parents[2] / "contract" / "kernels" / "slr_crossing.py"
    result = CliRunner().invoke(main, ["synth", str(kernel), "--board", "u280", "--json"])
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert [region["slr"] for region in data["regions"]] == [0, 1]
    for name, count in data["used"].items():
        assert sum(region["used"][name] for region in data["regions"]) == count
    assert data["title"] == "crossing of slr_crossing.py"
    assert {part["instance"] for part in data["parts"]} >= {"near", "far", "back", "far_x_relay"}
    assert data["depth"]["luts"]["luts"] >= 1 and data["depth"]["carry_bits"]["carry_bits"] >= 8
    for name, count in data["expected"].items():
        assert data["used"][name] >= count
    assert "yosys" in data["tiers"]


@pytest.mark.parametrize("option", [["--param", "rows=4"], ["--board", "u280"]])
def test_options_of_a_kernel_with_a_project(tmp_path: Path, option: list[str]) -> None:
    result = CliRunner().invoke(main, ["synth", str(tmp_path), *option])
    assert result.exit_code == 1
    assert result.stderr == (
        f"fastprefill: '{tmp_path}' is a project, which has its parameters and its board; --param and --board go with "
        "a kernel\n"
    )
