"""Runs a user's kernel file and finds the units in it."""

from __future__ import annotations

import importlib.util
import inspect
import linecache
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from fastprefill.errors import FastprefillError
from fastprefill.frontend import standin
from fastprefill.system.unit import Unit


def load_module(path: Path | str) -> ModuleType:
    """Execute a kernel file with Allo, or its stand-ins, importable.

    Raises:
        FastprefillError: the file does not exist or Python fails in it.
    """
    path = Path(path)
    if not path.is_file():
        raise FastprefillError(f"kernel file '{path}' does not exist; give the path of a Python file")
    standin.install()
    linecache.checkcache(str(path))
    name = f"fastprefill_kernel_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FastprefillError(f"kernel file '{path}' is not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except FastprefillError:
        raise
    except SyntaxError as error:
        raise FastprefillError(
            f"{error.filename}:{error.lineno}: Python cannot read the file: {error.msg}"
        ) from error
    except Exception as error:  # any failure of the user's own code
        raise FastprefillError(
            f"{_place(error, path)}: {type(error).__name__} in the kernel file: {error}"
        ) from error
    finally:
        sys.modules.pop(name, None)
    return module


def load(path: Path | str, parameters: Mapping[str, int] | None = None) -> list[Unit]:
    """The units of a kernel file.

    The file has a function ``unit(**parameters) -> Unit``, or regions (functions decorated with
    ``df.region()``) that need no ports, each of which becomes a unit of its own name.

    Raises:
        FastprefillError: no unit in the file, or parameters that its ``unit`` does not take.
    """
    module = load_module(path)
    given = dict(parameters or {})
    make = getattr(module, "unit", None)
    if callable(make):
        signature = inspect.signature(make)
        takes = ", ".join(str(parameter) for parameter in signature.parameters.values()) or "none"
        try:
            signature.bind(**given)
        except TypeError as error:
            raise FastprefillError(f"parameters of unit() in '{path}': {error}; it takes: {takes}") from error
        try:
            found = make(**given)
        except FastprefillError:
            raise
        except Exception as error:  # any failure of the user's own code
            where = _place(error, Path(path))
            raise FastprefillError(f"{where}: {type(error).__name__} in unit(): {error}") from error
        units = list(found) if isinstance(found, list | tuple) else [found]
        for unit in units:
            if not isinstance(unit, Unit):
                raise FastprefillError(f"unit() in '{path}' returned {type(unit).__name__}; return a Unit")
        return units
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


def _place(error: Exception, path: Path) -> str:
    """The innermost line of the user's file that the error passed through."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == path]
    return f"{path}:{lines[-1]}" if lines else str(path)
