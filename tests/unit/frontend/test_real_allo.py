"""The same kernels through a real Allo; skipped, loudly, where none is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastprefill import standin
from fastprefill.errors import FastprefillError
from fastprefill.frontend import load_module
from fastprefill.kernels.mpu import unit as mpu_unit
from fastprefill.system.build import build_unit
from fastprefill.targets import interpreter

KERNELS = Path(__file__).parents[2] / "contract" / "kernels"
needs_allo = pytest.mark.skipif(
    not standin.real_allo(), reason="Allo is not installed: --frontend allo is NOT tested against it"
)


@needs_allo
@pytest.mark.parametrize("name", ["reduction", "histogram", "pingpong", "trip_counts", "while_loop", "mesh"])
def test_contract_kernels(name: str) -> None:
    kernel = load_module(KERNELS / f"{name}.py")
    module = build_unit(kernel.unit(), "allo")
    for case in kernel.cases(1):
        assert interpreter.run(module, case) == case.outputs


@pytest.mark.skipif(standin.real_allo(), reason="Allo is installed")
def test_without_allo() -> None:
    with pytest.raises(
        FastprefillError, match="--frontend allo needs Allo, which cannot be imported; install it"
    ):
        build_unit(mpu_unit(4, 4), "allo")


def test_unknown_front_end() -> None:
    with pytest.raises(FastprefillError, match="front end 'hcl' does not exist; there are embedded, allo"):
        build_unit(mpu_unit(4, 4), "hcl")
