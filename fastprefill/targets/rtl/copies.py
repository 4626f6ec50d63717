"""Copies of registers whose value goes to many places, so that no net has more loads than ``MOST_LOADS``.

A pipeline never stalls after issue, so a register without an enable may be copied freely: each copy takes the value of
the stage before and drives a part of the loads. Copies of copies, stage by stage, make a tree. They carry the attribute
``keep``, without which synthesis would merge them again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

MOST_LOADS = 48
"""Pins that one register drives, as far as they are known before mapping; the rule for the mapped netlist is 64."""

KEEP = '#sv.attribute<"keep" = "\\"true\\"">'

Loads = NDArray[np.int64]
"""Pins that each bit of a value drives."""

_VIEWS = ("comb.extract", "comb.concat", "comb.replicate")
_NAME = re.compile(r"%[\w.]+")
_WIDTH = re.compile(r"\bi(\d+)\b")


@dataclass
class _Line:
    """An op: the values that it makes, what it is, and the values that it uses."""

    text: str
    made: list[str]
    kind: str
    used: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.used = _NAME.findall(self.text.partition(" = ")[2] if self.made else self.text)


@dataclass(frozen=True)
class _Load:
    """An operand of an op, reached from a register through views."""

    line: int
    operand: int
    through: tuple[tuple[int, int], ...]
    """Views on the way with the operand by which each is entered, the nearest to the register first."""
    bits: Loads


class Netlist:
    """The lines of a module with what uses what.

    Args:
        lines: those of the module's body, values resolved.
        widths: of its input ports, as ``%name``.
        inside: of an instance's line, the loads behind each of its operands, in the order of the text.
        rename: gives a register's line a name that stands for the same one.
    """

    def __init__(
        self,
        lines: list[str],
        widths: dict[str, int],
        inside: Callable[[str], list[Loads | None]],
        rename: Callable[[str], str],
    ) -> None:
        self.lines: list[_Line] = []
        self.inside, self.rename = inside, rename
        self.width = dict(widths)
        self.uses: dict[str, list[tuple[int, int]]] = {}
        self.behind: dict[int, list[Loads | None]] = {}
        self.fresh = 0
        for line in lines:
            self.add(line)

    def add(self, text: str) -> int:
        made, equals, rest = text.partition(" = ")
        names = _NAME.findall(made) if equals else []
        kind = (rest if equals else text).strip().partition(" ")[0]
        number = len(self.lines)
        self.lines.append(_Line(text, names, kind))
        if len(names) == 1 and kind != "hw.instance":
            self.width[names[0]] = _width(kind, text)
        for operand, name in enumerate(self.lines[number].used):
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

    def leaves(self, name: str) -> Iterator[_Load]:
        """The operands that a value reaches through slices and concatenations."""
        stack: list[tuple[str, int, int, tuple[tuple[int, int], ...]]] = [(name, 0, 0, ())]
        width = self.width[name]
        while stack:
            value, low, at, through = stack.pop()  # bits from `low` of the register are at bit `at` of the value
            seen = min(width - low, self.width[value] - at)
            for line, operand in self.uses.get(value, ()):
                op = self.lines[line]
                if op.kind in _VIEWS and len(through) < 64:
                    step = self._through(op, operand, low, at, seen)
                    stack += [(op.made[0], *place, (*through, (line, operand))) for place in step]
                    continue
                bits = np.zeros(width, np.int64)
                bits[low : low + seen] = self._pins(line, operand, self.width[value])[at : at + seen]
                if bits.any():
                    yield _Load(line, operand, through, bits)

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

    def _pins(self, line: int, operand: int, width: int) -> Loads:
        op = self.lines[line]
        one = np.ones(width, np.int64)
        if op.kind == "hw.instance":
            if line not in self.behind:
                self.behind[line] = self.inside(op.text)
            found = self.behind[line][operand]
            return one if found is None else found
        if op.kind == "hw.output":
            return 0 * one
        if op.kind == "comb.mux" and operand == 0:
            return one * self.width[op.made[0]]
        if op.kind == "seq.compreg.ce" and operand == 2:
            return one * self.width[op.made[0]]
        return one

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
                stack += [
                    (load.line, False)
                    for load in self.leaves(name)
                    if self.lines[load.line].kind == "seq.compreg" and load.operand == 0
                ]

    def _copy(self, number: int) -> None:
        line = self.lines[number]
        (name,) = line.made
        loads = list(self.leaves(name))
        total = np.zeros(self.width[name], np.int64)
        for load in loads:
            total += load.bits
        if total.max(initial=0) <= MOST_LOADS:
            return
        groups: list[tuple[Loads, list[_Load]]] = []
        for load in sorted(loads, key=lambda one: (one.line, one.operand)):
            if not groups or (groups[-1][0] + load.bits).max() > MOST_LOADS:
                groups.append((np.zeros_like(total), []))
            groups[-1][0][:] += load.bits
            groups[-1][1].append(load)
        if len(groups) > 1:
            line.text = _kept(line.text)
        for _, some in groups[1:]:
            self.fresh += 1
            copy = f"%copy.{self.fresh}"
            self.add(self.rename(line.text).replace(f"{name} =", f"{copy} =", 1))
            views: dict[tuple[int, str], str] = {}
            for load in some:
                self._move(load, name, copy, views)

    def _move(self, load: _Load, old: str, new: str, views: dict[tuple[int, str], str]) -> None:
        """Let a load take its value from a copy; the views on the way are made again behind the copy."""
        for line, operand in load.through:
            key = (line, new)
            (made,) = self.lines[line].made
            if key not in views:
                self.fresh += 1
                views[key] = f"%copy.{self.fresh}"
                text = re.sub(r" \{sv\.namehint = [^}]*\}|<\d+>", "", self.lines[line].text)
                head, _, tail = text.partition(" = ")
                again = self.add(f"{head.replace(made, views[key])} = {tail}")
                self._exchange(again, operand, old, new)
            old, new = made, views[key]
        self._exchange(load.line, load.operand, old, new)

    def _exchange(self, line: int, operand: int, old: str, new: str) -> None:
        op = self.lines[line]
        assert op.used[operand] == old, (op.text, operand, old)
        head, equals, tail = op.text.partition(" = ")
        if not op.made:
            head, equals, tail = "", "", op.text
        place = list(_NAME.finditer(tail))[operand]
        op.text = head + equals + tail[: place.start()] + new + tail[place.end() :]
        op.used[operand] = new
        self.uses[old].remove((line, operand))
        self.uses.setdefault(new, []).append((line, operand))


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
