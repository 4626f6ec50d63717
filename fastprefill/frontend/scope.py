"""Names inside a kernel: C block scoping over the compile-time names of the enclosing Python functions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from xdsl.ir import SSAValue

from fastprefill.frontend.dtypes import Array, Scalar
from fastprefill.frontend.values import Value


@dataclass
class Variable:
    """A scalar variable: a rank-0 memref."""

    type: Scalar
    ref: SSAValue


@dataclass
class ArrayName:
    """An array; `refusal` says why it must not be written, if so; `gone` why it cannot be used any more."""

    type: Array
    ref: SSAValue
    refusal: str | None = None
    gone: str | None = None


@dataclass
class Fixed:
    """A value that cannot be assigned: a loop variable, a compile-time constant, an unassigned parameter."""

    value: Value
    what: str


Symbol = Variable | ArrayName | Fixed


@dataclass
class Scope:
    """One block.

    Attributes:
        names: what compile-time expressions may use.
        symbols: what this block declares.
        ended: names of blocks that have ended -> the line of their declaration, for messages.
    """

    names: dict[str, Any]
    parent: Scope | None = None
    symbols: dict[str, Symbol] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)

    def child(self) -> Scope:
        return Scope(self.names, self, ended=self.ended)

    def find(self, name: str) -> Symbol | None:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.symbols:
                return scope.symbols[name]
            scope = scope.parent
        return None

    def line(self, name: str) -> int:
        """The line where `name` was declared."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.lines:
                return scope.lines[name]
            scope = scope.parent
        return 0

    def declare(self, name: str, symbol: Symbol, line: int) -> None:
        self.symbols[name] = symbol
        self.lines[name] = line
        if name in self.names:
            self.names = {key: value for key, value in self.names.items() if key != name}

    def declare_constant(self, name: str, value: Any, symbol: Fixed, line: int) -> None:
        """A name known both to values and to compile-time expressions."""
        self.declare(name, symbol, line)
        self.names = {**self.names, name: value}

    def end(self) -> None:
        self.ended.update(self.lines)
