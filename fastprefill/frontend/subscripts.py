"""Subscripts of arrays and of bits: sums of products by constants, kept as ``index`` arithmetic.

The width of a bit slice must be a constant although its ends need not be: ``w[8 * r : 8 * r + 8]``. Both ends
are brought into linear form over their run-time parts, compared as source text, and subtracted.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

import numpy as np
from xdsl.ir import SSAValue

from fastprefill.errors import counted
from fastprefill.frontend import expressions
from fastprefill.frontend.context import Context
from fastprefill.frontend.dtypes import Scalar
from fastprefill.frontend.process import End
from fastprefill.frontend.scope import ArrayName, Fixed


@dataclass(frozen=True)
class Linear:
    """``constant + sum(factor * node)``; the terms' keys are their source text."""

    constant: int
    terms: dict[str, tuple[int, ast.expr]]

    def plus(self, other: Linear, sign: int) -> Linear:
        terms = dict(self.terms)
        for key, (factor, node) in other.terms.items():
            total = terms.get(key, (0, node))[0] + sign * factor
            terms.pop(key, None)
            if total:
                terms[key] = (total, node)
        return Linear(self.constant + sign * other.constant, terms)

    def times(self, factor: int) -> Linear:
        if factor == 0:
            return Linear(0, {})
        return Linear(self.constant * factor, {key: (f * factor, n) for key, (f, n) in self.terms.items()})


@dataclass(frozen=True)
class Index:
    """A subscript: its value, the bounds that are known of it, and whether it takes both of them."""

    ssa: SSAValue
    low: int
    high: int
    attained: bool = False


def linear(ctx: Context, node: ast.expr) -> Linear:
    """The linear form of an integer expression."""
    constant = constant_of(ctx, node)
    if constant is not None:
        return Linear(constant, {})
    if _has_effect(node):  # each one of its own, evaluated once and in order
        return Linear(0, {f"{ast.unparse(node)} at {node.lineno}:{node.col_offset}": (1, node)})
    match node:
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return linear(ctx, left).plus(linear(ctx, right), 1)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return linear(ctx, left).plus(linear(ctx, right), -1)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            a, b = linear(ctx, left), linear(ctx, right)
            if not a.terms:
                return b.times(a.constant)
            if not b.terms:
                return a.times(b.constant)
    return Linear(0, {ast.unparse(node): (1, node)})


def _has_effect(node: ast.expr) -> bool:
    """Whether an expression calls ``get()`` or a helper function."""
    calls = (inner.func for inner in ast.walk(node) if isinstance(inner, ast.Call))
    return any(not (isinstance(called, ast.Name) and called.id in ("min", "max", "int")) for called in calls)


