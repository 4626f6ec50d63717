"""From what the user names on the command line to units: a built-in kernel or a Python file."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from pathlib import Path

from fastprefill import kernels
from fastprefill.errors import FastprefillError
from fastprefill.system.load import load
from fastprefill.system.system import System
from fastprefill.system.unit import Unit


def builtin_kernels() -> tuple[str, ...]:
    """Names of the kernels that come with the package."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(kernels.__path__)))


def load_units(kernel: str, parameters: Mapping[str, int]) -> list[Unit | System]:
    """The units and systems of a kernel file, or of a built-in kernel such as ``mpu``.

    Args:
        kernel: a name without suffix, or the path of a ``.py`` file.
        parameters: arguments of its function ``unit``.

    Raises:
        FastprefillError: unknown name, a file that cannot be run or has no unit, wrong parameters.
    """
    if kernel.endswith(".py") or "/" in kernel:
        return load(kernel, parameters)
    if kernel not in builtin_kernels():
        raise FastprefillError(
            f"unknown kernel '{kernel}'; built-in kernels: {', '.join(builtin_kernels())}, or the path of a .py file"
        )
    return load(Path(kernels.__path__[0]) / f"{kernel}.py", parameters)
