"""Lowers ``for`` over ``range`` and ``allo.grid``, and ``while``."""

from __future__ import annotations

import ast
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
from xdsl.dialects import scf
from xdsl.dialects.builtin import IndexType, IntegerAttr, StringAttr, i32
from xdsl.ir import Block, Region

from fastprefill.frontend import declarations, expressions, statements, subscripts
from fastprefill.frontend.context import Context
from fastprefill.frontend.dtypes import INT32
from fastprefill.frontend.names import hint
from fastprefill.frontend.process import Loop
from fastprefill.frontend.scope import Fixed
from fastprefill.frontend.subscripts import Index
from fastprefill.frontend.values import bounded

_FORM = "write for i in range(...) or for i, j in allo.grid(...)"


def for_loop(ctx: Context, node: ast.For) -> None:
    """One loop for ``range``, a nest for ``allo.grid``; the loop variable names the loop."""
    if node.orelse:
        raise ctx.error(node, "'else' of a for loop; write its statements after the loop")
    if not isinstance(node.iter, ast.Call):
        raise ctx.error(node.iter, f"a loop over '{ast.unparse(node.iter)}'; {_FORM}")
    kind = _kind(ctx, node.iter)
    names = _variables(ctx, node)
    if kind == "range":
        if len(names) != 1:
            raise ctx.error(node, f"{len(names)} loop variables for one range; write one name")
        bounds = [_range(ctx, node.iter)]
    else:
        if len(names) != len(node.iter.args):
            raise ctx.error(
                node, f"{len(names)} loop variables for {len(node.iter.args)} extents of allo.grid"
            )
        zero = Index(ctx.emit.index(0), 0, 0)
        bounds = [(zero, subscripts.index(ctx, extent), 1) for extent in node.iter.args]
    marks = _marks(ctx, node.iter, len(names), nest=kind != "range")
    with ExitStack() as stack:
        inner = ctx
        for name, (low, high, step), mark in zip(names, bounds, marks, strict=True):
            body = _loop(inner, name, low, high, step, mark, node)
            stack.enter_context(ctx.emit.inside(body))
            stack.callback(body.add_op, scf.YieldOp())
            last = high.high - 1
            if low.low == low.high and high.low == high.high and last >= low.low:
                last = low.low + (last - low.low) // step * step
            first = low.low if low.high < 1 << 31 else -(1 << 31)  # as a bound, a number of 32 bits is signed
            variable = bounded(INT32, first, max(last, first), ssa=body.args[0])
            inner = stack.enter_context(inner.nested())
            if low.low == low.high and high.low == high.high and last >= low.low:
                variable = replace(variable, attained=inner.guards)
            else:
                inner.guards += 1
            inner.scope.declare(name, Fixed(variable, "a loop variable"), node.lineno)
        statements.block(inner, node.body)


def _kind(ctx: Context, call: ast.Call) -> str:
    match call.func:
        case ast.Name(id="range"):
            return "range"
        case ast.Attribute(attr="grid" | "reduction") | ast.Name(id="grid" | "reduction"):
            return "grid"
    raise ctx.error(call, f"a loop over '{ast.unparse(call)}'; {_FORM}")


def _variables(ctx: Context, node: ast.For) -> list[str]:
    targets = node.target.elts if isinstance(node.target, ast.Tuple) else [node.target]
    names: list[str] = []
    for target in targets:
        if not isinstance(target, ast.Name):
            raise ctx.error(target, f"loop variable '{ast.unparse(target)}'; write a name")
        declarations.check_name(ctx, target.id, target)
        if target.id in names:
            raise ctx.error(target, f"loop variable '{target.id}' twice in one nest; use another name")
        names.append(target.id)
    return names


def _range(ctx: Context, call: ast.Call) -> tuple[Index, Index, int]:
    if not 1 <= len(call.args) <= 3:
        raise ctx.error(
            call, f"range with {len(call.args)} arguments; write range(stop), range(start, stop[, step])"
        )
    step = 1
    if len(call.args) == 3:
        form = subscripts.linear(ctx, call.args[2])
        if form.terms or form.constant < 1:
            shown = ast.unparse(call.args[2])
            raise ctx.error(
                call.args[2],
                f"a range with step '{shown}'; the step must be a positive constant: "
                f"count up and compute the value from the loop variable",
            )
        step = form.constant
    ends = [subscripts.index(ctx, end) for end in call.args[:2]]
    if len(ends) == 1:
        return Index(ctx.emit.index(0), 0, 0), ends[0], step
    return ends[0], ends[1], step


