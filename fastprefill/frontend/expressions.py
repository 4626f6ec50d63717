"""Lowers expressions to values."""

from __future__ import annotations

import ast

import numpy as np
from xdsl.dialects import memref
from xdsl.ir import SSAValue

from fastprefill.frontend import arithmetic, subscripts
from fastprefill.frontend.arithmetic import Refused
from fastprefill.frontend.context import Context
from fastprefill.frontend.dtypes import INT32, UINT1, Array, Scalar
from fastprefill.frontend.scope import ArrayName, Fixed, Variable
from fastprefill.frontend.source import Function, function
from fastprefill.frontend.values import Value
from fastprefill.ir.dialect import GetOp, GetSliceOp

OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
}
COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_INSTEAD: dict[type[ast.expr], str] = {
    ast.Lambda: "a lambda; write a helper function with def",
    ast.ListComp: "a list comprehension; write a loop over a local array",
    ast.SetComp: "a set comprehension; write a loop over a local array",
    ast.DictComp: "a dict comprehension; write a loop over a local array",
    ast.GeneratorExp: "a generator; write a loop",
    ast.List: "a list; it may only initialise an array: write t: int32[4] = [1, 2, 3, 4]",
    ast.Tuple: "a tuple; write one assignment for each element",
    ast.Dict: "a dict; there are no records: use one variable for each field, or bit slices of a word",
    ast.NamedExpr: "':='; write the assignment as a statement before",
    ast.JoinedStr: "a formatted string; kernels have integers only",
    ast.Await: "await; streams block by themselves: write s.get()",
    ast.Yield: "yield; write s.put(value) on a stream",
    ast.Starred: "'*'; write the elements one by one",
}


def value(ctx: Context, node: ast.expr) -> Value:
    """The value of an expression; operations with effects are emitted in the order of evaluation."""
    try:
        return _value(ctx, node)
    except Refused as refused:
        raise ctx.error(node, str(refused)) from None


def condition(ctx: Context, node: ast.expr) -> Value:
    """The value of an expression that must be a condition (one bit)."""
    result = value(ctx, node)
    if result.type.bits != 1:
        raise ctx.error(
            node,
            f"condition '{ast.unparse(node)}' is a value of {result.type}; write {ast.unparse(node)} != 0",
        )
    return result


def _value(ctx: Context, node: ast.expr) -> Value:
    match node:
        case ast.Constant():
            return _literal(ctx, node)
        case ast.Name():
            return _name(ctx, node)
        case ast.BinOp():
            return _binary(ctx, node)
        case ast.UnaryOp():
            return _unary(ctx, node)
        case ast.Compare():
            return _compare(ctx, node)
        case ast.BoolOp(op=op, values=parts):
            name = "and" if isinstance(op, ast.And) else "or"
            result = value(ctx, parts[0])
            for part in parts[1:]:
                result = arithmetic.logic(ctx.emit, name, result, value(ctx, part))
            return result
        case ast.IfExp():
            return _conditional(ctx, node)
        case ast.Subscript():
            return _subscript(ctx, node)
        case ast.Call():
            return _call(ctx, node)
        case ast.Attribute():
            raise ctx.error(
                node,
                f"attribute '{ast.unparse(node)}'; bind it to a name before the region: n = {ast.unparse(node)}",
            )
    what = _INSTEAD.get(type(node), f"'{ast.unparse(node)}'; write integer arithmetic")
    raise ctx.error(node, f"an expression of a kernel cannot be {what}")


def _literal(ctx: Context, node: ast.Constant) -> Value:
    if isinstance(node.value, bool):
        return Value.of(int(node.value), UINT1)
    if isinstance(node.value, int):
        return _int32(ctx, node, node.value)
    if isinstance(node.value, float):
        raise ctx.error(node, f"literal {node.value!r}; there is no floating point: scale to an integer")
    raise ctx.error(node, f"literal {node.value!r}; kernels have integers only")


def _int32(ctx: Context, node: ast.expr, number: int) -> Value:
    if not INT32.holds(number):
        bits = max(number.bit_length(), 1)
        raise ctx.error(
            node,
            f"constant {number} is outside int32, the type of literals; assign it to a variable first: "
            f"c: {f'UInt({bits})' if number >= 0 else f'Int({bits + 1})'} = {number}",
        )
    return Value.of(number)


