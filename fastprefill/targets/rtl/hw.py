"""A builder of CIRCT modules: Python calls in, text of the hw, comb and seq dialects out.

Names (``names.py``): `hint` gives a value a wire of its own, `shared` names it only where it is used more than once
(CIRCT would call it ``_GEN_7``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fastprefill.targets.rtl.copies import Loads, Netlist, alike
from fastprefill.targets.rtl.names import INSTANCE, SHARED, STATE, WIRE, Names


@dataclass(frozen=True)
class Wire:
    """A value of a hardware module: SSA name and width in bits."""

    name: str
    width: int


@dataclass(frozen=True)
class Part:
    """A hand-written SystemVerilog module: ports as (name, direction, width), parameters by name."""

    module: str
    ports: tuple[tuple[str, str, int], ...]
    parameters: tuple[tuple[str, int | str], ...] = ()


@dataclass
class Design:
    """The modules of a unit and the hand-written parts that they use."""

    modules: list[Module] = field(default_factory=list)
    parts: dict[Part, str] = field(default_factory=dict)

    def part(self, part: Part) -> str:
        """The symbol of a part; equal parts share one."""
        return self.parts.setdefault(part, f"{part.module}__{len(self.parts)}")

    def text(self) -> str:
        """The design as one CIRCT module."""
        lines = ["module {"]
        for part, symbol in self.parts.items():
            ports = ", ".join(
                f"{'in %' if direction == 'in' else 'out '}{n} : i{w} loc(unknown)"
                for n, direction, w in part.ports
            )
            kinds = ", ".join(f"{n}: {'none' if isinstance(v, str) else 'i32'}" for n, v in part.parameters)
            head = f"<{kinds}>" if kinds else ""
            lines.append(
                f'  hw.module.extern @{symbol}{head}({ports}) attributes {{verilogName = "{part.module}"}} loc(unknown)'
            )
        lines += [module.text() for module in self.modules]
        return "\n".join([*lines, "} loc(unknown)"]) + "\n"


class Module:
    """One hardware module under construction. All values are plain bits; ``clk`` is there, and ``rst`` with `reset`.

    Attributes:
        src: ``file:line`` of the kernel that what is built next comes from, or empty.
        about: lines of the comment above the module.
        flip_flops: registers stay flip-flops, and are not made shift registers in LUTs.
        sources: name of a signal, instance or output -> ``file:line``; complete when ``text`` has been called.
        active: bits of which none may be 1 in simulation while the output ``busy`` is 0.
        labels: names of its instances, which no signal in it has: linters warn of such a name.
    """

    def __init__(self, design: Design, name: str, *, reset: bool = True) -> None:
        self.design, self.name, self.reset = design, name, reset
        self.inputs: list[tuple[str, int]] = []
        self.outputs: list[tuple[str, Wire]] = []
        self.lines: list[str] = []
        self.constants: dict[tuple[int, int], Wire] = {}
        self.known: dict[tuple[object, ...], Wire] = {}
        self.bound: dict[str, str] = {}
        self.pieces: dict[str, tuple[Wire, ...]] = {}
        self.names = Names()
        self.count = 0
        self.src = ""
        self.about: list[str] = []
        self.sources: dict[str, str] = {}
        self.rst = Wire("%rst", 1)
        self.finished: Netlist | None = None
        self.flip_flops = False
        self.behind: dict[str, list[Loads | int]] = {}
        self.active: dict[Wire, None] = {}
        self.labels: set[str] = set()
        design.modules.append(self)

    # ports

    def input(self, name: str, width: int) -> Wire:
        self.inputs.append((name, width))
        return Wire(f"%{name}", width)

    def output(self, name: str, value: Wire) -> None:
        self.outputs.append((name, value))
        if self.src:
            self.sources[name] = self.src

    def free_port(self, base: str) -> str:
        """`base`, or with a number when a port has that name."""
        taken = self._taken
        names = [base, *(f"{base}_{k}" for k in range(1, len(taken) + 2))]
        return next(name for name in names if name not in taken)

    @property
    def _taken(self) -> set[str]:
        """Names of ports."""
        return {"clk", "rst", *(n for n, _ in self.inputs), *(n for n, _ in self.outputs)}

    # values

    def fresh(self) -> str:
        self.count += 1
        return f"%t.{self.count}"  # no port has such a name

    def op(self, text: str, width: int, hint: str = "", shared: str = "") -> Wire:
        """An op whose text is `text`; equal ops are one, with the names of the first."""
        key = (text, width)
        if key in self.known:
            return self.known[key]
        wire = Wire(self.fresh(), width)
        head, _, kind = text.partition(" : ")
        name = self.placeholder(hint or shared, WIRE if hint else SHARED) if hint or shared else ""
        self.lines.append(f"    {wire.name} = {head}{name} : {kind} loc(unknown)")
        self.known[key] = wire
        return wire

    def placeholder(self, base: str, kind: int) -> str:
        return self.names.placeholder(base, kind, self.src)

    def const(self, value: int, width: int) -> Wire:
        value &= (1 << width) - 1
        key = (value, width)
        if key not in self.constants:
            wire = Wire(self.fresh(), width)
            text = (
                f"hw.constant {value} : i{width}"
                if width > 1
                else f"hw.constant {'true' if value else 'false'}"
            )
            self.lines.append(f"    {wire.name} = {text} loc(unknown)")
            self.constants[key] = wire
        return self.constants[key]

    def binary(self, name: str, a: Wire, b: Wire, hint: str = "", shared: str = "") -> Wire:
        """comb.add, sub, mul, and, or, xor, shl, shru, shrs, divu, modu."""
        if a.width != b.width:
            raise AssertionError(f"{name} of {a.width} and {b.width} bits in {self.name}")
        return self.op(f"comb.{name} bin {a.name}, {b.name} : i{a.width}", a.width, hint, shared)

    def compare(self, predicate: str, a: Wire, b: Wire, hint: str = "", shared: str = "") -> Wire:
        return self.op(f"comb.icmp bin {predicate} {a.name}, {b.name} : i{a.width}", 1, hint, shared)

    def mux(self, condition: Wire, yes: Wire, no: Wire, hint: str = "", shared: str = "") -> Wire:
        if yes == no:
            return yes
        if condition == self.constants.get((1, 1)):
            return yes
        if condition == self.constants.get((0, 1)):
            return no
        text = f"comb.mux bin {condition.name}, {yes.name}, {no.name} : i{yes.width}"
        return self.op(text, yes.width, hint, shared)

    def extract(self, a: Wire, low: int, width: int, hint: str = "") -> Wire:
        if low == 0 and width == a.width:
            return a
        if a.name in self.pieces:
            return self._extract_pieces(self.pieces[a.name], low, width, hint)
        return self.op(f"comb.extract {a.name} from {low} : (i{a.width}) -> i{width}", width, hint)

    def _extract_pieces(self, parts: Sequence[Wire], low: int, width: int, hint: str) -> Wire:
        """Bits of a concatenation, taken from its parts, so that chains of slice writes stay flat."""
        found: list[Wire] = []
        at = 0
        for part in reversed(parts):
            start, end = max(low, at), min(low + width, at + part.width)
            if start < end:
                found.append(self.extract(part, start - at, end - start))
            at += part.width
        return self.concat(found[::-1], hint)

    def concat(self, parts: Sequence[Wire], hint: str = "") -> Wire:
        """Parts from the most significant down."""
        parts = [q for p in parts for q in self.pieces.get(p.name, (p,))]
        if len(parts) == 1:
            return parts[0]
        names, kinds = ", ".join(p.name for p in parts), ", ".join(f"i{p.width}" for p in parts)
        wire = self.op(f"comb.concat {names} : {kinds}", sum(p.width for p in parts), hint)
        self.pieces[wire.name] = tuple(parts)
        return wire

    def resize(self, a: Wire, width: int, signed: bool) -> Wire:
        """Truncate or extend."""
        if width <= a.width:
            return self.extract(a, 0, width)
        if not signed:
            return self.concat([self.const(0, width - a.width), a])
        top = self.extract(a, a.width - 1, 1)
        count = width - a.width
        fill = top if count == 1 else self.op(f"comb.replicate {top.name} : (i1) -> i{count}", count)
        return self.concat([fill, a])

    def low_bits(self, a: Wire, bits: int, name: str) -> Wire:
        """A value of which only the low bits can be anything but 0."""
        if bits >= a.width:
            return a
        return self.concat([self.const(0, a.width - bits), self.extract(a, 0, bits)], name)

    def both(self, values: Iterable[Wire | None], hint: str = "", shared: str = "") -> Wire:
        """AND of the values that are there; true when none is."""
        real = [v for v in dict.fromkeys(values) if v is not None and v != self.constants.get((1, 1))]
        return self._fold("and", real, 1, hint, shared)

    def any(self, values: Iterable[Wire], hint: str = "", shared: str = "") -> Wire:
        """OR of the values; false when there is none."""
        real = [v for v in dict.fromkeys(values) if v != self.constants.get((0, 1))]
        return self._fold("or", real, 0, hint, shared)

    def _fold(self, name: str, values: list[Wire], empty: int, hint: str, shared: str) -> Wire:
        if not values:
            return self.const(empty, 1)
        if len(values) == 1:
            return values[0]
        return self.op(f"comb.{name} bin {', '.join(v.name for v in values)} : i1", 1, hint, shared)

    def invert(self, a: Wire) -> Wire:
        return self.binary("xor", a, self.const(1, 1))

    # state

    def register(
        self,
        following: Wire,
        name: str,
        *,
        enable: Wire | None = None,
        reset: int | None = None,
        use_dsp: str | None = None,
    ) -> Wire:
        """A flip-flop; with a reset value it is reset synchronously. `use_dsp` becomes the attribute of that name."""
        wire = Wire(self.fresh(), following.width)
        tail = f" reset %rst, {self.const(reset, following.width).name}" if reset is not None else ""
        name = self.placeholder(name, STATE)
        if enable is None:
            text = f"seq.compreg name {name} {following.name}, %clk{tail}"
        else:
            text = f"seq.compreg.ce name {name} {following.name}, %clk, {enable.name}{tail}"
        marks = [("use_dsp", use_dsp)] if use_dsp else []
        if self.flip_flops and enable is None and reset is None:
            marks.append(("shreg_extract", "no"))
        listed = ", ".join(f'#sv.attribute<"{key}" = "\\"{value}\\"">' for key, value in marks)
        mark = f" {{sv.attributes = [{listed}]}}" if marks else ""
        self.lines.append(f"    {wire.name} = {text}{mark} : i{wire.width} loc(unknown)")
        return wire

    def later(self, width: int) -> Wire:
        """A value that is defined afterwards, by ``bind``."""
        self.count += 1
        return Wire(f"%later{self.count}_", width)

    def bind(self, wire: Wire, value: Wire) -> None:
        if wire.width != value.width:
            raise AssertionError(f"bind of {value.width} bits to {wire.width} in {self.name}")
        self.bound[wire.name] = value.name

    # instances

    def instance(self, name: str, part: Part | Module, inputs: dict[str, Wire]) -> dict[str, Wire]:
        """An instance of a module or part; ``clk`` and ``rst`` are connected where the module has them."""
        if isinstance(part, Part):
            symbol, ports = self.design.part(part), part.ports
            parameters = ", ".join(
                f'{n}: none = "{v}"' if isinstance(v, str) else f"{n}: i32 = {v}" for n, v in part.parameters
            )
        else:
            symbol, parameters = part.name, ""
            ports = (("clk", "in", 0), *([("rst", "in", 1)] if part.reset else []))
            ports += tuple((n, "in", w) for n, w in part.inputs)
            ports += tuple((n, "out", w.width) for n, w in part.outputs)
        ins, outs, results = [], [], {}
        for port, direction, width in ports:
            if direction == "out":
                results[port] = Wire(self.fresh(), width)
                outs.append(f"{port}: i{width}")
            elif port == "clk":
                ins.append("clk: %clk: !seq.clock" if width == 0 else f"clk: {self.clock_bit()}: i1")
            elif port == "rst":
                ins.append("rst: %rst: i1")
            else:
                wire = inputs[port]
                if wire.width != width:
                    raise AssertionError(f"port {port} of {name} has {width} bits, not {wire.width}")
                ins.append(f"{port}: {wire.name}: i{width}")
        head = ", ".join(w.name for w in results.values())
        bracket = f"<{parameters}>" if parameters else ""
        self.lines.append(
            f"    {head + ' = ' if head else ''}hw.instance {self.placeholder(name, INSTANCE)} @{symbol}{bracket}"
            f"({', '.join(ins)}) -> ({', '.join(outs)}) loc(unknown)"
        )
        return results

    def clock_bit(self) -> str:
        """The clock as a plain bit, for hand-written parts."""
        if ("clock",) not in self.known:
            wire = Wire(self.fresh(), 1)
            self.lines.append(f"    {wire.name} = seq.from_clock %clk loc(unknown)")
            self.known["clock",] = wire
        return self.known["clock",].name

    def text(self) -> str:
        """The module as MLIR; values that reach no output and no instance are left out."""
        ports = ["in %clk : !seq.clock", *(["in %rst : i1"] if self.reset else [])]
        ports += [f"in %{n} : i{w}" for n, w in self.inputs]
        ports += [f"out {n} : i{w.width}" for n, w in self.outputs]
        ports = [f"{port} loc(unknown)" for port in ports]
        head = f"  hw.module @{self.name}({', '.join(ports)}) {{"
        netlist = self.netlist()
        counts = Counter({name: len(uses) for name, uses in netlist.uses.items()})
        *lines, outputs = netlist.text()
        found = dict.fromkeys(self._resolved(wire.name) for wire in self.active)
        active = [each for one in found if one in netlist.maker for each in (one, *netlist.copies.get(one, ()))]
        counts.update(active)
        check = [self._check(active)] if active else []
        named = self.names.place([*lines, *check, outputs], counts, self._taken | self.labels)
        self.sources |= self.names.sources
        return "\n".join([head, *named, "  } loc(unknown)"])

    def _resolved(self, name: str) -> str:
        """The value that a name stands for, also one that was bound later."""
        while name in self.bound:
            name = self.bound[name]
        return name

    def _check(self, active: list[str]) -> str:
        """That nothing of `active` is 1 when the module is not busy, as text: it is no part of the netlist."""
        holes = [f"{{{{{number}}}}}" for number in range(len(active))]
        rows = [" | ".join(holes[at : at + 4]) for at in range(0, len(holes), 4)]
        lines = (
            "`ifdef FP_CHECKS",
            "  always_ff @(posedge clk)",
            f"    if (!rst && !busy && ({rows[0]}",
            *(f"        | {row}" for row in rows[1:]),
            f"      )) $error(\\22{self.name} %m: a store or a put while it is not busy\\22);",
            "`endif",
        )
        text = "\\0A".join(lines)
        return f'    sv.verbatim "{text}"({", ".join(active)}) : {", ".join(["i1"] * len(active))} loc(unknown)'

    def netlist(self) -> Netlist:
        """The lines that matter, with registers copied where they drive many pins. Nothing may be added afterwards."""
        if self.finished is None:
            names = ", ".join(w.name for _, w in self.outputs)
            kinds = ", ".join(f"i{w.width}" for _, w in self.outputs)
            tail = f"    hw.output {names} : {kinds} loc(unknown)" if names else "    hw.output loc(unknown)"
            widths = {"%clk": 1, "%rst": 1, **{f"%{name}": width for name, width in self.inputs}}
            self.finished = Netlist(self._used([*self.lines, tail]), widths, self._pins, self.names.again)
            self.finished.spread()
        return self.finished

    def _pins(self, instance: str) -> list[Loads | int]:
        """The pins behind each bit of an instance's operands; in a hand-written part, one."""
        symbol = re.findall(r"@(\w+)", instance)[0]
        if symbol in self.behind:
            return self.behind[symbol]
        module = next((m for m in self.design.modules if m.name == symbol), None)
        ports = re.findall(r"(\w+): %[\w.]+: ", instance)
        self.behind[symbol] = [
            1 if module is None or port in ("clk", "rst") else alike(module.netlist().loads(f"%{port}"))
            for port in ports
        ]
        return self.behind[symbol]

    def _used(self, lines: list[str]) -> list[str]:
        """Lines that matter, with the values that were bound later in place."""

        resolved = [
            re.sub(r"%later\d+_", lambda found: self._resolved(found[0]), line) if "%later" in line else line
            for line in lines
        ]
        makers: dict[str, int] = {}
        uses: list[list[str]] = []
        stack: list[int] = []
        for number, line in enumerate(resolved):
            made, _, rest = line.partition(" = ")
            if not rest:
                made, rest = "", line
            for name in re.findall(r"%[\w.]+", made):
                makers[name] = number
            uses.append(re.findall(r"%[\w.]+", rest))
            if "hw.instance" in line or "hw.output" in line:
                stack.append(number)
        keep = set(stack)
        while stack:
            for name in uses[stack.pop()]:
                maker = makers.get(name)
                if maker is not None and maker not in keep:
                    keep.add(maker)
                    stack.append(maker)
        return [line for number, line in enumerate(resolved) if number in keep]
