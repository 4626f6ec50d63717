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


def place(m: Module, storage: Storage, indices: list[Index]) -> tuple[Index, Index]:
    """Bank and address inside the bank of an element."""
    bank: Index = 0
    address: Index = 0
    for index, kind, factor, extent in zip(
        indices, storage.kinds, storage.factors, storage.depths, strict=True
    ):
        if kind == "complete":
            part, rest = index, 0
        elif kind == "none":
            part, rest = 0, index
        elif kind == "cyclic":
            part, rest = _modulo(m, index, factor), _divide(m, index, factor)
        else:
            part, rest = _divide(m, index, extent), _modulo(m, index, extent)
        bank = _scale_add(m, bank, factor, part)
        address = _scale_add(m, address, extent, rest)
    return bank, address


def _divide(m: Module, index: Index, factor: int) -> Index:
    return index // factor if isinstance(index, int) else m.binary("divu", index, m.const(factor, index.width))


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


def select(m: Module, choices: list[tuple[Wire, Wire]], width: int) -> Wire:
    """The value of the one choice whose condition holds; the last where none does."""
    if not choices:
        return m.const(0, width)
    value = choices[-1][1]
    for condition, other in reversed(choices[:-1]):
        value = m.mux(condition, other, value)
    return value


def pick(m: Module, items: list[Wire], index: Index) -> Wire:
    """An element of a list by a dynamic index: a multiplexer tree."""
    if isinstance(index, int):
        return items[index] if index < len(items) else items[-1]
    level = list(items)
    for bit in range(max(1, (len(items) - 1).bit_length())):
        condition = m.extract(index, bit, 1)
        level = [
            m.mux(condition, level[i + 1], level[i]) if i + 1 < len(level) else level[i]
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
        element, _ = place(self.m, self.storage, indices)
        return pick(self.m, self.values, element)

    def write(self, indices: list[Index], enable: Wire, data: Wire) -> None:
        element, _ = place(self.m, self.storage, indices)
        for number, writes in enumerate(self.writes):
            if isinstance(element, int):
                if element == number:
                    writes.append((enable, data))
            else:
                here = self.m.compare("eq", element, self.m.const(number, element.width))
                writes.append((self.m.both([enable, here]), data))

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
        bank, address = place(self.m, self.storage, indices)
        wire = as_address(self.m, address, self.storage.depth)
        banks = self.banks
        if self.copies and any(b.reads for b in banks):
            banks = self._new_banks()
            self.extra.append(banks)
        if isinstance(bank, int):
            banks[bank].reads.append((active, wire))
            return banks[bank].data
        for each in banks:
            each.reads.append((active, wire))
        late = self.m.register(bank, f"{array_name(self.array)}_bank") if self.storage.read_latency else bank
        return pick(self.m, [b.data for b in banks], late)

    def write(self, indices: list[Index], enable: Wire, data: Wire) -> None:
        bank, address = place(self.m, self.storage, indices)
        wire = as_address(self.m, address, self.storage.depth)
        for number, each in enumerate(self.banks):
            if isinstance(bank, int):
                if bank == number:
                    each.writes.append((enable, wire, data))
            else:
                here = self.m.compare("eq", bank, self.m.const(number, bank.width))
                each.writes.append((self.m.both([enable, here]), wire, data))

    def finish(self) -> None:
        for copy, banks in enumerate([self.banks, *self.extra]):
            for number, bank in enumerate(banks):
                suffix = (f"_{number}" if len(banks) > 1 else "") + (f"_copy{copy}" if copy else "")
                self._bank(f"{array_name(self.array)}{suffix}", bank, self.banks[number].writes)

    def _bank(self, name: str, bank: _Bank, writes: list[tuple[Wire, Wire, Wire]]) -> None:
        m, bits = self.m, address_bits(self.storage.depth)
        enable = m.any(e for e, _, _ in writes)
        waddr = select(m, [(e, a) for e, a, _ in writes], bits)
        wdata = select(m, [(e, d) for e, _, d in writes], self.storage.width)
        raddr = select(m, bank.reads, bits)
        part = ram(self.storage.width, self.storage.depth, self.storage.memory)
        ports = {"we": enable, "waddr": waddr, "wdata": wdata, "raddr": raddr}
        data = m.instance(name, part, ports)["rdata"]
        if self.forward:
            hit = m.both([enable, m.compare("eq", waddr, raddr)])
            hit_now = m.register(hit, f"{name}_hit")
            data = m.mux(hit_now, m.register(wdata, f"{name}_written"), data)
        m.bind(bank.data, data)


@dataclass
class Rom:
    """A constant array, in LUTs."""

    m: Module
    storage: Storage
    contents: list[int]

    def read(self, indices: list[Index], active: Wire) -> Wire:
        flat: Index = 0
        for index, extent in zip(indices, self.storage.shape, strict=True):
            flat = _scale_add(self.m, flat, extent, index)
        return pick(self.m, [self.m.const(v, self.storage.width) for v in self.contents], flat)

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
    writes: list[tuple[Index, Wire, Wire, Wire]] = field(default_factory=list)
    reads: list[tuple[Index, Wire, Wire]] = field(default_factory=list)
    data: Wire | None = None

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
        bank, address = place(self.m, self.storage, indices)
        banks, width = self.storage.banks, self.storage.width
        where = self._address(address, slot)
        if self.storage.memory == "register":
            if self.data is None:
                self.data = self.m.input(f"{self.name}_rdata", self.words * banks * width)
            elements = [self.m.extract(self.data, i * width, width) for i in range(banks * self.words)]
            held = [elements[i * banks : (i + 1) * banks] for i in range(self.words)]
            if slot is None:
                return pick(self.m, held[0], bank)
            return pick(self.m, [pick(self.m, buffer, bank) for buffer in held], where)
        if self.data is None:
            self.data = self.m.input(f"{self.name}_rdata", banks * width)
        self.reads.append((bank, active, where))
        parts = [self.m.extract(self.data, i * width, width) for i in range(banks)]
        late = bank
        if isinstance(bank, Wire) and self.storage.read_latency:
            late = self.m.register(bank, f"{self.name}_bank")
        return pick(self.m, parts, late)

    def write_at(self, indices: list[Index], enable: Wire, data: Wire, slot: Wire | None) -> None:
        bank, address = place(self.m, self.storage, indices)
        self.writes.append((bank, enable, self._address(address, slot), data))

    def finish(self) -> None:
        m, banks, width = self.m, self.storage.banks, self.storage.width
        bits = address_bits(self.words)
        if self.mode == "write":
            enables, addresses, datas = [], [], []
            for number in range(banks):
                mine: list[tuple[Wire, Wire, Wire]] = []
                for bank, enable, where, data in self.writes:
                    if isinstance(bank, int):
                        if bank == number:
                            mine.append((enable, where, data))
                    else:
                        here = m.compare("eq", bank, m.const(number, bank.width))
                        mine.append((m.both([enable, here]), where, data))
                enables.append(m.any(e for e, _, _ in mine))
                addresses.append(select(m, [(e, a) for e, a, _ in mine], bits))
                datas.append(select(m, [(e, d) for e, _, d in mine], width))
            m.output(f"{self.name}_we", m.concat(enables[::-1]))
            if self.words > 1:
                m.output(f"{self.name}_waddr", m.concat(addresses[::-1]))
            m.output(f"{self.name}_wdata", m.concat(datas[::-1]))
        elif self.storage.memory != "register":
            addresses = []
            for number in range(banks):
                uses = [(a, w) for bank, a, w in self.reads if not isinstance(bank, int) or bank == number]
                addresses.append(select(m, uses, bits))
            m.output(f"{self.name}_raddr", m.concat(addresses[::-1]))
            if self.data is None:
                m.input(f"{self.name}_rdata", banks * width)
        elif self.data is None:
            m.input(f"{self.name}_rdata", prod((self.words, banks, width)))
