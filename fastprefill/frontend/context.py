"""The state of the lowering of one kernel instance, handed from function to function."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from fastprefill.errors import KernelError
from fastprefill.frontend.annotations import evaluate
from fastprefill.frontend.dtypes import Stream
from fastprefill.frontend.emit import Emitter
from fastprefill.frontend.process import Process
from fastprefill.frontend.scope import Scope
from fastprefill.frontend.source import Function, Source
from fastprefill.frontend.values import Value

Inline = Callable[["Context", ast.Call, Function, bool], Value | None]


@dataclass
class Context:
    """Where a statement is lowered.

    Attributes:
        source: the file of the code being read (a helper function may lie in another).
        streams: the region's streams by declared name.
        helpers: functions defined in the region's body.
        pid: the instance's position.
        inline: lowers a call of a helper function.
        calls: helper functions being inlined, to refuse recursion.
        prefix: of the names of local arrays, inside helpers.
        bind: where multiplications of the present assignment are built.
        outer: names of the region's arguments, which reach a kernel through its parameters only.
        strict: why a `get` may not stand in the present expression, innermost last.
        guards: how many conditions decide at run time whether this statement is reached: branches, `while`
            loops, loops that may have no iteration.
    """

    emit: Emitter
    process: Process
    source: Source
    scope: Scope
    streams: Mapping[str, Stream]
    helpers: Mapping[str, Function]
    pid: tuple[int, ...]
    inline: Inline
    calls: tuple[str, ...] = ()
    prefix: str = ""
    bind: str | None = None
    outer: frozenset[str] = frozenset()
    strict: list[str] = field(default_factory=list)
    guards: int = 0

    def error(self, node: ast.AST, message: str) -> KernelError:
        """The error that points at `node`."""
        return self.source.error(node, message)

    def line(self, node: ast.AST) -> str:
        return self.source.line(node)

    def evaluate(self, node: ast.expr) -> Any:
        """The value of a compile-time expression."""
        return evaluate(node, self.scope.names, self.source)

    def place(self, node: ast.AST) -> tuple[str, int, int]:
        return (self.source.path, getattr(node, "lineno", 0), getattr(node, "col_offset", 0))

    @contextmanager
    def nested(self) -> Iterator[Context]:
        """A context for an inner block of statements."""
        inner = replace(self, scope=self.scope.child())
        yield inner
        inner.scope.end()
