"""Lowers statements."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from xdsl.dialects import scf
from xdsl.ir import Block, Region

from fastprefill.frontend import assignments, declarations, expressions, loops, meta, subscripts
from fastprefill.frontend.constants import check_fits
from fastprefill.frontend.context import Context
from fastprefill.frontend.dtypes import Array
from fastprefill.frontend.scope import ArrayName
from fastprefill.ir.dialect import PutOp, ReleaseOp

_INSTEAD: dict[type[ast.stmt], str] = {
    ast.Break: "'break'; write the condition into a while loop",
    ast.Continue: "'continue'; put the rest of the body under 'if'",
    ast.Assert: "'assert'; check in the testbench",
    ast.Try: "'try'; there are no exceptions in a kernel",
    ast.Raise: "'raise'; there are no exceptions in a kernel",
    ast.ClassDef: "'class'; write functions",
    ast.Import: "'import'; import at the top of the file",
    ast.ImportFrom: "'import'; import at the top of the file",
    ast.Global: "'global'; pass values through streams",
    ast.Nonlocal: "'nonlocal'; pass values through streams",
    ast.Delete: "'del'; names end with their block",
    ast.FunctionDef: "'def' inside a kernel; define the helper function outside the region",
    ast.AsyncFunctionDef: "'async def'; streams block by themselves",
    ast.AsyncFor: "'async for'; streams block by themselves",
    ast.Match: "'match'; write if / elif / else",
}


NESTED = "an expression nested too deeply to be read; compute parts of it into variables first"


def block(ctx: Context, body: Sequence[ast.stmt]) -> None:
    """Lower a block of statements; blocks read from streams in it are released at its end."""
    releases: list[tuple[str, ArrayName, ast.stmt]] = []
    waiting = list(body)
    while waiting:
        statement = waiting.pop(0)
        if isinstance(statement, ast.With):
            used, chosen = meta.lower(ctx, [statement, *waiting])
            waiting = [*chosen, *waiting[used:]]
            continue
        try:
            taken = _statement(ctx, statement, waiting)
        except RecursionError:
            raise ctx.error(statement, NESTED) from None
        if taken:
            releases.append((*taken, statement))
    for key, array, statement in reversed(releases):  # as locks of C++ end
        release(ctx, key, array, statement)


def release(ctx: Context, key: str, array: ArrayName, node: ast.AST) -> None:
    """Hand an acquired block on; `key` is the argument's name."""
    argument = next(a for a in ctx.process.arguments if a.name == key)
    ctx.emit.add(ReleaseOp(argument.ssa, array.ref), ctx.line(node))
    ctx.process.held.pop(key, None)


def _statement(ctx: Context, node: ast.stmt, rest: Sequence[ast.stmt]) -> tuple[str, ArrayName] | None:
    """Lower one statement; a block acquired to be released at the end of the block of statements is returned."""
    match node:
        case ast.AnnAssign():
            return declarations.annotated(ctx, node, rest)
        case ast.Assign():
            return assignments.assign(ctx, node)
        case ast.AugAssign():
            assignments.augmented(ctx, node)
        case ast.For():
            loops.for_loop(ctx, node)
        case ast.While():
            loops.while_loop(ctx, node)
        case ast.If():
            _if(ctx, node)
        case ast.Expr():
            _expression(ctx, node)
        case ast.Pass():
            pass
        case ast.Return():
            raise ctx.error(
                node,
                "'return' here; a kernel returns nothing (write s.put(value)), and a helper function returns "
                "one value in its last statement",
            )
        case _:
            what = _INSTEAD.get(type(node), f"'{type(node).__name__}'; it has no meaning in hardware")
            raise ctx.error(node, f"a kernel cannot contain {what}")
    return None


def _if(ctx: Context, node: ast.If) -> None:
    test = expressions.condition(ctx, node.test)
    if test.constant is not None:
        with ctx.nested() as inner:
            block(inner, node.body if test.constant else node.orelse)
        return
    yes, no = Block(), Block()
    op = scf.IfOp(ctx.emit.at_type(test), [], Region(yes), Region(no) if node.orelse else None)
    ctx.emit.add(op, ctx.line(node))
    for place, body in ((yes, node.body), (no, node.orelse)):
        if body:
            with ctx.emit.inside(place), ctx.nested() as inner:
                inner.guards += 1
                block(inner, body)
            place.add_op(scf.YieldOp())


def _expression(ctx: Context, node: ast.Expr) -> None:
    match node.value:
        case ast.Constant(value=str()):
            return  # a docstring
        case ast.Call(func=ast.Attribute(value=stream, attr="put")) as call if subscripts.stream_end(
            ctx, stream
        ):
            _put(ctx, call, stream)
        case ast.Call(func=ast.Attribute(value=stream, attr="get")) as call if subscripts.stream_end(
            ctx, stream
        ):
            expressions.get(ctx, call, stream)
        case ast.Call(func=ast.Attribute(value=stream, attr=method)) if subscripts.stream_end(ctx, stream):
            raise ctx.error(node, expressions.stream_method(ast.unparse(stream), method))
        case ast.Call() as call:
            helper = expressions.helper_of(ctx, call)
            if helper is None:
                raise ctx.error(
                    node,
                    f"call of '{ast.unparse(call.func)}'; a statement can be s.put(value) or a helper function",
                )
            ctx.inline(ctx, call, helper, False)
        case _:
            raise ctx.error(
                node, f"'{ast.unparse(node)}' computes a value and drops it; assign it or remove it"
            )


def _put(ctx: Context, node: ast.Call, stream: ast.expr) -> None:
    end = subscripts.stream_end(ctx, stream)
    assert end is not None
    actual, type_ = end.actual, end.stream
    if len(node.args) != 1 or node.keywords:
        raise ctx.error(node, f"'{ast.unparse(node)}'; put takes one value")
    token = node.args[0]
    if isinstance(type_.token, Array):
        argument = ctx.process.use(end, "o", ctx.source, node)
        symbol = ctx.scope.find(token.id) if isinstance(token, ast.Name) else None
        if not isinstance(symbol, ArrayName) or ctx.process.held.get(argument.name) != getattr(
            token, "id", None
        ):
            raise ctx.error(
                node,
                f"'{ast.unparse(token)}' put into block stream '{actual}'; declare the block x: {type_.token} in the "
                f"same block of statements as {ast.unparse(stream)}.put(x), once for each put",
            )
        release(ctx, argument.name, symbol, node)
        symbol.gone = f"was put into '{actual}' and belongs to the reader now; use it before the put"
        return
    check_fits(ctx, token, type_.token, f"stream '{actual}'")
    number = expressions.value(ctx, token)
    argument = ctx.process.use(end, "o", ctx.source, node)
    ctx.emit.add(PutOp(argument.ssa, ctx.emit.at_width(number, type_.token.bits)), ctx.line(node))
