"""The early resource model: close to what Yosys counted, and refusals that say by how much."""

import pytest

from fastprefill import boards
from fastprefill.boards import Resources
from fastprefill.errors import FastprefillError
from fastprefill.estimate import resources

# Yosys 0.70, synth_xilinx -family xcup, of the generated RTL: (rows, cols) -> LUT, FF, DSP
COUNTED = {
    (4, 4): (1450, 1568, 16),
    (8, 8): (5282, 5472, 64),
    (4, 16): (5170, 5504, 64),
    (16, 4): (5177, 5504, 64),
    (4, 32): (10138, 10752, 128),
    (16, 16): (20078, 20960, 256),
}


@pytest.mark.parametrize("size", COUNTED)
def test_model_against_yosys(size: tuple[int, int]) -> None:
    modelled, (lut, ff, dsp) = resources.matrix_unit(*size), COUNTED[size]
    assert modelled.lut == pytest.approx(lut, rel=0.02)
    assert modelled.ff == pytest.approx(ff, rel=0.02)
    assert modelled.dsp == dsp


def test_default_sizes_fit_their_boards() -> None:
    resources.check_fits("mpu", resources.matrix_unit(16, 16), boards.load("kv260"))
    resources.check_fits("mpu", resources.matrix_unit(32, 32), boards.load("u280"))


def test_excess_of_each_resource() -> None:
    with pytest.raises(FastprefillError) as caught:
        resources.check_fits("a unit", Resources(lut=400_000, dsp=3_000, uram=320), boards.load("u280"))
    assert str(caught.value) == (
        "a unit does not fit SLR 0 of board 'u280': it needs 400,000 LUT where there are 369,000 (31,000 too many), "
        "3,000 DSP where there are 2,733 (267 too many) (modelled); choose a smaller size or a larger board"
    )


def test_exactly_full_fits() -> None:
    resources.check_fits("a unit", boards.load("kv260").resources, boards.load("kv260"))
