"""Operators on values: Allo's result types, constant folding, bounds. Knows nothing of Python syntax."""

from __future__ import annotations

import operator as py
from collections.abc import Callable

from fastprefill.frontend.dtypes import UINT1, Scalar, common, result
from fastprefill.frontend.emit import Emitter
from fastprefill.frontend.values import Pending, Value, bounded

COMPARE: dict[str, tuple[Callable[[int, int], bool], str]] = {
    "==": (py.eq, "eq"),
    "!=": (py.ne, "ne"),
    "<": (py.lt, "lt"),
    "<=": (py.le, "le"),
    ">": (py.gt, "gt"),
    ">=": (py.ge, "ge"),
}


class Refused(Exception):
    """An operation outside the language; the caller knows the place."""


def cast(value: Value, type_: Scalar) -> Value:
    """Assignment to `type_`: truncates or extends, wraps, no diagnostic."""
    if value.type == type_:
        return value
    if value.constant is not None:
        return Value.of(value.constant, type_)
    return bounded(type_, value.low, value.high, pending=Pending("cast", value))


def binary(name: str, left: Value, right: Value, src: str | None = None, bind: str | None = None) -> Value:
    """``left name right`` for the arithmetic, bitwise and shift operators of Python."""
    if name in ("//", "%"):
        return _divide(name, left, right, src)
    if name in ("<<", ">>"):
        return _shift(name, left, right, src)
    type_ = result(name, left.type, right.type)
    if left.constant is not None and right.constant is not None:
        function = {"+": py.add, "-": py.sub, "*": py.mul, "&": py.and_, "|": py.or_, "^": py.xor}[name]
        return Value.of(function(left.constant, right.constant), type_)
    identity = _identity(name, left, right)
    if identity is not None:
        return cast(identity, type_)
    low, high = _bounds(name, left, right, type_)
    return bounded(type_, low, high, pending=Pending(name, left, right, src, bind))


def _identity(name: str, left: Value, right: Value) -> Value | None:
    """The operand that ``x + 0``, ``x * 1`` and the like come down to."""
    if name in ("+", "-", "|", "^") and right.constant == 0:
        return left
    if name in ("+", "|", "^") and left.constant == 0:
        return right
    if name == "*" and right.constant == 1:
        return left
    if name == "*" and left.constant == 1:
        return right
    if name in ("*", "&") and 0 in (left.constant, right.constant):
        return Value.of(0, left.type)
    return None


def _bounds(name: str, left: Value, right: Value, type_: Scalar) -> tuple[int, int]:
    if name == "+":
        return left.low + right.low, left.high + right.high
    if name == "-":
        return left.low - right.high, left.high - right.low
    if name == "*":
        corners = [a * b for a in (left.low, left.high) for b in (right.low, right.high)]
        return min(corners), max(corners)
    known = [v for v in (left, right) if v.low >= 0 and type_.holds(v.high)]
    if name == "&" and known:
        return 0, min(v.high for v in known)
    if name in ("|", "^") and len(known) == 2:
        return 0, (1 << max(left.high, right.high).bit_length()) - 1
    return type_.low, type_.high


