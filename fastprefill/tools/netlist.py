"""Checks on Yosys' JSON netlists: what no simulation shows for sure.

``structure`` takes a design after ``proc`` (word-level cells, hierarchy kept): latches, combinational loops, and paths
from a ready to a ready or valid. ``paths`` takes one that is mapped and flat: logic levels between registers, fan-out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

# Word-level cells whose outputs change with the clock only.
_REGISTERS = {"$dff", "$dffe", "$adff", "$adffe", "$sdff", "$sdffe", "$sdffce", "$ff"}
_LATCHES = {"$dlatch", "$adlatch", "$dlatchsr", "$sr", "$aldff", "$aldffe", "$dffsr", "$dffsre"}
# Cells whose output bit i depends on bit i of each operand and on all of S.
_BITWISE = {"$and", "$or", "$xor", "$xnor", "$not", "$pos", "$mux", "$bwmux", "$pmux", "$_BUF_", "$buf"}
_NO_OUTPUT = {"$assert", "$assume", "$cover", "$check", "$print", "$scopeinfo", "$memwr_v2", "$meminit_v2", "$meminit"}

# Mapped cells: what a path goes through, and how many levels it costs there.
_LEVELS = {"LUT": 1, "RAM": 1, "DSP": 1, "CARRY": 0, "MUXF": 0, "INV": 0, "BUFG": 0}
_CLOCKED = ("FD", "RAMB", "URAM", "SRL")

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


@dataclass(frozen=True)
class Paths:
    """Timing shape of a mapped design.

    Attributes:
        levels: most look-up tables, distributed RAMs and DSP blocks between two registers or ports.
        carries: carry cells on that path, which come on top.
        start, end: nets where it begins and ends.
        fan_out: the nets with most loads, without clocks, as (net, loads).
    """

    levels: int
    carries: int
    start: str
    end: str
    fan_out: tuple[tuple[str, int], ...]


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
    for name in _bottom_up(modules):
        module = modules[name]
        label = name.split("\\")[1] if name.startswith("$paramod") else name
        graph = _Graph()
        for cell_name, cell in module["cells"].items():
            if cell["type"] in _LATCHES:
                latches.append(f"{label}.{cell_name}")
            graph.add_cell(cell_name, cell, summaries)
        names = _net_names(module)
        for loop in graph.loops():
            nets = sorted({names[node] for node in loop if isinstance(node, int) and node in names})
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


def _bottom_up(modules: Mapping[str, Any]) -> list[str]:
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


def _net_names(module: Mapping[str, Any]) -> dict[Node, str]:
    """A name for each bit, those that the source has before those that Yosys made up."""
    names: dict[Node, str] = {}
    nets = sorted(module["netnames"].items(), key=lambda item: (item[1]["hide_name"], len(item[0]), item[0]))
    for net, data in nets:
        for i, bit in enumerate(data["bits"]):
            names.setdefault(bit, f"{net}[{i}]" if len(data["bits"]) > 1 else net)
    return names


def paths(design: Mapping[str, Any]) -> Paths:
    """Longest register-to-register path and largest fan-outs of a mapped, flat design with one module."""
    (module,) = (m for m in design["modules"].values() if not _flag(m, "blackbox"))
    loads: Counter[Bit] = Counter()
    driver: dict[Bit, str] = {}
    captured: dict[Bit, Bit] = {}  # D -> Q of flip-flops
    inputs: dict[str, list[Bit]] = {}
    for name, cell in module["cells"].items():
        kind = cell["type"]
        through = not kind.startswith(_CLOCKED)
        if kind.startswith("FD"):
            captured.update(zip(cell["connections"]["D"], cell["connections"]["Q"], strict=True))
        for pin, bits in cell["connections"].items():
            wires = [bit for bit in bits if isinstance(bit, int)]
            if cell["port_directions"][pin] == "input":
                if pin not in ("C", "CLK", "WCLK", "CLKARDCLK", "CLKBWRCLK"):
                    loads.update(wires)
                if through and not (kind.startswith("RAM") and _writes(kind, pin)):
                    inputs.setdefault(name, []).extend(wires)
            elif through:
                driver.update(dict.fromkeys(wires, name))
    names = _net_names(module)
    best: dict[str, tuple[int, int, Bit | None]] = {}
    end, worst = None, (0, 0)
    for name in _sorted_cells(inputs, driver):
        kind = module["cells"][name]["type"]
        incoming: tuple[int, int, Bit | None] = (0, 0, None)
        for bit in inputs.get(name, ()):
            levels, carries, _ = best.get(driver.get(bit, ""), (0, 0, None))
            if (levels, carries) >= incoming[:2]:
                incoming = (levels, carries, bit)
        here = (incoming[0] + _levels(kind), incoming[1] + kind.startswith("CARRY"))
        best[name] = (*here, incoming[2])
        if here >= worst:
            end, worst = name, here
    last = "" if end is None else _driven(module, end, captured, names)
    first, cell_name = "", end
    while cell_name is not None:
        source = best[cell_name][2]
        first = names.get(source, "constant") if source is not None else first
        cell_name = driver.get(source) if source is not None else None
    top = sorted(loads.items(), key=lambda item: (-item[1], item[0]))[:5]
    return Paths(worst[0], worst[1], first, last, tuple((names.get(bit, str(bit)), n) for bit, n in top))


def _writes(kind: str, pin: str) -> bool:
    """Whether a pin of a distributed RAM is of its write side, which is clocked."""
    write_address = {"RAM32M": "ADDRD", "RAM64M": "ADDRD", "RAM32M16": "ADDRH", "RAM64M8": "ADDRH"}
    if kind.endswith("D"):  # RAM64X1D: A is the write address, DPRA the read address
        return not pin.startswith("DPRA")
    return not pin.startswith("A") or pin == write_address.get(kind)


def _levels(kind: str) -> int:
    return next((levels for prefix, levels in _LEVELS.items() if kind.startswith(prefix)), 1)


def _driven(module: Mapping[str, Any], cell: str, captured: Mapping[Bit, Bit], names: Mapping[Node, str]) -> str:
    """Name of a register that captures an output of `cell`, or of that output."""
    data = module["cells"][cell]
    bits = [b for pin, wires in data["connections"].items() if data["port_directions"][pin] == "output" for b in wires]
    ends = [*(captured[bit] for bit in bits if bit in captured), *bits]
    return next((names[bit] for bit in ends if bit in names), cell)


def _sorted_cells(inputs: Mapping[str, list[Bit]], driver: Mapping[Bit, str]) -> list[str]:
    """Cells with those that drive them first; cells on a loop are left where they are met."""
    order: dict[str, None] = {}
    for root in dict.fromkeys([*inputs, *driver.values()]):
        work = [(root, False)]
        open_cells: set[str] = set()
        while work:
            name, finished = work.pop()
            if finished:
                order.setdefault(name, None)
            elif name not in order and name not in open_cells:
                open_cells.add(name)
                work.append((name, True))
                work += [
                    (driver[bit], False)
                    for bit in inputs.get(name, ())
                    if bit in driver and driver[bit] not in order
                ]
    return list(order)
