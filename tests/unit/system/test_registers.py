"""The register map, its C header, and the shell as a host sees it over AXI."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from fastprefill import tools
from fastprefill.errors import FastprefillError
from fastprefill.ir import text
from fastprefill.system import registers
from fastprefill.system.ports import Ports
from fastprefill.tools import tiers, verilator
from tests.unit.system.shells import run_tests

HERE = Path(__file__).parent
PORTS = Ports("addup", {"count": 16, "bias": 36}, {"x": 16}, {"y": 36}, frozenset({"bias"}))

needs_verilator = pytest.mark.skipif(verilator.missing() is not None, reason=str(verilator.missing()))


def unit() -> str:
    """The hand-written unit of the testbench's tests with 36-bit sums and the optional status outputs."""
    source = (HERE.parent / "tools/rtl/addup.sv").read_text()
    for old, new in (("[31:0]", "[35:0]"), ("{16'h0, x_data}", "{20'h0, x_data}"), ("WIDTH(32)", "WIDTH(36)")):
        source = source.replace(old, new)
    source = source.replace("    output logic       done,\n", "    output logic       done,\n"
        "    output wire starved,\n    output wire blocked,\n    output wire [31:0] error,\n")  # fmt: skip
    return source.replace("  logic running;\n",
        "  assign starved = running && left != 0 && !x_valid;\n"
        "  assign blocked = running && left != 0 && slots == 0;\n"
        "  assign error = issue && x_data > 16'hb000 ? {16'h0, x_data} : '0;\n"
        "  logic running;\n")  # fmt: skip


def test_offsets_are_those_of_vitis() -> None:
    found = registers.map_of(Ports("u", {"a": 32, "b": 64, "c": 1, "d": 33}, {}, {}))
    offsets = {register["name"]: register["offset"] for register in found["registers"]}
    assert [offsets[name] for name in ("control", "gie", "ier", "isr")] == [0, 4, 8, 12]
    assert [offsets[name] for name in "abcd"] == [0x10, 0x18, 0x24, 0x2C]
    assert offsets["version"] == 0x38
    assert offsets["blocked_cycles"] + 8 == 0x58
    assert found["bus"]["address_bits"] == 7


def test_the_map_of_a_module() -> None:
    module = text.parse(
        """builtin.module {
          func.func @u(%n: memref<1xi8>, %x: !fp.stream<i12, 2>, %y: !fp.stream<i3, 2>) attributes {
            fp.region, arg_names = ["n", "x", "y"], itypes = "sus", directions = "iio"} { func.return }
        }"""
    )
    found = registers.register_map(module)
    assert json.loads(json.dumps(found)) == found
    argument = next(register for register in found["registers"] if register["kind"] == "argument")
    assert (argument["name"], argument["bits"], argument["signed"]) == ("n", 8, True)
    shell = registers.render_shell(module, found)
    assert "input  wire [15:0] x_tdata" in shell
    assert "output wire [7:0] y_tdata" in shell
    assert ".n(arguments[7:0])" in shell


@pytest.mark.parametrize(
    ("scalars", "message"),
    [
        ({"n": 65}, "run-time scalar 'n' of unit 'u' has 65 bits; a register holds at most 64"),
        ({"isr": 8}, "run-time scalar 'isr' of unit 'u' has the name of a register that every unit has"),
    ],
)
def test_scalars_that_have_no_register_are_refused(scalars: dict[str, int], message: str) -> None:
    with pytest.raises(FastprefillError, match=re.escape(message)):
        registers.map_of(Ports("u", scalars, {}, {}))


def test_an_unknown_status_output_is_refused() -> None:
    with pytest.raises(FastprefillError, match="status output 'hot' is unknown; a unit may have starved, blocked"):
        registers.shell_of(PORTS, registers.map_of(PORTS), status=["hot"])


@pytest.mark.skipif(not tools.available("g++"), reason="g++ is not installed")
def test_the_header_compiles_and_agrees_with_the_map(tmp_path: Path) -> None:
    found = registers.map_of(PORTS)
    (tmp_path / "registers.h").write_text(registers.host_header(found))
    prints = "".join(
        f'printf("%u ", ADDUP_{register["name"].upper()}_OFFSET);' for register in found["registers"]
    )
    (tmp_path / "main.c").write_text(
        f'#include <stdio.h>\n#include "registers.h"\nint main(void) {{ {prints} '
        'printf("%u %u", ADDUP_CONTROL_AUTO_RESTART, ADDUP_BIAS_HIGH_OFFSET); return 0; }\n'
    )
    command = ["g++", "-x", "c", "-std=c99", "-Wall", "-Werror", "main.c", "-o", "main"]
    subprocess.run(command, cwd=tmp_path, check=True)
    printed = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout
    tiers.note("g++")
    assert [int(word) for word in printed.split()] == [
        *(register["offset"] for register in found["registers"]), 128, 0x1C,
    ]  # fmt: skip


@needs_verilator
@pytest.mark.parametrize(
    "ports",
    [PORTS, Ports("addup", {}, {"x": 13}, {"y": 1}), Ports("addup", {"a": 64, "b": 1}, {"x": 8, "z": 8}, {})],
)
def test_the_shell_is_clean_in_lint(ports: Ports) -> None:
    declarations = ["input wire clk", "input wire rst", "input wire start", "output wire idle", "output wire done"]
    declarations += [f"input wire [{width - 1}:0] {name}" for name, width in ports.scalars.items()]
    used, driven = ["clk", "rst", "start", *ports.scalars], ["idle", "done"]
    for name, width in ports.inputs.items():
        declarations += [f"input wire {name}_valid", f"input wire [{width - 1}:0] {name}_data"]
        declarations.append(f"output wire {name}_ready")
        used += [f"{name}_valid", f"{name}_data"]
        driven.append(f"{name}_ready")
    for name, width in ports.outputs.items():
        declarations += [f"output wire {name}_valid", f"output wire [{width - 1}:0] {name}_data"]
        declarations.append(f"input wire {name}_ready")
        used.append(f"{name}_ready")
        driven += [f"{name}_valid", f"{name}_data"]
    body = "".join(f"assign {name} = '0;\n" for name in driven)
    stub = f"module addup ({', '.join(declarations)});\n{body}wire unused = &{{1'b0, {', '.join(used)}}};\nendmodule\n"
    shell = registers.shell_of(ports, registers.map_of(ports))
    verilator.lint({"addup.sv": stub, "addup_shell.sv": shell}, "addup_shell")


@needs_verilator
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_host_runs_the_unit_through_its_shell(tmp_path: Path) -> None:
    found = registers.map_of(PORTS)
    rtl = {"addup.sv": unit(), "addup_shell.sv": registers.shell_of(PORTS, found, status=registers.STATUS_OUTPUTS)}
    verilator.lint(rtl, "addup_shell")
    run_tests(rtl, "addup_shell", found, 4, tmp_path, seed=3)
