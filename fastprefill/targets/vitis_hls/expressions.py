"""C++ expressions over ap_int, ap_uint and native integers, folded from IR operations.

The IR computes modulo 2^N and says at each widening how the pattern is read. C++ with ap types computes exact
numbers whose width grows. An ``Expr`` joins the two: its value is always congruent to the IR's value modulo 2^N,
and its interval tells when it also *is* the signed or unsigned reading; only where it is not does ``exact`` add
a cast. The rules for widths are those of UG1399, "Arbitrary Precision (AP) Data Types", which the open ap_int
headers share.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from fastprefill.errors import FastprefillError

# UG1399: ap_int widths go up to 4096 bits when AP_INT_MAX_W is raised from 1024.
MAX_WIDTH = 4096

PRIMARY, UNARY, MULTIPLY, ADD, SHIFT, COMPARE, EQUAL, AND, XOR, OR, LOGICAL_AND, LOGICAL_OR, CONDITIONAL = (
    range(16, 3, -1)
)


@dataclass(frozen=True)
class CType:
    """A static C++ type.

    ``kind`` is ``"ap"`` (exactly ap_int/ap_uint), ``"base"`` (what an operator on ap types returns),
    ``"ref"`` (a bit or a range of bits of a variable), ``"int"``, ``"long"`` (long long) or ``"bool"``.
    """

    kind: str
    signed: bool
    width: int

    @property
    def native(self) -> bool:
        return self.kind in ("int", "long", "bool")

    @property
    def text(self) -> str:
        """How it is written; only for ap and native types."""
        if self.native:
            return {"int": "int", "long": "long long", "bool": "bool"}[self.kind]
        return f"ap_int<{self.width}>" if self.signed else f"ap_uint<{self.width}>"


INT = CType("int", True, 32)
LONG = CType("long", True, 64)
BOOL = CType("bool", False, 1)


def ap(signed: bool, width: int) -> CType:
    """``ap_int<width>`` or ``ap_uint<width>``."""
    return CType("ap", signed, width)


def limits(signed: bool, width: int) -> tuple[int, int]:
    """Smallest and largest number of `width` bits."""
    return (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, (1 << width) - 1)


INT_LO, INT_HI = limits(True, 32)


@dataclass(frozen=True)
class Expr:
    """A C++ expression.

    Attributes:
        text: the source.
        level: precedence of its outermost operator; a higher one binds tighter.
        type: its static C++ type.
        lo: smallest value that it can have.
        hi: largest value that it can have.
        reads: variables whose value it depends on.
        effect: it reads a stream, so it must be evaluated once and in order.
        bind: ``"dsp"`` or ``"fabric"`` when it is a multiplication that is bound.
        constant: its value when it is a literal.
        parts: left operand, operator and right operand of an operator that has a compound assignment; the left one
            is empty for a negation.
    """

    text: str
    level: int
    type: CType
    lo: int
    hi: int
    reads: frozenset[str] = field(default=frozenset())
    effect: bool = False
    bind: str | None = None
    constant: int | None = None
    parts: tuple[str, str, str] | None = None

    def within(self, signed: bool, width: int) -> bool:
        """Whether its value always fits into `width` bits of that signedness."""
        lo, hi = limits(signed, width)
        return lo <= self.lo and self.hi <= hi


def variable(text: str, ctype: CType, reads: frozenset[str] = frozenset(), effect: bool = False) -> Expr:
    """A variable, an array element or a stream read: any value of its type."""
    return Expr(text, PRIMARY, ctype, *limits(ctype.signed, ctype.width), reads, effect)


def loop_variable(name: str, lo: int, hi: int) -> Expr:
    """An ``int`` that runs from `lo` to `hi`."""
    return Expr(name, PRIMARY, INT, lo, hi)


def literal(value: int) -> Expr:
    """An integer literal: native where it fits, else an ap constructor."""
    level = PRIMARY if value >= 0 else UNARY
    if INT_LO <= value <= INT_HI:
        return Expr(str(value), level, INT, value, value, constant=value)
    if -(1 << 63) < value < 1 << 63:
        return Expr(f"{value}LL", level, LONG, value, value, constant=value)
    signed = value < 0
    width = value.bit_length() + (1 if signed else 0)
    if signed:
        text = f'{ap(True, width).text}("-0x{-value:x}", 16)'
    else:
        text = f'{ap(False, width).text}("0x{value:x}", 16)'
    return Expr(text, PRIMARY, ap(signed, width), value, value, constant=value)


def boolean(value: bool) -> Expr:
    """``true`` or ``false``."""
    return Expr("true" if value else "false", PRIMARY, BOOL, int(value), int(value), constant=int(value))


def wrap(value: int, signed: bool, width: int) -> int:
    """`value` reduced to `width` bits and read with that signedness."""
    value &= (1 << width) - 1
    return value - (1 << width) if signed and value >> (width - 1) else value


def at(expr: Expr, level: int) -> str:
    """The text, in parentheses where it binds weaker than `level`."""
    return expr.text if expr.level >= level else f"({expr.text})"


def cast(expr: Expr, signed: bool, width: int) -> Expr:
    """``ap_int<width>(expr)`` or ``ap_uint<width>(expr)``; no text when the type is that already."""
    target = ap(signed, width)
    if expr.type == target:
        return expr
    lo, hi = (expr.lo, expr.hi) if expr.within(signed, width) else limits(signed, width)
    text = f"{target.text}({expr.text})"
    return Expr(text, PRIMARY, target, lo, hi, expr.reads, expr.effect)


def exact(expr: Expr, signed: bool, width: int) -> Expr:
    """The expression whose value is that of the pattern of `width` bits, read with that signedness."""
    if expr.constant is not None:
        return constant_of(wrap(expr.constant, signed, width), expr)
    return expr if expr.within(signed, width) else cast(expr, signed, width)


def constant_of(value: int, like: Expr) -> Expr:
    """A literal of `value`; a bool stays one."""
    return boolean(bool(value)) if like.type == BOOL and value in (0, 1) else literal(value)


def plain(expr: Expr) -> Expr:
    """Not a reference to bits: operators and templates want a number."""
    if expr.type.kind != "ref":
        return expr
    return cast(expr, False, max(1, expr.hi.bit_length()))


def _make(text: str, level: int, ctype: CType, lo: int, hi: int, *parts: Expr) -> Expr:
    if ctype.width > MAX_WIDTH:
        raise FastprefillError(
            f"an expression of {ctype.width} bits is wider than the {MAX_WIDTH} of ap_int (UG1399); "
            "store a part of it in a variable of its own"
        )
    reads = frozenset().union(*(part.reads for part in parts))
    return Expr(text, level, ctype, lo, hi, reads, any(part.effect for part in parts))


def _operands(a: Expr, b: Expr, lo: int, hi: int) -> tuple[Expr, Expr]:
    """Operands whose C++ arithmetic cannot overflow a native type for results in lo .. hi."""
    a, b = plain(a), plain(b)
    if a.type.native and b.type.native and (lo < INT_LO or hi > INT_HI):
        if a.constant is None or b.constant is not None:
            a = cast(a, True, max(a.type.width, 2))
        else:
            b = cast(b, True, max(b.type.width, 2))
    return a, b


def arithmetic(op: str, a: Expr, b: Expr) -> Expr:
    """``a + b``, ``a - b`` or ``a * b``, exact."""
    if op == "+" and b.constant is not None and INT_LO < b.constant < 0:
        return arithmetic("-", a, literal(-b.constant))
    if op == "-" and b.constant is not None and INT_LO < b.constant < 0:
        return arithmetic("+", a, literal(-b.constant))
    corners = {
        "+": [a.lo + b.lo, a.hi + b.hi],
        "-": [a.lo - b.hi, a.hi - b.lo],
        "*": [x * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)],
    }[op]
    lo, hi = min(corners), max(corners)
    if op == "*" and b.constant == -1 and a.type == INT and lo >= INT_LO and hi <= INT_HI:
        negated = _make(f"-{at(a, PRIMARY)}", UNARY, INT, lo, hi, a)
        return replace(negated, parts=("", "-", at(a, PRIMARY)))
    if op == "+" and a.parts is not None and a.parts[0] == "" and a.lo > INT_LO:
        operand = replace(a, text=a.parts[2], level=PRIMARY, lo=-a.hi, hi=-a.lo, parts=None)
        return arithmetic("-", b, operand)
    a, b = _operands(a, b, lo, hi)
    level = MULTIPLY if op == "*" else ADD
    parts = (a.text, op, at(b, level + 1))
    text = f"{at(a, level)} {op} {parts[2]}"
    if a.type.native and b.type.native:
        return _make(text, level, INT, lo, hi, a, b)
    signed = a.type.signed or b.type.signed
    if op == "*":
        width = a.type.width + b.type.width
    else:
        grow_a = b.type.signed and not a.type.signed
        grow_b = a.type.signed and not b.type.signed
        width = max(a.type.width + grow_a, b.type.width + grow_b) + 1
        signed = signed or op == "-"
    return replace(_make(text, level, CType("base", signed, width), lo, hi, a, b), parts=parts)


def bitwise(op: str, a: Expr, b: Expr) -> Expr:
    """``a & b``, ``a | b`` or ``a ^ b`` on infinite two's complement, as ap types do."""
    a, b = plain(a), plain(b)
    if a.lo >= 0 and b.lo >= 0:
        hi = min(a.hi, b.hi) if op == "&" else (1 << max(a.hi.bit_length(), b.hi.bit_length())) - 1
        lo = 0
    elif op == "&" and (a.lo >= 0 or b.lo >= 0):
        lo, hi = 0, a.hi if a.lo >= 0 else b.hi
    else:
        bits = max(x.bit_length() for x in (a.lo, a.hi, b.lo, b.hi)) + 1
        lo, hi = limits(True, bits)
    if a.type == BOOL and b.type == BOOL and op in "&|":
        level = LOGICAL_AND if op == "&" else LOGICAL_OR
        return _make(f"{at(a, EQUAL)} {op * 2} {at(b, EQUAL)}", level, BOOL, 0, 1, a, b)
    level = {"&": AND, "^": XOR, "|": OR}[op]
    parts = (a.text, op, _mask(b) if b.constant is not None else at(b, UNARY))
    text = f"{at(a, UNARY)} {op} {parts[2]}"
    if a.type.native and b.type.native:
        return _make(text, level, LONG if LONG in (a.type, b.type) else INT, lo, hi, a, b)
    width = max(
        a.type.width + (b.type.signed and not a.type.signed),
        b.type.width + (a.type.signed and not b.type.signed),
    )
    ctype = CType("base", a.type.signed or b.type.signed, width)
    return replace(_make(text, level, ctype, lo, hi, a, b), parts=parts)


