"""SLR of instances, from the IR of a system that spans two."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastprefill.build.kernel import build, load_kernel
from fastprefill.estimate.placement import placement, slr_of

KERNELS = Path(__file__).resolve().parents[2] / "contract" / "kernels"


def test_placement_of_a_system() -> None:
    module = build(load_kernel(str(KERNELS / "slr_crossing.py"), {}).only())
    assert placement(module) == {"near.scale": 0, "far.scale": 1, "back.scale": 0}


@pytest.mark.parametrize(
    ("path", "slr"),
    [
        ("", 0),
        ("far.scale", 2),
        ("far", 1),  # of the processes in a region, the lowest
        ("far.scale_y_fifo", 2),
        ("far.scale_fast", 1),
        ("far.scale_fast_y_fifo", 1),  # the longest name that fits
        ("far.buffer", 1),
        ("far.scale.lane_0", 2),
        ("near", 0),
        ("far_x_relay", 1),
        ("other", 0),
    ],
)
def test_slr_of_what_belongs_to_a_process(path: str, slr: int) -> None:
    assert slr_of(path, {"near": 0, "far.scale": 2, "far.scale_fast": 1}) == slr


def test_slr_of_a_unit_without_processes() -> None:
    assert slr_of("anything", {}) == 0
