"""The example of docs/language.md is a kernel file that works."""

from __future__ import annotations

import textwrap
from pathlib import Path

from fastprefill.system.build import build_unit
from fastprefill.system.case import Case
from fastprefill.system.load import load
from fastprefill.targets import interpreter

PAGE = Path(__file__).parents[3] / "docs" / "language.md"


def example() -> str:
    """The first indented block of the page."""
    lines = PAGE.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("    "))
    end = next(i for i in range(start, len(lines)) if lines[i] and not lines[i].startswith("    "))
    return textwrap.dedent("\n".join(lines[start:end]))


def test_example(tmp_path: Path) -> None:
    path = tmp_path / "dot.py"
    path.write_text(example())
    (unit,) = load(path, {"lanes": 2})
    words = [0x0102, 0xFF03]  # (2, 1), (3, -1)
    got = interpreter.run(build_unit(unit), Case("dot", {"n": 2}, {"a": words, "b": words}))
    assert got == {"y": [2 * 2 + 1 * 1 + 3 * 3 + 1]}