def _mask(expr: Expr) -> str:
    """Larger masks read better in hexadecimal."""
    value = expr.constant
    if value is None or value < 16 or not expr.type.native:
        return at(expr, UNARY)
    return f"0x{value:x}" + ("LL" if expr.type == LONG else "")


def invert(condition: Expr) -> Expr:
    """``!condition``."""
    return _make(f"!{at(condition, UNARY)}", UNARY, BOOL, 0, 1, condition)


def shift(op: str, value: Expr, amount: Expr, width: int) -> Expr:
    """``value << amount`` or ``value >> amount`` where `value` stands for `width` bits.

    For ``>>`` the value must be exact; the amount must be exact and unsigned. Amounts of `width` or more give
    0 or the sign, which ap types also do for amounts below 2^31.
    """
    value, amount = plain(value), plain(amount)
    small = amount.constant is not None and amount.constant < 31
    if op == "<<" and (value.type.native or value.type.width < width):
        value = cast(value, value.type.signed, width)
    elif op == ">>" and value.type.native and not small:
        value = cast(value, value.type.signed, max(value.type.width, width))
    if op == "<<":
        lo, hi = limits(value.type.signed, value.type.width)
        if (
            amount.constant is not None
            and value.lo << amount.constant >= lo
            and value.hi << amount.constant <= hi
        ):
            lo, hi = value.lo << amount.constant, value.hi << amount.constant
    elif amount.constant is not None:
        lo, hi = value.lo >> amount.constant, value.hi >> amount.constant
    else:
        lo, hi = min(value.lo, 0), max(value.hi, -1)
    ctype = value.type if value.type.native else CType("base", value.type.signed, value.type.width)
    if value.type == BOOL:
        ctype = INT
    text = f"{at(value, UNARY)} {op} {at(amount, UNARY)}"
    result = _make(text, SHIFT, ctype, lo, hi, value, amount)
    if amount.hi < 1 << 31:
        return result
    # The headers reduce an amount to 32 bits, so larger ones are sorted out first.
    rest = literal(0) if op == "<<" or value.lo >= 0 else shift(op, value, literal(width), width)
    condition = _make(f"{at(amount, COMPARE)} < {width}", COMPARE, BOOL, 0, 1, amount)
    return select(condition, result, rest, width)


