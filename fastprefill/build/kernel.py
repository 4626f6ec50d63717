"""From what the user names on the command line to units: a built-in kernel or a Python file."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from fastprefill import kernels
from fastprefill.errors import FastprefillError
from fastprefill.system.build import build_unit
from fastprefill.system.load import Cases, cases_of, load_file
from fastprefill.system.mover import MemoryCase
from fastprefill.system.system import System, link
from fastprefill.system.unit import Unit


@dataclass(frozen=True)
class Kernel:
    """A kernel as the user named it.

    Attributes:
        name: of the built-in kernel, or of the file without folder.
        units: units and systems in it.
        parameters: given for its function ``unit``.
        cases: inputs and expected outputs from a seed; None where the kernel has no golden model.
        memory_cases: of a system with movers: memories before and after, from a seed.
    """

    name: str
    units: list[Unit | System]
    parameters: Mapping[str, int]
    cases: Cases | None
    memory_cases: Callable[[int], list[MemoryCase]] | None = None

    def only(self) -> Unit | System:
        """Its one unit or system.

        Raises:
            FastprefillError: there are several.
        """
        if len(self.units) != 1:
            names = ", ".join(f"'{unit.name}'" for unit in self.units)
            raise FastprefillError(
                f"{self.name} has {len(self.units)} units: {names}; this works on one: "
                "return one Unit from unit(), or a System from system()"
            )
        return self.units[0]


def builtin_kernels() -> tuple[str, ...]:
    """Names of the kernels that come with the package; ``sfu.rope`` is ``rope`` in the package ``sfu``."""
    root = Path(kernels.__path__[0])
    names = (".".join(path.relative_to(root).with_suffix("").parts) for path in root.rglob("*.py"))
    makers = "\ndef unit(", "\ndef system("
    return tuple(sorted(name for name in names if any(maker in _path(name).read_text() for maker in makers)))


def _path(kernel: str) -> Path:
    return Path(kernels.__path__[0]).joinpath(*kernel.split(".")).with_suffix(".py")


def is_kernel(name: str) -> bool:
    """Whether a name is that of a built-in kernel or of a Python file."""
    return name.endswith(".py") or name in builtin_kernels()


def load_kernel(kernel: str, parameters: Mapping[str, int]) -> Kernel:
    """A kernel file, or a built-in kernel such as ``mpu``, whose cases are its golden model's.

    Args:
        kernel: a name without suffix, or the path of a ``.py`` file.
        parameters: arguments of its function ``unit``.

    Raises:
        FastprefillError: unknown name, a file that cannot be run or has no unit, wrong parameters.
    """
    if kernel.endswith(".py") or "/" in kernel:
        found = load_file(kernel, parameters)
        return Kernel(found.path.name, found.units, dict(parameters), found.cases)
    if kernel not in builtin_kernels():
        raise FastprefillError(
            f"unknown kernel '{kernel}'; built-in kernels: {', '.join(builtin_kernels())}, or the path of a .py file"
        )
    found = load_file(_path(kernel), parameters)
    golden, cases, in_memory = f"fastprefill.golden.{kernel}", None, None
    if "." not in kernel and importlib.util.find_spec(golden) is not None:
        module = importlib.import_module(golden)
        cases = cases_of(module, golden, parameters)
        if hasattr(module, "memory_cases"):
            in_memory = partial(module.memory_cases, **parameters)
    return Kernel(kernel, found.units, dict(parameters), cases, in_memory)


def build(unit: Unit | System, frontend: str = "embedded") -> ModuleOp:
    """The IR of a unit, or of a system with its units linked.

    Raises:
        KernelError: the kernels are outside the language.
    """
    return link(unit) if isinstance(unit, System) else build_unit(unit, frontend)