def _name(ctx: Context, node: ast.Name) -> Value:
    name, symbol = node.id, ctx.scope.find(node.id)
    if isinstance(symbol, Fixed):
        return symbol.value
    if isinstance(symbol, Variable):
        op = memref.LoadOp.get(symbol.ref, [])
        return Value.loaded(ctx.emit.add(op, ctx.line(node)).results[0], symbol.type)
    if isinstance(symbol, ArrayName):
        raise ctx.error(node, f"array '{name}' ({symbol.type}) in place of a number; write its subscripts")
    if name in ctx.streams:
        raise ctx.error(node, f"stream '{name}' in place of a number; write {name}.get()")
    if name in ctx.scope.ended:
        raise ctx.error(
            node,
            f"'{name}' does not exist here: it was declared in a block that has ended, at line "
            f"{ctx.scope.ended[name]}; declare it before that block",
        )
    if name in ctx.outer and name not in ctx.scope.names:
        raise ctx.error(
            node,
            f"'{name}' is an argument of the region; give it to the kernel: @df.kernel(..., args=[{name}]) and a "
            f"parameter of its type",
        )
    if name not in ctx.scope.names:
        raise ctx.error(node, f"'{name}' is not declared; write {name}: int32 = 0 before its first use")
    known = ctx.scope.names[name]
    if isinstance(known, bool):
        return Value.of(int(known), UINT1)
    if isinstance(known, int | np.integer):
        return _int32(ctx, node, int(known))
    if isinstance(known, np.ndarray):
        raise ctx.error(
            node,
            f"NumPy array '{name}' used directly; give it a type in the kernel: "
            f"t: int32[{', '.join(map(str, known.shape))}] = {name}",
        )
    raise ctx.error(
        node, f"'{name}' is {type(known).__name__} at compile time; only integers can be used as values"
    )


def _binary(ctx: Context, node: ast.BinOp) -> Value:
    operator = OPERATORS.get(type(node.op))
    if operator is None:
        instead = {
            ast.Div: "'/'; write // with a positive constant",
            ast.Pow: "'**'; write the product, or a table",
            ast.MatMult: "'@'; write loops",
        }
        raise ctx.error(node, f"operator {instead.get(type(node.op), type(node.op).__name__)}")
    left = value(ctx, node.left)
    right = value(ctx, node.right)
    return arithmetic.binary(operator, left, right, ctx.line(node), ctx.bind)


def _unary(ctx: Context, node: ast.UnaryOp) -> Value:
    match node.op:
        case ast.Invert():
            raise ctx.error(node, f"'~{ast.unparse(node.operand)}'; write {ast.unparse(node.operand)} ^ -1")
        case ast.USub():
            if isinstance(node.operand, ast.Constant) and isinstance(node.operand.value, int):
                return _int32(ctx, node, -node.operand.value)
            return arithmetic.negate(value(ctx, node.operand))
        case ast.Not():
            return arithmetic.invert(ctx.emit, value(ctx, node.operand))
    return value(ctx, node.operand)


def _compare(ctx: Context, node: ast.Compare) -> Value:
    if len(node.ops) != 1:
        raise ctx.error(node, f"chained comparison '{ast.unparse(node)}'; write a < b and b < c")
    operator = COMPARISONS.get(type(node.ops[0]))
    if operator is None:
        raise ctx.error(node, f"comparison '{ast.unparse(node)}'; write one of == != < <= > >=")
    left = value(ctx, node.left)
    return arithmetic.compare(ctx.emit, operator, left, value(ctx, node.comparators[0]))


def _conditional(ctx: Context, node: ast.IfExp) -> Value:
    test = condition(ctx, node.test)
    if test.constant is not None:
        return value(ctx, node.body if test.constant else node.orelse)
    ctx.strict.append("a conditional expression evaluates both sides")
    yes, no = value(ctx, node.body), value(ctx, node.orelse)
    ctx.strict.pop()
    return arithmetic.select(ctx.emit, test, yes, no)


def _subscript(ctx: Context, node: ast.Subscript) -> Value:
    base, parts = subscripts.chain(node)
    symbol = ctx.scope.find(base.id) if isinstance(base, ast.Name) else None
    if isinstance(symbol, ArrayName):
        assert isinstance(base, ast.Name)
        indices, parts = subscripts.element(ctx, symbol, base.id, parts, node)
        op = memref.LoadOp.get(symbol.ref, indices)
        result = Value.loaded(ctx.emit.add(op, ctx.line(node)).results[0], symbol.type.element)
    elif subscripts.stream_end(ctx, node):
        raise ctx.error(
            node, f"stream '{ast.unparse(node)}' in place of a number; write {ast.unparse(node)}.get()"
        )
    else:
        result = value(ctx, base)
    for part in parts:
        result = get_bits(ctx, result, part)
    return result