def _marks(ctx: Context, call: ast.Call, count: int, *, nest: bool) -> list[dict[str, int]]:
    """``pipeline=`` and ``unroll=`` for each loop: a pipeline belongs to the innermost, an unroll to all."""
    marks: list[dict[str, int]] = [{} for _ in range(count)]
    for keyword in call.keywords:
        if keyword.arg == "name":
            continue
        if keyword.arg not in ("pipeline", "unroll"):
            raise ctx.error(call, f"keyword '{keyword.arg}' of a loop; write name=, pipeline= or unroll=")
        given = ctx.evaluate(keyword.value)
        if isinstance(given, list | tuple):
            if len(given) != count:
                raise ctx.error(
                    call, f"{keyword.arg}={given!r} for {count} loops; give one entry for each loop"
                )
            each = list(given)
        elif keyword.arg == "pipeline":
            each = [False] * (count - 1) + [given]
        else:
            each = [given] * count
        for mark, entry in zip(marks, each, strict=True):
            if entry is False or entry is None:
                continue
            if not isinstance(entry, bool | int | np.integer) or entry < 1:
                raise ctx.error(call, f"{keyword.arg}={entry!r}; write True or a positive integer")
            key = "pipeline_ii" if keyword.arg == "pipeline" else "unroll"
            mark[key] = (1 if key == "pipeline_ii" else 0) if entry is True else int(entry)
    return marks


def _loop(
    ctx: Context, name: str, low: Index, high: Index, step: int, mark: dict[str, int], node: ast.For
) -> Block:
    static = low.low == low.high and high.low == high.high
    if mark.get("unroll") == 0 and not static:
        raise ctx.error(
            node, f"unroll of loop '{name}', whose trip count is known only at run time; give a factor"
        )
    body = Block(arg_types=[IndexType()])
    body.args[0].name_hint = hint(name)
    op = scf.ForOp(low.ssa, high.ssa, ctx.emit.index(step), [], Region(body))
    op.attributes["loop_name"] = StringAttr(name)
    for key, number in mark.items():
        op.attributes[key] = IntegerAttr(number, i32)
    ctx.emit.add(op, ctx.line(node))
    ctx.process.loops.append(Loop(name, ctx.place(node), op, static))
    return body


def while_loop(ctx: Context, node: ast.While) -> None:
    """``while condition``; a schedule names it ``while``, a second one in the kernel ``while_1``."""
    if node.orelse:
        raise ctx.error(node, "'else' of a while loop; write its statements after the loop")
    before, after = Block(), Block()
    op = scf.WhileOp([], [], Region(before), Region(after))
    earlier = {loop.place for loop in ctx.process.loops if loop.name.split("_")[0] == "while"}
    known = [loop.name for loop in ctx.process.loops if loop.place == ctx.place(node)]
    name = known[0] if known else ("while" if not earlier else f"while_{len(earlier)}")
    op.attributes["loop_name"] = StringAttr(name)
    ctx.emit.add(op, ctx.line(node))
    ctx.process.loops.append(Loop(name, ctx.place(node), op, False))
    for part in ast.walk(node.test):
        if isinstance(part, ast.Attribute) and subscripts.stream_end(ctx, part.value):
            raise ctx.error(
                part,
                f"'{ast.unparse(part)}' in the condition of a while loop; read it into a variable before the loop "
                f"and at the end of its body",
            )
    with ctx.emit.inside(before), ctx.nested() as inner:
        test = expressions.condition(inner, node.test)
        if test.constant == 1:
            raise ctx.error(
                node, "a while loop whose condition is always true; a process must end: count in a for loop"
            )
        ctx.emit.add(scf.ConditionOp(ctx.emit.at_type(test)))
    with ctx.emit.inside(after), ctx.nested() as inner:
        inner.guards += 1
        statements.block(inner, node.body)
        ctx.emit.add(scf.YieldOp())
