"""Subscripts in hardware: bank and address of an element, as ``passes/addresses.py`` plans and times them.

Subscripts are cut to the bits that their dimension needs, so one that is outside names some other element.
"""

from __future__ import annotations

from fastprefill.passes.addresses import (
    TABLE_BITS,
    bits,
    digits,
    divisor_of,
    is_concatenation,
    power_of_two,
    reciprocal,
    strides,
)
from fastprefill.passes.storage import Storage
from fastprefill.targets.rtl.hw import Module, Wire

Index = int | Wire
"""A subscript: a number, or a value of 32 bits."""

Offset = tuple[Wire, int]
"""A number and its stride."""


def place(m: Module, name: str, storage: Storage, indices: list[Index]) -> tuple[list[Index], list[Offset]]:
    """Bank along each dimension, and offsets that add up to the address inside the bank (see ``address``)."""
    banks: list[Index] = []
    offsets: list[Offset] = []
    for dimension, (index, stride) in enumerate(zip(indices, strides(storage.depths), strict=True)):
        narrow = index if isinstance(index, int) else m.extract(index, 0, bits(storage.shape[dimension]))
        kind, divisor = storage.kinds[dimension], divisor_of(storage, dimension)
        part: Index = 0
        rest: Index = 0
        if kind == "complete":
            part = narrow
        elif divisor is None:
            rest = narrow
        else:
            quotient, remainder = divide(m, name, narrow, divisor)
            part, rest = (remainder, quotient) if kind == "cyclic" else (quotient, remainder)
        banks.append(part)
        if storage.depths[dimension] > 1:
            width = bits(storage.depths[dimension])
            wire = m.const(rest, width) if isinstance(rest, int) else m.resize(rest, width, signed=False)
            offsets.append((wire, stride))
    return banks, offsets


def address(m: Module, offsets: list[Offset], words: int) -> Wire:
    """The sum of offsets, in the width that an address of `words` words needs."""
    width = bits(words)
    if not offsets:
        return m.const(0, width)
    if not is_concatenation([(value.width, stride) for value, stride in offsets]):
        return product_sum(m, offsets, width)
    pieces: list[Wire] = []
    at = 0
    for value, stride in sorted(offsets, key=lambda offset: offset[1]):
        low = stride.bit_length() - 1
        pieces += [m.const(0, low - at)] if low > at else []
        pieces.append(value)
        at = low + value.width
    return m.resize(m.concat(pieces[::-1]), width, signed=False)


