"""The units and systems of a user's kernel file."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fastprefill import standin
from fastprefill.errors import FastprefillError
from fastprefill.frontend.load import load_module, place
from fastprefill.system.system import System
from fastprefill.system.unit import Unit


def load(path: Path | str, parameters: Mapping[str, int] | None = None) -> list[Unit | System]:
    """The units and systems of a kernel file.

    The file has a function ``system(**parameters) -> System`` or ``unit(**parameters) -> Unit``, or regions
    (functions decorated with ``df.region()``) that need no ports, each of which becomes a unit of its own name.

    Raises:
        FastprefillError: none of these in the file, or parameters that its function does not take.
    """
    module = load_module(path)
    given = dict(parameters or {})
    for name in ("system", "unit"):
        make = getattr(module, name, None)
        if callable(make):
            return _made(make, name, path, given)
    regions = {name: value for name, value in vars(module).items() if hasattr(value, standin.REGION_MARK)}
    if not regions:
        raise FastprefillError(
            f"'{path}' has no function unit(...) and no @df.region(); write one that returns a Unit"
        )
    if given:
        raise FastprefillError(
            f"'{path}' has no function unit(...), so it takes no parameters {sorted(given)}"
        )
    return [Unit(name=name, region=region) for name, region in regions.items()]


def _made(
    make: Callable[..., Any], name: str, path: Path | str, given: Mapping[str, int]
) -> list[Unit | System]:
    signature = inspect.signature(make)
    takes = ", ".join(str(parameter) for parameter in signature.parameters.values()) or "none"
    try:
        signature.bind(**given)
    except TypeError as error:
        raise FastprefillError(f"parameters of {name}() in '{path}': {error}; it takes: {takes}") from error
    try:
        found = make(**given)
    except FastprefillError:
        raise
    except Exception as error:  # any failure of the user's own code
        where = place(error, Path(path))
        raise FastprefillError(f"{where}: {type(error).__name__} in {name}(): {error}") from error
    made = list(found) if isinstance(found, list | tuple) else [found]
    for one in made:
        if not isinstance(one, Unit | System):
            wanted = name.capitalize()
            raise FastprefillError(f"{name}() in '{path}' returned {type(one).__name__}; return a {wanted}")
    return made
