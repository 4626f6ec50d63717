"""Checks on Yosys' JSON netlists: what no simulation shows for sure.

``structure`` takes a design after ``proc`` (word-level cells, hierarchy kept): latches, combinational loops, and paths
from a ready to a ready or valid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

# Word-level cells whose outputs change with the clock only.
_REGISTERS = {"$dff", "$dffe", "$adff", "$adffe", "$sdff", "$sdffe", "$sdffce", "$ff"}
_LATCHES = {"$dlatch", "$adlatch", "$dlatchsr", "$sr", "$aldff", "$aldffe", "$dffsr", "$dffsre"}
# Cells whose output bit i depends on bit i of each operand and on all of S.
_BITWISE = {"$and", "$or", "$xor", "$xnor", "$not", "$pos", "$mux", "$bwmux", "$pmux", "$_BUF_", "$buf"}
_NO_OUTPUT = {
    "$assert",
    "$assume",
    "$cover",
    "$check",
    "$print",
    "$scopeinfo",
    "$memwr_v2",
    "$meminit_v2",
    "$meminit",
}

Bit = int
Node = Bit | str


@dataclass(frozen=True)
class Structure:
    """Structural faults of a design; all empty when it is sound.

    Attributes:
        latches: ``module.cell`` of each latch or asynchronously set register.
        loops: for each combinational loop, the nets on it.
        ready_paths: ``module: from -> to`` for each path from a ready input to a ready or valid output.
    """

    latches: tuple[str, ...]
    loops: tuple[str, ...]
    ready_paths: tuple[str, ...]

    def problems(self) -> list[str]:
        """One sentence for each fault."""
        return [
            *(f"latch or asynchronous register: {name}" for name in self.latches),
            *(f"combinational loop: {name}" for name in self.loops),
            *(f"combinational path from a ready: {name}" for name in self.ready_paths),
        ]


def structure(design: Mapping[str, Any]) -> Structure:
    """Structural faults of a design as Yosys' ``write_json`` gives it after ``proc``.

    A module is summarised by which of its outputs depend, without a register, on which of its inputs; the
    summaries stand for its instances, so loops that pass through several modules are found.
    """
    modules = {n: m for n, m in design["modules"].items() if not _flag(m, "blackbox")}
    summaries: dict[str, _Summary] = {}
    latches: list[str] = []
    loops: list[str] = []
    ready: list[str] = []
    for name in bottom_up(modules):
        module = modules[name]
        label = name.split("\\")[1] if name.startswith("$paramod") else name
        graph = _Graph()
        for cell_name, cell in module["cells"].items():
            if cell["type"] in _LATCHES:
                latches.append(f"{label}.{cell_name}")
            graph.add_cell(cell_name, cell, summaries)
        names = net_names(module)
        for loop in graph.loops():
            nets = sorted({names[node][0] for node in loop if isinstance(node, int) and node in names})
            loops.append(f"{label}: {', '.join(nets[:6])}" + (" ..." if len(nets) > 6 else ""))
        summary = graph.summary(module["ports"])
        summaries[name] = summary
        for source, target in sorted(summary.port_paths):
            if _is(source, "ready") and (_is(target, "ready") or _is(target, "valid")):
                ready.append(f"{label}: {source} -> {target}")
    return Structure(_unique(latches), _unique(loops), _unique(ready))


@dataclass(frozen=True)
class _Summary:
    """Combinational dependences of a module: from each input port bit to output port bits."""

    reach: Mapping[tuple[str, int], frozenset[tuple[str, int]]]
    port_paths: frozenset[tuple[str, str]]


@dataclass
class _Graph:
    """Which bits of a module depend on which, without registers; a cell with many operands is a node of its own."""

    successors: dict[Node, list[Node]] = field(default_factory=dict)

    def add_cell(self, name: str, cell: Mapping[str, Any], summaries: Mapping[str, _Summary]) -> None:
        kind, pins = cell["type"], cell["connections"]
        if kind in _REGISTERS or kind in _NO_OUTPUT:
            return
        if kind in summaries:
            for (port, i), targets in summaries[kind].reach.items():
                for target, j in targets:
                    self._edge(pins[port][i], pins[target][j])
            return
        directions = cell["port_directions"]
        outputs = [bit for pin, bits in pins.items() if directions[pin] == "output" for bit in bits]
        if kind in _BITWISE:
            width = len(outputs)
            for pin in ("A", "B"):
                bits = pins.get(pin, ())
                if kind != "$pmux":
                    # The last bit of a narrow operand is its sign; what exceeds the result is dropped.
                    bits = [*bits, *bits[-1:] * (width - len(bits))][:width]
                for i, bit in enumerate(bits):
                    self._edge(bit, outputs[i % width])
            self._through(f"select of {name}", pins.get("S", ()), outputs)
            return
        inputs = [bit for pin in _combinational_pins(cell) for bit in pins[pin]]
        self._through(name, inputs, outputs)

    def _edge(self, source: Bit | str, target: Bit | str) -> None:
        # Constants are strings in the JSON.
        if isinstance(source, int) and isinstance(target, int):
            self.successors.setdefault(source, []).append(target)

    def _through(self, name: str, sources: Iterable[Bit | str], targets: Iterable[Bit | str]) -> None:
        sources = [bit for bit in sources if isinstance(bit, int)]
        if not sources:
            return
        for bit in sources:
            self.successors.setdefault(bit, []).append(name)
        self.successors.setdefault(name, []).extend(bit for bit in targets if isinstance(bit, int))

    def summary(self, ports: Mapping[str, Any]) -> _Summary:
        outputs: dict[Node, list[tuple[str, int]]] = {}
        for port, data in ports.items():
            if data["direction"] != "input":
                for i, bit in enumerate(data["bits"]):
                    outputs.setdefault(bit, []).append((port, i))
        reach: dict[tuple[str, int], frozenset[tuple[str, int]]] = {}
        for port, data in ports.items():
            if data["direction"] != "input":
                continue
            for i, bit in enumerate(data["bits"]):
                ends = [end for node in self._reachable(bit) for end in outputs.get(node, ())]
                if ends:
                    reach[port, i] = frozenset(ends)
        pairs = frozenset((port, end) for (port, _), ends in reach.items() for end, _ in ends)
        return _Summary(reach, pairs)

    def _reachable(self, start: Node) -> set[Node]:
        seen, todo = {start}, [start]
        while todo:
            for node in self.successors.get(todo.pop(), ()):
                if node not in seen:
                    seen.add(node)
                    todo.append(node)
        return seen

    def loops(self) -> list[list[Node]]:
        """Strongly connected components with an edge inside (Tarjan's algorithm without recursion)."""
        index: dict[Node, int] = {}
        low: dict[Node, int] = {}
        on_stack: set[Node] = set()
        stack: list[Node] = []
        found: list[list[Node]] = []
        for root in list(self.successors):
            if root in index:
                continue
            work: list[tuple[Node, int]] = [(root, 0)]
            while work:
                node, position = work.pop()
                if position == 0:
                    index[node] = low[node] = len(index)
                    stack.append(node)
                    on_stack.add(node)
                following = self.successors.get(node, [])
                descended = False
                while position < len(following):
                    child = following[position]
                    position += 1
                    if child not in index:
                        work += [(node, position), (child, 0)]
                        descended = True
                        break
                    if child in on_stack:
                        low[node] = min(low[node], index[child])
                if descended:
                    continue
                if low[node] == index[node]:
                    component = stack[stack.index(node) :] if stack[-1] != node else [node]
                    del stack[len(stack) - len(component) :]
                    on_stack.difference_update(component)
                    if len(component) > 1 or node in following:
                        found.append(component)
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[node])
        return found


