"""The units, systems and cases of a user's kernel file."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from fastprefill import standin
from fastprefill.errors import FastprefillError
from fastprefill.frontend.load import load_module, place
from fastprefill.frontend.suggest import advice
from fastprefill.system.case import Case
from fastprefill.system.system import System
from fastprefill.system.unit import Unit

Cases = Callable[[int], list[Case]]
"""From a seed to inputs with the outputs that a golden model expects."""


@dataclass(frozen=True)
class KernelFile:
    """What a kernel file describes.

    Attributes:
        path: of the file.
        units: in the file's order.
        cases: of its function ``cases(seed, **parameters)``; None where it has none.
    """

    path: Path
    units: list[Unit | System]
    cases: Cases | None


def load(path: Path | str, parameters: Mapping[str, int] | None = None) -> list[Unit | System]:
    """The units and systems of a kernel file; see ``load_file``."""
    return load_file(path, parameters).units


def load_file(path: Path | str, parameters: Mapping[str, int] | None = None) -> KernelFile:
    """The units, systems and cases of a kernel file.

    The file has a function ``system(**parameters) -> System`` or ``unit(**parameters) -> Unit``, or regions
    (functions decorated with ``df.region()``) that need no ports, each of which becomes a unit of its own name.
    A function ``cases(seed, **parameters) -> list[Case]`` beside it says what goes in and what must come out.

    Raises:
        FastprefillError: none of these in the file, or parameters that its function does not take.
    """
    module = load_module(path)
    given = dict(parameters or {})
    return KernelFile(Path(path), _units(module, path, given), cases_of(module, path, given))


def cases_of(module: ModuleType, path: Path | str, parameters: Mapping[str, int]) -> Cases | None:
    """The function ``cases`` of a module with the unit's parameters bound; None where it has none.

    Raises:
        FastprefillError: on a call, when it fails or gives something else than cases.
    """
    make = getattr(module, "cases", None)
    if not callable(make):
        return None
    given = dict(parameters)

    def cases(seed: int) -> list[Case]:
        found = _called(make, "cases", path, {"seed": seed, **given}, "")
        made = list(found) if isinstance(found, list | tuple) else [found]
        for one in made:
            if not isinstance(one, Case):
                raise FastprefillError(
                    f"cases() in '{path}' gives {type(one).__name__}; return a list of Case"
                )
        if not made:
            raise FastprefillError(f"cases() in '{path}' gives no case; give at least one")
        return made

    return cases


def _units(module: ModuleType, path: Path | str, given: Mapping[str, int]) -> list[Unit | System]:
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
    found = _called(make, name, path, given, _hint(make, given))
    made = list(found) if isinstance(found, list | tuple) else [found]
    for one in made:
        if not isinstance(one, Unit | System):
            wanted = name.capitalize()
            raise FastprefillError(f"{name}() in '{path}' returned {type(one).__name__}; return a {wanted}")
    return made


def _called(
    make: Callable[..., Any], name: str, path: Path | str, given: Mapping[str, int], hint: str
) -> Any:
    """The result of a function of the user's; what is wrong with its arguments or in it is a sentence."""
    signature = inspect.signature(make)
    takes = ", ".join(str(parameter) for parameter in signature.parameters.values()) or "none"
    try:
        signature.bind(**given)
    except TypeError as error:
        raise FastprefillError(
            f"parameters of {name}() in '{path}': {error}; it takes: {takes}{hint}"
        ) from error
    try:
        return make(**given)
    except FastprefillError:
        raise
    except Exception as error:  # any failure of the user's own code
        where = place(error, Path(path))
        near = (
            advice(str(error.name), getattr(make, "__globals__", {})) if isinstance(error, NameError) else ""
        )
        raise FastprefillError(f"{where}: {type(error).__name__} in {name}(): {error}{near}") from error


def _hint(make: Callable[..., Any], given: Mapping[str, int]) -> str:
    """How to give the parameters that are missing on the command line; empty when none is."""
    lacking = [
        parameter.name
        for parameter in inspect.signature(make).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        and parameter.name not in given
    ]
    if not lacking:
        return ""
    return "; give " + " ".join(f"--param {name}=NUMBER" for name in lacking)
