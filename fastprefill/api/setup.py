"""What is here: tools, packages and boards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastprefill.boards import Board

if TYPE_CHECKING:
    from fastprefill.tools.doctor import Finding


def doctor() -> list[Finding]:
    """Python, packages and tools: what is here, and what to do about the others."""
    from fastprefill.tools import doctor

    return doctor.doctor()


def boards() -> list[Board]:
    """The boards that come with the package."""
    from fastprefill import boards as data

    return [data.load(name) for name in data.names()]
