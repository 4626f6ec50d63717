"""``arith`` and bit slice ops as Python expressions, for Python ints and for NumPy lanes alike."""

from __future__ import annotations

from collections.abc import Callable

from fastprefill.errors import FastprefillError
from fastprefill.targets.interpreter.values import (
    Draft,
    NotVector,
    Value,
    from_pattern,
    limits,
    signed,
    truth,
    unsigned,
)

PREDICATES = ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")
_COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


def _add(a: Value, b: Value, width: int, vector: bool) -> Draft:
    if width == 1:
        return truth(f"{a.text} ^ {b.text}")
    x, y = signed(a, vector), signed(b, vector)
    return Draft(f"{x.text} + {y.text}", x.low + y.low, x.high + y.high, x.exact and y.exact)


def _sub(a: Value, b: Value, width: int, vector: bool) -> Draft:
    if width == 1:
        return truth(f"{a.text} ^ {b.text}")
    x, y = signed(a, vector), signed(b, vector)
    return Draft(f"{x.text} - {y.text}", x.low - y.high, x.high - y.low, x.exact and y.exact)


def _mul(a: Value, b: Value, width: int, vector: bool) -> Draft:
    if width == 1:
        return truth(f"{a.text} & {b.text}")
    x, y = signed(a, vector), signed(b, vector)
    corners = [p * q for p in (x.low, x.high) for q in (y.low, y.high)]
    return Draft(f"{x.text} * {y.text}", min(corners), max(corners), x.exact and y.exact)


def _bitwise(symbol: str) -> Callable[[Value, Value, int, bool], Draft]:
    def build(a: Value, b: Value, width: int, vector: bool) -> Draft:
        if width == 1:
            return truth(f"{a.text} {symbol} {b.text}")
        x, y = signed(a, vector), signed(b, vector)
        low, high = limits(width)
        if symbol == "&" and (x.low >= 0 or y.low >= 0):
            low, high = 0, min(v.high for v in (x, y) if v.low >= 0)
        elif x.low >= 0 and y.low >= 0:
            low, high = 0, (1 << max(x.high, y.high).bit_length()) - 1
        return Draft(f"{x.text} {symbol} {y.text}", low, high, x.exact and y.exact)

    return build


def _shift_left(a: Value, b: Value, width: int, vector: bool) -> Draft:
    if isinstance(b.known, int):
        amount = b.known & ((1 << width) - 1)
        if amount >= width:
            return Draft("0", 0, 0)
        x = signed(a, vector)
        if vector and amount > 63:
            raise NotVector("a shift by more than 63 in a lane")
        return Draft(f"{x.text} << {amount}", x.low << amount, x.high << amount, x.exact)
    x, amounts = signed(a, vector), unsigned(b, vector)
    low, high = -(1 << (2 * width)), 1 << (2 * width)
    if vector and width > 64:
        raise NotVector("a shift of more than 64 bits in a lane")
    return Draft(f"shift_left({x.text}, {amounts.text}, {width})", low, high, not vector)


def _shift_right(a: Value, b: Value, width: int, vector: bool, operand: Draft) -> Draft:
    if vector and not operand.exact:
        raise NotVector("a right shift of more than 64 bits in a lane")
    if isinstance(b.known, int):
        amount = b.known & ((1 << width) - 1)
        if amount >= width:  # what remains is the sign, or nothing of an unsigned pattern
            amount = width
        if vector:
            amount = min(amount, 63)
        return Draft(f"{operand.text} >> {amount}", operand.low >> amount, operand.high >> amount)
    amounts = unsigned(b, vector)
    low, high = min(operand.low, 0), max(operand.high, 0)
    return Draft(f"shift_right({operand.text}, {amounts.text}, {width})", low, high)


