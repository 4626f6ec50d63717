"""Finds the source of Python functions and says where in it something is."""

from __future__ import annotations

import ast
import inspect
import linecache
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from fastprefill.errors import KernelError


@dataclass(frozen=True)
class Source:
    """One Python file: `path` as Python knows it."""

    path: str

    @cached_property
    def short(self) -> str:
        """The name for comments in generated code: independent of where the project lies.

        The file's name, with its folder when that is a Python package.
        """
        path = Path(self.path)
        return f"{path.parent.name}/{path.name}" if (path.parent / "__init__.py").is_file() else path.name

    @property
    def shown(self) -> str:
        """The path for messages: relative to the working folder where that is shorter."""
        relative = os.path.relpath(self.path) if Path(self.path).is_absolute() else self.path
        return self.path if relative.startswith("..") else relative

    def line(self, node: ast.AST) -> str:
        """``file:line`` of a node, for the ``src`` attribute."""
        return f"{self.short}:{getattr(node, 'lineno', 0)}"

    def error(self, node: ast.AST, message: str) -> KernelError:
        """The error that points at `node`."""
        column = getattr(node, "col_offset", 0) + 1
        return KernelError(message, f"{self.shown}:{getattr(node, 'lineno', 0)}:{column}")


@dataclass(frozen=True)
class Function:
    """A Python function as syntax, with the names its body can see at compile time."""

    source: Source
    node: ast.FunctionDef
    names: dict[str, Any]


def function(python: Callable[..., Any], what: str) -> Function:
    """The syntax tree of a Python function and the compile-time names that its body sees.

    Raises:
        KernelError: the function's source is not available.
    """
    python = inspect.unwrap(python)
    code = getattr(python, "__code__", None)
    if code is None:
        raise KernelError(f"{what} is {python!r}, which is not a Python function; write it with def")
    node = _find(code.co_filename, code.co_firstlineno, code.co_name)
    if node is None:
        raise KernelError(f"{what} '{code.co_name}' has no source text; put it in a .py file")
    names = dict(python.__globals__)
    for name, cell in zip(code.co_freevars, python.__closure__ or (), strict=True):
        try:
            names[name] = cell.cell_contents
        except ValueError:  # a name of the enclosing function that was never assigned
            continue
    # Python evaluates the annotations of parameters outside the function, which need not know their names.
    annotations = {arg.arg: arg.annotation for arg in node.args.args} | {"return": node.returns}
    for argument, annotation in annotations.items():
        if isinstance(annotation, ast.Name) and argument in python.__annotations__:
            names.setdefault(annotation.id, python.__annotations__[argument])
    return Function(Source(code.co_filename), node, names)


def _find(path: str, line: int, name: str) -> ast.FunctionDef | None:
    return _functions("".join(linecache.getlines(path)), path).get((line, name))


@lru_cache(maxsize=16)
def _functions(text: str, path: str) -> dict[tuple[int, str], ast.FunctionDef]:
    """Function definitions of a file by (first line, decorators included, name)."""
    try:
        tree = ast.parse(text, path)
    except SyntaxError as error:
        raise KernelError(f"Python cannot read the file: {error.msg}", f"{path}:{error.lineno}") from error
    return {
        (min([node.lineno, *(d.lineno for d in node.decorator_list)]), node.name): node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }
