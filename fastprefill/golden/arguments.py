"""Numbers that callers of the golden models give, checked."""

from __future__ import annotations

import operator
from numbers import Real

import numpy as np

from fastprefill.errors import FastprefillError


def whole(name: str, value: object) -> int:
    """A whole number as a Python int, which does not wrap as NumPy's do.

    Raises:
        FastprefillError: it is something else, a bool among them.
    """
    if not isinstance(value, bool | np.bool_ | np.ndarray):
        try:
            return operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            pass
    raise FastprefillError(f"{name} is {value!r}; it must be a whole number")


def number(name: str, value: object) -> float:
    """A number as a Python float.

    Raises:
        FastprefillError: it is something else.
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise FastprefillError(f"{name} is {value!r}; it must be a number")
    return float(value)
