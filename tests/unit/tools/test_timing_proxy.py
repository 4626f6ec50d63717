"""Depth and loads of mapped designs: by hand on small netlists, and hierarchy against the flattened design."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fastprefill.tools import fan_out, timing_proxy, yosys
from fastprefill.tools.timing_proxy import Path as Way

_OUTPUTS = ("O", "CO", "Q", "P", "PCOUT", "DOA", "DOB")


def cell(kind: str, parameters: dict[str, str] | None = None, **pins: list[int | str]) -> dict[str, Any]:
    directions = {pin: "output" if pin in _OUTPUTS else "input" for pin in pins}
    return {"type": kind, "parameters": parameters or {}, "port_directions": directions, "connections": pins}


def design(cells: dict[str, Any], names: dict[int, str]) -> dict[str, Any]:
    nets = {name: {"hide_name": 0, "bits": [bit], "attributes": {}} for bit, name in names.items()}
    return {"top": {"ports": {}, "netnames": nets, "cells": cells}}


NAMES = {1: "a", 2: "b", 3: "c", 4: "d", 5: "e", 6: "f"}


def test_luts_between_registers() -> None:
    cells = {
        "r0": cell("FDRE", C=[9], D=["0"], Q=[1]),
        "l0": cell("LUT2", I0=[1], I1=[1], O=[2]),
        "k0": cell("CARRY4", CI=[2], S=["0", "0", "0", "0"], DI=["0"], O=[3, "x", "x", "x"], CO=["x"]),
        "l1": cell("LUT6", I0=[3], I1=[1], O=[4]),
        "r1": cell("FDRE", C=[9], D=[4], Q=[5]),
        "l2": cell("LUT1", I0=[5], O=[6]),
    }
    whole, local = timing_proxy.depths(design(cells, NAMES), "top")
    assert whole.luts == Way(luts=2, carry_bits=1, chains=1, start="a", end="e")
    assert local["top"] == whole


def test_carry_bits_are_those_travelled() -> None:
    """Into bit 1 of a chain of two cells and out of bit 6: six bits, one chain."""
    first = {100 + i: f"k{i}" for i in range(8)}
    cells = {
        "r0": cell("FDRE", C=[9], D=["0"], Q=[1]),
        "low": cell(
            "CARRY4", CI=["0"], S=["0", 1, "0", "0"], DI=["0", "0", "0", "0"],
            O=[100, 101, 102, 103], CO=[110, 111, 112, 113],
        ),
        "high": cell(
            "CARRY4", CI=[113], S=["0", "0", "0", "0"], DI=["0", "0", "0", "0"],
            O=[104, 105, 106, 107], CO=[114, 115, 116, 117],
        ),
        "r1": cell("FDRE", C=[9], D=[106], Q=[2]),
    }  # fmt: skip
    carry = {110 + i: f"co{i}" for i in range(8)}
    whole, _ = timing_proxy.depths(design(cells, {**NAMES, **first, **carry}), "top")
    assert whole.carry_bits == Way(carry_bits=6, chains=1, start="a", end="b")


@pytest.mark.parametrize(
    ("registers", "expected"),
    [
        ({"AREG": "0", "MREG": "0", "PREG": "0", "BREG": "0", "CREG": "0"}, Way(1, 0, 0, 1, "a", "d")),
        ({"AREG": "0", "MREG": "1", "PREG": "0", "BREG": "0", "CREG": "0"}, Way(1, 0, 0, 0, "b", "d")),
    ],
)
def test_dsp_with_and_without_registers(registers: dict[str, str], expected: Way) -> None:
    cells = {
        "r0": cell("FDRE", C=[9], D=["0"], Q=[1]),
        "dsp": cell("DSP48E2", registers, A=[1], P=[2]),
        "l0": cell("LUT1", I0=[2], O=[3]),
        "r1": cell("FDRE", C=[9], D=[3], Q=[4]),
    }
    whole, _ = timing_proxy.depths(design(cells, NAMES), "top")
    assert whole.luts == expected


def test_distributed_ram_is_read_through_a_lut_and_written_by_the_clock() -> None:
    cells = {
        "r0": cell("FDRE", C=[9], D=["0"], Q=[1]),
        "ram": cell("RAM32M", ADDRA=[1], ADDRD=[2], DIA=[3], WE=[3], WCLK=[9], DOA=[4]),
        "l0": cell("LUT1", I0=[1], O=[2]),
        "r1": cell("FDRE", C=[9], D=[4], Q=[5]),
    }
    whole, _ = timing_proxy.depths(design(cells, NAMES), "top")
    # The write address ends at the memory behind l0; the read address goes on through the RAM to r1.
    assert whole.luts.luts == 1
    assert {whole.luts.end} <= {"d", "e"}


def test_design_without_logic_has_no_depth() -> None:
    whole, _ = timing_proxy.depths(design({}, {}), "top")
    assert whole.luts == whole.carry_bits == whole.chains == Way()
    assert whole.within(300)


@pytest.mark.parametrize(
    ("luts", "bits", "clock", "within"),
    [(4, 32, 300, True), (5, 32, 300, False), (6, 32, 200, True), (7, 0, 200, False), (1, 33, 200, False)],
)
def test_rule_of_a_clock(luts: int, bits: int, clock: float, within: bool) -> None:
    depth = timing_proxy.Depth(Way(luts=luts), Way(carry_bits=bits), Way(chains=1))
    assert depth.within(clock) is within


# Logic on both sides of module boundaries, a wire from port to port, a module in several places, a loop of registers.
HIERARCHY = """
module leaf(input clk, input en, input [7:0] x, output reg [7:0] q, output [7:0] y, output [7:0] same);
  always_ff @(posedge clk) if (en) q <= x ^ {x[0], x[7:1]};
  assign y = (q + x) & {8{x[3]}};
  assign same = x;
