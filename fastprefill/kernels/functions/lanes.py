"""Sums and maxima over the elements of a word, as trees."""

from collections.abc import Callable

import allo
from allo.ir.types import ConstExpr, Int, UInt, int32

from fastprefill.errors import FastprefillError


def _levels(lanes: int) -> int:
    if lanes < 1 or lanes & (lanes - 1):
        raise FastprefillError(f"a tree over {lanes} elements; choose a power of two")
    return lanes.bit_length() - 1


def total(lanes: int, bits: int, signed: bool = False) -> Callable:
    """A helper for the sum of the elements of a word, exact.

    Returns:
        (word: UInt(lanes * bits)) -> UInt(bits + log2 lanes), or Int where `signed`.

    Raises:
        FastprefillError: a number of elements that is no power of two.
    """
    levels = _levels(lanes)
    wide = bits + levels
    Word, Kept = UInt(lanes * bits), UInt(lanes * wide)
    Element, Sum = (Int(bits), Int(wide)) if signed else (UInt(bits), UInt(wide))

    def total(word: Word) -> Sum:
        sums: Kept = 0
        with allo.meta_for(lanes) as i:
            element: Element = word[bits * i : bits * i + bits]
            sums[wide * i : wide * i + wide] = element
        with allo.meta_for(levels) as k:
            with allo.meta_for(lanes >> k + 1) as i:
                at: ConstExpr[int32] = 2 * wide * i
                left: Sum = sums[at : at + wide]
                right: Sum = sums[at + wide : at + 2 * wide]
                sums[wide * i : wide * i + wide] = left + right
        result: Sum = sums[0:wide]
        return result

    return total


def largest(lanes: int, bits: int, signed: bool = False) -> Callable:
    """A helper for the largest element of a word: (word: UInt(lanes * bits)) -> UInt(bits), or Int where `signed`.

    Raises:
        FastprefillError: a number of elements that is no power of two.
    """
    levels = _levels(lanes)
    Word, Element = UInt(lanes * bits), Int(bits) if signed else UInt(bits)

    def largest(word: Word) -> Element:
        kept: Word = word
        with allo.meta_for(levels) as k:
            with allo.meta_for(lanes >> k + 1) as i:
                at: ConstExpr[int32] = 2 * bits * i
                left: Element = kept[at : at + bits]
                right: Element = kept[at + bits : at + 2 * bits]
                kept[bits * i : bits * i + bits] = max(left, right)
        result: Element = kept[0:bits]
        return result

    return largest
