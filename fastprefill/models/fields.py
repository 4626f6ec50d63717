"""The fields of a configuration file, fetched with a check of their kind: one sentence for each that is wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from fastprefill.errors import FastprefillError

MOST = 2**31 - 1
"""Of any count."""


class Fields:
    """Named values of one object in a file.

    A field that is null counts as absent. Every method raises `FastprefillError` with the file, the field and
    its value where the value is not what is asked for, or is absent and has no default.

    Args:
        path: the file, for messages.
        values: the object.
        inside: name of the object in the file when it is not the file's outermost.
    """

    def __init__(self, path: Path, values: Mapping[str, Any], inside: str = "") -> None:
        self.path, self.values = path, values
        self._inside = inside

    def refuse(self, what: str) -> NoReturn:
        """Raise with the file's name in front."""
        raise FastprefillError(f"{self.path}: {what}")

    def name(self, field: str) -> str:
        """How messages call a field."""
        return f"{self._inside}.{field}" if self._inside else field

    def has(self, field: str) -> bool:
        """Whether the field is there and not null."""
        return self.values.get(field) is not None

    def _get(self, field: str, default: object) -> Any:
        if self.has(field):
            return self.values[field]
        if default is None:
            self.refuse(f"the field {self.name(field)} is {'null' if field in self.values else 'missing'}")
        return default

    def wrong(self, field: str, needed: str) -> NoReturn:
        """Refuse the value of a field."""
        self.refuse(f"{self.name(field)} is {json.dumps(self.values[field])}; it must be {needed}")

    def text(self, field: str, default: str | None = None) -> str:
        """A string."""
        value = self._get(field, default)
        if not isinstance(value, str):
            self.wrong(field, "a string")
        return value

    def flag(self, field: str, default: bool) -> bool:
        """A truth value."""
        value = self._get(field, default)
        if not isinstance(value, bool):
            self.wrong(field, "true or false")
        return value

    def positive(self, field: str, default: int | None = None) -> int:
        """A whole number of at least 1."""
        value = self._get(field, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self.wrong(field, "a whole number of at least 1")
        if value > MOST:
            self.wrong(field, f"at most {MOST}")
        return value

    def positive_number(self, field: str, default: float | None = None) -> float:
        """A finite number above 0."""
        value = self._get(field, default)
        if (
            not isinstance(value, int | float)
            or isinstance(value, bool)
            or not 0 < value <= sys.float_info.max
        ):
            self.wrong(field, "a number above 0")
        return float(value)

    def optional_number(self, field: str) -> float | None:
        """A finite number above 0, or None where the field is absent."""
        return self.positive_number(field) if self.has(field) else None

    def token(self, field: str, vocabulary: int) -> int | None:
        """A token id, or None where the field is absent or names no token.

        A model cut down from a published one keeps ids outside its smaller vocabulary, and the transformers library
        takes that.
        """
        if not self.has(field):
            return None
        value = self.values[field]
        if not isinstance(value, int) or isinstance(value, bool):
            self.wrong(field, "a token id")
        return value if 0 <= value < vocabulary else None


def read_json(path: Path) -> Fields:
    """The fields of a JSON file.

    Raises:
        FastprefillError: the file is missing, unreadable, not JSON, or not one JSON object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FastprefillError(f"'{path.parent}' has no {path.name}") from None
    except OSError as error:
        raise FastprefillError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise FastprefillError(f"{path}: it is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise FastprefillError(
            f"{path}: it is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except ValueError:
        raise FastprefillError(f"{path}: it is not JSON that can be read: a number has thousands of digits") from None
    except RecursionError:
        raise FastprefillError(
            f"{path}: it is not JSON that can be read: its brackets nest too deep"
        ) from None
    if not isinstance(values, dict):
        raise FastprefillError(f"{path}: it must hold one JSON object")
    return Fields(path, values)
