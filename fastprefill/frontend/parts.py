"""Reads the body of a region: its arguments, streams, kernels and helper functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from fastprefill.frontend.annotations import evaluate, integer, read
from fastprefill.frontend.dtypes import Array, Stream
from fastprefill.frontend.kernel import Kernel
from fastprefill.frontend.names import problem
from fastprefill.frontend.source import Function


@dataclass
class Parts:
    """What a region's body declares."""

    arguments: dict[str, Array] = field(default_factory=dict)
    streams: dict[str, Stream] = field(default_factory=dict)
    nodes: dict[str, ast.AST] = field(default_factory=dict)
    kernels: list[Kernel] = field(default_factory=list)
    helpers: dict[str, Function] = field(default_factory=dict)

    def singles(self) -> list[tuple[str, str, Stream]]:
        """Each single stream: its name with position, its declared name, the stream; as declared."""
        result: list[tuple[str, str, Stream]] = []
        for name, stream in self.streams.items():
            positions: list[tuple[int, ...]] = [()]
            for size in stream.shape:
                positions = [(*head, i) for head in positions for i in range(size)]
            result += [("_".join([name, *map(str, position)]), name, stream) for position in positions]
        return result

    def flat(self) -> dict[str, Stream]:
        """Each single stream by its name with position."""
        return {single: stream for single, _, stream in self.singles()}


def read_region(source: Function) -> Parts:
    """The arguments, streams, kernels and helper functions of a region."""
    parts = Parts()
    node, where = source.node, source.source
    for argument in node.args.args:
        if unusable := problem(argument.arg, "argument", port=True):
            raise where.error(argument, unusable)
        if argument.annotation is None:
            raise where.error(
                argument, f"argument '{argument.arg}' has no type; write {argument.arg}: int32[1]"
            )
        type_ = read(argument.annotation, source.names, where)
        if not isinstance(type_, Array):
            raise where.error(
                argument, f"argument '{argument.arg}' is {type_}; a run-time scalar is {type_}[1]"
            )
        parts.arguments[argument.arg] = type_
    for statement in _chosen(source, node.body):
        _statement(source, parts, statement)
    if not parts.kernels:
        raise where.error(
            node, f"region '{node.name}' has no kernel; write @df.kernel(mapping=[1]) above a function"
        )
    return parts


def _chosen(source: Function, body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a region's body, with those of the branches of ``allo.meta_if`` that are taken."""
    open_, taken = False, False  # the statement before was a branch; one of its branches was taken
    for node in body:
        kind, condition = _branch(node)
        if kind is None or (kind != "meta_if" and not open_):
            open_ = False
            yield node
            continue
        taken = taken and kind != "meta_if"
        if not taken and (condition is None or evaluate(condition, source.names, source.source)):
            taken = True
            yield from _chosen(source, node.body)  # type: ignore[attr-defined]
        open_ = kind != "meta_else"


def _branch(node: ast.stmt) -> tuple[str | None, ast.expr | None]:
    """What kind of branch a statement is, and its condition."""
    match node:
        case ast.With(items=[ast.withitem(context_expr=ast.Call(func=ast.Attribute(attr=kind), args=args))]):
            if kind in ("meta_if", "meta_elif", "meta_else") and len(args) == (kind != "meta_else"):
                return kind, args[0] if args else None
    return None, None


def _statement(source: Function, parts: Parts, node: ast.stmt) -> None:
    where = source.source
    match node:
        case ast.Expr(value=ast.Constant(value=str())) | ast.Pass():
            return
        case ast.AnnAssign(target=ast.Name(id=name), value=None):
            _unique(source, parts, name, node)
            type_ = read(node.annotation, source.names, where)
            if not isinstance(type_, Stream):
                raise where.error(
                    node,
                    f"'{name}' in the region's body; a region holds streams and kernels: declare arrays in a kernel",
                )
            parts.streams[name] = type_
            parts.nodes[name] = node
        case ast.FunctionDef(name=name):
            _unique(source, parts, name, node)
            decorator = _kernel_decorator(node)
            if decorator is None:
                parts.helpers[name] = Function(where, node, source.names)
            else:
                parts.kernels.append(_kernel(source, parts, node, decorator))
        case _:
            raise where.error(
                node,
                f"'{ast.unparse(node).splitlines()[0]}' in the body of region '{source.node.name}'; it holds stream "
                f"declarations and kernels only: compute constants before the region, values in a kernel",
            )


def _unique(source: Function, parts: Parts, name: str, node: ast.stmt) -> None:
    if unusable := problem(name, "name", port=True):
        raise source.source.error(node, unusable)
    taken = {*parts.arguments, *parts.streams, *parts.helpers, *(kernel.name for kernel in parts.kernels)}
    if name in taken:
        raise source.source.error(
            node, f"'{name}' is declared twice in region '{source.node.name}'; use another name"
        )


def _kernel_decorator(node: ast.FunctionDef) -> ast.Call | None:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call):
            called = decorator.func
            if (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")) == "kernel":
                return decorator
    return None


def _kernel(source: Function, parts: Parts, node: ast.FunctionDef, decorator: ast.Call) -> Kernel:
    where = source.source
    mapping: tuple[int, ...] = (1,)
    arguments: list[str] = []
    for keyword in decorator.keywords:
        if keyword.arg == "mapping":
            mapping = _mapping(source, keyword.value)
        elif keyword.arg == "args" and isinstance(keyword.value, ast.List | ast.Tuple):
            for element in keyword.value.elts:
                if not isinstance(element, ast.Name) or element.id not in parts.arguments:
                    known = ", ".join(parts.arguments) or "none"
                    raise where.error(
                        element,
                        f"'{ast.unparse(element)}' in args of kernel '{node.name}'; write names of the region's "
                        f"arguments ({known}); streams are used by name, without args",
                    )
                arguments.append(element.id)
        else:
            raise where.error(
                decorator,
                f"'{keyword.arg}={ast.unparse(keyword.value)}' of @df.kernel; write mapping=[...], args=[...]",
            )
    if decorator.args or not 1 <= len(mapping) <= 3:
        raise where.error(
            decorator,
            f"'{ast.unparse(decorator)}'; write @df.kernel(mapping=[P0, P1], args=[A]), 1 to 3 sizes",
        )
    return Kernel(Function(where, node, source.names), mapping, tuple(arguments))


def _mapping(source: Function, node: ast.expr) -> tuple[int, ...]:
    """The shape of a mesh: a list of integers, or a name of one."""
    if isinstance(node, ast.List | ast.Tuple):
        what = "a dimension of the mapping"
        return tuple(integer(element, source.names, source.source, what) for element in node.elts)
    sizes = evaluate(node, source.names, source.source)
    if not isinstance(sizes, list | tuple) or not all(isinstance(size, int) and size > 0 for size in sizes):
        raise source.source.error(
            node, f"mapping={ast.unparse(node)} is {sizes!r}; write a list of sizes: [4, 4]"
        )
    return tuple(sizes)
