"""Tokens that came out against those that must come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

READABLE_BITS, SHOWN_BITS = 128, 64
"""Of wider words than the first, so many bits are shown, where they differ."""


def difference(actual: Mapping[str, Sequence[int]], expected: Mapping[str, Sequence[int]]) -> str:
    """The first token that differs, as a sentence; empty when all are equal."""
    for stream, wanted in expected.items():
        got = actual.get(stream, [])
        for index, (a, b) in enumerate(zip(got, wanted, strict=False)):
            if a != b:
                return f"stream '{stream}' differs first at index {index}{_values(b, a)}"
        if len(got) != len(wanted):
            return f"stream '{stream}' has {len(got)} tokens; {len(wanted)} were expected"
    return ""


def _values(expected: int, got: int) -> str:
    """Both words; of wide ones, whose differing bits would be lost among hundreds of digits, the lowest that differ."""
    if max(expected, got).bit_length() <= READABLE_BITS:
        return f": expected {expected:#x}, got {got:#x}"
    different = expected ^ got
    low = ((different & -different).bit_length() - 1) // 32 * 32
    part = (1 << SHOWN_BITS) - 1
    return f", bits {low} to {low + SHOWN_BITS - 1}: expected {expected >> low & part:#x}, got {got >> low & part:#x}"
