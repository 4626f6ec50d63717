"""Copies of registers whose value goes to many places, so that no net has more loads than ``MOST_LOADS``.

A pipeline never stalls after issue, so a register without an enable may be copied freely: each copy takes the value of
the stage before and drives a part of the loads. Copies of copies, stage by stage, make a tree. They carry the attribute
``keep``, without which synthesis would merge them again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_LOADS = 32
"""Pins that one register drives, as far as they are known before mapping; the rule for the mapped netlist is 64. What
goes into the enable of a register may come to drive its reset too."""

TABLE = 64
"""Entries of a table of constants, one bit wide, that a LUT holds."""

KEEP = '#sv.attribute<"keep" = "\\"true\\"">'

Loads = NDArray[np.int64]
"""Pins that each bit of a value drives."""

_VIEWS = ("comb.extract", "comb.concat", "comb.replicate")
_NAME = re.compile(r"%[\w.]+")
_WIDTH = re.compile(r"\bi(\d+)\b")


class _Line:
    """An op: the values that it makes, what it is, and the values that it uses."""

    def __init__(self, text: str) -> None:
        made, equals, rest = text.partition(" = ")
        self.made = _NAME.findall(made) if equals else []
        if not self.made:
            made, equals, rest = "", "", text
        self.kind = rest.strip().partition(" ")[0]
        self.head = made + equals
        self.between = _NAME.split(rest)
        """The text behind the head, without the values that are used, which stand between the pieces."""
        self.used: list[str] = _NAME.findall(rest)

    @property
    def text(self) -> str:
        pieces = [self.head, self.between[0]]
        for name, piece in zip(self.used, self.between[1:], strict=True):
            pieces += name, piece
        return "".join(pieces)


class _Load(NamedTuple):
    """An operand of an op, reached from a register through views, perhaps on several ways (as a sign extension is)."""

    line: int
    operand: int
    views: frozenset[int]
    """Lines of the views on all ways."""
    bits: Loads


class _Way(NamedTuple):
    """A way from a value to an operand, through views."""

    line: int
    operand: int
    views: tuple[int, ...]
    """Their lines."""
    low: int
    """The lowest bit of the value that comes to the operand."""
    at: int
    """The bit of the operand that it is there."""
    bits: int
    """How many come there."""


class Netlist:
    """The lines of a module with what uses what.

    Args:
        lines: those of the module's body, values resolved.
        widths: of its input ports, as ``%name``.
        inside: of an instance's line, the loads behind each of its operands, in the order of the text: of each bit, or
            one number where all bits have the same.
        rename: gives a register's line a name that stands for the same one.

    Attributes:
        copies: of registers, by value, those that ``spread`` made.
    """

    def __init__(
        self,
        lines: list[str],
        widths: dict[str, int],
        inside: Callable[[str], list[Loads | int]],
        rename: Callable[[str], str],
    ) -> None:
        self.lines: list[_Line] = []
        self.inside, self.rename = inside, rename
        self.width = dict(widths)
        self.uses: dict[str, list[tuple[int, int]]] = {}
        self.maker: dict[str, int] = {}
        self.behind: dict[int, list[Loads | int]] = {}
        self.copies: dict[str, list[str]] = {}
        self.entries: dict[str, int] = {}
        self.fresh = 0
        for line in lines:
            self.add(line)

    def add(self, text: str) -> int:
        number, line = len(self.lines), _Line(text)
        self.lines.append(line)
        if line.kind == "hw.instance":
            self.width.update(zip(line.made, map(int, _WIDTH.findall(text.rpartition(" -> ")[2])), strict=True))
        elif len(line.made) == 1:
            self.width[line.made[0]] = _width(line.kind, text)
        self.maker.update(dict.fromkeys(line.made, number))
        for operand, name in enumerate(line.used):
            self.uses.setdefault(name, []).append((number, operand))
        return number

    def text(self) -> list[str]:
        """The lines, the outputs last."""
        last = [line.text for line in self.lines if line.kind == "hw.output"]
        return [*(line.text for line in self.lines if line.kind != "hw.output"), *last]

    # loads

    def loads(self, name: str) -> Loads:
        """Pins that each bit of a value drives, in this module and in those below."""
        total = np.zeros(self.width[name], np.int64)
        for load in self.leaves(name):
            total += load.bits
        return total

    def leaves(self, name: str) -> list[_Load]:
        """The operands that a value reaches through slices and concatenations, in the order of the lines."""
        width = self.width[name]
        found: dict[tuple[int, int], tuple[Loads, set[int]]] = {}
        for way in self._ways(name):
            pins = self._pins(way)
            if isinstance(pins, int) and pins == 0:
                continue
            place = way.line, way.operand
            if place not in found:
                found[place] = np.zeros(width, np.int64), set()
            total, views = found[place]
            total[way.low : way.low + way.bits] += pins
            views.update(way.views)
        return [_Load(*place, frozenset(views), bits) for place, (bits, views) in sorted(found.items())]

    def _registers_behind(self, name: str) -> list[int]:
        """The lines of the registers that take a value, through slices and concatenations, in their order."""
        ends = {way.line for way in self._ways(name) if way.operand == 0}
        return sorted(line for line in ends if self.lines[line].kind == "seq.compreg")

    def _ways(self, name: str) -> Iterator[_Way]:
        stack: list[tuple[str, int, int, tuple[int, ...]]] = [(name, 0, 0, ())]
        width = self.width[name]
        while stack:
            value, low, at, through = stack.pop()  # bits from `low` of the register are at bit `at` of the value
            seen = min(width - low, self.width[value] - at)
            for line, operand in self.uses.get(value, ()):
                op = self.lines[line]
                if op.kind in _VIEWS and len(through) < 64:
                    step = self._through(op, operand, low, at, seen)
                    stack += [(op.made[0], *place, (*through, line)) for place in step]
                    continue
                yield _Way(line, operand, through, low, at, seen)

    def _through(self, op: _Line, operand: int, low: int, at: int, seen: int) -> list[tuple[int, int]]:
        """Where the bits of an operand are in a view of it: (lowest bit of the register, bit of the view)."""
        if op.kind == "comb.extract":
            start = int(re.findall(r"from (\d+)", op.text)[0])
            skip = max(0, start - at)
            return [(low + skip, max(0, at - start))] if skip < seen and at < start + self.width[op.made[0]] else []
        if op.kind == "comb.replicate":
            return [(low, copy) for copy in range(self.width[op.made[0]])]
        above = sum(self.width[name] for name in op.used[operand + 1 :])
        return [(low, above + at)]

    def _pins(self, way: _Way) -> Loads | int:
        """Pins at the end of a way: those of each bit, or how many every bit has."""
        op = self.lines[way.line]
        if op.kind == "hw.instance":
            if way.line not in self.behind:
                self.behind[way.line] = self.inside(op.text)
            found = self.behind[way.line][way.operand]
            if isinstance(found, int):
                return found
            pins = found[way.at : way.at + way.bits]
            return pins if pins.any() else 0
        if op.kind == "hw.output":
            return 0
        if (op.kind, way.operand) in (("comb.mux", 0), ("seq.compreg.ce", 2)):
            wide, entries = self.width[op.made[0]], self._entries(op.made[0])
            if entries == 0:
                return wide
            # a LUT holds `TABLE` entries of a table of constants, or a smaller table, with all its multiplexers
            return -(-wide * min(entries, TABLE) // min(self._table_of(op.made[0]), TABLE))
        return 1

    def _table_of(self, name: str) -> int:
        """Constants of the whole table that a table of constants is a part of."""
        entries = self._entries(name)
        for line, operand in self.uses.get(name, ()):
            op = self.lines[line]
            if op.kind == "comb.mux" and operand > 0 and self._entries(op.made[0]):
                return self._table_of(op.made[0])
        return entries

    def _entries(self, name: str) -> int:
        """Constants that a value is chosen from by multiplexers alone; 0 when it is no table of constants."""
        if name not in self.entries:
            line = self.maker.get(name)
            op = self.lines[line] if line is not None else None
            self.entries[name] = 0
            if op is not None and op.kind == "hw.constant":
                self.entries[name] = 1
            elif op is not None and op.kind == "comb.mux":
                some = [self._entries(value) for value in op.used[1:]]
                self.entries[name] = sum(some) if all(some) else 0
        return self.entries[name]

    # copies

    def spread(self) -> None:
        """Copy registers until none that can be copied has too many loads."""
        done: set[str] = set()
        for number in range(len(self.lines)):
            if self.lines[number].kind == "seq.compreg":
                self._settle(number, done)

    def _settle(self, start: int, done: set[str]) -> None:
        """Registers behind this one first: their copies are loads of it."""
        stack = [(start, False)]
        while stack:
            number, behind = stack.pop()
            name = self.lines[number].made[0]
            if behind:
                self._copy(number)
            elif name not in done:
                done.add(name)
                stack.append((number, True))
                stack += [(line, False) for line in self._registers_behind(name)]

    def _copy(self, number: int) -> None:
        line = self.lines[number]
        (name,) = line.made
        pins = (self._pins(way) for way in self._ways(name))
        if sum(some if isinstance(some, int) else int(some.max()) for some in pins) <= MOST_LOADS:
            return  # one bit has no more than all of them
        loads = self.leaves(name)
        total = np.zeros(self.width[name], np.int64)
        for load in loads:
            total += load.bits
        if total.max(initial=0) <= MOST_LOADS:
            return
        groups: list[tuple[Loads, list[_Load]]] = []
        for load in loads:
            if not groups or (groups[-1][0] + load.bits).max() > MOST_LOADS:
                groups.append((np.zeros_like(total), []))
            groups[-1][0][:] += load.bits
            groups[-1][1].append(load)
        if len(groups) > 1:
            line = self.lines[number] = _Line(_kept(line.text))
        for _, some in groups[1:]:
            self.fresh += 1
            copy = f"%copy.{self.fresh}"
            self.copies.setdefault(name, []).append(copy)
            self.add(self.rename(line.text).replace(f"{name} =", f"{copy} =", 1))
            again = {name: copy}
            for load in some:
                old = self.lines[load.line].used[load.operand]
                self._exchange(load.line, load.operand, old, self._behind(old, load.views, again))

    def _behind(self, value: str, views: frozenset[int], again: dict[str, str]) -> str:
        """The same value made behind a copy: `again` has what is there already, at first the register itself."""
        if value in again:
            return again[value]
        line = self.maker.get(value)
        if line is None or line not in views:
            return value
        inputs = [self._behind(name, views, again) for name in self.lines[line].used]
        self.fresh += 1
        again[value] = f"%copy.{self.fresh}"
        text = re.sub(r" \{sv\.namehint = [^}]*\}|<\d+>", "", self.lines[line].text)
        head, _, tail = text.partition(" = ")
        number = self.add(f"{head.replace(value, again[value])} = {tail}")
        for operand, (old, new) in enumerate(zip(self.lines[line].used, inputs, strict=True)):
            self._exchange(number, operand, old, new)
        return again[value]

    def _exchange(self, line: int, operand: int, old: str, new: str) -> None:
        if old == new:
            return
        self.lines[line].used[operand] = new
        self.uses[old].remove((line, operand))
        self.uses.setdefault(new, []).append((line, operand))


def alike(loads: Loads) -> Loads | int:
    """One number where all bits have as many loads."""
    return int(loads[0]) if (loads == loads[0]).all() else loads


def _width(kind: str, text: str) -> int:
    """Bits of the result of an op."""
    if kind in ("comb.icmp", "seq.from_clock") or re.search(r"hw\.constant (true|false)", text):
        return 1
    widths = [int(width) for width in _WIDTH.findall(text.rpartition(" : ")[2])]
    return sum(widths) if kind == "comb.concat" else widths[-1]


def _kept(text: str) -> str:
    if "sv.attributes" in text:
        return text if KEEP in text else text.replace("sv.attributes = [", f"sv.attributes = [{KEEP}, ")
    return re.sub(r"( : i\d+ loc\(unknown\))$", lambda end: f" {{sv.attributes = [{KEEP}]}}{end[1]}", text)
