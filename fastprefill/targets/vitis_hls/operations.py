"""Pure IR operations as C++ expressions: open it and you see the mapping."""

from __future__ import annotations

from collections.abc import Callable

from xdsl.dialects import arith
from xdsl.dialects.builtin import IndexType, IntegerAttr, IntegerType
from xdsl.ir import Attribute, Operation, SSAValue

from fastprefill.errors import KernelError
from fastprefill.ir.dialect import GetSliceOp
from fastprefill.targets.vitis_hls import expressions as cxx
from fastprefill.targets.vitis_hls.expressions import Expr

Lookup = Callable[[SSAValue], Expr]

_ARITHMETIC = {"arith.addi": "+", "arith.subi": "-", "arith.muli": "*"}
_BITWISE = {"arith.andi": "&", "arith.ori": "|", "arith.xori": "^"}
# Predicate number of arith.cmpi -> operator and signedness of the reading (None: any, as long as both agree).
_PREDICATES: dict[int, tuple[str, bool | None]] = {
    0: ("==", None),
    1: ("!=", None),
    2: ("<", True),
    3: ("<=", True),
    4: (">", True),
    5: (">=", True),
    6: ("<", False),
    7: ("<=", False),
    8: (">", False),
    9: (">=", False),
}


def width_of(kind: Attribute) -> int:
    """Bits of an integer or index type."""
    if isinstance(kind, IndexType):
        return 32
    assert isinstance(kind, IntegerType)
    return int(kind.width.data)


def source(op: Operation) -> str | None:
    """The kernel's ``file:line`` that the op came from, when it says so."""
    attribute = op.attributes.get("src")
    return getattr(attribute, "data", None)


def constant(op: arith.ConstantOp) -> Expr:
    """A literal, read as signed; i1 is ``true`` or ``false``."""
    assert isinstance(op.value, IntegerAttr)
    value, width = op.value.value.data, width_of(op.result.type)
    if isinstance(op.result.type, IntegerType) and width == 1:
        return cxx.boolean(bool(value & 1))
    return cxx.literal(cxx.wrap(value, True, width))


def translate(op: Operation, get: Lookup) -> Expr:
    """The expression of a pure op whose operands `get` gives.

    Raises:
        KernelError: an op that has no C++ form here, with its source line.
    """
    width = width_of(op.results[0].type)
    if op.name in _ARITHMETIC:
        return _arithmetic(op, get, width)
    if op.name in _BITWISE:
        return _bitwise(op, get, width)
    match op:
        case arith.ShLIOp():
            return cxx.shift("<<", get(op.lhs), cxx.exact(get(op.rhs), False, width), width)
        case arith.ShRSIOp() | arith.ShRUIOp():
            value = cxx.exact(get(op.lhs), isinstance(op, arith.ShRSIOp), width)
            return cxx.shift(">>", value, cxx.exact(get(op.rhs), False, width), width)
        case arith.DivUIOp() | arith.RemUIOp():
            divisor = cxx.exact(get(op.rhs), False, width).constant
            if not divisor:
                raise KernelError("a division needs a positive constant as its divisor", source(op))
            dividend = cxx.exact(get(op.lhs), False, width)
            return cxx.divide("/" if isinstance(op, arith.DivUIOp) else "%", dividend, divisor)
        case arith.CmpiOp():
            return _compare(op, get)
        case arith.SelectOp():
            return cxx.select(condition(get(op.cond)), get(op.lhs), get(op.rhs), width)
        case arith.ExtSIOp():
            return cxx.exact(get(op.input), True, width_of(op.input.type))
        case arith.ExtUIOp():
            return cxx.exact(get(op.input), False, width_of(op.input.type))
        case arith.TruncIOp():
            return get(op.input)
        case arith.IndexCastOp():
            return _index_cast(op, get)
        case GetSliceOp():
            lo = cxx.exact(get(op.lo), True, 32)
            return cxx.bits(get(op.value), lo, width_of(op.value.type), width)
    raise KernelError(f"{op.name} has no form in HLS C++", source(op))


def condition(value: Expr) -> Expr:
    """An i1 as something that ``if`` takes."""
    return cxx.exact(value, False, 1)


def _arithmetic(op: Operation, get: Lookup, width: int) -> Expr:
    a, b = get(op.operands[0]), get(op.operands[1])
    if a.constant is not None and b.constant is not None:
        values = {"+": a.constant + b.constant, "-": a.constant - b.constant, "*": a.constant * b.constant}
        return cxx.literal(cxx.wrap(values[_ARITHMETIC[op.name]], True, width))
    return cxx.arithmetic(_ARITHMETIC[op.name], a, b)


def _bitwise(op: Operation, get: Lookup, width: int) -> Expr:
    a, b = get(op.operands[0]), get(op.operands[1])
    if a.constant is not None and b.constant is None:
        a, b = b, a
    if width == 1 and op.name == "arith.xori" and b.constant is not None:
        return cxx.invert(condition(a)) if b.constant & 1 else a
    return cxx.bitwise(_BITWISE[op.name], a, b)


def _compare(op: arith.CmpiOp, get: Lookup) -> Expr:
    symbol, signed = _PREDICATES[op.predicate.value.data]
    a, b, width = get(op.lhs), get(op.rhs), width_of(op.lhs.type)
    if signed is None and width == 1 and b.constant is not None:
        bit = condition(a)
        return bit if (symbol == "==") == bool(b.constant & 1) else cxx.invert(bit)
    if signed is None:
        # Equality holds in either reading: take the one that needs fewer casts.
        readings = [sum(not x.within(s, width) for x in (a, b) if x.constant is None) for s in (False, True)]
        signed = readings[1] < readings[0]
    return cxx.compare(symbol, cxx.exact(a, signed, width), cxx.exact(b, signed, width), width)


def _index_cast(op: arith.IndexCastOp, get: Lookup) -> Expr:
    value = get(op.input)
    if isinstance(op.input.type, IndexType):
        return cxx.exact(value, True, 32)
    number = cxx.exact(value, True, width_of(op.input.type))
    return cxx.exact(number, True, 32)