def divide(op: str, a: Expr, divisor: int) -> Expr:
    """``a / divisor`` or ``a % divisor`` for an `a` that is not negative."""
    a = plain(a)
    if op == "/":
        lo, hi = a.lo // divisor, a.hi // divisor
    else:
        lo, hi = 0, min(a.hi, divisor - 1)
    if a.type.native:
        return _make(f"{at(a, MULTIPLY)} {op} {divisor}", MULTIPLY, a.type, lo, hi, a)
    if divisor < 1 << 32:
        text = f"{at(a, MULTIPLY)} {op} {divisor}u"
        width = a.type.width if op == "/" else min(a.type.width, 32)
    else:
        by = literal(divisor) if divisor >= 1 << 63 else cast(literal(divisor), False, divisor.bit_length())
        text = f"{at(a, MULTIPLY)} {op} {by.text}"
        width = a.type.width
    return _make(text, MULTIPLY, CType("base", a.type.signed, width), lo, hi, a)


def comparable(a: Expr, b: Expr, width: int) -> tuple[Expr, Expr]:
    """Two numbers of at most `width` bits that C++ compares as numbers.

    Between types of different signedness ap types follow the rule of C, which reads a negative number as a
    large one where the unsigned type is 32 bits or wider and not narrower than the signed one.
    """
    a, b = plain(a), plain(b)
    if a.type.signed == b.type.signed or (a.lo >= 0 and b.lo >= 0):
        return a, b
    return (cast(a, True, width), b) if b.type.signed else (a, cast(b, True, width))


