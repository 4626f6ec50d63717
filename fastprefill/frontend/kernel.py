"""Lowers one instance of a kernel to a process function."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from xdsl.dialects import func, memref
from xdsl.dialects.builtin import ArrayAttr, FunctionType, StringAttr, UnitAttr
from xdsl.ir import Region

from fastprefill.errors import counted
from fastprefill.frontend import statements, tables
from fastprefill.frontend.annotations import read
from fastprefill.frontend.calls import inline
from fastprefill.frontend.cleanup import remove_dead
from fastprefill.frontend.context import Context
from fastprefill.frontend.dtypes import Array, Stream
from fastprefill.frontend.emit import Emitter
from fastprefill.frontend.names import hint, problem
from fastprefill.frontend.process import Argument, Process
from fastprefill.frontend.scope import ArrayName, Scope
from fastprefill.frontend.source import Function, Source


@dataclass(frozen=True)
class Kernel:
    """A function of a region decorated with ``@df.kernel``.

    Attributes:
        function: its syntax and compile-time names.
        mapping: shape of the mesh of instances.
        arguments: names of the region's arguments that it gets, by position.
    """

    function: Function
    mapping: tuple[int, ...]
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.function.node.name

    def instance(self, position: tuple[int, ...]) -> str:
        """The kernel's name, with the position when there are several instances."""
        alone = all(size == 1 for size in self.mapping)
        return self.name if alone else "_".join([self.name, *map(str, position)])

    def positions(self) -> list[tuple[int, ...]]:
        result: list[tuple[int, ...]] = [()]
        for size in self.mapping:
            result = [(*head, i) for head in result for i in range(size)]
        return result


def lower_process(
    kernel: Kernel,
    pid: tuple[int, ...],
    process: Process,
    region_arguments: Mapping[str, Array],
    streams: Mapping[str, Stream],
    helpers: Mapping[str, Function],
) -> None:
    """Fill ``process.entry`` with the body of one instance."""
    source, node = kernel.function.source, kernel.function.node
    emit = Emitter(process.entry)
    scope = Scope(kernel.function.names)
    ctx = Context(
        emit, process, source, scope, streams, helpers, pid, inline, outer=frozenset(region_arguments)
    )
    _parameters(ctx, kernel, region_arguments)
    with ctx.nested() as inner:
        statements.block(inner, node.body)
    for end, name in process.held.items():
        raise source.error(node, f"block '{name}' of '{end}' is never handed on; end with {end}.put({name})")
    tables.settle(process, emit.constant)
    emit.add(func.ReturnOp())
    remove_dead(process.entry)
    emit.finish()
    for argument in process.arguments:
        if argument.direction == "_":
            settle_direction(process, argument, source, node)


def _parameters(ctx: Context, kernel: Kernel, region_arguments: Mapping[str, Array]) -> None:
    node, source = kernel.function.node, kernel.function.source
    parameters = node.args
    if parameters.defaults or parameters.kwonlyargs or parameters.vararg or parameters.kwarg:
        raise source.error(node, f"parameters of kernel '{kernel.name}'; write plain ones: x: int32[1]")
    if len(parameters.args) != len(kernel.arguments):
        raise source.error(
            node,
            f"kernel '{kernel.name}' has {counted(len(parameters.args), 'parameter')} and args=[...] gives "
            f"{len(kernel.arguments)}; give one for each",
        )
    for parameter, actual in zip(parameters.args, kernel.arguments, strict=True):
        if unusable := problem(parameter.arg, "parameter"):
            raise source.error(parameter, unusable)
        if parameter.annotation is None:
            raise source.error(
                parameter, f"parameter '{parameter.arg}' has no type; write {parameter.arg}: int32[1]"
            )
        type_ = read(parameter.annotation, kernel.function.names, source)
        given = region_arguments[actual]
        if type_ != given:
            raise source.error(
                parameter,
                f"parameter '{parameter.arg}' is {type_} and the region's '{actual}' is {given}; "
                f"the types must be equal",
            )
        argument = ctx.process.add_argument(parameter.arg, actual, given.element, given.ir)
        refusal = None
        if given.shape == (1,):
            refusal = "is a run-time scalar, sampled at start; copy it to a variable"
        ctx.scope.declare(parameter.arg, ArrayName(given, argument.ssa, refusal=refusal), parameter.lineno)


def settle_direction(process: Process, argument: Argument, source: Source, node: ast.AST) -> None:
    """``i`` for an array argument that is read, ``o`` for one that is written."""
    users = [use.operation for use in argument.ssa.uses]
    writes = any(not isinstance(user, memref.LoadOp) for user in users)
    reads = any(isinstance(user, memref.LoadOp) for user in users)
    if reads and writes:
        raise source.error(
            node,
            f"kernel '{process.kernel}' both reads and writes its argument '{argument.name}'; "
            f"read into a local array first, or use two arguments",
        )
    argument.direction = "o" if writes else ("i" if reads else "_")


def as_function(process: Process, symbol: str) -> func.FuncOp:
    """The process as a function with the attributes of ``docs/ir.md``."""
    inputs = [argument.ssa.type for argument in process.arguments]
    op = func.FuncOp(symbol, FunctionType.from_lists(inputs, []), Region(process.entry))
    op.attributes["fp.process"] = UnitAttr()
    op.attributes["arg_names"] = ArrayAttr([StringAttr(a.name) for a in process.arguments])
    op.attributes["itypes"] = StringAttr("".join("s" if a.element.signed else "u" for a in process.arguments))
    op.attributes["directions"] = StringAttr("".join(a.direction for a in process.arguments))
    for argument, ssa in zip(process.arguments, process.entry.args, strict=True):
        ssa.name_hint = hint(argument.name)
    return op
