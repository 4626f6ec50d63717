"""Lowers compile-time control: ``with allo.meta_if / meta_elif / meta_else / meta_for``."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator, Sequence

import numpy as np

from fastprefill.errors import KernelError
from fastprefill.frontend import declarations, statements
from fastprefill.frontend.context import Context
from fastprefill.frontend.process import Decision
from fastprefill.frontend.scope import Fixed
from fastprefill.frontend.values import Value


def lower(ctx: Context, body: Sequence[ast.stmt]) -> tuple[int, list[ast.stmt]]:
    """Decide the ``with`` statement at the start of `body`.

    Returns how many of the statements after it belong to it, and the statements that take its place: the branch of
    a ``meta_if`` is no block of its own, so what it declares stays.
    """
    first = body[0]
    kind, call, target = _item(ctx, first)
    if kind == "meta_for":
        _unrolled(ctx, first, call, target)
        return 0, []
    if kind != "meta_if":
        raise ctx.error(first, f"allo.{kind} without an allo.meta_if directly before it")
    chosen = _branch(ctx, first, call, None)
    used = 0
    for statement in body[1:]:
        if not isinstance(statement, ast.With):
            break
        kind, call, _ = _item(ctx, statement)
        if kind not in ("meta_elif", "meta_else"):
            break
        chosen = _branch(ctx, statement, call, chosen)
        used += 1
        if kind == "meta_else":
            break
    return used, chosen or []


def remaining(ctx: Context, body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that stay when each ``meta_if`` is decided; all branches of one that cannot be decided yet."""
    position = 0
    while position < len(body):
        statement = body[position]
        position += 1
        if not isinstance(statement, ast.With):
            yield statement
            continue
        inside = statement.body
        decided = len(ctx.process.decisions)
        if _item(ctx, statement)[0] == "meta_if":
            with contextlib.suppress(KernelError):  # of names that are declared further down
                used, inside = lower(ctx, body[position - 1 :])
                position += used
        del ctx.process.decisions[decided:]
        yield from remaining(ctx, inside)


def _item(ctx: Context, node: ast.stmt) -> tuple[str, ast.Call, ast.expr | None]:
    if isinstance(node, ast.With) and len(node.items) == 1:
        match node.items[0]:
            case ast.withitem(context_expr=ast.Call() as call, optional_vars=target):
                name = (
                    call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
                )
                if name in ("meta_if", "meta_elif", "meta_else", "meta_for"):
                    return name, call, target
    raise ctx.error(node, "'with'; only allo.meta_if, meta_elif, meta_else and meta_for are known")


def _branch(
    ctx: Context, node: ast.stmt, call: ast.Call, chosen: list[ast.stmt] | None
) -> list[ast.stmt] | None:
    """The statements of this branch, unless one before it was chosen or its condition is false."""
    assert isinstance(node, ast.With)
    if chosen is None and (not call.args or _decide(ctx, call.args[0])):
        return node.body
    return chosen


def _decide(ctx: Context, node: ast.expr) -> bool:
    answer = bool(ctx.evaluate(node))
    ctx.process.decisions.append(Decision(node, ctx.scope.names, answer))
    return answer


def _unrolled(ctx: Context, node: ast.stmt, call: ast.Call, target: ast.expr | None) -> None:
    assert isinstance(node, ast.With)
    if not isinstance(target, ast.Name):
        raise ctx.error(node, "allo.meta_for without a name; write with allo.meta_for(n) as i:")
    bounds = [ctx.evaluate(argument) for argument in call.args]
    if not 1 <= len(bounds) <= 3 or not all(isinstance(b, int | np.integer) for b in bounds):
        raise ctx.error(
            call,
            f"'{ast.unparse(call)}'; write allo.meta_for(n), (low, high) or (low, high, step), constants",
        )
    if len(bounds) == 3 and bounds[2] == 0:
        raise ctx.error(call, "allo.meta_for with step 0; write a step other than 0")
    declarations.check_name(ctx, target.id, node)
    for number in range(*map(int, bounds)):
        with ctx.nested() as inner:
            fixed = Fixed(Value.of(number), "a meta_for variable")
            inner.scope.declare_constant(target.id, number, fixed, node.lineno)
            statements.block(inner, node.body)
