"""Arrays of a process in hardware: registers, RAMs, ROMs and the buffers of block streams.

Accesses are collected while the bodies are built; ``finish`` then makes the registers and memories, with one
multiplexer in front of each port. The schedule sees to it that a port is used once a cycle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from xdsl.ir import SSAValue

from fastprefill.ir.query import array_name
from fastprefill.passes.storage import Storage
from fastprefill.targets.rtl.hw import Module, Part, Wire

Index = int | Wire
"""A subscript: a number, or a value of 32 bits."""


def address_bits(words: int) -> int:
    """Width of an address for `words` words, at least 1."""
    return max(1, (words - 1).bit_length())


def ram(width: int, depth: int, style: str) -> Part:
    """The hand-written simple dual-port memory."""
    bits = address_bits(depth)
    ports = (
        ("clk", "in", 1),
        ("we", "in", 1),
        ("waddr", "in", bits),
        ("wdata", "in", width),
        ("raddr", "in", bits),
        ("rdata", "out", width),
    )
    return Part("fp_ram", ports, (("WIDTH", width), ("DEPTH", depth), ("STYLE", style)))


def times(m: Module, value: Wire, factor: int) -> Wire:
    """A value times a constant, by shifts and additions, in its own width."""
    parts = [
        m.binary("shl", value, m.const(bit, value.width)) if bit else value
        for bit in range(factor.bit_length())
        if factor >> bit & 1
    ]
    total = parts[0] if parts else m.const(0, value.width)
    for part in parts[1:]:
        total = m.binary("add", total, part)
    return total


def place(m: Module, storage: Storage, indices: list[Index]) -> tuple[list[Index], Index]:
    """Bank along each dimension, and address inside the bank, of an element."""
    banks: list[Index] = []
    address: Index = 0
    for index, kind, factor, extent in zip(
        indices, storage.kinds, storage.factors, storage.depths, strict=True
    ):
        part: Index
        rest: Index
        if kind == "complete":
            part, rest = index, 0
        elif kind == "none":
            part, rest = 0, index
        elif kind == "cyclic":
            part, rest = _modulo(m, index, factor), _divide(m, index, factor)
        else:
            part, rest = _divide(m, index, extent), _modulo(m, index, extent)
        banks.append(part)
        address = _scale_add(m, address, extent, rest)
    return banks, address


def one_bank(storage: Storage, banks: list[Index]) -> int | None:
    """The number of the bank, row-major, when it is known."""
    number = 0
    for part, factor in zip(banks, storage.factors, strict=True):
        if not isinstance(part, int):
            return None
        number = number * factor + part
    return number


def from_bank(m: Module, storage: Storage, items: list[Wire], banks: list[Index]) -> Wire:
    """The item of a bank: multiplexers along the dimensions where the bank is dynamic."""

    def along(dim: int, some: list[Wire]) -> Wire:
        if dim == len(banks):
            return some[0]
        size, part = len(some) // storage.factors[dim], banks[dim]
        if isinstance(part, int):
            return along(dim + 1, some[part * size : (part + 1) * size])
        return pick(
            m, [along(dim + 1, some[k * size : (k + 1) * size]) for k in range(storage.factors[dim])], part
        )

    return along(0, items)


def reached(m: Module, storage: Storage, banks: list[Index]) -> list[tuple[int, Wire | None]]:
    """The banks that an access may reach, each with the condition under which it does (None: always)."""
    found: list[tuple[int, Wire | None]] = [(0, None)]
    for part, factor in zip(banks, storage.factors, strict=True):
        if isinstance(part, int):
            found = [(number * factor + part, condition) for number, condition in found]
        else:
            here = [m.compare("eq", part, m.const(k, part.width)) for k in range(factor)]
            found = [
                (number * factor + k, m.both([condition, here[k]]))
                for number, condition in found
                for k in range(factor)
            ]
    return found


def _divide(m: Module, index: Index, factor: int) -> Index:
    return (
        index // factor if isinstance(index, int) else m.binary("divu", index, m.const(factor, index.width))
    )


def _modulo(m: Module, index: Index, factor: int) -> Index:
    return index % factor if isinstance(index, int) else m.binary("modu", index, m.const(factor, index.width))


def _scale_add(m: Module, base: Index, factor: int, part: Index) -> Index:
    if isinstance(base, int) and isinstance(part, int):
        return base * factor + part
    if isinstance(base, int):
        assert isinstance(part, Wire)
        return part if base * factor == 0 else m.binary("add", part, m.const(base * factor, part.width))
    scaled = times(m, base, factor)
    if isinstance(part, int):
        return scaled if part == 0 else m.binary("add", scaled, m.const(part, scaled.width))
    return m.binary("add", scaled, part)


def as_address(m: Module, value: Index, words: int) -> Wire:
    """An address cut to the width that `words` words need."""
    bits = address_bits(words)
    return m.const(value, bits) if isinstance(value, int) else m.resize(value, bits, signed=False)


def select(m: Module, choices: list[tuple[Wire, Wire]], width: int, shared: str = "") -> Wire:
    """The value of the one choice whose condition holds; the last where none does."""
    if not choices:
        return m.const(0, width)
    value = choices[-1][1]
    for number, (condition, other) in reversed(list(enumerate(choices[:-1]))):
        value = m.mux(condition, other, value, shared="" if number else shared)
    return value


def pick(m: Module, items: list[Wire], index: Index, name: str = "") -> Wire:
    """An element of a list by a dynamic index: a multiplexer tree, with a name for every 16 elements."""
    if isinstance(index, int):
        return items[index] if index < len(items) else items[-1]
    level = list(items)
    for bit in range(max(1, (len(items) - 1).bit_length())):
        condition = m.extract(index, bit, 1)
        level = [
            m.mux(condition, level[i + 1], level[i], f"{name}_from_{i << bit}" if name and bit == 3 else "")
            if i + 1 < len(level)
            else level[i]
            for i in range(0, len(level), 2)
        ]
    return level[0]


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

    def read(self, indices: list[Index], active: Wire) -> Wire:
        banks, _ = place(self.m, self.storage, indices)
        return from_bank(self.m, self.storage, self.values, banks)

    def write(self, indices: list[Index], enable: Wire, data: Wire) -> None:
        banks, _ = place(self.m, self.storage, indices)
        for number, condition in reached(self.m, self.storage, banks):
            self.writes[number].append((self.m.both([enable, condition]), data))

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


@dataclass
class _Bank:
    data: Wire
    reads: list[tuple[Wire, Wire]] = field(default_factory=list)
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

    def read(self, indices: list[Index], active: Wire) -> Wire:
        """Data of the element, ``read_latency`` cycles later."""
        parts, address = place(self.m, self.storage, indices)
        wire = as_address(self.m, address, self.storage.depth)
        banks = self.banks
        if self.copies and any(b.reads for b in banks):
            banks = self._new_banks()
            self.extra.append(banks)
        for number, _ in reached(self.m, self.storage, parts):
            banks[number].reads.append((active, wire))
        if self.storage.read_latency:
            name = f"{array_name(self.array)}_bank"
            parts = [self.m.register(p, name) if isinstance(p, Wire) else p for p in parts]
        return from_bank(self.m, self.storage, [b.data for b in banks], parts)

    def write(self, indices: list[Index], enable: Wire, data: Wire) -> None:
        parts, address = place(self.m, self.storage, indices)
        wire = as_address(self.m, address, self.storage.depth)
        for number, condition in reached(self.m, self.storage, parts):
            self.banks[number].writes.append((self.m.both([enable, condition]), wire, data))

    def finish(self) -> None:
        for copy, banks in enumerate([self.banks, *self.extra]):
            for number, bank in enumerate(banks):
                suffix = (f"_{number}" if len(banks) > 1 else "") + (f"_copy{copy}" if copy else "")
                self._bank(f"{array_name(self.array)}{suffix}", bank, self.banks[number].writes)

    def _bank(self, name: str, bank: _Bank, writes: list[tuple[Wire, Wire, Wire]]) -> None:
        m, bits = self.m, address_bits(self.storage.depth)
        enable = m.any((e for e, _, _ in writes), shared=f"{name}_we")
        waddr = select(m, [(e, a) for e, a, _ in writes], bits, f"{name}_waddr")
        wdata = select(m, [(e, d) for e, _, d in writes], self.storage.width, f"{name}_wdata")
        raddr = select(m, bank.reads, bits, f"{name}_raddr")
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

    def read(self, indices: list[Index], active: Wire) -> Wire:
        flat: Index = 0
        for index, extent in zip(indices, self.storage.shape, strict=True):
            flat = _scale_add(self.m, flat, extent, index)
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
    reads: dict[int, list[tuple[Wire, Wire]]] = field(default_factory=dict)
    data: Wire | None = None
    fields: list[Wire] = field(default_factory=list)

    @property
    def words(self) -> int:
        """Words of a bank, all buffers together."""
        return self.storage.depth * self.depth

    def _address(self, address: Index, slot: Wire | None) -> Wire:
        if slot is None:
            return as_address(self.m, address, self.words)
        wide = address_bits(self.words)
        base = times(self.m, self.m.resize(slot, wide, signed=False), self.storage.depth)
        if isinstance(address, int) and address == 0:
            return base
        return self.m.binary("add", base, as_address(self.m, address, self.words))

    def read_at(self, indices: list[Index], active: Wire, slot: Wire | None) -> Wire:
        parts, address = place(self.m, self.storage, indices)
        banks, width = self.storage.banks, self.storage.width
        where = self._address(address, slot)
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
            self.reads.setdefault(number, []).append((active, where))
        if self.storage.read_latency:
            name = f"{self.name}_bank"
            parts = [self.m.register(p, name) if isinstance(p, Wire) else p for p in parts]
        return from_bank(self.m, self.storage, self.fields, parts)

    def write_at(self, indices: list[Index], enable: Wire, data: Wire, slot: Wire | None) -> None:
        parts, address = place(self.m, self.storage, indices)
        where = self._address(address, slot)
        for number, condition in reached(self.m, self.storage, parts):
            self.writes.setdefault(number, []).append((self.m.both([enable, condition]), where, data))

    def finish(self) -> None:
        m, banks, width = self.m, self.storage.banks, self.storage.width
        bits = address_bits(self.words)
        if self.mode == "write":
            mine = [self.writes.get(number, []) for number in range(banks)]
            enables = [m.any(e for e, _, _ in writes) for writes in mine]
            addresses = [select(m, [(e, a) for e, a, _ in writes], bits) for writes in mine]
            datas = [select(m, [(e, d) for e, _, d in writes], width) for writes in mine]
            m.output(f"{self.name}_we", m.concat(enables[::-1]))
            if self.words > 1:
                m.output(f"{self.name}_waddr", m.concat(addresses[::-1]))
            m.output(f"{self.name}_wdata", m.concat(datas[::-1]))
            if (
                self.data is not None and self.storage.memory != "register"
            ):  # the writer reads what it has written
                addresses = [select(m, self.reads.get(number, []), bits) for number in range(banks)]
                m.output(f"{self.name}_raddr", m.concat(addresses[::-1]))
        elif self.storage.memory != "register":
            addresses = [select(m, self.reads.get(number, []), bits) for number in range(banks)]
            m.output(f"{self.name}_raddr", m.concat(addresses[::-1]))
            if self.data is None:
                m.input(f"{self.name}_rdata", banks * width)
        elif self.data is None:
            m.input(f"{self.name}_rdata", prod((self.words, banks, width)))
