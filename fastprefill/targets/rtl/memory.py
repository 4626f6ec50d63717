"""Arrays of a process in hardware: registers, RAMs, ROMs and the buffers of block streams.

Accesses are collected while the bodies are built; ``finish`` then makes the registers and memories, with one
multiplexer in front of each port. The schedule sees to it that a port is used once a cycle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from xdsl.ir import SSAValue

from fastprefill.ir.query import array_name
from fastprefill.passes.addresses import bits, unpartitioned
from fastprefill.passes.storage import Storage
from fastprefill.targets.rtl.addresses import (
    Index,
    Offset,
    address,
    from_bank,
    pick,
    place,
    reached,
    select,
)
from fastprefill.targets.rtl.hw import Module, Part, Wire


def ram(width: int, depth: int, style: str) -> Part:
    """The hand-written simple dual-port memory."""
    wide = bits(depth)
    ports = (
        ("clk", "in", 1),
        ("we", "in", 1),
        ("waddr", "in", wide),
        ("wdata", "in", width),
        ("raddr", "in", wide),
        ("rdata", "out", width),
    )
    return Part("fp_ram", ports, (("WIDTH", width), ("DEPTH", depth), ("STYLE", style)))


@dataclass
class Registers:
    """A completely partitioned array or a scalar variable: a register per element."""

    m: Module
    array: SSAValue
    storage: Storage
    values: list[Wire] = field(init=False)
    writes: list[list[tuple[Wire, Wire]]] = field(init=False)

    def __post_init__(self) -> None:
        self.values = [self.m.later(self.storage.width) for _ in range(self.storage.banks)]
        self.writes = [[] for _ in self.values]

    def read(self, indices: list[Index], reader: Reader) -> Wire:
        banks, _ = place(self.m, array_name(self.array), self.storage, indices)
        return from_bank(self.m, self.storage, self.values, banks)

    def write(self, indices: list[Index], enable: Wire, data: Wire) -> None:
        banks, _ = place(self.m, array_name(self.array), self.storage, indices)
        for number, condition in reached(self.m, self.storage, banks):
            self.writes[number].append(
                (self.m.both([enable, condition], shared=f"{array_name(self.array)}_write"), data)
            )

    def finish(self) -> None:
        for number, (value, writes) in enumerate(zip(self.values, self.writes, strict=True)):
            name = array_name(self.array) + element_suffix(self.storage, number)
            if not writes:
                self.m.bind(value, self.m.const(0, value.width))
                continue
            following = select(self.m, writes, value.width)
            self.m.bind(value, self.m.register(following, name, enable=self.m.any(e for e, _ in writes)))


def element_suffix(storage: Storage, number: int) -> str:
    """``_1_2`` for the element of a bank number."""
    parts = []
    for factor in reversed(storage.factors):
        parts.append(number % factor)
        number //= factor
    return "".join(f"_{p}" for p in reversed(parts))


@dataclass(frozen=True)
class Reader:
    """Who reads: an iteration that is in a stage, or a body that has the turn and has not issued yet.

    What the second finds decides whether it issues, so its read may not depend on that; it waits behind the others.
    """

    active: Wire
    waits: bool


@dataclass
class _Reads:
    """Reads by one port: addresses with what chooses them."""

    flying: list[tuple[Wire, Wire]] = field(default_factory=list)
    waiting: list[tuple[Wire, Wire]] = field(default_factory=list)

    def add(self, reader: Reader, where: Wire) -> None:
        (self.waiting if reader.waits else self.flying).append((reader.active, where))

    @property
    def choices(self) -> list[tuple[Wire, Wire]]:
        """For `select`. While a body that has the turn waits, the port may still serve iterations on their way."""
        return [*self.flying, *self.waiting]


@dataclass
class _Bank:
    data: Wire
    reads: _Reads = field(default_factory=_Reads)
    writes: list[tuple[Wire, Wire, Wire]] = field(default_factory=list)


@dataclass
class Rams:
    """An array in memories: a bank per partition, each with one read and one write port.

    `forward` makes a read see the write of its own cycle (block memories, for II = 1 read-modify-write).
    """

    m: Module
    array: SSAValue
    storage: Storage
    forward: bool
    copies: bool = False
    banks: list[_Bank] = field(init=False)
    extra: list[list[_Bank]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.banks = self._new_banks()

    def _new_banks(self) -> list[_Bank]:
        return [_Bank(self.m.later(self.storage.width)) for _ in range(self.storage.banks)]

    def read(self, indices: list[Index], reader: Reader) -> Wire:
        """Data of the element, ``read_latency`` cycles later."""
        parts, offsets = place(self.m, array_name(self.array), self.storage, indices)
        wire = address(self.m, offsets, self.storage.depth)
        banks = self.banks
        if self.copies and any(b.reads.choices for b in banks):
            banks = self._new_banks()
            self.extra.append(banks)
        for number, _ in reached(self.m, self.storage, parts):
            banks[number].reads.add(reader, wire)
        if self.storage.read_latency:
            name = f"{array_name(self.array)}_bank"
            parts = [self.m.register(p, name) if isinstance(p, Wire) else p for p in parts]
        return from_bank(self.m, self.storage, [b.data for b in banks], parts)

    def write(self, indices: list[Index], enable: Wire, data: Wire) -> None:
        parts, offsets = place(self.m, array_name(self.array), self.storage, indices)
        wire = address(self.m, offsets, self.storage.depth)
        for number, condition in reached(self.m, self.storage, parts):
            reaches = self.m.both([enable, condition], shared=f"{array_name(self.array)}_write")
            self.banks[number].writes.append((reaches, wire, data))

    def finish(self) -> None:
        for copy, banks in enumerate([self.banks, *self.extra]):
            for number, bank in enumerate(banks):
                suffix = (f"_{number}" if len(banks) > 1 else "") + (f"_copy{copy}" if copy else "")
                self._bank(f"{array_name(self.array)}{suffix}", bank, self.banks[number].writes)

    def _bank(self, name: str, bank: _Bank, writes: list[tuple[Wire, Wire, Wire]]) -> None:
        m, wide = self.m, bits(self.storage.depth)
        enable = m.any((e for e, _, _ in writes), shared=f"{name}_we")
        waddr = select(m, [(e, a) for e, a, _ in writes], wide, f"{name}_waddr")
        wdata = select(m, [(e, d) for e, _, d in writes], self.storage.width, f"{name}_wdata")
        raddr = select(m, bank.reads.choices, wide, f"{name}_raddr")
        part = ram(self.storage.width, self.storage.depth, self.storage.memory)
        ports = {"we": enable, "waddr": waddr, "wdata": wdata, "raddr": raddr}
        data = m.instance(name, part, ports)["rdata"]
        if self.forward:
            hit = m.both([enable, m.compare("eq", waddr, raddr)])
            hit_now = m.register(hit, f"{name}_hit")
            data = m.mux(hit_now, m.register(wdata, f"{name}_written"), data, shared=f"{name}_forwarded")
        m.bind(bank.data, data)


@dataclass
class Rom:
    """A constant array, in LUTs."""

    m: Module
    name: str
    storage: Storage
    contents: list[int]

    def read(self, indices: list[Index], reader: Reader) -> Wire:
        _, offsets = place(self.m, self.name, unpartitioned(self.storage), indices)
        flat = address(self.m, offsets, len(self.contents))
        contents = [self.m.const(v, self.storage.width) for v in self.contents]
        return pick(self.m, contents, flat, self.name)

    def finish(self) -> None:
        pass


@dataclass
class Window:
    """The buffer of a block stream that the process holds: its memory is outside, in ``blocks.py``.

    `slot` is the number of the buffer held, at the issue of each body; the caller delays it to the access.
    """

    m: Module
    name: str
    storage: Storage
    depth: int
    mode: str
    writes: dict[int, list[tuple[Wire, Wire, Wire]]] = field(default_factory=dict)
    reads: dict[int, _Reads] = field(default_factory=dict)
    data: Wire | None = None
    fields: list[Wire] = field(default_factory=list)

    @property
    def words(self) -> int:
        """Words of a bank, all buffers together."""
        return self.storage.depth * self.depth

    def _address(self, offsets: list[Offset], slot: Wire | None) -> Wire:
        base = [(slot, self.storage.depth)] if slot is not None else []
        return address(self.m, [*base, *offsets], self.words)

    def read_at(self, indices: list[Index], reader: Reader, slot: Wire | None) -> Wire:
        parts, offsets = place(self.m, self.name, self.storage, indices)
        banks, width = self.storage.banks, self.storage.width
        where = self._address(offsets, slot)
        if self.storage.memory == "register":
            if self.data is None:
                self.data = self.m.input(f"{self.name}_rdata", self.words * banks * width)
                self.fields = [self.m.extract(self.data, i * width, width) for i in range(banks * self.words)]
            held = [
                from_bank(self.m, self.storage, self.fields[i * banks : (i + 1) * banks], parts)
                for i in range(self.words)
            ]
            return held[0] if slot is None else pick(self.m, held, where)
        if self.data is None:
            self.data = self.m.input(f"{self.name}_rdata", banks * width)
            self.fields = [self.m.extract(self.data, i * width, width) for i in range(banks)]
        for number, _ in reached(self.m, self.storage, parts):
            self.reads.setdefault(number, _Reads()).add(reader, where)
        if self.storage.read_latency:
            name = f"{self.name}_bank"
            parts = [self.m.register(p, name) if isinstance(p, Wire) else p for p in parts]
        return from_bank(self.m, self.storage, self.fields, parts)

    def write_at(self, indices: list[Index], enable: Wire, data: Wire, slot: Wire | None) -> None:
        parts, offsets = place(self.m, self.name, self.storage, indices)
        where = self._address(offsets, slot)
        for number, condition in reached(self.m, self.storage, parts):
            reaches = self.m.both([enable, condition], shared=f"{self.name}_write")
            self.writes.setdefault(number, []).append((reaches, where, data))

    def finish(self) -> None:
        m, banks, width = self.m, self.storage.banks, self.storage.width
        wide = bits(self.words)
        if self.mode == "write":
            mine = [self.writes.get(number, []) for number in range(banks)]
            enables = [m.any(e for e, _, _ in writes) for writes in mine]
            addresses = [select(m, [(e, a) for e, a, _ in writes], wide) for writes in mine]
            datas = [select(m, [(e, d) for e, _, d in writes], width) for writes in mine]
            m.output(f"{self.name}_we", m.concat(enables[::-1]))
            if self.words > 1:
                m.output(f"{self.name}_waddr", m.concat(addresses[::-1]))
            m.output(f"{self.name}_wdata", m.concat(datas[::-1]))
            if (
                self.data is not None and self.storage.memory != "register"
            ):  # the writer reads what it has written
                addresses = [select(m, self.reads.get(number, _Reads()).choices, wide) for number in range(banks)]
                m.output(f"{self.name}_raddr", m.concat(addresses[::-1]))
        elif self.storage.memory != "register":
            addresses = [select(m, self.reads.get(number, _Reads()).choices, wide) for number in range(banks)]
            m.output(f"{self.name}_raddr", m.concat(addresses[::-1]))
            if self.data is None:
                m.input(f"{self.name}_rdata", banks * width)
        elif self.data is None:
            m.input(f"{self.name}_rdata", prod((self.words, banks, width)))
