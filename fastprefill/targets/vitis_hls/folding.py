"""Folding pure operations into the statements that use their values.

A pure op prints nothing: its text goes where its value is used. A folded expression that reads a variable is
written out to a constant of its own when the variable is about to change before the last use, and one that reads
a stream when anything else is about to happen.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import Operation, SSAValue

from fastprefill.targets.vitis_hls import expressions as cxx
from fastprefill.targets.vitis_hls import operations
from fastprefill.targets.vitis_hls.expressions import CType, Expr
from fastprefill.targets.vitis_hls.names import Names
from fastprefill.targets.vitis_hls.pragmas import pragma

_CHEAP_LENGTH = 24


@dataclass(frozen=True)
class SliceUpdate:
    """A value with bits replaced, not yet written anywhere."""

    base: Expr
    lo: Expr
    part: Expr
    width: int

    def assign(self, target: str) -> str:
        """The statement that replaces the bits in a variable that holds the rest."""
        if self.width == 1:
            return f"{target}[{self.lo.text}] = {self.part.text};"
        return f"{target}({cxx.range_of(self.lo, self.width)}) = {self.part.text};"


class FoldingWriter:
    """Statements of one function and the values that still wait to be folded into them."""

    def __init__(self, taken: set[str]) -> None:
        self.lines: list[str] = []
        self._depth = 1
        self._names = Names(taken)
        self._values: dict[SSAValue, Expr] = {}
        self._updates: dict[SSAValue, SliceUpdate] = {}
        self._uses: dict[SSAValue, int] = {}
        self._pending: dict[SSAValue, None] = {}
        self._line: str | None = None
        # Values that are made in a scope of their own and used behind it, and where that scope begins.
        self._escaping: dict[SSAValue, None] = {}
        self._escape_line = 0
        self._escape_depth = 0

    def _define(self, result: SSAValue, expr: Expr, op: Operation) -> None:
        uses = sum(1 for _ in result.uses)
        if uses == 0:
            if expr.effect:
                self._statement(f"{expr.text};", op)
            return
        self._values[result], self._uses[result] = expr, uses
        cheap = expr.level >= cxx.UNARY and len(expr.text) <= _CHEAP_LENGTH
        if uses > 1 and (expr.effect or not cheap):
            self._name(result, op)
        elif expr.effect or expr.reads:
            self._pending[result] = None

    def _use(self, value: SSAValue, keep_bind: bool = False) -> Expr:
        """The expression of a value for one use of it."""
        if value in self._updates or (self._values[value].bind is not None and not keep_bind):
            self._name(value)
        if value in self._uses:
            self._uses[value] -= 1
            if self._uses[value] == 0:
                self._pending.pop(value, None)
        return self._values[value]

    def _name(self, value: SSAValue, op: Operation | None = None) -> None:
        """Give a value a constant of its own, so that it is evaluated here and once."""
        expr, update = self._values[value], self._updates.pop(value, None)
        width = operations.width_of(value.type)
        self._pending.pop(value, None)
        if expr.type.native:
            ctype, lo, hi = expr.type, expr.lo, expr.hi
        else:
            signed = expr.type.signed if not expr.within(False, width) else False
            if expr.type.width < width and signed == expr.type.signed:
                width = expr.type.width  # a product stays as wide as the operator makes it
            ctype = cxx.ap(signed, width)
            lo, hi = (expr.lo, expr.hi) if expr.within(signed, width) else cxx.limits(signed, width)
        if op is None and isinstance(value.owner, Operation):
            op = value.owner
        hint = value.name_hint or ("product" if expr.bind else "value")
        escapes = value in self._escaping
        name = self._names.new(hint, everywhere=escapes)
        if update is not None:
            ctype = cxx.ap(False, width)
            lo, hi = cxx.limits(False, width)
        declared = ctype.text if update is not None else f"const {ctype.text}"
        if escapes:
            self.lines.insert(self._escape_line, "    " * self._escape_depth + f"{ctype.text} {name};")
            self._escape_line += 1
            del self._escaping[value]
        start = name if escapes else f"{declared} {name}"
        self._statement(f"{start} = {expr.text if update is None else update.base.text};", op)
        if update is not None:
            self._statement(update.assign(name), op)
        if expr.bind is not None:
            self._pragma(pragma("BIND_OP", variable=name, op="mul", impl=expr.bind))
        self._values[value] = Expr(name, cxx.PRIMARY, ctype, lo, hi)

    def _flush(self, written: set[str], effects_only: bool = False) -> None:
        """Write out what would change its meaning if it were evaluated after the next statement."""
        for value in list(self._pending):
            if value not in self._pending:
                continue
            expr = self._values[value]
            if expr.effect or (not effects_only and expr.reads & written):
                self._name(value)

    def _statement(self, text: str, op: Operation | None = None) -> None:
        indent = "    " * self._depth
        self.lines.append(indent + text + self._comment(op))

    def _comment(self, op: Operation | None) -> str:
        """``  // mpu.py:41`` where the kernel's line changes."""
        src = operations.source(op) if op is not None else None
        if src is None or src == self._line:
            return ""
        self._line = src
        return f"  // {short_source(src)}"

    def _pragma(self, line: str) -> None:
        self.lines.append(line)

    def _open(self) -> None:
        """Enter a nested scope."""
        self._names.push()
        self._depth += 1

    def _close(self) -> None:
        """Leave it, and close its brace."""
        self._depth -= 1
        self._names.pop()
        self._statement("}")


def short_source(src: str) -> str:
    """``mpu.py:41`` of ``fastprefill/kernels/mpu.py:41:8``."""
    parts = src.rsplit("/", 1)[-1].split(":")
    return ":".join(parts[:2])


def masked_update(base: Expr, lo: Expr, part: Expr, total: int, width: int) -> Expr:
    """Bits replaced at a position that may lie outside the value: what falls outside is dropped."""
    place = cxx.at(cxx.plain(lo), cxx.UNARY)
    mask = cxx.cast(cxx.literal((1 << min(width, total)) - 1), False, total).text
    pattern = cxx.cast(cxx.plain(base), False, total).text
    new = cxx.cast(cxx.cast(cxx.plain(part), False, width), False, total).text
    text = f"({pattern} & ~({mask} << {place})) | ({new} << {place})"
    reads, effect = base.reads | lo.reads | part.reads, base.effect or lo.effect or part.effect
    return Expr(text, cxx.OR, CType("base", False, total), *cxx.limits(False, total), reads, effect)
