"""Constants of the kernel against the type that they are given to: one that does not fit is refused."""

from __future__ import annotations

import ast
import linecache

import numpy as np

from fastprefill.frontend.context import Context
from fastprefill.frontend.dtypes import Scalar


def written(ctx: Context, node: ast.expr) -> int | None:
    """The value of a literal, with its sign, or of a Python integer by name; None for everything else."""
    match node:
        case ast.Constant(value=int(number)) if not isinstance(number, bool):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))) if not isinstance(
            number, bool
        ):
            return -number
        case ast.Name(id=name) if name not in ctx.streams and ctx.scope.find(name) is None:
            value = ctx.scope.names.get(name)
            if isinstance(value, int | np.integer) and not isinstance(value, bool):
                return int(value)
    return None


def check_fits(ctx: Context, node: ast.expr, type_: Scalar, what: str) -> None:
    """Refuse a constant that `type_` does not hold. A literal such as 0xFF or 0b11 means bits, which may fill the type.

    Raises:
        KernelError: says what is held, and what the bits that would be kept mean.
    """
    number = written(ctx, node)
    if number is None or type_.holds(number) or (0 <= number < 1 << type_.bits and _is_pattern(ctx, node)):
        return
    raise ctx.error(node, f"constant {number} does not fit {what}: {range_of(type_, number)}")


def range_of(type_: Scalar, number: int) -> str:
    """What a type holds, and what to write in place of a number that it does not hold."""
    return (
        f"{type_} holds {type_.low} to {type_.high}; use a wider type, or write {type_.wrap(number)} "
        "for the bits that would be kept"
    )


def _is_pattern(ctx: Context, node: ast.expr) -> bool:
    line = linecache.getline(ctx.source.path, getattr(node, "lineno", 0)).encode()
    return line[node.col_offset : node.col_offset + 2].lower() in (b"0x", b"0b", b"0o")
