"""Integer types and Allo's typing rules for them.

The rules are those of Allo's ``typing_rule.py`` (default set): results grow so that nothing is lost, and an
assignment truncates or extends to the declared type. ``docs/language.md`` lists them.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import IntegerType, MemRefType


@dataclass(frozen=True)
class Scalar:
    """An integer type: ``int8`` is ``Scalar(8, True)``, ``UInt(128)`` is ``Scalar(128, False)``."""

    bits: int
    signed: bool

    def __str__(self) -> str:
        return f"{'int' if self.signed else 'uint'}{self.bits}"

    @property
    def low(self) -> int:
        """The least value."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """The greatest value."""
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    @property
    def ir(self) -> IntegerType:
        return IntegerType(self.bits)

    def wrap(self, value: int) -> int:
        """`value` modulo 2**bits, read with this type's sign."""
        value &= (1 << self.bits) - 1
        return value - (1 << self.bits) if self.signed and value >> (self.bits - 1) else value

    def holds(self, value: int) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Array:
    """A static array: element type, shape, and where ``@ Memory(...)`` puts it."""

    element: Scalar
    shape: tuple[int, ...]
    storage: str | None = None
    storage_type: str | None = None

    def __str__(self) -> str:
        return f"{self.element}[{', '.join(map(str, self.shape))}]"

    @property
    def ir(self) -> MemRefType:
        return MemRefType(self.element.ir, self.shape)


@dataclass(frozen=True)
class Stream:
    """A stream of scalar tokens or (a block stream) of arrays; `shape` is not empty for an array of streams."""

    token: Scalar | Array
    depth: int
    shape: tuple[int, ...] = ()

    @property
    def element(self) -> Scalar:
        return self.token.element if isinstance(self.token, Array) else self.token


INT32 = Scalar(32, True)
UINT1 = Scalar(1, False)


def _mixed_bits(left: Scalar, right: Scalar) -> int:
    """Bits of the narrowest type that holds both: an unsigned operand needs one more beside a signed one."""
    if left.signed == right.signed:
        return max(left.bits, right.bits)
    return max(left.bits + (not left.signed), right.bits + (not right.signed))


def common(left: Scalar, right: Scalar) -> Scalar:
    """Both sides of a comparison, a conditional expression, ``min`` and ``max``."""
    return Scalar(_mixed_bits(left, right), left.signed or right.signed)


def result(operator: str, left: Scalar, right: Scalar) -> Scalar:
    """The type of ``left operator right``; `operator` as in Python."""
    signed = left.signed or right.signed
    match operator:
        case "+" | "-":
            return Scalar(_mixed_bits(left, right) + 1, signed)
        case "*":
            return Scalar(left.bits + right.bits, signed)
        case "//" | "<<" | ">>":
            return left
        case "%":
            return Scalar(_mixed_bits(left, right), signed)
        case "&" | "|" | "^":
            return Scalar(max(left.bits, right.bits), signed)
    raise ValueError(f"no typing rule for {operator!r}")
