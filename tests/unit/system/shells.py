"""Runs a host's cocotb tests on a unit behind its shell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fastprefill.tools import testbench, tiers, verilator

HERE = Path(__file__).parent


def run_tests(
    files: Mapping[str, str], top: str, registers: Mapping[str, Any], tests: int, folder: Path, *, seed: int,
    cases: object = None, timeout_s: float = 120,
) -> None:  # fmt: skip
    """Run the tests of ``cocotb_<top>`` in Verilator, with a random initial state.

    Args:
        files: the unit and its shell.
        top: the shell among them.
        registers: the map; the host reads it.
        tests: how many there are, all of which must pass.
        folder: for the map, cases and logs.
        seed: of the initial state.
        cases: for ``plusargs["cases"]``, as JSON.
        timeout_s: wall time.
    """
    pytest.importorskip("cocotbext.axi", reason="cocotbext-axi is not installed")
    (folder / "registers.json").write_text(json.dumps(registers))
    (folder / "cases.json").write_text(json.dumps(cases))
    executable, _ = verilator.compile_cocotb(files, top, public_depth=1)
    done = testbench.run_cocotb(
        [executable, f"+registers={folder / 'registers.json'}", f"+cases={folder / 'cases.json'}",
         f"+verilator+seed+{seed}", "+verilator+rand+reset+2"],
        top, f"cocotb_{top}", folder, paths=[HERE], timeout_s=timeout_s,
    )  # fmt: skip
    assert f"TESTS={tests} PASS={tests} FAIL=0" in done.output, done.output[-6000:]
    tiers.note("verilator")