def divide(m: Module, name: str, index: Index, divisor: int) -> tuple[Index, Index]:
    """Quotient and remainder of a subscript of the array `name`."""
    if isinstance(index, int):
        return index // divisor, index % divisor
    if power_of_two(divisor):
        low = divisor.bit_length() - 1
        if low >= index.width:
            return 0, index
        return m.extract(index, low, index.width - low), m.extract(index, 0, low) if low else 0
    if index.width <= TABLE_BITS:
        values = range(1 << index.width)
        quotients = [m.const(value // divisor, index.width) for value in values]
        remainders = [m.const(value % divisor, index.width) for value in values]
        return (
            pick(m, quotients, index, f"{name}_div{divisor}"),
            pick(m, remainders, index, f"{name}_mod{divisor}"),
        )
    factor, shift = reciprocal(divisor, index.width)
    product = product_sum(m, [(index, factor)], index.width + factor.bit_length(), f"{name}_div{divisor}")
    quotient = m.resize(m.extract(product, shift, product.width - shift), index.width, signed=False)
    terms = [(index, 1), (quotient, -divisor)]
    return quotient, product_sum(m, terms, index.width, f"{name}_mod{divisor}")


def product_sum(m: Module, terms: list[tuple[Wire, int]], width: int, name: str = "") -> Wire:
    """The sum of values times constants, in `width` bits: a tree of adders of shifted copies."""
    numbers = {wire.name: number for (number, _), wire in m.constants.items()}
    fixed = sum(numbers[value.name] * factor for value, factor in terms if value.name in numbers)
    level: list[tuple[Wire, int]] = []
    for value, factor in terms:
        if value.name in numbers:
            continue
        wide = m.resize(value, width, signed=False)
        for shift, sign in digits(abs(factor)):
            if shift < width:
                copy = m.concat([m.extract(wide, 0, width - shift), m.const(0, shift)]) if shift else wide
                level.append((copy, sign if factor > 0 else -sign))
    if fixed or not level:
        level.append((m.const(fixed, width), 1))
    level.sort(key=lambda term: -term[1])  # a positive one comes first, so the sum of all is positive
    while len(level) > 1:
        shared = name if len(level) == 2 else ""
        paired = [_pair(m, level[i], level[i + 1], shared) for i in range(0, len(level) - 1, 2)]
        level = sorted(paired + level[len(paired) * 2 :], key=lambda term: -term[1])
    value, sign = level[0]
    return value if sign > 0 else m.binary("sub", m.const(0, width), value)


def _pair(m: Module, one: tuple[Wire, int], other: tuple[Wire, int], shared: str) -> tuple[Wire, int]:
    if one[1] == other[1]:
        return m.binary("add", one[0], other[0], shared=shared), one[1]
    plus, minus = (one, other) if one[1] > 0 else (other, one)
    return m.binary("sub", plus[0], minus[0], shared=shared), 1


def from_bank(m: Module, storage: Storage, items: list[Wire], banks: list[Index]) -> Wire:
    """The item of a bank: multiplexers along the dimensions where the bank is dynamic."""

    def along(dim: int, some: list[Wire]) -> Wire:
        if dim == len(banks):
            return some[0]
        size, part = len(some) // storage.factors[dim], banks[dim]
        if isinstance(part, int):
            return along(dim + 1, some[part * size : (part + 1) * size])
        return pick(
            m, [along(dim + 1, some[k * size : (k + 1) * size]) for k in range(storage.factors[dim])], part
        )

    return along(0, items)


def reached(m: Module, storage: Storage, banks: list[Index]) -> list[tuple[int, Wire | None]]:
    """The banks that an access may reach, each with the condition under which it does (None: always)."""
    found: list[tuple[int, Wire | None]] = [(0, None)]
    for part, factor in zip(banks, storage.factors, strict=True):
        if isinstance(part, int):
            found = [(number * factor + part, condition) for number, condition in found]
        else:
            here = [m.compare("eq", part, m.const(k, part.width)) for k in range(factor)]
            found = [
                (number * factor + k, m.both([condition, here[k]]))
                for number, condition in found
                for k in range(factor)
            ]
    return found


def pick(m: Module, items: list[Wire], index: Index, name: str = "") -> Wire:
    """An element of a list by a dynamic index: a multiplexer tree, with a name for every 16 elements."""
    if isinstance(index, int):
        return items[index] if index < len(items) else items[-1]
    level = list(items)
    for bit in range(max(1, (len(items) - 1).bit_length())):
        condition, pairs = m.extract(index, bit, 1), []
        for i in range(0, len(level), 2):
            if i + 1 == len(level):
                pairs.append(level[i])
                continue
            hint = f"{name}_from_{i << bit}" if name and bit == 3 and len(items) > 16 else ""
            shared = name if len(level) == 2 else ""
            pairs.append(m.mux(condition, level[i + 1], level[i], hint, shared))
        level = pairs
    return level[0]


def select(m: Module, choices: list[tuple[Wire, Wire]], width: int, shared: str = "") -> Wire:
    """The value of the one choice whose condition holds; the last where none does."""
    if not choices:
        return m.const(0, width)
    value = choices[-1][1]
    for number, (condition, other) in reversed(list(enumerate(choices[:-1]))):
        value = m.mux(condition, other, value, shared="" if number else shared)
    return value
