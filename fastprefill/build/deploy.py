"""What takes a unit to a board: movers, link configuration, Tcl and Makefile of its bitstream; the host programs."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from xdsl.dialects.builtin import ArrayAttr, IntegerAttr, ModuleOp, StringAttr
from xdsl.dialects.func import CallOp

from fastprefill import resources
from fastprefill.boards import Board, release
from fastprefill.build import movers as moving
from fastprefill.errors import FastprefillError
from fastprefill.system.ports import ports, top_region

STEPS = "steps.toml"
FIRST_WITHOUT_VITIS_HLS = (2024, 1)
"""From this release on Vitis HLS is started with ``vitis-run``; ``vitis_hls`` is deprecated and later gone."""

_MOVERS = "fp_axi_movers.h"

_SMARTCONNECT_PORTS = 16
"""Masters that a SmartConnect serves (PG247)."""

_HOST_FILES = ("csim_device.cpp", "device.h", "devices.py", "no_device.cpp", "run.cpp", "run.py")

# The AXI4-Lite port of a shell, without its prefix: name, direction, bits.
_CONTROL = (
    ("awvalid", "input", 1), ("awready", "output", 1), ("awaddr", "input", 0), ("wvalid", "input", 1),
    ("wready", "output", 1), ("wdata", "input", 32), ("wstrb", "input", 4), ("bvalid", "output", 1),
    ("bready", "input", 1), ("bresp", "output", 2), ("arvalid", "input", 1), ("arready", "output", 1),
    ("araddr", "input", 0), ("rvalid", "output", 1), ("rready", "input", 1), ("rdata", "output", 32),
    ("rresp", "output", 2),
)  # fmt: skip


def files(module: ModuleOp, registers: Mapping[str, Any], board: Board) -> dict[str, bytes]:
    """The folders ``bitstream/`` and ``host/`` of a project; nothing for a board without a build of its own.

    Args:
        module: the unit, with streams and run-time scalars alone.
        registers: its register map.
        board: names the folder of ``bitstreams/`` that is filled in.

    Raises:
        FastprefillError: the board names a build that does not exist, or cannot serve the unit's streams.
    """
    folder = build_folder(board)
    found = ports(module)
    if folder is None or not found.widths:
        return {}
    context = _context(module, registers, board)
    steps = tomllib.loads(render(folder, f"{STEPS}.j2", context))
    if steps["device"] == "kria" and len(context["movers"]) >= _SMARTCONNECT_PORTS:
        raise FastprefillError(
            f"'{found.name}' has {len(context['movers'])} streams; on {board.title} it can have at most "
            f"{_SMARTCONNECT_PORTS - 1}, since one SmartConnect leads to the registers of the unit and of all movers"
        )
    context |= tool_context(board, steps)
    made = {}
    for origin in (folder, resources.path("bitstreams/common"), resources.path("hls_templates/movers")):
        for template in sorted(path.name for path in origin.glob("*.j2")):
            made[f"bitstream/{named(template, context)}"] = render(origin, template, context)
    made[f"bitstream/{_MOVERS}"] = (resources.path("extern/cpp") / _MOVERS).read_text()
    if len(context["slrs"]) < 2:
        made.pop("bitstream/slr.tcl", None)
    host = resources.path("hls_templates/host")
    for template in ("Makefile.j2", "csim_unit.cpp.j2", "design.h.j2"):
        made[f"host/{named(template, context)}"] = render(host, template, context)
    for name in (*_HOST_FILES, f"{steps['device']}_device.cpp"):
        made[f"host/{name}"] = (host / name).read_text()
    made["host/design.json"] = json.dumps(_design(context), indent=1) + "\n"
    return {path: text.encode() for path, text in made.items()}


def tool_context(board: Board, steps: Mapping[str, Any]) -> dict[str, Any]:
    """What the templates know of the steps and their tools."""
    return {
        "device": steps["device"],
        "result": steps["result"],
        "steps": steps["step"],
        "needs": needs(board),
        "uses_hls": any(step["tool"] == "hls" for step in steps["step"]),
        "hls_command": hls_command(board.tool_versions.get("vitis", "2024.2")),
    }


def readme(unit: str, board: Board, files: Mapping[str, bytes]) -> str:
    """The part of a project's README about board and host; empty where the project has neither."""
    if f"bitstream/{STEPS}" not in files:
        return ""
    steps = tomllib.loads(files[f"bitstream/{STEPS}"].decode())
    card = (
        "On the machine with the card: `source /opt/xilinx/xrt/setup.sh`, `make -C host card`."
        if steps["device"] == "xrt"
        else "On the board: PYNQ for `run.py`; for the C++ program, u-dma-buf and `make -C host card`\n"
        f"(`host/kria_device.cpp` says more), with `--bitstream ../bitstream/build/{unit}.bit.bin`."
    )
    return f"""
## To the board

**None of this has run where the project was generated: no vendor tool and no board was there.** It needs
{needs(board)}.

    make -C bitstream         # {len(steps["step"])} steps, logs in bitstream/build/, makes bitstream/{steps["result"]}
    fastprefill bitstream .   # the same, but looks for tools and versions first and explains what a log says

Each stream of `{unit}` has a mover, a small Vitis HLS kernel between memory and stream (`bitstream/movers.cpp`); the
unit itself is packaged from `rtl/`, not from `hls/`: the RTL is what was simulated cycle by cycle.

## The host

`host/run.py` and `host/run.cpp` do the same: they send each case of `vectors/` through unit and movers, and compare.

    make -C host check                                      # both on the C simulation: C++ of unit and movers, no card
    cd host && python3 run.py --device card                 # the same cases on the card
    cd host && build/run --device card

{card}
Exit status 0: equal; 1: different, the first token is shown; 2: it could not run. Without `XILINX_HLS` or
`XILINX_VITIS` in the environment, `make check` takes the `ap_int` headers of an installed fastprefill.
"""


