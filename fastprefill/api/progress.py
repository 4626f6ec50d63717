"""What every verb shares: lines of progress, and the line of the tools that checked something."""

from __future__ import annotations

from collections.abc import Callable

Show = Callable[[str], None]
"""Takes lines of progress."""


def quiet(line: str) -> None:
    """Shows no progress."""


def tier_line() -> str:
    """The line that names the tools which checked something in this process, and those that did not."""
    from fastprefill.tools import tiers

    return tiers.line(tiers.ran())