def _combinational_pins(cell: Mapping[str, Any]) -> list[str]:
    """Input pins that the outputs follow without a clock."""
    if cell["type"] == "$memrd_v2":
        clocked = int(str(cell["parameters"]["CLK_ENABLE"]), 2)
        return [] if clocked else ["ADDR"]
    if cell["type"] == "$memrd":
        return [] if int(str(cell["parameters"]["CLK_ENABLE"]), 2) else ["ADDR"]
    return [pin for pin, direction in cell["port_directions"].items() if direction == "input"]


def bottom_up(modules: Mapping[str, Any]) -> list[str]:
    """Names of modules, those that others instantiate first."""
    order: list[str] = []

    def visit(name: str) -> None:
        if name in order:
            return
        for cell in modules[name]["cells"].values():
            if cell["type"] in modules:
                visit(cell["type"])
        order.append(name)

    for name in sorted(modules):
        visit(name)
    return order


def _is(port: str, role: str) -> bool:
    return port == role or port.endswith(f"_{role}")


def _unique(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))


def _flag(module: Mapping[str, Any], name: str) -> bool:
    return bool(int(str(module.get("attributes", {}).get(name, "0")), 2))


def net_names(module: Mapping[str, Any]) -> dict[int, tuple[str, str]]:
    """A name for each bit, with its index where the net has several, and the net's own name.

    Names that the source has come before those that Yosys made up.
    """
    names: dict[int, tuple[str, str]] = {}
    nets = sorted(module["netnames"].items(), key=lambda item: (item[1]["hide_name"], len(item[0]), item[0]))
    for net, data in nets:
        for i, bit in enumerate(data["bits"]):
            names.setdefault(bit, (f"{net}[{i}]" if len(data["bits"]) > 1 else net, net))
    return names