def hls_command(version: str) -> str:
    """How a release of Vitis HLS runs a Tcl file, whose name follows."""
    return "vitis-run --mode hls --tcl" if release(version) >= FIRST_WITHOUT_VITIS_HLS else "vitis_hls -f"


def build_folder(board: Board) -> Path | None:
    """The folder of ``bitstreams/`` for a board; None where there is none."""
    root = resources.path("bitstreams")
    name = board.build or board.name
    if (root / name / f"{STEPS}.j2").is_file():
        return root / name
    if name != board.name:
        known = sorted(path.parent.name for path in root.glob(f"*/{STEPS}.j2"))
        raise FastprefillError(
            f"board '{board.name}' is built as '{name}', and bitstreams/ has no such folder; it has {', '.join(known)}"
        )
    return None


def _context(module: ModuleOp, registers: Mapping[str, Any], board: Board) -> dict[str, Any]:
    """What the templates know."""
    found = ports(module)
    scalars = [_scalar(register) for register in registers["registers"] if register["kind"] == "argument"]
    index = {scalar["name"]: number for number, scalar in enumerate(scalars)}
    moved = moving.movers(found, board, _slrs_of_streams(module))
    placement = _placement(module)
    bits = registers["bus"]["address_bits"]
    return {
        "unit": found.name,
        "board": board,
        "platform": board.platform,
        "movers": moved,
        "widest": max(mover.words * mover.word_bits for mover in moved),
        "ports": len({mover.port for mover in moved}),
        "scalars": scalars,
        "arguments": [{"name": name, "scalar": index.get(name)} for name in _names(module)],
        "control": [(name, way, width or bits) for name, way, width in _CONTROL],
        "placement": placement,
        "slrs": sorted({part["slr"] for part in placement}),
        "address": moving.UNIT_ADDRESS,
        "memory_register": moving.MEMORY_REGISTER,
        "tokens_register": moving.TOKENS_REGISTER,
    }


def _scalar(register: Mapping[str, Any]) -> dict[str, Any]:
    return {key: register[key] for key in ("name", "bits", "signed", "offset")}


def _calls(module: ModuleOp) -> list[tuple[CallOp, int]]:
    """The parts of the top region, each with its super logic region."""
    found = []
    for call in top_region(module).body.block.ops:
        if isinstance(call, CallOp):
            slr = call.attributes.get("slr")
            found.append((call, slr.value.data if isinstance(slr, IntegerAttr) else 0))
    return found


def _placement(module: ModuleOp) -> list[dict[str, Any]]:
    """The parts of the top region by the name of their instance in the RTL."""
    parts = []
    for call, slr in _calls(module):
        name = call.attributes.get("instance")
        instance = name.data if isinstance(name, StringAttr) else call.callee.string_value()
        parts.append({"instance": instance, "slr": slr})
    return parts


def _slrs_of_streams(module: ModuleOp) -> dict[str, int]:
    """Super logic region of the part that each stream of the unit leads to, or comes from."""
    top = top_region(module)
    regions = {operand: slr for call, slr in _calls(module) for operand in call.arguments}
    return {
        name: regions.get(argument, 0)
        for name, argument in zip(_names(module), top.body.block.args, strict=True)
    }


def _names(module: ModuleOp) -> list[str]:
    """Arguments of the unit, in their order."""
    names = top_region(module).attributes["arg_names"]
    assert isinstance(names, ArrayAttr)
    return [name.data for name in names if isinstance(name, StringAttr)]


def _design(context: Mapping[str, Any]) -> dict[str, Any]:
    """``design.json``: what the host has to know."""
    return {
        "unit": context["unit"],
        "board": context["board"].name,
        "device": context["device"],
        "bitstream": context["result"],
        "address": context["address"],
        "memory_register": context["memory_register"],
        "tokens_register": context["tokens_register"],
        "scalars": context["scalars"],
        "streams": [mover.as_dict() for mover in context["movers"]],
    }


def needs(board: Board) -> str:
    """Tools and platform, for people."""
    tools = ", ".join(f"{tool.capitalize()} {found.text()}" for tool, found in board.tool_ranges.items())
    return tools + (f", platform {board.platform}" if board.platform else "")


def named(template: str, context: Mapping[str, Any]) -> str:
    """The file that a template becomes; some bear the unit's name."""
    return {"ip.v.j2": f"{context['unit']}_ip.v", "unit.bif.j2": f"{context['unit']}.bif"}.get(
        template, template.removesuffix(".j2")
    )


def render(folder: Path, name: str, context: Mapping[str, Any]) -> str:
    """A template of `folder`, filled in."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    return environment.get_template(name).render(**context)
