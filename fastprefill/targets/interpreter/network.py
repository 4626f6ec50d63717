"""Regions flattened to processes and streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from xdsl.dialects import func
from xdsl.dialects.builtin import MemRefType, ModuleOp, StringAttr
from xdsl.ir import SSAValue

from fastprefill.errors import FastprefillError
from fastprefill.ir import query
from fastprefill.ir.dialect import BlocksType, CreateOp, StreamType
from fastprefill.system.limits import refused_of


@dataclass(frozen=True, eq=False)
class StreamSpec:
    """A stream or block stream of the flattened network.

    Attributes:
        name: the user's name; streams of a region inside another carry ``<instance>.`` in front.
        width: bits of a token or of a block's element.
        depth: tokens or buffers.
        block: shape of a block; None for a stream of scalar tokens.
        port: True for a stream of the top region's arguments.
    """

    name: str
    width: int
    depth: int
    block: tuple[int, ...] | None
    port: bool


@dataclass(frozen=True, eq=False)
class ArraySpec:
    """An array or run-time scalar of the top region."""

    name: str
    width: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ProcessSpec:
    """A process: its name, its function and what each argument is bound to.

    `refused` is None for a process that does not run when a start is refused; else the values of its scalars then, by
    the position of the argument.
    """

    name: str
    function: str
    arguments: tuple[StreamSpec | ArraySpec, ...]
    refused: Mapping[int, int] | None


@dataclass(frozen=True)
class Network:
    """All processes of a module, with the arguments of its top region in order."""

    name: str
    processes: tuple[ProcessSpec, ...]
    arguments: tuple[StreamSpec | ArraySpec, ...]


def flatten(module: ModuleOp) -> Network:
    """The network of the module's last function, regions inside it dissolved.

    Raises:
        FastprefillError: there is no region, or a call names no function.
    """
    functions = {op.sym_name.data: op for op in module.ops if isinstance(op, func.FuncOp)}
    tops = [op for op in functions.values() if "fp.region" in op.attributes or "fp.process" in op.attributes]
    if not tops:
        raise FastprefillError("the module has no fp.region and no fp.process, so there is nothing to run")
    top = tops[-1]
    arguments = tuple(_argument(argument) for argument in top.args)
    bound: dict[SSAValue, StreamSpec | ArraySpec] = dict(zip(top.args, arguments, strict=True))
    processes = tuple(_processes(functions, top, bound, ""))
    return Network(top.sym_name.data, processes, arguments)


def _argument(argument: SSAValue) -> StreamSpec | ArraySpec:
    name = query.array_name(argument)
    if isinstance(argument.type, MemRefType):
        return ArraySpec(name, query.width(query.element_type(argument.type)), argument.type.get_shape())
    return _stream(name, argument, port=True)


def _stream(name: str, stream: SSAValue, *, port: bool) -> StreamSpec:
    kind = stream.type
    if not isinstance(kind, StreamType | BlocksType):
        raise FastprefillError(
            f"'{name}' has the type {kind}; an argument of a region is a stream or an array"
        )
    block = kind.block_type.get_shape() if isinstance(kind, BlocksType) else None
    return StreamSpec(name, query.width(query.element_type(kind)), kind.depth.data, block, port)


def _processes(
    functions: Mapping[str, func.FuncOp],
    function: func.FuncOp,
    bound: dict[SSAValue, StreamSpec | ArraySpec],
    prefix: str,
    refused: Mapping[SSAValue, int] | None = None,
) -> Iterator[ProcessSpec]:
    """Processes of `function`; `prefix` is the path of instances to it, empty at the top.

    `refused` has the scalars of the function in a refused start, where what calls it runs then.
    """
    if refused is None and (own := refused_of(function)) is not None:
        refused = {a: own[query.array_name(a)] for a in function.args if query.is_scalar_argument(a)}
    if "fp.process" in function.attributes:
        at = None if refused is None else {function.args.index(a): value for a, value in refused.items()}
        yield ProcessSpec(function.sym_name.data, function.sym_name.data, tuple(bound.values()), at)
        return
    unit = prefix or function.sym_name.data
    for op in function.body.block.ops:
        if isinstance(op, CreateOp):
            name = f"{prefix}.{op.stream_name.data}" if prefix else op.stream_name.data
            bound[op.stream] = _stream(name, op.stream, port=False)
        elif isinstance(op, func.CallOp):
            callee = functions.get(op.callee.string_value())
            if callee is None:
                raise FastprefillError(
                    f"region '{unit}' calls '{op.callee.string_value()}', which is not in the module"
                )
            instance = op.attributes.get("instance")
            label = instance.data if isinstance(instance, StringAttr) else op.callee.string_value()
            arguments = tuple(bound[argument] for argument in op.arguments)
            passed = (
                None
                if refused is None
                else {n: refused[argument] for n, argument in enumerate(op.arguments) if argument in refused}
            )
            if "fp.process" in callee.attributes:
                yield ProcessSpec(f"{unit}_{label}", callee.sym_name.data, arguments, passed)
            else:
                inner: dict[SSAValue, StreamSpec | ArraySpec] = dict(zip(callee.args, arguments, strict=True))
                path = f"{prefix}.{label}" if prefix else label
                scalars: dict[SSAValue, int] | None = None
                if passed is not None:
                    scalars = {callee.args[n]: value for n, value in passed.items()}
                yield from _processes(functions, callee, inner, path, scalars)
        elif op.name != "func.return":
            raise FastprefillError(
                f"region '{unit}' has the op '{op.name}'; a region has fp.create and func.call only"
            )
