"""Stand-ins for Allo's modules where Allo itself is not installed.

A kernel file imports ``allo``, ``allo.dataflow``, ``allo.ir.types``, ``allo.memory`` and ``allo.customize``.
Kernel bodies are never executed, so it is enough that the imports succeed and that the annotations and
decorators which Python does evaluate have values.
"""

from __future__ import annotations

import enum
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NoReturn

from fastprefill.errors import FastprefillError

REGION_MARK = "__dataflow_region__"


class TypeAnnotation:
    """What ``int32[4, 4]`` gives; only its syntax is read."""

    def __init__(self, dtype: Any, shape: tuple[Any, ...]) -> None:
        self.dtype = dtype
        self.shape = shape

    def __getitem__(self, shape: Any) -> TypeAnnotation:
        return TypeAnnotation(self, shape if isinstance(shape, tuple) else (shape,))

    def __matmul__(self, spec: Any) -> TypeAnnotation:
        return self


class AlloType:
    """Base of the types of elements."""

    def __init__(self, bits: int, name: str) -> None:
        if isinstance(bits, bool) or not hasattr(bits, "__index__") or int(bits) < 1:
            raise FastprefillError(f"{name} has {bits!r} bits; an integer type needs a width of 1 or more")
        self.bits = int(bits)
        self.name = name

    def __getitem__(self, shape: Any) -> TypeAnnotation:
        return TypeAnnotation(self, shape if isinstance(shape, tuple) else (shape,))

    def __matmul__(self, spec: Any) -> TypeAnnotation:
        return TypeAnnotation(self, ())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AlloType) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return self.name


class Int(AlloType):
    """A signed integer of any width."""

    def __init__(self, bits: int) -> None:
        super().__init__(bits, f"i{bits}")


class UInt(AlloType):
    """An unsigned integer of any width."""

    def __init__(self, bits: int) -> None:
        super().__init__(bits, f"ui{bits}")


class Index(UInt):
    """Allo's type of subscripts."""

    def __init__(self) -> None:
        super().__init__(32)
        self.name = "index"


class Other(AlloType):
    """A type that Allo has and this compiler has not (floating and fixed point, structs)."""

    def __init__(self, *args: Any) -> None:
        super().__init__(32, f"{type(self).__name__}{args if args else ''}")


class Float(Other):
    """Floating point."""


class Fixed(Other):
    """Signed fixed point."""


class UFixed(Other):
    """Unsigned fixed point."""


class Struct(Other):
    """A record."""


class Stream:
    """``Stream[T, depth]`` and ``Stream[T, depth][P0, P1]``."""

    def __class_getitem__(cls, item: Any) -> TypeAnnotation:
        return TypeAnnotation(cls, item if isinstance(item, tuple) else (item,))


class ConstExpr:
    """``ConstExpr[T]``: a compile-time constant."""

    def __class_getitem__(cls, item: Any) -> TypeAnnotation:
        return TypeAnnotation(cls, (item,))


class Stateful:
    """Allo's marker for variables that survive a call; refused by this compiler."""


@dataclass(frozen=True)
class Memory:
    """``T[N] @ Memory(resource="URAM")``: where an array is kept."""

    resource: str = "AUTO"
    storage_type: str | None = None
    latency: int | None = None
    depth: int | None = None


class Partition(enum.IntEnum):
    """Kinds of array partitions."""

    Complete = 0
    Block = 1
    Cyclic = 2


def region(*args: Any, **keywords: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``@df.region()``: marks the function and leaves it alone."""

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        setattr(function, REGION_MARK, True)
        return function

    return mark


def kernel(*args: Any, **keywords: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``@df.kernel(...)`` outside of a region; inside one it is only read."""
    return lambda function: function


def _only_inside(name: str) -> Callable[..., NoReturn]:
    def call(*args: Any, **keywords: Any) -> NoReturn:
        raise FastprefillError(f"allo.{name} was called by Python; it has a meaning only inside a kernel")

    return call


def _needs_allo(name: str) -> Callable[..., NoReturn]:
    def call(*args: Any, **keywords: Any) -> NoReturn:
        raise FastprefillError(
            f"{name} needs the real Allo, which is not installed; describe a Unit and use 'fastprefill compile'"
        )

    return call


def _modules() -> dict[str, ModuleType]:
    names = ("allo", "allo.dataflow", "allo.ir", "allo.ir.types", "allo.memory", "allo.customize")
    modules = {name: ModuleType(name, "Stand-in of fastprefill; Allo is not installed.") for name in names}
    types = modules["allo.ir.types"]
    for bits in [*range(1, 17), 32, 64, 128, 256, 512]:
        setattr(types, f"int{bits}", Int(bits))
        setattr(types, f"uint{bits}", UInt(bits))
    types.__dict__.update(bool=UInt(1), index=Index())
    for name in ("float16", "bfloat16", "float32", "float64"):
        setattr(types, name, type(name, (Float,), {})())
    for kind in (Int, UInt, Index, Float, Fixed, UFixed, Struct, Stream, ConstExpr, Stateful, AlloType):
        setattr(types, kind.__name__, kind)
    inside = ("grid", "reduction", "meta_if", "meta_elif", "meta_else", "meta_for")
    modules["allo"].__dict__.update({name: _only_inside(name) for name in inside})
    dataflow = modules["allo.dataflow"]
    dataflow.__dict__.update(region=region, kernel=kernel, get_pid=_only_inside("dataflow.get_pid"))
    dataflow.__dict__.update({name: _needs_allo(f"allo.dataflow.{name}") for name in ("customize", "build")})
    modules["allo.memory"].__dict__["Memory"] = Memory
    modules["allo.customize"].__dict__["Partition"] = Partition
    for name, module in modules.items():
        module.__path__ = []
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(modules[parent], child, module)
    # As in Allo, `allo.customize` is the function although a module of that name exists.
    modules["allo"].__dict__.update(customize=_needs_allo("allo.customize"), Memory=Memory)
    return modules


def real_allo() -> bool:
    """Whether Allo itself can be imported (and not the stand-in)."""
    present = sys.modules.get("allo")
    if present is not None:
        return getattr(present, "__file__", None) is not None
    return importlib.util.find_spec("allo") is not None


def install() -> None:
    """Make ``import allo`` work: put the stand-ins into ``sys.modules`` unless Allo is installed."""
    if "allo" not in sys.modules and not real_allo():
        sys.modules.update(_modules())