def compare(op: str, a: Expr, b: Expr, width: int) -> Expr:
    """``a op b`` of two exact readings of `width` bits."""
    a, b = comparable(a, b, width)
    level = EQUAL if op in ("==", "!=") else COMPARE
    return _make(f"{at(a, level + 1)} {op} {at(b, level + 1)}", level, BOOL, 0, 1, a, b)


def select(condition: Expr, a: Expr, b: Expr, width: int) -> Expr:
    """``condition ? a : b``; both sides get one type, since C++ would not find a common one."""
    if not (a.type.native and b.type.native and LONG not in (a.type, b.type)):
        declared = [x.type for x in (a, b) if x.type.kind == "ap" and x.type.width == width]
        signed = declared[0].signed if declared else (a.lo < 0 or b.lo < 0)
        a, b = cast(plain(a), signed, width), cast(plain(b), signed, width)
        ctype = ap(signed, width)
    else:
        ctype = a.type if a.type == b.type else INT
    text = f"{at(condition, CONDITIONAL + 1)} ? {at(a, CONDITIONAL + 1)} : {at(b, CONDITIONAL + 1)}"
    return _make(text, CONDITIONAL, ctype, min(a.lo, b.lo), max(a.hi, b.hi), condition, a, b)


def bits(value: Expr, lo: Expr, value_width: int, width: int) -> Expr:
    """Bits lo .. lo + width of a value of `value_width` bits; bits outside it are 0."""
    inside = lo.lo >= 0 and lo.hi + width <= value_width
    if not inside:
        pattern = cast(plain(value), False, value_width)
        return cast(shift_any(pattern, lo), False, width)
    if not (value.type.kind == "ap" and value.type.width >= value_width):
        value = cast(plain(value), False, value_width)
    ctype = CType("ref", False, value.type.width)
    if width == 1:
        return _make(f"{value.text}[{lo.text}]", PRIMARY, ctype, 0, 1, value, lo)
    text = f"{value.text}({range_of(lo, width)})"
    return _make(text, PRIMARY, ctype, 0, (1 << width) - 1, value, lo)


def shift_any(pattern: Expr, amount: Expr) -> Expr:
    """``pattern >> amount`` for an amount that may be too large or negative (a shift to the left)."""
    amount = plain(amount)
    text = f"{at(pattern, UNARY)} >> {at(amount, UNARY)}"
    lo, hi = limits(False, pattern.type.width)
    return _make(text, SHIFT, CType("base", False, pattern.type.width), lo, hi, pattern, amount)


def range_of(lo: Expr, width: int) -> str:
    """The arguments ``hi, lo`` of a range of bits."""
    lo = plain(lo)
    if lo.constant is not None:
        return f"{lo.constant + width - 1}, {lo.constant}"
    return f"{arithmetic('+', lo, literal(width - 1)).text}, {lo.text}"
