"""Lowers assignments to variables, elements and bits."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace

from xdsl.dialects import memref
from xdsl.ir import SSAValue

from fastprefill.errors import counted
from fastprefill.frontend import arithmetic, declarations, expressions, subscripts
from fastprefill.frontend.arithmetic import Refused
from fastprefill.frontend.constants import check_fits
from fastprefill.frontend.context import Context
from fastprefill.frontend.dtypes import Scalar
from fastprefill.frontend.scope import ArrayName, Fixed, Variable
from fastprefill.frontend.values import Value
from fastprefill.ir.dialect import SetSliceOp

NewValue = Callable[[Value | None], Value]


def assign(ctx: Context, node: ast.Assign) -> tuple[str, ArrayName] | None:
    """``target = expression``; the first assignment to a name declares it with the value's type."""
    if len(node.targets) != 1:
        raise ctx.error(
            node, f"chained assignment '{ast.unparse(node)}'; write one assignment for each target"
        )
    target = node.targets[0]
    if _is_get_pid(node.value):
        _position(ctx, target, node)
        return None
    if isinstance(target, ast.Tuple | ast.List):
        raise ctx.error(node, f"'{ast.unparse(node)}' assigns several targets; write one assignment for each")
    if isinstance(target, ast.Name) and ctx.scope.find(target.id) is None:
        return _first(ctx, target, node)
    inner = with_binding(ctx, target)
    number = expressions.value(inner, node.value)
    write(ctx, target, lambda _: number, node, reads=False, given=node.value)
    return None


def _first(ctx: Context, target: ast.Name, node: ast.Assign) -> tuple[str, ArrayName] | None:
    declarations.check_name(ctx, target.id, node)
    block = declarations.block_get(ctx, node.value)
    if block is not None:
        return declarations.acquire_read(ctx, target.id, block, None, node)
    number = expressions.value(with_binding(ctx, target), node.value)
    variable = declarations.scalar(ctx, target.id, number.type, node)
    _store(ctx, variable.ref, [], number, number.type, node)
    return None


def augmented(ctx: Context, node: ast.AugAssign) -> None:
    """``target op= expression``."""
    operator = expressions.OPERATORS.get(type(node.op))
    if operator is None:
        raise ctx.error(node, f"'{ast.unparse(node)}'; write + - * // % << >> & | ^ before the '='")
    inner = with_binding(ctx, node.target)
    number = expressions.value(inner, node.value)

    def update(old: Value | None) -> Value:
        assert old is not None
        return arithmetic.binary(operator, old, number, ctx.line(node), inner.bind)

    try:
        write(ctx, node.target, update, node, reads=True)
    except Refused as refused:
        raise ctx.error(node, str(refused)) from None


def with_binding(ctx: Context, target: ast.expr) -> Context:
    """A context in which multiplications are built as the unit says for this target."""
    base, _ = subscripts.chain(target)
    name = base.id if isinstance(base, ast.Name) else None
    bind = ctx.process.operators.get(name) if name else None
    if name and bind:
        ctx.process.bound.add(name)
    return replace(ctx, bind=bind)


def write(
    ctx: Context,
    target: ast.expr,
    new: NewValue,
    node: ast.stmt,
    *,
    reads: bool,
    given: ast.expr | None = None,
) -> None:
    """Store ``new(old)`` into a target; the old value is loaded only where it is needed.

    Args:
        given: the expression that is stored as it is; a constant must fit the target.
    """
    base, parts = subscripts.chain(target)
    if not isinstance(base, ast.Name):
        raise ctx.error(
            target, f"assignment to '{ast.unparse(target)}'; write to a variable, an element or its bits"
        )
    symbol = ctx.scope.find(base.id)
    ref, type_, indices, parts = _target(ctx, base, symbol, parts, target)
    if len(parts) > 1:
        raise ctx.error(target, f"'{ast.unparse(target)}' selects bits of bits; write one slice x[lo:hi]")

    def load() -> Value:
        return Value.loaded(ctx.emit.add(memref.LoadOp.get(ref, indices), ctx.line(node)).results[0], type_)

    if given is not None and not parts:
        check_fits(ctx, given, type_, f"'{ast.unparse(target)}'")
    if not parts:
        _store(ctx, ref, indices, new(load() if reads else None), type_, node)
        return
    old = load()
    word = ctx.emit.at_type(old)
    low, width = subscripts.bits(ctx, type_, parts[0])
    if given is not None:
        check_fits(ctx, given, Scalar(width, False), f"'{ast.unparse(target)}'")
    part = new(expressions.bits_at(ctx, old, low, width) if reads else None)
    piece = ctx.emit.at_width(part, width)
    ctx.emit.add(
        memref.StoreOp.get(ctx.emit.add(SetSliceOp(word, low, piece)).results[0], ref, indices),
        ctx.line(node),
    )


def _target(
    ctx: Context, base: ast.Name, symbol: object, parts: list[ast.expr], target: ast.expr
) -> tuple[SSAValue, Scalar, list[SSAValue], list[ast.expr]]:
    match symbol:
        case Variable():
            return symbol.ref, symbol.type, [], parts
        case ArrayName():
            if symbol.refusal:
                raise ctx.error(
                    target, f"assignment to '{ast.unparse(target)}': '{base.id}' {symbol.refusal}"
                )
            indices, rest = subscripts.element(ctx, symbol, base.id, parts, target)
            return symbol.ref, symbol.type.element, indices, rest
        case Fixed():
            raise ctx.error(
                target, f"assignment to '{base.id}', which is {symbol.what}; use a variable of another name"
            )
    if base.id in ctx.streams:
        raise ctx.error(target, f"assignment to stream '{base.id}'; write {ast.unparse(target)}.put(value)")
    if base.id in ctx.scope.ended:
        raise ctx.error(
            target,
            f"'{base.id}' does not exist here: it was declared in a block that has ended, at line "
            f"{ctx.scope.ended[base.id]}; declare it before that block",
        )
    raise ctx.error(
        target, f"'{base.id}' is not declared; write {base.id}: UInt(32) = 0 (with its type) first"
    )


def _store(
    ctx: Context, ref: SSAValue, indices: list[SSAValue], number: Value, type_: Scalar, node: ast.AST
) -> None:
    ctx.emit.add(memref.StoreOp.get(ctx.emit.at_width(number, type_.bits), ref, indices), ctx.line(node))


def _is_get_pid(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and (
        (isinstance(node.func, ast.Attribute) and node.func.attr == "get_pid")
        or (isinstance(node.func, ast.Name) and node.func.id == "get_pid")
    )


def _position(ctx: Context, target: ast.expr, node: ast.Assign) -> None:
    """``i, j = df.get_pid()``: compile-time integers."""
    names = target.elts if isinstance(target, ast.Tuple) else [target]
    if len(names) != len(ctx.pid):
        raise ctx.error(
            node, f"df.get_pid() into {len(names)} names; the kernel's mapping has {counted(len(ctx.pid), 'dimension')}"
        )
    for name, number in zip(names, ctx.pid, strict=True):
        if not isinstance(name, ast.Name):
            raise ctx.error(
                name, f"df.get_pid() into '{ast.unparse(name)}'; write names: i, j = df.get_pid()"
            )
        declarations.check_name(ctx, name.id, node)
        fixed = Fixed(Value.of(number), "the position of the instance")
        ctx.scope.declare_constant(name.id, number, fixed, node.lineno)
