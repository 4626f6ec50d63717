"""The register map of a unit's shell: one table for SystemVerilog, host code and documentation.

The map is that of Vitis HLS' ap_ctrl_hs (UG1399, S_AXILITE control register map): control, interrupt registers,
then the run-time scalars from 0x10 on, each followed by a reserved word, then this project's status registers.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import jinja2
from xdsl.dialects.builtin import ModuleOp

from fastprefill import resources
from fastprefill.errors import FastprefillError
from fastprefill.system.limits import error_code
from fastprefill.system.ports import Ports, ports

VERSION = 1
"""Value of the status register ``version``: raised when the map changes."""

FIRST_ARGUMENT = 0x10
STATUS_OUTPUTS = ("starved", "blocked", "error")
"""Outputs that a unit may have beside its streams; the shell connects those it is told of."""

_CONTROL = (
    ("control", 0x00, "rw", "ap_ctrl_hs control"),
    ("gie", 0x04, "rw", "global interrupt enable"),
    ("ier", 0x08, "rw", "interrupt enables"),
    ("isr", 0x0C, "rw", "interrupt status; writing 1 toggles"),
)
_FIELDS = {
    "control": {"ap_start": 0, "ap_done": 1, "ap_idle": 2, "ap_ready": 3, "auto_restart": 7},
    "gie": {"enable": 0},
    "ier": {"done": 0, "ready": 1},
    "isr": {"done": 0, "ready": 1},
}
_STATUS = (
    ("version", 32, "r", "version of this register map"),
    ("first_error", 32, "rw", "first error since it was last cleared; writing any value clears it"),
    ("busy_cycles", 64, "r", "cycles of the latest run; read the low word first"),
    ("starved_cycles", 64, "r", "cycles of it in which the unit waited for input; read the low word first"),
    ("blocked_cycles", 64, "r", "cycles of it in which the unit waited for room; read the low word first"),
)


def register_map(module: ModuleOp) -> dict[str, Any]:
    """The register map of the top region of `module`, as it is written to ``registers.json``.

    Returns:
        ``unit``, ``version``, ``bus`` (name, address and data bits) and ``registers``: for each its ``name``, byte
        ``offset``, ``bits``, ``access`` (``r``, ``rw``), ``kind`` (``control``, ``argument``, ``status``),
        ``description``, and where they apply ``signed``, ``fields`` (name -> bit), ``minimum``, ``maximum`` and
        ``at_most`` (names of arguments that it must not exceed).
        ``errors``: the values of ``first_error``, each with ``name``, ``value`` and ``description``.

    Raises:
        FastprefillError: a scalar is wider than 64 bits, or arguments are neither scalars nor streams.
    """
    return map_of(ports(module))


def map_of(found: Ports) -> dict[str, Any]:
    """The register map of a unit with these ports; see ``register_map``."""
    registers: list[dict[str, Any]] = [
        {"name": name, "offset": offset, "bits": 32, "access": access, "kind": "control",
         "description": description, "fields": _FIELDS[name]}
        for name, offset, access, description in _CONTROL
    ]  # fmt: skip
    at = FIRST_ARGUMENT
    errors: list[dict[str, Any]] = []
    for number, (name, bits) in enumerate(found.scalars.items()):
        if bits > 64:
            raise FastprefillError(
                f"run-time scalar {name!r} of unit {found.name!r} has {bits} bits; a register holds at most 64: "
                "split it, or pass it through a stream"
            )
        registers.append(
            {"name": name, "offset": at, "bits": bits, "access": "rw", "kind": "argument",
             "description": "run-time scalar, sampled at start", "signed": name in found.signed}
        )  # fmt: skip
        if name in found.limits:
            low, high = found.limits[name]
            registers[-1] |= {"minimum": low, "maximum": high}
            above = ""
            if name in found.at_most:
                registers[-1] |= {"at_most": list(found.at_most[name])}
                above = "".join(f" or above {other}" for other in found.at_most[name])
            description = f"a start with {name} outside {low}..{high}{above}; nothing was run"
            errors.append(
                {"name": f"{name}_outside", "value": error_code(number), "description": description}
            )
        at += 8 if bits <= 32 else 12
    if at == FIRST_ARGUMENT:
        at += 4  # without arguments there is one reserved word, so that no vector of the slave is empty
    for name, bits, access, description in _STATUS:
        registers.append(
            {"name": name, "offset": at, "bits": bits, "access": access, "kind": "status", "description": description}
        )  # fmt: skip
        at += bits // 8
    fixed = [register["name"] for register in registers if register["kind"] != "argument"]
    for name in found.scalars:
        if name in fixed:
            raise FastprefillError(
                f"run-time scalar {name!r} of unit {found.name!r} has the name of a register that every unit has "
                f"({', '.join(fixed)}): rename the argument"
            )
    address_bits = max(6, (at - 1).bit_length())
    return {
        "unit": found.name,
        "version": VERSION,
        "bus": {"name": "s_axi_control", "address_bits": address_bits, "data_bits": 32},
        "registers": registers,
        "errors": errors,
    }


def host_header(registers: dict[str, Any]) -> str:
    """A C header with the offset of every register and the bit of every field."""
    unit = registers["unit"]
    guard = f"{unit}_REGISTERS_H".upper()
    lines = [
        f"/* Registers of {unit} on {registers['bus']['name']}; offsets in bytes, 32-bit accesses. */",
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
        f"#define {unit.upper()}_REGISTER_MAP_VERSION {registers['version']}u",
        "",
    ]
    for register in registers["registers"]:
        name = f"{unit}_{register['name']}".upper()
        detail = f"{register['bits']} bits, {register['access']}: {register['description']}"
        lines.append(f"/* {detail} */")
        lines.append(f"#define {name}_OFFSET 0x{register['offset']:02x}u")
        if register["bits"] > 32:
            lines.append(f"#define {name}_HIGH_OFFSET 0x{register['offset'] + 4:02x}u")
        for field, bit in register.get("fields", {}).items():
            lines.append(f"#define {name}_{field.upper()} (1u << {bit})")
    for error in registers["errors"]:
        lines.append(f"/* first_error: {error['description']} */")
        name = f"{unit}_error_{error['name']}".upper()
        lines.append(f"#define {name} 0x{error['value']:08x}u")
    lines += ["", f"#endif /* {guard} */", ""]
    return "\n".join(lines)


def render_shell(module: ModuleOp, registers: dict[str, Any], *, status: Collection[str] = ()) -> str:
    """The SystemVerilog of ``<unit>_shell``: AXI4-Lite registers and AXI4-Stream ports around the unit's top.

    Args:
        module: the unit.
        registers: its register map.
        status: which of `STATUS_OUTPUTS` the unit's top module has; the counters of the others stay 0.
    """
    return shell_of(ports(module), registers, status=status)


def shell_of(found: Ports, registers: dict[str, Any], *, status: Collection[str] = ()) -> str:
    """The shell of a unit with these ports; see ``render_shell``."""
    unknown = sorted(set(status) - set(STATUS_OUTPUTS))
    if unknown:
        raise FastprefillError(
            f"status output {unknown[0]!r} is unknown; a unit may have {', '.join(STATUS_OUTPUTS)}"
        )
    arguments = [
        {"name": r["name"], "width": r["bits"], "low": 8 * (r["offset"] - FIRST_ARGUMENT)}
        for r in registers["registers"]
        if r["kind"] == "argument"
    ]
    words = next(
        r["offset"] for r in registers["registers"] if r["name"] == "version" and r["kind"] == "status"
    )
    count = (words - FIRST_ARGUMENT) // 4
    used = [False] * (32 * count)
    for argument in arguments:
        for bit in range(argument["low"], argument["low"] + argument["width"]):
            used[bit] = True
    writable = "".join("1" if any(used[32 * i : 32 * i + 32]) else "0" for i in reversed(range(count)))
    streams = [
        {
            "name": name,
            "width": width,
            "bytes": (width + 7) // 8,
            "padding": width % 8 != 0,
            "input": is_input,
        }
        for group, is_input in ((found.inputs, True), (found.outputs, False))
        for name, width in group.items()
    ]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resources.path("hls_templates/rtl")), undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    return environment.get_template("shell.sv.j2").render(
        unit=found.name, address_bits=registers["bus"]["address_bits"], argument_words=count, writable=writable,
        version=registers["version"], arguments=arguments, streams=streams, unused=_runs(used),
        status=[name for name in STATUS_OUTPUTS if name in status],
    )  # fmt: skip


def _runs(used: list[bool]) -> list[tuple[int, int]]:
    """(high, low) of every run of bits that are not used."""
    text = "".join("1" if bit else "0" for bit in used)
    return [(match.end() - 1, match.start()) for match in re.finditer("0+", text)]