endmodule
module middle(input clk, input en, input [7:0] x, output [7:0] y, output [7:0] z);
  wire [7:0] q0, q1, y0, s0, s1;
  leaf first(clk, en, x, q0, y0, s0);
  leaf second(clk, en & s0[1], y0 | s0, q1, y, s1);
  assign z = q1 ^ s1;
endmodule
module top(input clk, input rst, input [7:0] a, output reg [7:0] y);
  reg [7:0] r; reg go; wire [7:0] y0, z0, y1, z1;
  middle m0(clk, go, r, y0, z0);
  middle m1(clk, go & z0[2], y0, y1, z1);
  always_ff @(posedge clk) begin
    go <= !rst && a[0];
    r <= rst ? 8'd0 : a + (y1 ^ z1);
    y <= (z1 + y1) ^ z0;
  end
endmodule
"""


@pytest.fixture(scope="module")
def netlists(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """One mapped design, with its hierarchy and flattened."""
    pytest.importorskip("pyosys", reason="pyosys is not installed: pip install 'fastprefill[sim]'")
    folder = tmp_path_factory.mktemp("hierarchy")
    (folder / "design.sv").write_text(HIERARCHY)
    script = [
        *yosys.read_commands([folder / "design.sv"], "top"),
        "synth_xilinx -family xcup -noiopad -noclkbuf -nosrl",
        "write_json -selected kept.json", "flatten", "opt_clean", "select A:top", "write_json -selected flat.json",
    ]  # fmt: skip
    yosys.run_script(script, folder, timeout_s=120)
    kept, flat = (json.loads((folder / f"{name}.json").read_text())["modules"] for name in ("kept", "flat"))
    return kept, flat


def test_paths_through_modules_are_those_of_the_flat_design(
    netlists: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    kept, flat = (timing_proxy.depths(modules, "top")[0] for modules in netlists)
    for name in ("luts", "carry_bits", "chains"):
        ours, theirs = getattr(kept, name), getattr(flat, name)
        counts = [(path.luts, path.carry_bits, path.chains) for path in (ours, theirs)]
        assert counts[0] == counts[1], name
    assert kept.luts.luts >= 5


def test_loads_through_modules_are_those_of_the_flat_design(
    netlists: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    kept, flat = netlists
    ours = fan_out.fan_out(kept, "top", {"top": 1, "middle": 2, "leaf": 4}, most=40).nets
    theirs = fan_out.fan_out(flat, "top", {"top": 1}, most=80).nets
    repeated = sorted((net.loads for net in ours for _ in range(net.instances)), reverse=True)
    assert repeated[:30] == [net.loads for net in theirs][:30]
    assert not any(net.name in ("clk", "rst") for net in (*ours, *theirs))


def test_every_module_is_looked_at_once(
    netlists: tuple[dict[str, Any], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[object] = []
    original: Callable[..., None] = timing_proxy._Graph.__init__
    monkeypatch.setattr(
        timing_proxy._Graph, "__init__", lambda self, *args: (built.append(self), original(self, *args))[1]
    )
    timing_proxy.depths(netlists[0], "top")
    assert len(built) == 3 * 3  # three modules, three orders of the longest
