"""Lowers compile-time control: ``with allo.meta_if / meta_elif / meta_else / meta_for``."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import numpy as np

from fastprefill.frontend import declarations, statements
from fastprefill.frontend.context import Context
from fastprefill.frontend.process import Decision
from fastprefill.frontend.scope import Fixed
from fastprefill.frontend.values import Value


def lower(ctx: Context, body: Sequence[ast.stmt]) -> int:
    """Lower the ``with`` statement at the start of `body`; how many of the statements after it belong to it."""
    first = body[0]
    kind, call, target = _item(ctx, first)
    if kind == "meta_for":
        _unrolled(ctx, first, call, target)
        return 0
    if kind != "meta_if":
        raise ctx.error(first, f"allo.{kind} without an allo.meta_if directly before it")
    taken = _branch(ctx, first, call, False)
    used = 0
    for statement in body[1:]:
        if not isinstance(statement, ast.With):
            break
        kind, call, _ = _item(ctx, statement)
        if kind not in ("meta_elif", "meta_else"):
            break
        taken = _branch(ctx, statement, call, taken) or taken
        used += 1
        if kind == "meta_else":
            break
    return used


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


def _branch(ctx: Context, node: ast.stmt, call: ast.Call, taken: bool) -> bool:
    assert isinstance(node, ast.With)
    is_else = not call.args
    chosen = not taken and (is_else or _decide(ctx, call.args[0]))
    if chosen:
        with ctx.nested() as inner:
            statements.block(inner, node.body)
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
