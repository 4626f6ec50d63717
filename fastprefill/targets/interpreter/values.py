"""Values of the generated Python code: an expression with its width, range and lanes.

The canonical form, everywhere in the interpreter:

- An integer of N > 1 bits is the *signed* number of its two's complement pattern, -2^(N-1) .. 2^(N-1)-1,
  as a Python ``int`` (so any width is exact); ``index`` is such a number of 32 bits.
- ``i1`` is a truth value: ``bool``.
- A value that differs between the lanes of an unrolled loop nest is a NumPy array, int64 (or bool for
  ``i1``), whose axes are the loops of the nest, outermost first; it broadcasts. An int64 holds every width
  up to 64 exactly. A wider one is held exactly when its range is known to fit; otherwise it is only
  congruent modulo 2^64 (``exact`` is False), which is enough for what is truncated later.
- Tokens in FIFOs and elements of arrays have the same form. Only inputs and outputs of a run are unsigned.

Each value carries a range, so that wrapping and sign conversions that change nothing are not emitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

INT64_LOW, INT64_HIGH = -(1 << 63), (1 << 63) - 1


class NotVector(Exception):
    """This loop nest cannot run as NumPy vectors; it is run lane after lane instead."""


@dataclass(frozen=True)
class Value:
    """One SSA value.

    Attributes:
        text: Python expression, a name or a literal.
        width: bits.
        low, high: range of the canonical value (0, 1 for ``i1``).
        axes: axes of the unrolled loops along which it may differ; empty for one Python int.
        known: the value, when known at compile time.
        exact: False when only congruent modulo 2^64.
        base: name of a Python int and known offsets whose sum this is, when that form is known.
    """

    text: str
    width: int
    low: int
    high: int
    axes: tuple[int, ...] = ()
    known: int | NDArray[Any] | None = None
    exact: bool = True
    base: tuple[str, NDArray[np.int64]] | None = None


@dataclass(frozen=True)
class Draft:
    """An expression whose value, `low` .. `high`, is still to be wrapped to the width of a result.

    `truth` tells that it is a ``bool`` (or an array of them) already.
    """

    text: str
    low: int
    high: int
    exact: bool = True
    truth: bool = False


def truth(text: str) -> Draft:
    """An expression that is a truth value."""
    return Draft(text, 0, 1, truth=True)


def limits(width: int) -> tuple[int, int]:
    """Range of the canonical values of `width` bits."""
    return (0, 1) if width == 1 else (-(1 << (width - 1)), (1 << (width - 1)) - 1)


def canonical(number: int, width: int) -> int:
    """The canonical form of the `width` low bits of `number`."""
    number &= (1 << width) - 1
    return number != 0 if width == 1 else number - ((number >> (width - 1)) << width)


def literal(number: int, width: int) -> Value:
    """A constant."""
    number = canonical(number, width)
    text = str(bool(number)) if width == 1 else str(number) if number >= 0 else f"({number})"
    return Value(text, width, int(number), int(number), known=number)


def full(text: str, width: int, axes: tuple[int, ...] = ()) -> Value:
    """A value of which only the width is known."""
    low, high = limits(width)
    fits = not axes or width <= 64
    return Value(text, width, low, high, axes, exact=fits)


def signed(value: Value, vector: bool) -> Draft:
    """`value` as a signed number, as an operand of a scalar or vector expression."""
    if value.width == 1:
        return Draft(f"({value.text} * -1)" if vector else f"(-{value.text})", -value.high, -value.low)
    if vector and not value.axes and not (value.low >= INT64_LOW and value.high <= INT64_HIGH):
        if value.known is not None:
            return Draft(f"({canonical(int(value.known), 64)})", value.low, value.high, exact=False)
        return Draft(f"wrap64({value.text})", value.low, value.high, exact=False)
    return Draft(value.text, value.low, value.high, value.exact)


def unsigned(value: Value, vector: bool) -> Draft:
    """`value` as an unsigned number; exact, or NotVector."""
    if value.width == 1:  # never the truth value itself: as a subscript, NumPy takes a bool for a mask
        return Draft(f"({value.text} * 1)", value.low, value.high)
    operand = signed(value, vector)
    if vector and not operand.exact:
        raise NotVector("an unsigned value of more than 63 bits in a lane")
    if value.low >= 0:
        return operand
    if vector and value.width > 63:
        raise NotVector("an unsigned value of more than 63 bits in a lane")
    mask = (1 << value.width) - 1
    return Draft(f"({operand.text} & {mask})", 0, mask)


def wrapped(draft: Draft, width: int, vector: bool) -> Draft:
    """`draft` reduced to the canonical form of `width` bits."""
    low, high = limits(width)
    fits = draft.exact and (not vector or (draft.low >= INT64_LOW and draft.high <= INT64_HIGH))
    if width == 1:
        return draft if draft.truth else truth(f"(({draft.text}) & 1) != 0")
    if fits and low <= draft.low and draft.high <= high:
        return draft
    if vector and width == 64:
        return Draft(draft.text, low, high)
    if vector and width > 64:
        return Draft(draft.text, low, high, exact=False)
    if vector and width in (8, 16, 32):  # NumPy's conversion to a narrower integer keeps the low bits
        return Draft(f"({draft.text}).astype(int{width}).astype(int64)", low, high)
    half = 1 << (width - 1)
    return Draft(f"((({draft.text}) + {half}) & {2 * half - 1}) - {half}", low, high)


def from_pattern(text: str, width: int) -> Draft:
    """The canonical form of an expression that is an unsigned pattern of `width` bits."""
    if width == 1:
        return truth(f"({text}) != 0")
    half = 1 << (width - 1)
    return Draft(f"(({text}) ^ {half}) - {half}", *limits(width))
