"""Reads the MLIR that a real Allo hands on into the IR of ``docs/ir.md``.

Allo gives one function per kernel instance (``pe_0_1``, attributes ``df.kernel`` and ``itypes``), streams as
arguments, affine and scf loops, and a top function that constructs the streams and calls the instances.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xdsl.dialects import func
from xdsl.dialects.builtin import MemRefType, ModuleOp, StringAttr
from xdsl.ir import Operation, SSAValue
from xdsl.parser import Parser
from xdsl.utils.exceptions import ParseError

from fastprefill.errors import KernelError
from fastprefill.frontend import allo_dialect, connections, tables
from fastprefill.frontend.allo_body import Body
from fastprefill.frontend.allo_dialect import AlloStream, Global, StreamConstruct
from fastprefill.frontend.bindings import check_bound, split_operators
from fastprefill.frontend.cleanup import remove_dead
from fastprefill.frontend.dtypes import Array, Scalar, Stream
from fastprefill.frontend.emit import Emitter
from fastprefill.frontend.globals import Globals
from fastprefill.frontend.kernel import settle_direction
from fastprefill.frontend.names import problem
from fastprefill.frontend.parts import Parts
from fastprefill.frontend.process import Process, stream_type
from fastprefill.frontend.schedule import Schedule
from fastprefill.frontend.sharing import share
from fastprefill.frontend.source import Function, Source

_INSTANCE = re.compile(r"(?P<kernel>.*?)(?P<position>(_\d+)+)\Z")


def read(
    text: str,
    *,
    name: str,
    arguments: Sequence[str] | None = None,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    schedule: Callable[[Any], None] | None = None,
    operators: Mapping[str, str] | None = None,
    slr: int = 0,
    domain: str = "kernel",
    path: str = "allo.mlir",
) -> ModuleOp:
    """The module of a dataflow program in Allo's MLIR.

    Args:
        text: what Allo prints for a customised region.
        name: the unit's name.
        arguments: names of the region's arguments, which Allo does not print; ``arg0``, ... when None.
        path: shown in messages.

    The others are those of ``fastprefill.frontend.lower``.

    Raises:
        KernelError: text that is not MLIR of this form.
    """
    try:
        parsed = Parser(allo_dialect.context(), text, path).parse_module()
    except ParseError as error:
        raise KernelError(
            f"Allo's MLIR cannot be read: {str(error).strip().splitlines()[-1].strip()}", path
        ) from None
    functions = [op for op in parsed.body.block.ops if isinstance(op, func.FuncOp)]
    kernels = {op.sym_name.data: op for op in functions if "df.kernel" in op.attributes}
    tops = [op for op in functions if "dataflow" in op.attributes or _calls(op)]
    if len(tops) != 1 or not kernels:
        raise KernelError(
            f"Allo's MLIR has {len(tops)} functions that call kernels and {len(kernels)} functions marked df.kernel; "
            f"give the module of one dataflow region (df.customize(region).module)",
            path,
        )
    top = tops[0]
    source = Function(Source(path), ast.parse("def region(): pass").body[0], {})  # type: ignore[arg-type]
    parts = _parts(top, arguments, source)
    contents = {op.sym_name.data: op for op in parsed.body.block.ops if isinstance(op, Global)}
    bases = _kernel_names([call.callee.root_reference.data for call in _calls(top)])
    bindings = split_operators(set(bases.values()), operators or {})
    reserved = {f"{name}_{instance}" for pair in bases.items() for instance in pair}
    globals_ = Globals(name, frozenset(reserved))
    processes = [
        _process(call, kernels, bases, parts, globals_, contents, bindings, top, source)
        for call in _calls(top)
    ]
    check_bound(bindings, processes)
    ports = (connections.ports(parts, inputs, "input"), connections.ports(parts, outputs, "output"))
    connections.check(source, parts, processes, *ports)
    creates = connections.creates(parts, processes, {*ports[0], *ports[1]}, source)
    for process in processes:
        _partition_blocks(process, creates)
    if schedule is not None:
        schedule(Schedule(processes, creates))
    shared, symbols = share(name, processes)
    region = connections.top(name, parts, processes, symbols, creates, ports, slr, domain)
    module = ModuleOp([*globals_.ops.values(), *shared, region])
    module.attributes["fp.unit"] = StringAttr(name)
    return module


def _calls(op: func.FuncOp) -> list[func.CallOp]:
    return [inner for inner in op.body.block.ops if isinstance(inner, func.CallOp)]


def _kernel_names(instances: Sequence[str]) -> dict[str, str]:
    """Instance -> kernel: the name without the position."""
    result = {}
    for instance in instances:
        match = _INSTANCE.match(instance)
        result[instance] = match["kernel"] if match else instance
    return result


def _name_of(op: Operation, default: str) -> str:
    given = op.attributes.get("name")
    return given.data if isinstance(given, StringAttr) else default


def _letters(op: func.FuncOp) -> str:
    given = op.attributes.get("itypes")
    return given.data if isinstance(given, StringAttr) else "s" * len(op.body.block.args)


def _parts(top: func.FuncOp, arguments: Sequence[str] | None, source: Function) -> Parts:
    parts = Parts()
    given = list(arguments) if arguments is not None else [f"arg{i}" for i in range(len(top.body.block.args))]
    if len(given) != len(top.body.block.args):
        raise KernelError(
            f"Allo's MLIR has a region of {len(top.body.block.args)} arguments and {len(given)} names were given; "
            f"give one for each",
            source.source.path,
        )
    for arg_name, letter, ssa in zip(given, _letters(top), top.body.block.args, strict=False):
        parts.arguments[arg_name] = _array(ssa.type, letter != "u")
    for op in top.body.block.ops:
        if isinstance(op, StreamConstruct):
            stream_name = _name_of(op, f"stream{len(parts.streams)}")
            if unusable := problem(stream_name, "stream", port=True):
                raise KernelError(unusable, source.source.path)
            parts.streams[stream_name] = stream_of(op.stream.type, "unsigned" not in op.attributes)
            parts.nodes[stream_name] = source.node
    return parts


def _array(type_: object, signed: bool) -> Array:
    if not isinstance(type_, MemRefType):
        raise KernelError(
            f"an argument of type {type_} in Allo's MLIR; arguments are arrays, T[1] for a scalar"
        )
    return Array(Scalar(type_.element_type.width.data, signed), type_.get_shape())


def stream_of(type_: object, signed: bool) -> Stream:
    """The stream that ``!allo.stream<...>`` means."""
    assert isinstance(type_, AlloStream)
    if isinstance(type_.base, MemRefType):
        return Stream(_array(type_.base, signed), type_.depth.data)
    return Stream(Scalar(type_.base.width.data, signed), type_.depth.data)  # type: ignore[attr-defined]


def _process(
    call: func.CallOp,
    kernels: Mapping[str, func.FuncOp],
    bases: Mapping[str, str],
    parts: Parts,
    globals_: Globals,
    contents: Mapping[str, Global],
    bindings: Mapping[str, dict[str, str]],
    top: func.FuncOp,
    source: Function,
) -> Process:
    """One kernel instance."""
    instance = call.callee.root_reference.data
    callee = kernels.get(instance)
    if callee is None:
        raise KernelError(f"Allo's MLIR calls '{instance}', which is not marked df.kernel; call kernels only")
    kernel = bases[instance]
    mesh = list(bases.values()).count(kernel) > 1
    process = Process(kernel, instance if mesh else kernel, mesh, globals_, bindings.get(kernel, {}))
    emit = Emitter(process.entry)
    values: dict[SSAValue, SSAValue] = {}
    actuals = _actuals(top, parts)
    for inner, outer, letter in zip(callee.body.block.args, call.arguments, _letters(callee), strict=False):
        actual = actuals[outer]
        if isinstance(inner.type, AlloStream):
            stream = parts.streams[actual]
            argument = process.add_argument(actual, actual, stream.element, stream_type(stream))
        else:
            array = _array(inner.type, letter != "u")
            argument = process.add_argument(actual, actual, array.element, array.ir)
        values[inner] = argument.ssa
    body = Body(emit, process, values, contents, source.source.path)
    body.block(callee.body.block)
    tables.settle(process, emit.constant)
    emit.add(func.ReturnOp())
    remove_dead(process.entry)
    emit.finish()
    if mesh:
        _position_free(process)
    for argument in process.arguments:
        if argument.direction == "_":
            settle_direction(process, argument, source.source, source.node)
    return process


def _actuals(top: func.FuncOp, parts: Parts) -> dict[SSAValue, str]:
    names: dict[SSAValue, str] = dict(zip(top.body.block.args, parts.arguments, strict=True))
    streams = [op.stream for op in top.body.block.ops if isinstance(op, StreamConstruct)]
    return {**names, **dict(zip(streams, parts.streams, strict=True))}


def _position_free(process: Process) -> None:
    """Name the streams of a mesh's instance without positions, so that instances can share one body."""
    taken: set[str] = set()
    for argument in process.arguments:
        match = _INSTANCE.match(argument.actual)
        if match and argument.direction in "io":
            argument.name = f"{match['kernel']}_{'in' if argument.direction == 'i' else 'out'}"
        unique, number = argument.name, 1
        while unique in taken:
            unique, number = f"{argument.name}_{number}", number + 1
        argument.name = unique
        taken.add(unique)


def _partition_blocks(process: Process, creates: Mapping[str, Operation]) -> None:
    """Partitions that Allo recorded in the types of blocks belong to their stream."""
    for stream, words in process.block_partitions.items():
        if stream in creates:
            creates[stream].attributes["partition"] = words