def _divide(symbol: str) -> Callable[[Value, Value, int, bool], Draft]:
    def build(a: Value, b: Value, width: int, vector: bool) -> Draft:
        divisor = int(b.known) & ((1 << width) - 1) if isinstance(b.known, int) else 0
        if divisor == 0:
            name = "divui" if symbol == "//" else "remui"
            raise FastprefillError(f"arith.{name} needs a positive constant as its second operand")
        x = unsigned(a, vector)
        if symbol == "//":
            return Draft(f"{x.text} // {divisor}", x.low // divisor, x.high // divisor)
        return Draft(f"{x.text} % {divisor}", 0, min(x.high, divisor - 1))

    return build


BINARY: dict[str, Callable[[Value, Value, int, bool], Draft]] = {
    "arith.addi": _add,
    "arith.subi": _sub,
    "arith.muli": _mul,
    "arith.andi": _bitwise("&"),
    "arith.ori": _bitwise("|"),
    "arith.xori": _bitwise("^"),
    "arith.shli": _shift_left,
    "arith.shrsi": lambda a, b, n, v: _shift_right(a, b, n, v, signed(a, v)),
    "arith.shrui": lambda a, b, n, v: _shift_right(a, b, n, v, unsigned(a, v)),
    "arith.divui": _divide("//"),
    "arith.remui": _divide("%"),
}
"""Ops of two operands and a result of one width -> expression, to be wrapped to that width."""


def compare(predicate: str, a: Value, b: Value, vector: bool) -> Draft:
    """``arith.cmpi``; the result is a truth value."""
    if predicate in ("eq", "ne"):
        if a.width == 1:
            return truth(f"{a.text} {_COMPARISONS[predicate]} {b.text}")
        x, y = signed(a, vector), signed(b, vector)
    elif predicate[0] == "s":
        x, y = signed(a, vector), signed(b, vector)
    elif vector and a.width == 64 and (a.low < 0 or b.low < 0):
        # An unsigned 64-bit pattern does not fit int64: compare with the sign bit flipped instead.
        flipped = [Draft(f"({signed(v, vector).text} ^ {-(1 << 63)})", 0, 0, v.exact) for v in (a, b)]
        x, y = flipped
    else:
        x, y = unsigned(a, vector), unsigned(b, vector)
    if vector and not (x.exact and y.exact):
        raise NotVector("a comparison of more than 64 bits in a lane")
    return truth(f"{x.text} {_COMPARISONS[predicate[-2:]]} {y.text}")


def select(condition: Value, a: Value, b: Value, width: int, vector: bool) -> Draft:
    """``arith.select``."""
    x, y = (truth(v.text) if width == 1 else signed(v, vector) for v in (a, b))
    text = f"{x.text} if {condition.text} else {y.text}"
    if condition.axes:
        text = f"where({condition.text}, {x.text}, {y.text})"
    return Draft(text, min(x.low, y.low), max(x.high, y.high), x.exact and y.exact, truth=width == 1)


def convert(name: str, a: Value, width: int, vector: bool) -> Draft:
    """A change of width, from ``extsi extui trunci index_cast index_castui``, to be wrapped to `width`."""
    if name in ("arith.extui", "arith.index_castui") and width > a.width:
        return unsigned(a, vector)
    if width == a.width:
        return Draft(a.text, a.low, a.high, a.exact, truth=width == 1)
    operand = signed(a, vector)
    if vector and width > a.width and not operand.exact:
        raise NotVector("an extension of more than 64 bits in a lane")
    return operand


def get_slice(a: Value, lo: Value, width: int, vector: bool) -> Draft:
    """Bits ``lo .. lo + width`` of a Python int or of int64 lanes, canonical."""
    mask = (1 << width) - 1
    inside = lo.low >= 0 and lo.high + width <= a.width
    if not vector:
        operand = signed(a, False) if inside else unsigned(a, False)
        if lo.low >= 0:
            return from_pattern(f"({operand.text} >> {lo.text}) & {mask}", width)
        return from_pattern(f"get_slice({operand.text}, {lo.text}, {width})", width)
    if not a.axes and a.width > 64:
        raise NotVector("bits of one word of more than 64 bits at positions that are not known")
    operand = signed(a, True) if inside else unsigned(a, True)
    if not operand.exact or width > 63 or lo.low < 0 or lo.high > 63:
        raise NotVector("a slice outside 64 bits in a lane")
    return from_pattern(f"({operand.text} >> {lo.text}) & {mask}", width)


def set_slice(a: Value, lo: Value, part: Value, vector: bool) -> Draft:
    """`a` with the bits from `lo` on replaced by `part`, to be wrapped to the width of `a`."""
    bits = unsigned(part, vector)
    mask = (1 << part.width) - 1
    low, high = limits(a.width)
    if not vector:
        if a.width > 1 and isinstance(lo.known, int) and lo.known >= 0 and lo.known + part.width < a.width:
            return Draft(f"({a.text} & {~(mask << lo.known)}) | ({bits.text} << {lo.known})", low, high)
        return Draft(
            f"set_slice({a.text}, {lo.text}, {bits.text}, {part.width}, {a.width})", low - 1, high + 1
        )
    if a.width > 64 or lo.low < 0 or lo.high > 63 or part.width > 62:
        raise NotVector("a slice assignment outside 64 bits in a lane")
    operand = signed(a, True)
    if lo.axes:
        clear, shifted = f"~({mask} << {lo.text})", f"({bits.text} << {lo.text})"
    else:
        clear, shifted = f"~wrap64({mask} << {lo.text})", f"({bits.text} << {lo.text})"
        if not part.axes:
            shifted = f"wrap64{shifted}"
    return Draft(f"({operand.text} & {clear}) | {shifted}", low - 1, high + 1, exact=False)
