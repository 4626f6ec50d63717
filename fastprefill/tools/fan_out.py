"""Loads of nets in a mapped design, counted through the hierarchy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastprefill.tools import primitives
from fastprefill.tools.netlist import bottom_up, net_names

MOST_LOADS = 64
"""Loads that the rule allows a net, outside clock and reset."""

# Clock and reset, by the names of our modules' ports.
_GLOBAL = {"clk", "rst", "ap_clk", "ap_rst_n", "aclk", "aresetn"}


@dataclass(frozen=True)
class Net:
    """A net with what it drives.

    Attributes:
        name: in the module that holds all of it.
        module: that module.
        instances: of the module in the design, each with a net like this.
        loads: input pins of primitives that it drives, pins in modules below included. Each bit of a bus pin counts.
        line: of the kernel, or empty.
    """

    name: str
    module: str
    instances: int
    loads: int
    line: str = ""

    def describe(self) -> str:
        """One line for a table."""
        where = f"{self.module}.{self.name}" + (f" ({self.line})" if self.line else "")
        return f"{self.loads} loads: {where}" + (f", {self.instances} times" if self.instances > 1 else "")


@dataclass(frozen=True)
class FanOut:
    """The nets with most loads, and how many nets of the design have more than the rule allows."""

    nets: tuple[Net, ...]
    above: int


def fan_out(
    modules: Mapping[str, Any],
    top: str,
    instances: Mapping[str, int],
    line_of: Callable[[str], str] = lambda src: "",
    most: int = 10,
) -> FanOut:
    """The nets with most loads; clocks and resets are left out.

    A net that leaves its module through a port is counted where it ends, in a parent, with the loads inside.

    Args:
        modules: of Yosys' JSON, without those of the library, hierarchy kept.
        top: name of the top module.
        instances: of each module in the design.
        line_of: from the ``src`` attribute of a net to the line of the kernel.
        most: how many nets.
    """
    behind: dict[str, _Behind] = {}
    found: list[Net] = []
    above = 0
    for name in bottom_up(modules):
        if name not in instances:
            continue
        module = modules[name]
        loads, same = _loads(module, behind)
        ports = {
            (port, i): same(bit)
            for port, data in module["ports"].items()
            for i, bit in enumerate(data["bits"])
            if isinstance(bit, int)
        }
        behind[name] = _Behind(ports, loads)
        hidden = {same(bit) for bit in _global_bits(module)} | (set() if name == top else set(ports.values()))
        nets = sorted((-count, bit) for bit, count in loads.items() if bit not in hidden)
        above += instances[name] * sum(-count > MOST_LOADS for count, _ in nets)
        if nets:
            names = net_names(module)
            for count, bit in nets[:most]:
                label, net = names[bit]
                line = line_of(module["netnames"][net]["attributes"].get("src", ""))
                if label.startswith("$"):
                    label = f"unnamed, to {_first_load(module, bit, names)}"
                found.append(Net(label, name, instances[name], -count, line))
    found.sort(key=lambda net: (-net.loads, net.module, net.name))
    return FanOut(tuple(found[:most]), above)


@dataclass(frozen=True)
class _Behind:
    """What parents need to know of a module: the net at each bit of its ports, and the pins that nets drive."""

    ports: Mapping[tuple[str, int], int]
    loads: Mapping[int, int]


def _loads(
    module: Mapping[str, Any], behind: Mapping[str, _Behind]
) -> tuple[dict[int, int], Callable[[int], int]]:
    """Pins by net, and from a net to the one that stands for it: an instance may connect two of them inside."""
    stands: dict[int, int] = {}

    def same(bit: int) -> int:
        while bit in stands:
            bit = stands[bit]
        return bit

    below: list[tuple[int, int]] = []
    for cell in module["cells"].values():
        if cell["type"] not in behind:
            below += [(bit, 1) for _, bit in primitives.pins(cell, "input")]
            continue
        inside = behind[cell["type"]]
        outside: dict[int, int] = {}
        for (port, i), net in inside.ports.items():
            bits = cell["connections"].get(port, ())
            if i >= len(bits) or not isinstance(bits[i], int):
                continue
            if net in outside:
                first, second = sorted((same(outside[net]), same(bits[i])))
                if first != second:
                    stands[second] = first
            else:
                outside[net] = bits[i]
                below.append((bits[i], inside.loads.get(net, 0)))
    loads: dict[int, int] = {}
    for bit, count in below:
        loads[same(bit)] = loads.get(same(bit), 0) + count
    return loads, same


def _first_load(module: Mapping[str, Any], net: int, names: Mapping[int, tuple[str, str]]) -> str:
    """A pin that a net without a name goes to, a register's where there is one, for want of a better name."""
    other = "logic"
    for instance, cell in module["cells"].items():
        for pin, bit in primitives.pins(cell, "input") if "port_directions" in cell else ():
            if bit != net:
                continue
            if cell["type"].startswith("FD"):
                return f"{names[cell['connections']['Q'][0]][0]} {pin}"
            if not instance.startswith("$"):
                other = f"{instance}.{pin}"
    return other


def _global_bits(module: Mapping[str, Any]) -> set[int]:
    return {bit for name, net in module["netnames"].items() if name in _GLOBAL for bit in net["bits"]}
