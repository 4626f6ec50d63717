"""Allo's typing rules."""

from __future__ import annotations

import pytest

from fastprefill.frontend.dtypes import Scalar, common, result


def t(name: str) -> Scalar:
    return Scalar(int(name[1:]), name[0] == "i")


@pytest.mark.parametrize(
    ("operator", "left", "right", "expected"),
    [
        ("+", "i8", "i8", "i9"),
        ("+", "i8", "u8", "i10"),
        ("+", "u8", "i8", "i10"),
        ("+", "u8", "i32", "i33"),
        ("-", "u8", "u4", "u9"),
        ("*", "i8", "i8", "i16"),
        ("*", "i8", "u8", "i16"),
        ("*", "u1024", "u1024", "u2048"),
        ("//", "u8", "i32", "u8"),
        ("%", "u8", "i32", "i32"),
        ("%", "u32", "i8", "i33"),
        ("<<", "i8", "i32", "i8"),
        (">>", "u8", "i32", "u8"),
        ("&", "u8", "i32", "i32"),
        ("|", "u32", "i32", "i32"),
        ("^", "u8", "u16", "u16"),
    ],
)
def test_result(operator: str, left: str, right: str, expected: str) -> None:
    assert result(operator, t(left), t(right)) == t(expected)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("i8", "i16", "i16"),
        ("u8", "u16", "u16"),
        ("i8", "u8", "i9"),
        ("u8", "i32", "i32"),
        ("u32", "i8", "i33"),
    ],
)
def test_common(left: str, right: str, expected: str) -> None:
    assert common(t(left), t(right)) == t(expected)
    assert common(t(right), t(left)) == t(expected)


def test_wrap_reads_the_sign() -> None:
    assert Scalar(8, True).wrap(200) == -56
    assert Scalar(8, False).wrap(-1) == 255
    assert Scalar(2048, True).wrap((1 << 2048) - 1) == -1