def _divide(name: str, left: Value, right: Value, src: str | None) -> Value:
    divisor = right.constant
    if divisor is None or divisor <= 0:
        shown = "a value known only at run time" if divisor is None else str(divisor)
        raise Refused(
            f"'{name}' by {shown}; only positive constants divide: "
            f"write x {name} 4, or compare and subtract in a loop"
        )
    if left.low < 0:
        raise Refused(
            f"'{name}' of a value of {left.type} that may be negative; "
            f"declare it unsigned (UInt(n)) or, for powers of two, write x >> n or x & (2**n - 1)"
        )
    type_ = result(name, left.type, right.type)
    low, high = (
        (left.low // divisor, left.high // divisor) if name == "//" else (0, min(left.high, divisor - 1))
    )
    if left.constant is not None:
        return Value.of(left.constant // divisor if name == "//" else left.constant % divisor, type_)
    if name == "//" and divisor == 1:
        return left
    if high == 0:
        return Value.of(0, type_)
    if name == "%" and left.high < divisor:
        return cast(left, type_)
    unsigned = Scalar(left.type.bits, False)
    plain = bounded(unsigned, left.low, left.high, pending=Pending("cast", left))
    shift = divisor.bit_length() - 1
    if divisor & (divisor - 1):
        step = Pending(name, plain, Value.of(divisor, unsigned), src)
    elif name == "//":
        step = Pending(">>", plain, Value.of(shift, unsigned), src)
    else:
        step = Pending("&", plain, Value.of(divisor - 1, unsigned))
    return cast(bounded(unsigned, low, high, pending=step), type_)


def _shift(name: str, left: Value, right: Value, src: str | None) -> Value:
    type_, amount = left.type, right.constant
    if amount is not None:
        if not 0 <= amount < type_.bits:
            other = f"{'>>' if name == '<<' else '<<'} {-amount}"
            instead = f"write {other}" if amount < 0 else "assign to a wider variable first, or write 0"
            raise Refused(f"shift of {type_} by {amount}; the amount must be 0 to {type_.bits - 1}: {instead}")
        if amount == 0:
            return left
        if left.constant is not None:
            shifted = left.constant << amount if name == "<<" else left.constant >> amount
            return Value.of(shifted, type_)
    pending = Pending(name, left, right, src)
    if amount is not None and name == "<<":
        return bounded(type_, left.low << amount, left.high << amount, pending=pending)
    if amount is not None:
        return bounded(type_, left.low >> amount, left.high >> amount, pending=pending)
    if name == ">>" and left.low >= 0:
        return bounded(type_, 0, left.high, pending=pending)
    return bounded(type_, type_.low, type_.high, pending=pending)


def negate(value: Value) -> Value:
    """``-x``: the same width, signed (the most negative value stays itself)."""
    type_ = Scalar(value.type.bits, True)
    if value.constant is not None:
        return Value.of(-value.constant, type_)
    zero = Value.of(0, type_)
    return bounded(type_, -value.high, -value.low, pending=Pending("-", zero, value))


def compare(emit: Emitter, name: str, left: Value, right: Value) -> Value:
    """A comparison: uint1. Mixed operands are widened until one signed type holds both."""
    function, predicate = COMPARE[name]
    if left.constant is not None and right.constant is not None:
        return Value.of(int(function(left.constant, right.constant)), UINT1)
    type_ = common(left.type, right.type)
    if right.constant is not None and left.type.holds(right.constant):
        type_ = left.type
    elif left.constant is not None and right.type.holds(left.constant):
        type_ = right.type
    if predicate not in ("eq", "ne"):
        predicate = ("s" if type_.signed else "u") + predicate
    a, b = emit.at_width(left, type_.bits), emit.at_width(right, type_.bits)
    return Value.loaded(emit.compare(predicate, a, b), UINT1)


def select(emit: Emitter, condition: Value, yes: Value, no: Value) -> Value:
    """``yes if condition else no``; both sides are evaluated."""
    type_ = common(yes.type, no.type)
    if condition.constant is not None:
        return cast(yes if condition.constant else no, type_)
    a, b = emit.at_width(yes, type_.bits), emit.at_width(no, type_.bits)
    ssa = emit.select(emit.at_type(condition), a, b)
    return bounded(type_, min(yes.low, no.low), max(yes.high, no.high), ssa=ssa)


def extreme(emit: Emitter, name: str, left: Value, right: Value) -> Value:
    """``min(left, right)`` or ``max(left, right)``."""
    smaller = compare(emit, "<", left, right)
    chosen = select(emit, smaller, *((left, right) if name == "min" else (right, left)))
    if chosen.ssa is None:
        return chosen
    pick = min if name == "min" else max
    return bounded(chosen.type, pick(left.low, right.low), pick(left.high, right.high), ssa=chosen.ssa)


def logic(emit: Emitter, name: str, left: Value, right: Value) -> Value:
    """Strict ``and`` / ``or`` of two uint1: both sides are evaluated."""
    if left.type.bits != 1 or right.type.bits != 1:
        wide = left if left.type.bits != 1 else right
        raise Refused(f"'{name}' of a value of {wide.type}; its operands are conditions: write x != 0")
    operator = "&" if name == "and" else "|"
    return binary(operator, cast(left, UINT1), cast(right, UINT1))


def invert(emit: Emitter, value: Value) -> Value:
    """``not x`` of a uint1."""
    if value.type.bits != 1:
        raise Refused(f"'not' of a value of {value.type}; its operand is a condition: write x == 0")
    return binary("^", cast(value, UINT1), Value.of(1, UINT1))
