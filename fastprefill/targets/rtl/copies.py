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

MOST_LOADS = 32
"""Pins that one register drives, as far as they are known before mapping; the rule for the mapped netlist is 64. What
goes into the enable of a register may come to drive its reset too."""

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
    """An operand of an op, reached from a register through views, perhaps on several ways (as a sign extension is)."""

    line: int
    operand: int
    views: frozenset[int]
    """Lines of the views on all ways."""
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
        self.maker: dict[str, int] = {}
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
        if kind == "hw.instance":
            self.width.update(zip(names, map(int, _WIDTH.findall(text.rpartition(" -> ")[2])), strict=True))
        elif len(names) == 1:
            self.width[names[0]] = _width(kind, text)
        self.maker.update(dict.fromkeys(names, number))
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

    def leaves(self, name: str) -> list[_Load]:
        """The operands that a value reaches through slices and concatenations, in the order of the lines."""
        found: dict[tuple[int, int], tuple[Loads, set[int]]] = {}
        for line, operand, through, bits in self._ways(name):
            total, views = found.setdefault((line, operand), (np.zeros_like(bits), set()))
            total += bits
            views.update(through)
        return [_Load(*place, frozenset(views), bits) for place, (bits, views) in sorted(found.items())]

    def _ways(self, name: str) -> Iterator[tuple[int, int, tuple[int, ...], Loads]]:
        """Each way from a value to an operand: its line and place, the lines of the views, and the pins."""
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
                bits = np.zeros(width, np.int64)
                bits[low : low + seen] = self._pins(line, operand, self.width[value])[at : at + seen]
                if bits.any():
                    yield line, operand, through, bits

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
            line.text = _kept(line.text)
        for _, some in groups[1:]:
            self.fresh += 1
            copy = f"%copy.{self.fresh}"
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
        op = self.lines[line]
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
