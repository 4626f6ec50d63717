"""Index generation in RTL behind its AXI shell: what a host sees of prompts and of scalars that are not allowed."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from fastprefill import boards
from fastprefill.golden.sigu import cases
from fastprefill.golden.sigu.size import Size
from fastprefill.kernels import sigu
from fastprefill.system import registers
from fastprefill.system.ports import ports
from fastprefill.system.system import link
from fastprefill.targets import rtl
from fastprefill.tools import testbench, tiers, verilator

HERE = Path(__file__).parent
SIZE = Size(rows=4, lanes=2, tile_keys=4, block=16, group=2, longest=256)


@pytest.mark.long
@pytest.mark.skipif(verilator.missing() is not None, reason=f"rtl NOT run: {verilator.missing()}")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_host_sees_what_was_refused(tmp_path: Path) -> None:
    pytest.importorskip("cocotbext.axi", reason="cocotbext-axi is not installed")
    module = link(sigu.system(**asdict(SIZE)))
    found = registers.register_map(module)
    files = rtl.emit(module, boards.load("kv260"))
    files["sigu_shell.sv"] = registers.render_shell(module, found, status=registers.STATUS_OUTPUTS)
    made = [case for case in cases.cases(3, (), 16, **asdict(SIZE)) if not any(case.inputs.values())]
    good = [asdict(case) for case in made if case.outputs["header"]]  # prompts that keep every block
    bad = [asdict(case) for case in made if not case.outputs["header"]]
    assert len(good) >= 2 and len(bad) >= 6
    unit_ports = ports(module)
    (tmp_path / "registers.json").write_text(json.dumps(found))
    (tmp_path / "cases.json").write_text(
        json.dumps({"good": good, "bad": bad, "inputs": [*unit_ports.inputs], "outputs": [*unit_ports.outputs]})
    )
    executable, _ = verilator.compile_cocotb(files, "sigu_shell", public_depth=1)
    done = testbench.run_cocotb(
        [executable, f"+registers={tmp_path / 'registers.json'}", f"+cases={tmp_path / 'cases.json'}",
         "+verilator+seed+5", "+verilator+rand+reset+2"],
        "sigu_shell", "cocotb_sigu_shell", tmp_path, paths=[HERE], timeout_s=300,
    )  # fmt: skip
    assert "TESTS=1 PASS=1 FAIL=0" in done.output, done.output[-6000:]
    tiers.note("verilator")