def constant_of(ctx: Context, node: ast.expr) -> int | None:
    """The value of a literal or of a name known at compile time."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int) and not isinstance(node.value, bool):
        return node.value
    if not isinstance(node, ast.Name) or node.id in ctx.streams:
        return None
    symbol = ctx.scope.find(node.id)
    if isinstance(symbol, Fixed):
        return symbol.value.constant
    if symbol is None:
        value = ctx.scope.names.get(node.id)
        if isinstance(value, int | np.integer) and not isinstance(value, bool):
            return int(value)
    return None


def index(ctx: Context, node: ast.expr) -> Index:
    """The value of an expression as an ``index``."""
    return build(ctx, linear(ctx, node), node)


def build(ctx: Context, form: Linear, node: ast.expr) -> Index:
    """Emit a linear form."""
    low = high = form.constant
    total: SSAValue | None = None
    attained = True
    src = ctx.line(node)
    for factor, term in form.terms.values():
        value = expressions.value(ctx, term)
        ssa = ctx.emit.to_index(value)
        ends = (factor * value.low, factor * value.high)
        low, high = low + min(ends), high + max(ends)
        attained &= value.attained == ctx.guards  # no condition between the variable's loop and here
        if factor != 1:
            ssa = ctx.emit.index_scale(ssa, factor, src)
        total = ssa if total is None else ctx.emit.index_add(total, ssa, src)
    if total is None:
        return Index(ctx.emit.index(form.constant), low, high)
    if form.constant:
        total = ctx.emit.index_add(total, ctx.emit.index(form.constant), src)
    return Index(total, low, high, attained)


def element(
    ctx: Context, array: ArrayName, name: str, subscripts: list[ast.expr], node: ast.expr
) -> tuple[list[SSAValue], list[ast.expr]]:
    """The indices of one element, and the subscripts that are left over for its bits."""
    if array.gone:
        raise ctx.error(node, f"'{name}' {array.gone}")
    indices: list[SSAValue] = []
    rest = list(subscripts)
    rank = len(array.type.shape)
    while len(indices) < rank:
        if not rest:
            raise ctx.error(
                node,
                f"'{ast.unparse(node)}' names a part of '{name}', which is {array.type}; "
                f"write all {rank} subscripts, in a loop over the part",
            )
        subscript = rest.pop(0)
        parts = subscript.elts if isinstance(subscript, ast.Tuple) else [subscript]
        if len(indices) + len(parts) > rank:
            raise ctx.error(
                node,
                f"'{ast.unparse(node)}' has {len(indices) + len(parts)} subscripts; '{name}' is {array.type}",
            )
        for part in parts:
            if isinstance(part, ast.Slice):
                raise ctx.error(
                    part,
                    f"'{ast.unparse(node)}' is a slice of array '{name}'; write a loop over its elements",
                )
            at = index(ctx, part)
            size = array.type.shape[len(indices)]
            if at.high < 0 or at.low >= size or (at.attained and (at.low < 0 or at.high >= size)):
                reached = at.low if at.low == at.high else f"{ast.unparse(part)}, from {at.low} to {at.high},"
                raise ctx.error(
                    part,
                    f"subscript {reached} of '{name}' is outside "
                    f"dimension {len(indices) + 1}, which has {counted(size, 'element')}; write 0 to {size - 1}",
                )
            indices.append(at.ssa)
    return indices, rest


def bits(ctx: Context, type_: Scalar, node: ast.expr) -> tuple[SSAValue, int]:
    """The lowest bit and the width that a bit subscript ``x[i]`` or ``x[lo:hi]`` selects from a `type_`."""
    if isinstance(node, ast.Tuple):
        raise ctx.error(node, f"{len(node.elts)} subscripts of a value of {type_}; bits are x[i] or x[lo:hi]")
    if not isinstance(node, ast.Slice):
        at = index(ctx, node)
        _within(ctx, node, at, 1, type_)
        return at.ssa, 1
    if node.lower is None or node.upper is None or node.step is not None:
        raise ctx.error(node, "a bit slice needs both ends and no step: write x[lo:hi]")
    low = linear(ctx, node.lower)
    width = linear(ctx, node.upper).plus(low, -1)
    if width.terms and (_has_effect(node.lower) or _has_effect(node.upper)):
        raise ctx.error(
            node,
            f"a call in an end of the bit slice [{ast.unparse(node)}]; both ends would make it: compute it into a "
            f"variable first",
        )
    if width.terms:
        raise ctx.error(
            node,
            f"the width of the bit slice [{ast.unparse(node)}] is not a constant; "
            f"write x[lo:lo + 8], with the same expression for lo in both places",
        )
    if width.constant < 1:
        raise ctx.error(
            node,
            f"the bit slice [{ast.unparse(node)}] is {width.constant} bits wide; the upper end is exclusive "
            f"and must be above the lower",
        )
    at = build(ctx, low, node.lower)
    _within(ctx, node, at, width.constant, type_)
    return at.ssa, width.constant


def _within(ctx: Context, node: ast.expr, at: Index, width: int, type_: Scalar) -> None:
    if at.high < 0 or at.low + width > type_.bits:
        raise ctx.error(
            node,
            f"bits [{ast.unparse(node)}] of a value of {type_}; its bits are 0 to {type_.bits - 1}"
            f"{'' if width == 1 else f', the upper end of a slice is exclusive and at most {type_.bits}'}",
        )


def chain(node: ast.expr) -> tuple[ast.expr, list[ast.expr]]:
    """``a[i][j]`` as ``a`` and its subscripts."""
    subscripts: list[ast.expr] = []
    while isinstance(node, ast.Subscript):
        subscripts.insert(0, node.slice)
        node = node.value
    return node, subscripts


def stream_end(ctx: Context, node: ast.expr) -> End | None:
    """The stream that an expression names, if it names one."""
    base, subscripts = chain(node)
    if not isinstance(base, ast.Name) or base.id not in ctx.streams or ctx.scope.find(base.id):
        return None
    stream = ctx.streams[base.id]
    parts = [p for s in subscripts for p in (s.elts if isinstance(s, ast.Tuple) else [s])]
    if len(parts) != len(stream.shape):
        wanted = f"it is an array {list(stream.shape)}" if stream.shape else "it is one stream"
        raise ctx.error(node, f"stream '{base.id}' with {len(parts)} subscripts; {wanted}")
    position: list[int] = []
    for part, size in zip(parts, stream.shape, strict=True):
        number = ctx.evaluate(part)
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or not 0 <= number < size:
            raise ctx.error(
                part, f"subscript {number!r} of stream '{base.id}'; write an integer from 0 to {size - 1}"
            )
        position.append(int(number))
    actual = "_".join([base.id, *map(str, position)])
    return End(base.id, actual, stream, tuple(parts), ctx.scope.names)
