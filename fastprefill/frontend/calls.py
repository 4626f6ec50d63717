"""Inlines helper functions: scalars by value, arrays by reference, one value returned at the end."""

from __future__ import annotations

import ast
from dataclasses import replace

from xdsl.dialects import memref

from fastprefill.frontend import arithmetic, declarations, expressions, statements
from fastprefill.frontend.annotations import read
from fastprefill.frontend.context import Context
from fastprefill.frontend.dtypes import Array, Scalar
from fastprefill.frontend.scope import ArrayName, Fixed, Scope
from fastprefill.frontend.source import Function
from fastprefill.frontend.values import Value, bounded


def inline(ctx: Context, node: ast.Call, helper: Function, wants_value: bool) -> Value | None:
    """Lower the body of a helper function in place of its call."""
    name = helper.node.name
    if name in ctx.calls:
        raise ctx.error(node, f"recursive call of '{name}'; write a loop")
    parameters = helper.node.args
    if parameters.defaults or parameters.kwonlyargs or parameters.vararg or parameters.kwarg:
        raise helper.source.error(
            helper.node, f"parameters of helper function '{name}'; write plain ones: x: int32"
        )
    if node.keywords or len(node.args) != len(parameters.args):
        raise ctx.error(
            node,
            f"'{name}' takes {len(parameters.args)} arguments by position; the call has {len(node.args)}"
            f"{' and keywords' if node.keywords else ''}",
        )
    if ctx.strict:
        ctx.strict.append(f"{ctx.strict[-1]}, and '{name}' is called there")
    inner = replace(
        ctx,
        source=helper.source,
        scope=Scope(helper.names),
        streams=ctx.streams if name in ctx.helpers else {},
        calls=(*ctx.calls, name),
        prefix=f"{ctx.prefix}{name}_",
        bind=None,
    )
    assigned = _assigned(helper.node)
    for parameter, argument in zip(parameters.args, node.args, strict=True):
        _bind(ctx, inner, parameter, argument, assigned)
    result = _body(inner, helper)
    if ctx.strict:
        ctx.strict.pop()
    if wants_value and result is not None and helper.node.returns is not None:
        type_ = read(helper.node.returns, helper.names, helper.source)
        if not isinstance(type_, Scalar):
            raise helper.source.error(
                helper.node.returns, "a helper function returns one integer; pass arrays as arguments"
            )
        result = arithmetic.cast(result, type_)
    return result


def _assigned(node: ast.FunctionDef) -> set[str]:
    """Names that a function assigns."""
    names: set[str] = set()
    for child in ast.walk(node):
        targets: list[ast.expr] = []
        if isinstance(child, ast.Assign):
            targets = child.targets
        elif isinstance(child, ast.AugAssign | ast.AnnAssign):
            targets = [child.target]
        for target in targets:
            while isinstance(target, ast.Subscript):
                target = target.value
            if isinstance(target, ast.Name):
                names.add(target.id)
    return names


def _bind(ctx: Context, inner: Context, parameter: ast.arg, argument: ast.expr, assigned: set[str]) -> None:
    name = parameter.arg
    if parameter.annotation is None:
        raise inner.error(parameter, f"parameter '{name}' has no type; write {name}: int32")
    type_ = read(parameter.annotation, inner.scope.names, inner.source)
    if isinstance(type_, Array):
        symbol = ctx.scope.find(argument.id) if isinstance(argument, ast.Name) else None
        if not isinstance(symbol, ArrayName):
            raise ctx.error(
                argument,
                f"argument '{ast.unparse(argument)}' for '{name}: {type_}'; pass an array by its name",
            )
        if symbol.gone:
            raise ctx.error(argument, f"'{ast.unparse(argument)}' {symbol.gone}")
        if (symbol.type.element, symbol.type.shape) != (type_.element, type_.shape):
            raise ctx.error(
                argument, f"argument '{ast.unparse(argument)}' is {symbol.type}; '{name}' is {type_}"
            )
        inner.scope.declare(name, symbol, parameter.lineno)
        return
    if not isinstance(type_, Scalar):
        raise inner.error(parameter, f"parameter '{name}'; helper functions take integers and arrays")
    value = arithmetic.cast(expressions.value(ctx, argument), type_)
    if name in assigned:
        variable = declarations.scalar(inner, name, type_, parameter)
        store = memref.StoreOp.get(ctx.emit.at_type(value), variable.ref, [])
        ctx.emit.add(store, ctx.line(argument))
        return
    if value.constant is None:
        value = bounded(type_, value.low, value.high, ssa=ctx.emit.at_type(value))
    inner.scope.declare(name, Fixed(value, "a parameter"), parameter.lineno)


def _body(inner: Context, helper: Function) -> Value | None:
    body = helper.node.body
    last = body[-1]
    if not isinstance(last, ast.Return) or last.value is None:
        statements.block(inner, body[:-1] if isinstance(last, ast.Return) else body)
        return None
    statements.block(inner, body[:-1])
    value = expressions.value(inner, last.value)
    if value.constant is not None:
        return value
    return bounded(value.type, value.low, value.high, ssa=inner.emit.at_type(value))
