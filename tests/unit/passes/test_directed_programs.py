"""Directed programs of ``tests/fuzz``: interpreter == RTL."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fastprefill.tools import verilator

sys.path.insert(0, str(Path(__file__).parents[2] / "fuzz"))

from directed import programs

pytestmark = pytest.mark.skipif(verilator.missing() is not None, reason=str(verilator.missing()))


@pytest.fixture(scope="module")
def failures() -> list[str]:
    from campaign import prepare_text
    from simulate import simulate

    return simulate([prepare_text(text, number) for number, text in enumerate(programs().values())])


@pytest.mark.parametrize("name", list(programs()))
def test_rtl_does_what_the_interpreter_does(name: str, failures: list[str]) -> None:
    assert [line for line in failures if f" {name} " in line] == []


def test_nothing_else_failed(failures: list[str]) -> None:
    known = [line for line in failures if any(f" {name} " in line for name in programs())]
    assert [line for line in failures if line not in known] == []
