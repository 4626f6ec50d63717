"""Tokens that came out against those that must come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def difference(actual: Mapping[str, Sequence[int]], expected: Mapping[str, Sequence[int]]) -> str:
    """The first token that differs, as a sentence; empty when all are equal."""
    for stream, wanted in expected.items():
        got = actual.get(stream, [])
        for index, (a, b) in enumerate(zip(got, wanted, strict=False)):
            if a != b:
                return f"stream '{stream}' differs first at index {index}: expected {b:#x}, got {a:#x}"
        if len(got) != len(wanted):
            return f"stream '{stream}' has {len(got)} tokens; {len(wanted)} were expected"
    return ""
