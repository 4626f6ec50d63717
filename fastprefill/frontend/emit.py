"""Emits operations into a function: constants once at the top, pure operations once per scope."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from xdsl.dialects import arith
from xdsl.dialects.builtin import IndexType, IntegerAttr, IntegerType, StringAttr
from xdsl.ir import Block, Operation, SSAValue

from fastprefill.frontend.dtypes import Scalar
from fastprefill.frontend.values import NARROWING, Value

INDEX = IndexType()
_BINARY: dict[str, Callable[[SSAValue, SSAValue], Operation]] = {
    "+": arith.AddiOp,
    "-": arith.SubiOp,
    "*": arith.MuliOp,
    "&": arith.AndIOp,
    "|": arith.OrIOp,
    "^": arith.XOrIOp,
}
_SHIFT: dict[str, Callable[[SSAValue, SSAValue], Operation]] = {
    "<<": arith.ShLIOp,
    ">>u": arith.ShRUIOp,
    ">>s": arith.ShRSIOp,
}


class Emitter:
    """The place in a function body where operations go."""

    def __init__(self, entry: Block) -> None:
        self.entry = entry
        self.block = entry
        self._known: list[dict[Hashable, SSAValue]] = [{}]
        self._constants: dict[Hashable, arith.ConstantOp] = {}

    def add(self, op: Operation, src: str | None = None) -> Operation:
        """Append an operation with side effects."""
        if src:
            op.attributes["src"] = StringAttr(src)
        self.block.add_op(op)
        return op

    @contextmanager
    def inside(self, block: Block) -> Iterator[None]:
        """Append to `block`, which is nested at the present place."""
        outer, self.block = self.block, block
        self._known.append({})
        try:
            yield
        finally:
            self._known.pop()
            self.block = outer

    def pure(self, key: Hashable, make: Callable[[], Operation], src: str | None = None) -> SSAValue:
        """The result of an operation without effects; an equal one in reach is used again."""
        for scope in reversed(self._known):
            if key in scope:
                return scope[key]
        value = self.add(make(), src).results[0]
        self._known[-1][key] = value
        return value

    def constant(self, value: int, type_: IntegerType | IndexType) -> SSAValue:
        if isinstance(type_, IntegerType):
            bits = type_.width.data
            value = Scalar(bits, bits > 1).wrap(value)
        key = (value, type_)
        if key not in self._constants:
            self._constants[key] = arith.ConstantOp(IntegerAttr(value, type_))
        return self._constants[key].result

    def index(self, value: int) -> SSAValue:
        return self.constant(value, INDEX)

    def finish(self) -> None:
        """Put the constants that are used at the top of the function."""
        used = [op for op in self._constants.values() if op.result.uses.get_length()]
        if self.entry.first_op is None:
            self.entry.add_ops(used)
        else:
            self.entry.insert_ops_before(used, self.entry.first_op)

    def at_type(self, value: Value) -> SSAValue:
        """The value at the width of its type."""
        return self.at_width(value, value.type.bits)

    def at_width(self, value: Value, bits: int) -> SSAValue:
        """The value as ``i<bits>``: extended by its signedness, or its low bits."""
        if value.constant is not None:
            return self.constant(value.constant, IntegerType(bits))
        own = value.type.bits
        if value.ssa is not None and isinstance(value.ssa.type, IndexType):
            ssa = value.ssa
            return self.pure(("index", ssa, bits), lambda: arith.IndexCastOp(ssa, IntegerType(bits)))
        if bits > own:
            return self._extend(self.at_width(value, own), value.type.signed, bits)
        if value.pending is not None and (bits == own or value.pending.operator in NARROWING):
            return self._operation(value, bits)
        return self._truncate(self.at_width(value, own) if value.pending else value.ssa, bits)

    def _extend(self, ssa: SSAValue, signed: bool, bits: int) -> SSAValue:
        make = arith.ExtSIOp if signed else arith.ExtUIOp
        return self.pure((make, ssa, bits), lambda: make(ssa, IntegerType(bits)))

    def _truncate(self, ssa: SSAValue | None, bits: int) -> SSAValue:
        assert ssa is not None and isinstance(ssa.type, IntegerType)
        if ssa.type.width.data == bits:
            return ssa
        return self.pure(("trunc", ssa, bits), lambda: arith.TruncIOp(ssa, IntegerType(bits)))

    def _operation(self, value: Value, bits: int) -> SSAValue:
        pending = value.pending
        assert pending is not None
        name, left, right = pending.operator, pending.left, pending.right
        if name == "cast":
            return self.at_width(left, bits)
        assert right is not None
        if name in ("<<", ">>"):
            return self._shift(name, left, right, bits, pending.src)
        a, b = self.at_width(left, bits), self.at_width(right, bits)
        if name in ("//", "%"):
            make = arith.DivUIOp if name == "//" else arith.RemUIOp
            return self.pure((name, a, b), lambda: make(a, b), pending.src)

        def build() -> Operation:
            op = _BINARY[name](a, b)
            if pending.bind and name == "*":
                op.attributes["bind"] = StringAttr(pending.bind)
            return op

        return self.pure((name, a, b, pending.bind), build, pending.src if name in "+-*" else None)

    def _shift(self, name: str, left: Value, right: Value, bits: int, src: str | None) -> SSAValue:
        """Shift at the wider of both operands, so that no bit of the amount is lost; it is read as unsigned."""
        wide = bits if right.constant is not None else max(bits, right.type.bits)
        a, b = self.at_width(left, wide), self.at_width(right, wide)
        if right.constant is None and right.type.signed and right.type.bits < wide:
            b = self._extend(self.at_width(right, right.type.bits), False, wide)
        kind = name if name == "<<" else (">>s" if left.type.signed else ">>u")
        return self._truncate(self.pure((kind, a, b), lambda: _SHIFT[kind](a, b), src), bits)

    def compare(self, predicate: str, left: SSAValue, right: SSAValue) -> SSAValue:
        return self.pure(("cmp", predicate, left, right), lambda: arith.CmpiOp(left, right, predicate))

    def select(self, condition: SSAValue, yes: SSAValue, no: SSAValue) -> SSAValue:
        assert condition.type == IntegerType(1)
        return self.pure(("select", condition, yes, no), lambda: arith.SelectOp(condition, yes, no))

    def to_index(self, value: Value) -> SSAValue:
        """The value as an ``index``; values that 32 signed bits cannot hold wrap."""
        if value.constant is not None:
            return self.index(Scalar(32, True).wrap(value.constant))
        if value.ssa is not None and isinstance(value.ssa.type, IndexType):
            return value.ssa
        if value.type.bits < 32 and not value.type.signed:
            ssa = self.at_width(value, 32)
        else:
            ssa = self.at_width(value, min(value.type.bits, 32))
        return self.pure(("to index", ssa), lambda: arith.IndexCastOp(ssa, INDEX))

    def index_add(self, left: SSAValue, right: SSAValue, src: str | None = None) -> SSAValue:
        return self.pure(("+", left, right), lambda: arith.AddiOp(left, right), src)

    def index_scale(self, value: SSAValue, factor: int, src: str | None = None) -> SSAValue:
        other = self.index(factor)
        return self.pure(("*", value, other), lambda: arith.MuliOp(value, other), src)
