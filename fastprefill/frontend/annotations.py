"""Type annotations of kernels, read from their syntax.

They are read and not evaluated as a whole, so that the same code serves the real Allo's types (where
``Stream[...]`` cannot be subscripted) and the stand-ins.
"""

from __future__ import annotations
import __future__

import ast
import builtins
from dataclasses import dataclass, replace
from functools import lru_cache
from types import CodeType
from typing import Any

import numpy as np

from fastprefill.errors import FastprefillError
from fastprefill.frontend.dtypes import Array, Scalar, Stream
from fastprefill.frontend.source import Source
from fastprefill.frontend.suggest import advice, import_of

RESOURCES = ("AUTO", "BRAM", "LUTRAM", "SRL", "URAM")
STORAGE_TYPES = (
    "RAM_1P",
    "RAM_1WNR",
    "RAM_2P",
    "RAM_S2P",
    "RAM_T2P",
    "ROM_1P",
    "ROM_2P",
    "ROM_NP",
)


@dataclass(frozen=True)
class ConstExpr:
    """The annotation of a compile-time constant."""

    type: Scalar


Annotated = Scalar | Array | Stream | ConstExpr


def evaluate(node: ast.expr, names: dict[str, Any], source: Source) -> Any:
    """The Python value of a compile-time expression.

    Raises:
        KernelError: it uses a name that exists only at run time, or Python fails to evaluate it.
    """
    try:
        return eval(_compiled(node), {"__builtins__": __builtins__, **names})  # the user's own kernel file
    except NameError as error:
        if near := import_of(str(error.name)):
            raise source.error(
                node, f"'{ast.unparse(node)}' uses '{error.name}', which is not known{near}"
            ) from None
        future = isinstance(names.get("annotations"), __future__._Feature)
        hidden = ", and remove 'from __future__ import annotations', which hides them" if future else ""
        raise source.error(
            node,
            f"'{ast.unparse(node)}' must be known at compile time, but {error.name!r} is not: use constants and "
            f"names of the enclosing function that are assigned before the region{hidden}"
            f"{'' if future else advice(str(error.name), names)}",
        ) from None
    except FastprefillError as error:
        raise source.error(node, str(error)) from None
    except Exception as error:  # any failure of the user's own expression
        raise source.error(
            node, f"Python cannot evaluate '{ast.unparse(node)}': {error}; write a constant"
        ) from None


@lru_cache(maxsize=4096)
def _compiled(node: ast.expr) -> CodeType:
    return compile(ast.Expression(node), "<kernel>", "eval")


def integer(node: ast.expr, names: dict[str, Any], source: Source, what: str, least: int = 1) -> int:
    """A compile-time integer of at least `least`."""
    value = evaluate(node, names, source)
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise source.error(node, f"{what} is {value!r}; write an integer of at least {least}")
    return int(value)


def scalar(value: Any) -> Scalar | None:
    """The element type that a type object of Allo or of the stand-ins means, if it is an integer type."""
    name = type(value).__name__
    if name in ("Int", "UInt"):
        return Scalar(int(value.bits), name == "Int")
    return Scalar(32, True) if name == "Index" else None


def read(node: ast.expr, names: dict[str, Any], source: Source) -> Annotated:
    """The type that an annotation means."""
    match node:
        case ast.Constant(value=str(text)):
            try:
                inner = ast.parse(text, mode="eval").body
            except SyntaxError:
                raise source.error(
                    node, f"annotation '{text}' is not an expression; write a type such as int32[4]"
                ) from None
            return read(ast.copy_location(inner, node), names, source)
        case ast.BinOp(left=left, op=ast.MatMult(), right=spec):
            return _place(read(left, names, source), spec, names, source)
        case ast.Subscript(value=base, slice=index):
            sizes = index.elts if isinstance(index, ast.Tuple) else [index]
            if _is(base, "ConstExpr"):
                return _const_expr(node, sizes, names, source)
            if _is(base, "Stream"):
                return _stream(node, sizes, names, source)
            inner_type = read(base, names, source)
            shape = tuple(integer(size, names, source, "a dimension") for size in sizes)
            if isinstance(inner_type, Stream) and not inner_type.shape:
                return replace(inner_type, shape=shape)
            if isinstance(inner_type, Scalar):
                return Array(inner_type, shape)
            raise source.error(node, f"type '{ast.unparse(node)}'; write T[N, M] or Stream[T, depth][P, Q]")
    hidden = isinstance(names.get("annotations"), __future__._Feature)  # by it, which `evaluate` says
    if isinstance(node, ast.Name) and node.id not in names and not hasattr(builtins, node.id) and not hidden:
        near = advice(node.id, names) or "; write Int(n), UInt(n) or int8, uint32, ..."
        raise source.error(node, f"unknown type '{node.id}'{near}")
    value = evaluate(node, names, source)
    type_ = scalar(value)
    if type_ is None:
        raise source.error(
            node,
            f"type '{ast.unparse(node)}'; only integers are built: write Int(n), UInt(n) or int8, uint32, ..., "
            f"with fixed point done by shifts",
        )
    return type_


def _is(node: ast.expr, name: str) -> bool:
    return (isinstance(node, ast.Name) and node.id == name) or (
        isinstance(node, ast.Attribute) and node.attr == name
    )


def _const_expr(node: ast.expr, sizes: list[ast.expr], names: dict[str, Any], source: Source) -> ConstExpr:
    inner = read(sizes[0], names, source)
    if len(sizes) != 1 or not isinstance(inner, Scalar):
        raise source.error(node, f"'{ast.unparse(node)}'; write ConstExpr[int32] with one integer type")
    return ConstExpr(inner)


def _stream(node: ast.expr, sizes: list[ast.expr], names: dict[str, Any], source: Source) -> Stream:
    if len(sizes) != 2:
        raise source.error(node, f"'{ast.unparse(node)}'; write Stream[T, depth] with an explicit depth")
    token = read(sizes[0], names, source)
    if not isinstance(token, Scalar | Array):
        raise source.error(
            node, f"stream of '{ast.unparse(sizes[0])}'; its tokens are integers or arrays of them"
        )
    return Stream(token, integer(sizes[1], names, source, "the depth of a stream"))


def _place(type_: Annotated, spec: ast.expr, names: dict[str, Any], source: Source) -> Annotated:
    """``T[N] @ Memory(resource=..., storage_type=...)``."""
    value = evaluate(spec, names, source)
    if type(value).__name__ != "Memory":
        raise source.error(
            spec, f"'@ {ast.unparse(spec)}'; only @ Memory(...) is built: keep state in a loop of the kernel"
        )
    resource, storage_type = value.resource, value.storage_type
    if resource not in RESOURCES:
        raise source.error(spec, f"memory resource {resource!r}; write one of {', '.join(RESOURCES)}")
    if storage_type is not None and storage_type not in STORAGE_TYPES:
        raise source.error(spec, f"storage type {storage_type!r}; write one of {', '.join(STORAGE_TYPES)}")
    if isinstance(type_, Stream) and isinstance(type_.token, Array):
        return replace(type_, token=replace(type_.token, storage=resource, storage_type=storage_type))
    if not isinstance(type_, Array):
        raise source.error(spec, "@ Memory(...) belongs to an array: write T[N] @ Memory(...)")
    return replace(type_, storage=resource, storage_type=storage_type)