def get_bits(ctx: Context, of: Value, node: ast.expr) -> Value:
    """``of[i]`` or ``of[lo:hi]``, unsigned."""
    return bits_at(ctx, of, *subscripts.bits(ctx, of.type, node))


def bits_at(ctx: Context, of: Value, low: SSAValue, width: int) -> Value:
    """`width` bits of a value from bit `low` on, unsigned."""
    ssa = ctx.emit.at_type(of)
    key = ("slice", ssa, low, width)
    return Value.loaded(ctx.emit.pure(key, lambda: GetSliceOp(ssa, low, width)), Scalar(width, False))


def _call(ctx: Context, node: ast.Call) -> Value:
    match node.func:
        case ast.Attribute(value=stream, attr="get") if subscripts.stream_end(ctx, stream):
            return get(ctx, node, stream)
        case ast.Attribute(value=stream, attr=method) if subscripts.stream_end(ctx, stream):
            raise ctx.error(node, stream_method(ast.unparse(stream), method))
        case ast.Name(id="min" | "max" as name) if ctx.scope.find(name) is None and helper_of(ctx, node) is None:
            if node.args and isinstance(node.args[0], ast.GeneratorExp | ast.ListComp | ast.SetComp):
                raise ctx.error(
                    node,
                    f"{name} over a comprehension; write a loop: m = a[0], then for i in range(1, n): "
                    f"m = {name}(m, a[i])",
                )
            if len(node.args) != 2 or node.keywords:
                raise ctx.error(
                    node, f"{name} of {len(node.args)} values; write {name}(a, b), nested for more"
                )
            left = value(ctx, node.args[0])
            return arithmetic.extreme(ctx.emit, name, left, value(ctx, node.args[1]))
        case ast.Name(id="int") if len(node.args) == 1:
            return arithmetic.cast(value(ctx, node.args[0]), INT32)
    helper = helper_of(ctx, node)
    if helper is None:
        raise ctx.error(
            node,
            f"call of '{ast.unparse(node.func)}'; a kernel can call min, max, int and helper functions "
            f"(def with annotated parameters)",
        )
    result = ctx.inline(ctx, node, helper, True)
    if result is None:
        raise ctx.error(node, f"'{ast.unparse(node.func)}' returns nothing; end it with 'return value'")
    return result


def stream_method(stream: str, method: str) -> str:
    """Why a method of a stream is refused."""
    if method == "put":
        return f"'{stream}.put' in place of a number; write it as a statement of its own"
    return (
        f"'{stream}.{method}'; a stream has blocking get() and put(value) only, so that results do not "
        f"depend on timing: send the count or a flag on a stream"
    )


def get(ctx: Context, node: ast.Call, stream: ast.expr) -> Value:
    """``s.get()`` of a stream of scalars."""
    end = subscripts.stream_end(ctx, stream)
    assert end is not None
    actual, type_ = end.actual, end.stream
    if node.args or node.keywords:
        raise ctx.error(node, f"'{ast.unparse(node)}'; get() has no arguments")
    if isinstance(type_.token, Array):
        raise ctx.error(
            node,
            f"get() of block stream '{actual}' inside an expression; name the block: "
            f"x: {type_.token} = {ast.unparse(stream)}.get()",
        )
    if ctx.strict:
        raise ctx.error(node, f"'{ast.unparse(node)}' where {ctx.strict[-1]}; write it under 'if'")
    argument = ctx.process.use(end, "i", ctx.source, node)
    op = ctx.emit.add(GetOp(argument.ssa), ctx.line(node))
    return Value.loaded(op.results[0], type_.token)


def helper_of(ctx: Context, node: ast.Call) -> Function | None:
    """The Python function that a call names, if it can be inlined."""
    if not isinstance(node.func, ast.Name) or ctx.scope.find(node.func.id):
        return None
    if node.func.id in ctx.helpers:
        return ctx.helpers[node.func.id]
    python = ctx.scope.names.get(node.func.id)
    if not callable(python) or getattr(python, "__code__", None) is None:
        return None
    return function(python, "helper function")
