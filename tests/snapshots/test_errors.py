"""Every kernel of errors/ is refused with the message beside it.

``FASTPREFILL_SNAPSHOTS=write pytest tests/snapshots`` rewrites the messages.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fastprefill.errors import FastprefillError
from fastprefill.frontend import load
from fastprefill.system.build import build_unit

FOLDER = Path(__file__).parent / "errors"
KERNELS = sorted(FOLDER.glob("*.py"))


def message(path: Path) -> str:
    """The text of the error, with the file's name in place of its path."""
    with pytest.raises(FastprefillError) as caught:
        for unit in load(path):
            build_unit(unit)
    shown = os.path.relpath(path)
    return str(caught.value).replace(str(path), path.name).replace(shown, path.name) + "\n"


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.stem)
def test_message(path: Path) -> None:
    expected = path.with_suffix(".txt")
    text = message(path)
    if os.environ.get("FASTPREFILL_SNAPSHOTS") == "write":
        expected.write_text(text)
    assert text == expected.read_text()


def test_every_message_has_a_kernel() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == {path.stem for path in KERNELS}
    assert len(KERNELS) >= 25


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.stem)
def test_message_says_what_to_do(path: Path) -> None:
    """A message is one paragraph: what is wrong, then what is allowed or to be written instead."""
    text = path.with_suffix(".txt").read_text().strip()
    assert "\n" not in text
    assert ";" in text or ":" in text.split(": ", 1)[1]
