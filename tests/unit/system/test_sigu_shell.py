"""Index generation in RTL behind its AXI shell: what a host sees of prompts and of scalars that are not allowed."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from fastprefill import boards
from fastprefill.golden.jobs import empty, unpack
from fastprefill.golden.sigu import cases
from fastprefill.golden.sigu.size import Size
from fastprefill.golden.sigu.unit import image
from fastprefill.kernels import mpu_sigu, sigu
from fastprefill.system import registers
from fastprefill.system.ports import ports
from fastprefill.system.system import link
from fastprefill.targets import rtl
from fastprefill.tools import verilator
from tests.unit.system.shells import run_tests

SIZE = Size(rows=4, lanes=2, tile_keys=4, block=16, group=2, longest=256)
SYSTEMS = {
    "sigu": sigu.system(**asdict(SIZE)),
    "mpu_sigu": mpu_sigu.system(16, 4, 2, 2, 4, 2, block=16, group=2, longest=256),
}


@pytest.mark.long
@pytest.mark.skipif(verilator.missing() is not None, reason=f"rtl NOT run: {verilator.missing()}")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", SYSTEMS)
def test_a_host_sees_what_was_refused(name: str, tmp_path: Path) -> None:
    module = link(replace(SYSTEMS[name], name="sigu"))
    found = registers.register_map(module)
    files = rtl.emit(module, boards.load("kv260"))
    files["sigu_shell.sv"] = registers.render_shell(module, found, status=registers.STATUS_OUTPUTS)
    made = [case for case in cases.cases(3, (), 16, **asdict(SIZE)) if not any(case.inputs.values())]
    good = [asdict(case) for case in made if not case.name.startswith("refused")]  # they keep every block
    bad = [asdict(case) for case in made if case.name.startswith("refused")]
    assert len(good) >= 2 and len(bad) >= 6
    for case in bad:
        assert unpack(image(case["outputs"])) == empty(SIZE.group)
    unit_ports = ports(module)
    given = {"good": good, "bad": bad, "inputs": [*unit_ports.inputs], "outputs": [*unit_ports.outputs]}
    run_tests(files, "sigu_shell", found, 1, tmp_path, seed=5, cases=given, timeout_s=300)
