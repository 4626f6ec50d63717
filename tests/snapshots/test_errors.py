"""Every kernel of errors/ is refused with the message beside it; ``make snapshots`` rewrites the messages."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fastprefill.errors import FastprefillError
from fastprefill.system.build import build_unit
from fastprefill.system.load import load

FOLDER = Path(__file__).parent / "errors"
KERNELS = sorted(FOLDER.glob("*.py"))


def message(path: Path) -> str:
    """The text of the error, with the file's name in place of its path."""
    with pytest.raises(FastprefillError) as caught:
        for unit in load(path):
            build_unit(unit)
    shown = os.path.relpath(path)
    return str(caught.value).replace(str(path), path.name).replace(shown, path.name)


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.stem)
def test_snapshot_of_message(path: Path, snapshot: Callable[[str, str], None]) -> None:
    text = message(path)
    assert "\n" not in text
    assert text.startswith(f"{path.name}:"), "a message starts with its place"
    assert ";" in text or ": " in text.split(": ", 1)[1], "a message says what is allowed or what to write"
    snapshot(text + "\n", f"errors/{path.stem}.txt")


def test_every_message_has_a_kernel() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == {path.stem for path in KERNELS}
    assert len(KERNELS) >= 25
