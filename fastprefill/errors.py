"""The one exception that users see as a sentence instead of a traceback."""

from __future__ import annotations


class FastprefillError(Exception):
    """Something the user can mend: the text says what, the value, what is allowed and what to do."""


class KernelError(FastprefillError):
    """A kernel that is outside the language or cannot be built.

    Args:
        message: what is wrong and what to write instead, one sentence.
        src: ``"file:line:col"`` or ``"file:line"`` of the offending construct, when known.
    """

    def __init__(self, message: str, src: str | None = None) -> None:
        self.src = src
        super().__init__(f"{src}: {message}" if src else message)


def counted(number: int, noun: str) -> str:
    """``1 case``, ``2 cases``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
