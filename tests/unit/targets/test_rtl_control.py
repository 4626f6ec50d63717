"""Control of processes in the RTL: the gate of a body that waits for many streams; whether `busy` tells the truth."""

from pathlib import Path

import numpy as np
import pytest

from fastprefill import frontend
from fastprefill.boards import load
from fastprefill.system.build import build_unit
from fastprefill.system.ports import ports
from fastprefill.targets import rtl
from fastprefill.tools import verilator

KERNELS = Path(__file__).resolve().parents[2] / "contract" / "kernels"
outer = frontend.load_module(KERNELS / "outer_product.py")
needs_verilator = pytest.mark.skipif(verilator.missing() is not None, reason=f"{verilator.missing()}")


def test_always_wanted_streams_are_counted() -> None:
    """Of 41 streams, which no 32-bit mask holds; their bits come last, so they are the first of the gate."""
    files = rtl.emit(build_unit(frontend.load_module(KERNELS / "many_streams.py").unit()), load("u280"))
    gates = [line.strip() for line in files["many_carry.sv"].splitlines() if ".ALWAYS(" in line]
    assert ".ALWAYS(40)" in gates


@needs_verilator
def test_a_store_while_not_busy_is_noticed(tmp_path: Path) -> None:
    module = build_unit(outer.unit(4, 4))
    files = {name: text for name, text in rtl.emit(module, load("kv260")).items() if name.endswith(".sv")}
    right = "assign busy = step_turn | step_valid_s1 | step_valid_s2;"
    assert files["outer_array.sv"].count(right) == 1
    files["outer_array.sv"] = files["outer_array.sv"].replace(right, "assign busy = step_turn | step_valid_s1;")
    rng = np.random.default_rng(0)
    a, b = rng.integers(-128, 128, (2, 4, 6), dtype=np.int8), rng.integers(-128, 128, (2, 6, 4), dtype=np.int8)
    cases = [outer.case("two_tiles", a, b)]
    found = verilator.run(verilator.build(files, ports(module)), cases, seed=1, stall=(0,), resets=0, folder=tmp_path)
    assert found.failure is not None
    assert "a store or a put while it is not busy" in found.failure.describe()
