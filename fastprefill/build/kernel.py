"""From what the user names on the command line to a unit: a built-in kernel or a Python file."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

from fastprefill import kernels
from fastprefill.errors import FastprefillError
from fastprefill.frontend import standin
from fastprefill.system.unit import Unit


def builtin_kernels() -> tuple[str, ...]:
    """Names of the kernels that come with the package."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(kernels.__path__)))


def load_unit(kernel: str, parameters: Mapping[str, int]) -> Unit:
    """The unit of a kernel file, or of a built-in kernel such as ``mpu``.

    Args:
        kernel: a name without suffix, or the path of a ``.py`` file that defines ``unit(...)``, a function
            that returns a `Unit`.
        parameters: its arguments.

    Raises:
        FastprefillError: unknown name, a file that cannot be imported or defines no unit, wrong parameters.
    """
    standin.install()
    make = _maker(_builtin(kernel) if not _is_path(kernel) else _file(Path(kernel)), kernel)
    wanted = inspect.signature(make).parameters
    for name in parameters:
        if name not in wanted:
            known = ", ".join(wanted) or "none"
            raise FastprefillError(f"kernel '{kernel}' has no parameter '{name}'; its parameters: {known}")
    missing = [n for n, p in wanted.items() if p.default is inspect.Parameter.empty and n not in parameters]
    if missing:
        options = " ".join(f"--param {name}=N" for name in missing)
        raise FastprefillError(f"kernel '{kernel}' needs {', '.join(missing)}: give {options}")
    unit = make(**parameters)
    if not isinstance(unit, Unit):
        raise FastprefillError(
            f"unit() of kernel '{kernel}' returned {type(unit).__name__}; it must return a Unit"
        )
    return unit


def _is_path(kernel: str) -> bool:
    return kernel.endswith(".py") or "/" in kernel


def _builtin(name: str) -> ModuleType:
    if name not in builtin_kernels():
        raise FastprefillError(
            f"unknown kernel '{name}'; built-in kernels: {', '.join(builtin_kernels())}, or the path of a .py file"
        )
    return importlib.import_module(f"fastprefill.kernels.{name}")


def _file(path: Path) -> ModuleType:
    if not path.is_file():
        raise FastprefillError(f"there is no kernel file '{path}'")
    spec = importlib.util.spec_from_file_location(f"fastprefill_kernel_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise FastprefillError(f"'{path}' is not a Python file; a kernel file ends in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except FastprefillError:
        raise
    except SyntaxError as error:
        raise FastprefillError(f"{path}:{error.lineno}: Python cannot read the file: {error.msg}") from None
    except Exception as error:  # the file is the user's: whatever it raises is theirs to read
        raise FastprefillError(f"importing '{path}' failed: {type(error).__name__}: {error}") from error
    return module


def _maker(module: ModuleType, kernel: str) -> Callable[..., object]:
    make = getattr(module, "unit", None)
    if not callable(make):
        raise FastprefillError(f"kernel '{kernel}' defines no function unit(...) that returns a Unit")
    found: Callable[..., object] = make
    return found
