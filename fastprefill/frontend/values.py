"""Values of expressions while a kernel is lowered.

A value is a compile-time constant, an SSA value, or an operation not emitted yet. Operations are emitted when
a width is asked for, at that width: ``acc[i] += x * y`` into an int32 becomes a 32-bit addition, although
Allo's rules give the sum 33 bits, because the low bits of a sum depend on the low bits of the operands alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import SSAValue

from fastprefill.frontend.dtypes import INT32, Scalar

NARROWING = frozenset({"+", "-", "*", "&", "|", "^", "cast"})
"""Operations whose low bits depend only on the low bits of their operands."""


@dataclass(frozen=True, eq=False)
class Pending:
    """An operation to emit. For ``cast`` there is only `left`."""

    operator: str
    left: Value
    right: Value | None = None
    src: str | None = None
    bind: str | None = None


@dataclass(frozen=True, eq=False)
class Value:
    """An integer of a type, known to lie in ``low..high``.

    `attained` is set for a loop variable that takes both bounds: how many conditions its loop is under
    (``Context.guards``).

    Exactly one of `constant`, `ssa` and `pending` is set. `ssa` is of the type's width, or of ``index`` type
    for a loop variable.
    """

    type: Scalar
    low: int
    high: int
    constant: int | None = None
    ssa: SSAValue | None = None
    pending: Pending | None = None
    attained: int | None = None

    @staticmethod
    def of(value: int, type_: Scalar = INT32) -> Value:
        wrapped = type_.wrap(value)
        return Value(type_, wrapped, wrapped, constant=wrapped)

    @staticmethod
    def loaded(ssa: SSAValue, type_: Scalar) -> Value:
        return Value(type_, type_.low, type_.high, ssa=ssa)


def bounded(
    type_: Scalar, low: int, high: int, *, ssa: SSAValue | None = None, pending: Pending | None = None
) -> Value:
    """A value whose bounds are dropped where its type cannot hold them (it may wrap)."""
    if not (type_.holds(low) and type_.holds(high)):
        low, high = type_.low, type_.high
    return Value(type_, low, high, ssa=ssa, pending=pending)
