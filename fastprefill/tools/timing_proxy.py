"""Register-to-register depth of a mapped design: look-up tables and carry bits in a row. A proxy for timing.

Nothing is placed or routed, so there are no delays here. A path runs from a register, memory or port to the next
one; what it passes is counted: LUTs (distributed RAM read without a clock is one), bits of carry chains, chains
entered, and DSP blocks without registers of their own.

A module is looked at once, however often it is instantiated: what parents need to know of it is how far it is from
each input to a register inside, from a register to each output, and from input to output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fastprefill.boards import most_luts
from fastprefill.tools import primitives
from fastprefill.tools.netlist import bottom_up, net_names
from fastprefill.tools.primitives import Arc

CARRY_BITS = 32
"""Bits of carry on a path that the rule allows, with any clock, in one chain or in several short ones: the LUT by which
a path enters a chain counts among its LUTs."""

# What a path is judged by first, and by what among equals.
_ORDERS = {
    "luts": ("luts", "carry_bits", "chains", "dsps"),
    "carry_bits": ("carry_bits", "luts", "chains", "dsps"),
    "chains": ("chains", "carry_bits", "luts", "dsps"),
}
_FIELD = 20  # bits of each count in a weight

PortBit = tuple[str, int]
Lines = Callable[[str], str]
"""From the ``src`` attribute of a net to the line of the kernel, or an empty text."""


class Point(NamedTuple):
    """A register, memory or port: its name below the module that is looked at, and its line in the kernel."""

    name: str
    line: str

    def inside(self, instance: str) -> Point:
        return Point(f"{instance}.{self.name}", self.line)


@dataclass(frozen=True)
class Path:
    """A path and what it passes.

    Attributes:
        luts: look-up tables, and distributed RAMs read without a clock.
        carry_bits: bits travelled along carry chains, both ends counted.
        chains: carry chains entered.
        dsps: DSP blocks whose registers Yosys left outside; Vivado moves registers into them.
        start, end: registers, memories or ports, from the top; the pin of a register where it is not D.
        start_line, end_line: lines of the kernel, or empty.
    """

    luts: int = 0
    carry_bits: int = 0
    chains: int = 0
    dsps: int = 0
    start: str = ""
    end: str = ""
    start_line: str = ""
    end_line: str = ""

    def describe(self) -> str:
        """One line for a table."""
        start, end = (
            f"{name} ({line})" if line else name
            for name, line in ((self.start, self.start_line), (self.end, self.end_line))
        )
        dsps = f", {self.dsps} DSP" if self.dsps else ""
        chains = f"{self.chains} chain" + ("" if self.chains == 1 else "s")
        return f"{self.luts} LUT, {self.carry_bits} carry bits in {chains}{dsps}: {start} -> {end}"


@dataclass(frozen=True)
class Depth:
    """The longest paths: by LUTs, by carry bits and by carry chains."""

    luts: Path
    carry_bits: Path
    chains: Path

    def within(self, clock_mhz: float) -> bool:
        """Whether every path keeps the rule for a clock."""
        return (
            self.luts.luts <= most_luts(clock_mhz)
            and self.carry_bits.carry_bits <= CARRY_BITS
        )


def depths(
    modules: Mapping[str, Any], top: str, line_of: Lines = lambda src: ""
) -> tuple[Depth, dict[str, Depth]]:
    """The longest paths of a mapped design.

    Args:
        modules: of Yosys' JSON, without those of the library, hierarchy kept.
        top: name of the top module.
        line_of: from the ``src`` attribute of a net to the line of the kernel.

    Returns:
        Those of the whole design, where a path may pass through modules, and those of each module, where ports count
        as ends. A module's paths include the parts of them that lie in modules below it.
    """
    whole: dict[str, Path] = {}
    local: dict[str, dict[str, Path]] = {name: {} for name in modules}
    names = {name: _points(modules[name], line_of) for name in modules}
    for objective, order in _ORDERS.items():
        summaries: dict[str, _Summary] = {}
        best: tuple[int, _Ends] = (-1, _NOWHERE)
        prefix = _first_paths(modules, top)
        for name in bottom_up(modules):
            if name not in prefix:
                continue
            graph = _Graph(modules[name], names[name], order, summaries)
            summary = summaries[name] = graph.summary()
            local[name][objective] = _path(*summary.longest, order)
            inner = summary.longest if name == top else summary.inner
            if inner[0] > best[0]:
                start, end = inner[1]
                path = prefix[name]
                best = (inner[0], (start.inside(path), end.inside(path)) if path else (start, end))
        whole[objective] = _path(*best, order)
    return Depth(**whole), {name: Depth(**paths) for name, paths in local.items() if paths}


_Ends = tuple[Point, Point]
_NOWHERE = (Point("", ""), Point("", ""))
_Far = tuple[int, Point]


@dataclass
class _Summary:
    """What parents need to know of a module.

    Attributes:
        into: input -> longest way to an end inside.
        out_of: output -> longest way from a start inside.
        through: (input, output, weight) without a clock between.
        inner: longest path between registers inside, or weight -1.
        longest: the same with ports as ends.
    """

    into: dict[PortBit, _Far] = field(default_factory=dict)
    out_of: dict[PortBit, _Far] = field(default_factory=dict)
    through: list[tuple[PortBit, PortBit, int]] = field(default_factory=list)
    inner: tuple[int, _Ends] = (-1, _NOWHERE)
    longest: tuple[int, _Ends] = (-1, _NOWHERE)


class _Graph:
    """Nets of one module, the ways between them, and where paths start and end."""

    def __init__(
        self, module: Mapping[str, Any], points: Mapping[int, Point], order: tuple[str, ...],
        summaries: Mapping[str, _Summary],
    ) -> None:  # fmt: skip
        self.ports = module["ports"]
        self.points = points
        self.order = order
        self.after: dict[int, list[tuple[int, int]]] = {}
        self.starts: dict[int, _Far] = {}
        self.ends: dict[int, _Far] = {}
        carries = {
            bit
            for cell in module["cells"].values()
            if cell["type"].startswith("CARRY")
            for bit in cell["connections"].get("CO", ())
            if isinstance(bit, int)
        }
        for name, cell in module["cells"].items():
            if cell["type"] in summaries:
                self._add_instance(name, cell["connections"], summaries[cell["type"]])
            else:
                self._add_cell(cell, carries)
        self.sorted = self._sort()

    def _weight(self, arc: Arc) -> int:
        weight = 0
        for name in self.order:
            weight = weight << _FIELD | getattr(arc, name)
        return weight

    def _add_cell(self, cell: Mapping[str, Any], carries: set[int]) -> None:
        kind = cell["type"]
        own = self._name(cell)
        for pin, bit in primitives.pins(cell, "output"):
            if primitives.is_start(cell, pin):
                # A distributed RAM's word comes through its LUT after a write.
                luts = 1 if kind.startswith("RAM") and not kind.startswith("RAMB") else 0
                start = self.points.get(bit, own)
                _keep(self.starts, bit, (self._weight(Arc(0, 0, luts=luts)), start))
        for pin, bit in primitives.pins(cell, "input"):
            if primitives.is_end(cell, pin):
                end = own if pin == "D" or not kind.startswith("FD") else Point(f"{own.name} {pin}", own.line)
                _keep(self.ends, bit, (0, end))
        for arc in primitives.arcs(cell, carries):
            self.after.setdefault(arc.source, []).append((arc.target, self._weight(arc)))

    def _name(self, cell: Mapping[str, Any]) -> Point:
        """What a register or memory is called: as the net at its first output."""
        for _, bit in primitives.pins(cell, "output"):
            if bit in self.points:
                return self.points[bit]
        return Point(cell["type"], "")

    def _add_instance(self, name: str, wires: Mapping[str, list[Any]], summary: _Summary) -> None:
        for far, keep in ((summary.into, self.ends), (summary.out_of, self.starts)):
            for (port, i), (weight, point) in far.items():
                bit = _at(wires, port, i)
                if bit is not None:
                    _keep(keep, bit, (weight, point.inside(name)))
        for (port, i), (out, j), weight in summary.through:
            source, target = _at(wires, port, i), _at(wires, out, j)
            if source is not None and target is not None:
                self.after.setdefault(source, []).append((target, weight))

    def _sort(self) -> list[int]:
        """Nets with arcs, those that others depend on first; an arc that closes a loop is left out of the order."""
        done: list[int] = []
        state: dict[int, bool] = {}
        for root in list(self.after):
            work = [(root, False)]
            while work:
                bit, finished = work.pop()
                if finished:
                    if not state[bit]:
                        state[bit] = True
                        done.append(bit)
                elif bit not in state:
                    state[bit] = False
                    work.append((bit, True))
                    work += [(target, False) for target, _ in self.after.get(bit, ()) if target not in state]
        return done[::-1]

    def summary(self) -> _Summary:
        found = _Summary()
        inputs, outputs = self._port_bits(inputs=True), self._port_bits(inputs=False)
        arrival = self._forward(self.starts, self.sorted)
        to_end = self._backward(self.ends)
        found.inner = self._longest(arrival, self.ends)
        for port, bit in outputs:
            if bit in arrival:
                found.out_of[port] = arrival[bit]
        for port, bit in inputs:
            if bit in to_end:
                found.into[port] = to_end[bit]
        self._add_through(found, inputs, outputs)
        as_starts = {bit: (0, self.points[bit]) for _, bit in inputs}
        as_ends = {bit: (0, self.points[bit]) for _, bit in outputs}
        found.longest = self._longest(
            self._forward({**as_starts, **self.starts}, self.sorted), {**as_ends, **self.ends}
        )
        return found

    def _port_bits(self, *, inputs: bool) -> list[tuple[PortBit, int]]:
        return [
            ((port, i), bit)
            for port, data in self.ports.items()
            if (data["direction"] == "input") == inputs
            for i, bit in enumerate(data["bits"])
            if isinstance(bit, int)
        ]

    def _forward(self, starts: Mapping[int, _Far], order: list[int]) -> dict[int, _Far]:
        best = dict(starts)
        for bit in order:
            here = best.get(bit)
            if here is not None:
                for target, weight in self.after.get(bit, ()):
                    _keep(best, target, (here[0] + weight, here[1]))
        return best

    def _backward(self, ends: Mapping[int, _Far]) -> dict[int, _Far]:
        best = dict(ends)
        for bit in reversed(self.sorted):
            for target, weight in self.after.get(bit, ()):
                if target in best:
                    _keep(best, bit, (best[target][0] + weight, best[target][1]))
        return best

    def _add_through(
        self, found: _Summary, inputs: list[tuple[PortBit, int]], outputs: list[tuple[PortBit, int]]
    ) -> None:
        ports: dict[int, list[PortBit]] = {}
        for port, bit in outputs:
            ports.setdefault(bit, []).append(port)
        nowhere = Point("", "")
        reach = self._backward(dict.fromkeys(ports, (0, nowhere)))
        order = [bit for bit in self.sorted if bit in reach]
        position = {bit: i for i, bit in enumerate(order)}
        for port, bit in inputs:
            if bit in reach:
                away = self._forward({bit: (0, nowhere)}, order[position.get(bit, len(order)) :])
                found.through += [
                    (port, out, weight)
                    for target, (weight, _) in away.items()
                    for out in ports.get(target, ())
                ]

    def _longest(self, arrival: Mapping[int, _Far], ends: Mapping[int, _Far]) -> tuple[int, _Ends]:
        best: tuple[int, _Ends] = (-1, _NOWHERE)
        for bit, (weight, end) in ends.items():
            if bit in arrival and arrival[bit][0] + weight > best[0]:
                best = (arrival[bit][0] + weight, (arrival[bit][1], end))
        return best


def _at(wires: Mapping[str, list[Any]], port: str, i: int) -> int | None:
    """The net at a bit of a port; None where it is open, constant, or the net is narrower than the port."""
    bits = wires.get(port, ())
    return bits[i] if i < len(bits) and isinstance(bits[i], int) else None


def _keep(best: dict[int, _Far], bit: int, far: _Far) -> None:
    if bit not in best or far[0] > best[bit][0]:
        best[bit] = far


def _path(weight: int, ends: _Ends, order: tuple[str, ...]) -> Path:
    if weight < 0:
        return Path()
    counts = {}
    for name in reversed(order):
        counts[name] = weight & ((1 << _FIELD) - 1)
        weight >>= _FIELD
    start, end = ends
    return Path(**counts, start=start.name, end=end.name, start_line=start.line, end_line=end.line)


def _points(module: Mapping[str, Any], line_of: Lines) -> dict[int, Point]:
    lines: dict[str, str] = {}
    found = {}
    for bit, (name, net) in net_names(module).items():
        src = module["netnames"][net]["attributes"].get("src", "")
        if src not in lines:
            lines[src] = line_of(src)
        found[bit] = Point(name, lines[src])
    return found


def _first_paths(modules: Mapping[str, Any], top: str) -> dict[str, str]:
    """Each module that the top has -> the path of its first instance; the top's is empty."""
    paths = {top: ""}
    todo = [top]
    for name in todo:
        for instance, cell in modules[name]["cells"].items():
            kind = cell["type"]
            if kind in modules and kind not in paths:
                paths[kind] = f"{paths[name]}.{instance}" if paths[name] else instance
                todo.append(kind)
    return paths
