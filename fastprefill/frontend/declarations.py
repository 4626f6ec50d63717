"""Lowers declarations: variables, arrays, constant arrays, blocks of block streams."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import numpy as np
from xdsl.dialects import memref
from xdsl.dialects.builtin import ArrayAttr, MemRefType, StringAttr, UnitAttr

from fastprefill.frontend import assignments, expressions, meta, subscripts, tables
from fastprefill.frontend.annotations import ConstExpr, read
from fastprefill.frontend.constants import check_fits, written
from fastprefill.frontend.context import Context
from fastprefill.frontend.dtypes import Array, Scalar, Stream
from fastprefill.frontend.names import hint, problem
from fastprefill.frontend.process import End, Local
from fastprefill.frontend.scope import ArrayName, Fixed, Variable
from fastprefill.frontend.values import Value
from fastprefill.ir.dialect import AcquireOp, FillOp


def annotated(ctx: Context, node: ast.AnnAssign, rest: Sequence[ast.stmt]) -> tuple[str, ArrayName] | None:
    """``name: type`` with or without ``= expression``."""
    if not isinstance(node.target, ast.Name):
        raise ctx.error(
            node, f"annotation of '{ast.unparse(node.target)}'; only names are declared: write x: int32 = 0"
        )
    name = node.target.id
    check_name(ctx, name, node)
    type_ = read(node.annotation, ctx.scope.names, ctx.source)
    match type_:
        case ConstExpr(type=inner):
            _const_expr(ctx, name, inner, node)
        case Stream():
            raise ctx.error(
                node, f"stream '{name}' declared in a kernel; declare it in the region, beside the kernels"
            )
        case Array():
            return _array(ctx, name, type_, node, rest)
        case Scalar():
            if node.value is None:
                scalar(ctx, name, type_, node)
                return None
            inner_ctx = assignments.with_binding(ctx, node.target)
            check_fits(ctx, node.value, type_, f"'{name}'")
            number = _initial(inner_ctx, node.value, type_)
            variable = scalar(ctx, name, type_, node)
            op = memref.StoreOp.get(ctx.emit.at_width(number, type_.bits), variable.ref, [])
            ctx.emit.add(op, ctx.line(node))
    return None


def check_name(ctx: Context, name: str, node: ast.AST) -> None:
    """Refuse a name that is a keyword of the generated languages or that hides something."""
    if unusable := problem(name, "variable"):
        raise ctx.error(node, unusable)
    if ctx.scope.find(name) is not None:
        raise ctx.error(
            node, f"'{name}' is already declared at line {ctx.scope.line(name)}; use another name"
        )
    if name in ctx.streams:
        raise ctx.error(node, f"'{name}' is the name of a stream; use another name")


def scalar(ctx: Context, name: str, type_: Scalar, node: ast.AST) -> Variable:
    """Declare a scalar variable."""
    op = memref.AllocOp([], [], MemRefType(type_.ir, []))
    op.attributes["name"] = StringAttr(ctx.prefix + name)
    if not type_.signed:
        op.attributes["unsigned"] = UnitAttr()
    ctx.emit.add(op, ctx.line(node))
    op.memref.name_hint = hint(name)
    variable = Variable(type_, op.memref)
    ctx.scope.declare(name, variable, getattr(node, "lineno", 0))
    return variable


def _initial(ctx: Context, node: ast.expr, type_: Scalar) -> Value:
    """The initial value of a variable; a literal may be as wide as the variable."""
    number = written(ctx, node)
    if number is not None:
        return Value.of(number, type_)
    return expressions.value(ctx, node)


def _const_expr(ctx: Context, name: str, type_: Scalar, node: ast.AnnAssign) -> None:
    if node.value is None:
        raise ctx.error(node, f"ConstExpr '{name}' has no value; write {name}: ConstExpr[int32] = expression")
    number = ctx.evaluate(node.value)
    if isinstance(number, bool | np.bool_):
        number = int(number)
    if not isinstance(number, int | np.integer) or not type_.holds(int(number)):
        raise ctx.error(
            node.value,
            f"ConstExpr '{name}' is {number!r}; write an integer from {type_.low} to {type_.high} ({type_})",
        )
    fixed = Fixed(Value.of(int(number), type_), "a ConstExpr")
    ctx.scope.declare_constant(name, int(number), fixed, node.lineno)


def _array(
    ctx: Context, name: str, type_: Array, node: ast.AnnAssign, rest: Sequence[ast.stmt]
) -> tuple[str, ArrayName] | None:
    if node.value is not None:
        block = block_get(ctx, node.value)
        if block is not None:
            return acquire_read(ctx, name, block, type_, node)
    end = _later_put(ctx, name, rest)
    if end is not None:
        array = acquire(ctx, name, end, "write", type_, node)[1]
    else:
        array = _alloc(ctx, name, type_, node)
    if node.value is None:
        return None
    table = tables.values(ctx, node.value, type_)
    if table is None:
        if get := next((part for part in ast.walk(node.value) if _is_get(ctx, part)), None):
            raise ctx.error(
                get,
                f"one token fills all elements of '{name}'; read each element in a loop, or the token into a variable "
                "that the array is filled with",
            )
        check_fits(ctx, node.value, type_.element, f"an element of '{name}'")
        number = _initial(ctx, node.value, type_.element)
        value = ctx.emit.at_width(number, type_.element.bits)
        ctx.emit.add(FillOp(array.ref, value), ctx.line(node))
    elif end is None:
        tables.declare(ctx, name, array, table, node)
    else:
        tables.store_all(ctx, array, table, node)
    return None


def _is_get(ctx: Context, node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=stream, attr="get")):
            return subscripts.stream_end(ctx, stream) is not None
    return False


def _alloc(ctx: Context, name: str, type_: Array, node: ast.AST) -> ArrayName:
    op = memref.AllocOp([], [], type_.ir)
    op.attributes["name"] = StringAttr(ctx.prefix + name)
    if not type_.element.signed:
        op.attributes["unsigned"] = UnitAttr()
    op.attributes["partition"] = ArrayAttr([StringAttr("none")] * len(type_.shape))
    if type_.storage:
        op.attributes["storage"] = StringAttr(type_.storage)
    if type_.storage_type:
        op.attributes["storage_type"] = StringAttr(type_.storage_type)
    ctx.emit.add(op, ctx.line(node))
    ctx.process.locals.append(Local(ctx.prefix + name, ctx.place(node), type_.shape, op=op))
    op.memref.name_hint = hint(name)
    array = ArrayName(type_, op.memref)
    ctx.scope.declare(name, array, getattr(node, "lineno", 0))
    return array


def block_get(ctx: Context, node: ast.expr) -> End | None:
    """The block stream that ``s.get()`` reads, if the expression is that."""
    match node:
        case ast.Call(func=ast.Attribute(value=stream, attr="get"), args=[], keywords=[]):
            end = subscripts.stream_end(ctx, stream)
            return end if end is not None and isinstance(end.stream.token, Array) else None
    return None


def acquire_read(
    ctx: Context, name: str, end: End, type_: Array | None, node: ast.stmt
) -> tuple[str, ArrayName]:
    """``x: T[N, M] = s.get()``: returned to be released at the end of the block of statements."""
    return acquire(ctx, name, end, "read", type_, node)


def _later_put(ctx: Context, name: str, rest: Sequence[ast.stmt]) -> End | None:
    """The block stream into which a later statement of the same block puts `name`."""
    for statement in meta.remaining(ctx, rest):
        match statement:
            case ast.Expr(
                value=ast.Call(func=ast.Attribute(value=stream, attr="put"), args=[ast.Name(id=put)])
            ) if put == name:
                return subscripts.stream_end(ctx, stream)
    return None


def acquire(
    ctx: Context, name: str, end: End, mode: str, type_: Array | None, node: ast.stmt
) -> tuple[str, ArrayName]:
    """Take a buffer of a block stream and name it."""
    actual, token = end.actual, end.stream.token
    if not isinstance(token, Array):
        raise ctx.error(
            node,
            f"array '{name}' on stream '{actual}', whose tokens are {token}; put its elements one by one",
        )
    if type_ is not None and (type_.element, type_.shape) != (token.element, token.shape):
        raise ctx.error(
            node, f"'{name}' is {type_} and a block of '{actual}' is {token}; the types must be equal"
        )
    direction = "o" if mode == "write" else "i"
    argument = ctx.process.use(end, direction, ctx.source, node)
    if argument.name in ctx.process.held:
        raise ctx.error(
            node,
            f"'{name}' takes a block of '{actual}' while '{ctx.process.held[argument.name]}' is still held; "
            f"put it or end its block of statements first",
        )
    ctx.process.held[argument.name] = name
    op = AcquireOp(argument.ssa, mode)
    op.attributes["name"] = StringAttr(ctx.prefix + name)
    ctx.emit.add(op, ctx.line(node))
    ctx.process.locals.append(Local(ctx.prefix + name, ctx.place(node), token.shape, stream=actual))
    refusal = (
        f"is a block read from '{actual}'; copy the element to a local variable" if mode == "read" else None
    )
    op.block.name_hint = hint(name)
    array = ArrayName(token, op.block, refusal=refusal)
    if type_ is not None and (type_.storage, type_.storage_type) != (None, None):
        ctx.process.placed.append((actual, type_, ctx.place(node)))
    ctx.scope.declare(name, array, node.lineno)
    return argument.name, array
