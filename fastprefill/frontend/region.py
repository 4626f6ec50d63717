"""Lowers a dataflow region to a module: its streams, its kernels and who is connected to whom."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, FunctionType, IntegerAttr, ModuleOp, StringAttr, UnitAttr, i32
from xdsl.ir import Block, Operation, Region, SSAValue

from fastprefill.errors import KernelError
from fastprefill.frontend.annotations import integer, read
from fastprefill.frontend.dtypes import Array, Stream
from fastprefill.frontend.globals import Globals
from fastprefill.frontend.kernel import Kernel, lower_process
from fastprefill.frontend.names import hint, problem
from fastprefill.frontend.process import Process, stream_type
from fastprefill.frontend.schedule import Schedule
from fastprefill.frontend.sharing import share
from fastprefill.frontend.source import Function, function
from fastprefill.ir.dialect import CreateOp


@dataclass
class Parts:
    """What a region's body declares."""

    arguments: dict[str, Array] = field(default_factory=dict)
    streams: dict[str, Stream] = field(default_factory=dict)
    nodes: dict[str, ast.AST] = field(default_factory=dict)
    kernels: list[Kernel] = field(default_factory=list)
    helpers: dict[str, Function] = field(default_factory=dict)

    def flat(self) -> dict[str, Stream]:
        """Each single stream by its name with position, in the order of declaration."""
        result: dict[str, Stream] = {}
        for name, stream in self.streams.items():
            positions: list[tuple[int, ...]] = [()]
            for size in stream.shape:
                positions = [(*head, i) for head in positions for i in range(size)]
            for position in positions:
                result["_".join([name, *map(str, position)])] = stream
        return result


def lower(
    region: Callable[..., Any],
    *,
    name: str,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    schedule: Callable[[Any], None] | None = None,
    operators: Mapping[str, str] | None = None,
    slr: int = 0,
    domain: str = "kernel",
) -> ModuleOp:
    """The module of a dataflow region, in the form of ``docs/ir.md``.

    Args:
        region: function decorated with ``df.region()``; it is read, not called.
        name: the unit's name, the prefix of every symbol.
        inputs: streams that become input ports; the name of an array of streams means all of them.
        outputs: streams that become output ports.
        schedule: called with a ``Schedule``.
        operators: ``"kernel:variable"`` -> ``"dsp"`` or ``"fabric"``.
        slr: super logic region of the calls.
        domain: clock domain of the calls.

    Raises:
        KernelError: the program is outside the language; the text has file, line and column.
    """
    source = function(region, "the region")
    try:
        return _lower(source, name, (inputs, outputs), schedule, operators or {}, slr, domain)
    except KernelError as error:
        if error.src is not None:
            raise
        # Errors of the unit's description have no place in the kernel; they concern the region.
        raise KernelError(str(error), f"{source.source.shown}:{source.node.lineno}") from None


def _lower(
    source: Function,
    name: str,
    port_names: tuple[Sequence[str], Sequence[str]],
    schedule: Callable[[Any], None] | None,
    operators: Mapping[str, str],
    slr: int,
    domain: str,
) -> ModuleOp:
    if unusable := problem(name, "unit"):
        raise KernelError(unusable)
    parts = read_region(source)
    bindings = _operators(parts, operators)
    tables = Globals(name)
    processes: list[tuple[Kernel, tuple[int, ...], Process]] = []
    for kernel in parts.kernels:
        positions = kernel.positions()
        for position in positions:
            mesh = len(positions) > 1
            instance = "_".join([kernel.name, *map(str, position)]) if mesh else kernel.name
            process = Process(kernel.name, instance, mesh, tables, bindings.get(kernel.name, {}))
            lower_process(kernel, position, process, parts.arguments, parts.streams, parts.helpers)
            processes.append((kernel, position, process))
    _check_bound(bindings, [process for _, _, process in processes])
    ports = (_ports(parts, port_names[0], "input"), _ports(parts, port_names[1], "output"))
    _check_connections(source, parts, [process for _, _, process in processes], *ports)
    creates = _creates(parts, [p for _, _, p in processes], {*ports[0], *ports[1]}, source)
    if schedule is not None:
        schedule(Schedule([process for _, _, process in processes], creates))
    functions, symbols = share(name, [(k.name, process) for k, _, process in processes])
    top = _top(name, parts, [process for _, _, process in processes], symbols, creates, ports, slr, domain)
    module = ModuleOp([*tables.ops.values(), *functions, top])
    module.attributes["fp.unit"] = StringAttr(name)
    return module


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
    for statement in node.body:
        _statement(source, parts, statement)
    if not parts.kernels:
        raise where.error(
            node, f"region '{node.name}' has no kernel; write @df.kernel(mapping=[1]) above a function"
        )
    return parts


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
        if keyword.arg == "mapping" and isinstance(keyword.value, ast.List | ast.Tuple):
            elements = keyword.value.elts
            mapping = tuple(integer(e, source.names, where, "a dimension of the mapping") for e in elements)
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


def _operators(parts: Parts, operators: Mapping[str, str]) -> dict[str, dict[str, str]]:
    kernels = {kernel.name for kernel in parts.kernels}
    result: dict[str, dict[str, str]] = {}
    for target, where in operators.items():
        kernel, _, variable = target.partition(":")
        if kernel not in kernels or not variable:
            known = ", ".join(sorted(kernels))
            raise KernelError(
                f"operator binding '{target}'; write 'kernel:variable' with one of the kernels {known}"
            )
        if where not in ("dsp", "fabric"):
            raise KernelError(f"operator binding of '{target}' to {where!r}; write 'dsp' or 'fabric'")
        result.setdefault(kernel, {})[variable] = where
    return result


def _check_bound(bindings: Mapping[str, Mapping[str, str]], processes: Sequence[Process]) -> None:
    for kernel, variables in bindings.items():
        bound = {name for process in processes if process.kernel == kernel for name in process.bound}
        for variable in variables:
            if variable not in bound:
                raise KernelError(
                    f"operator binding '{kernel}:{variable}': kernel '{kernel}' assigns no variable '{variable}'; "
                    f"name the variable that the product is assigned to"
                )


def _ports(parts: Parts, names: Sequence[str], what: str) -> list[str]:
    """Single streams, in the unit's order."""
    flat = parts.flat()
    result: list[str] = []
    for name in names:
        if name in parts.streams and parts.streams[name].shape:
            found = [single for single, stream in flat.items() if stream is parts.streams[name]]
        elif name in flat:
            found = [name]
        else:
            known = ", ".join(parts.streams) or "none"
            raise KernelError(f"{what} port '{name}' is not a stream of the region; its streams: {known}")
        for single in found:
            if isinstance(flat[single].token, Array):
                raise KernelError(
                    f"{what} port '{single}' is a block stream; a port carries words: put the elements one by one"
                )
            if single in result:
                raise KernelError(f"{what} port '{single}' is named twice; name each port once")
            result.append(single)
    return result


def _check_connections(
    source: Function,
    parts: Parts,
    processes: Sequence[Process],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> None:
    """Every stream has exactly one writer and one reader among the processes and ports."""
    ends: dict[str, dict[str, list[str]]] = {name: {"o": [], "i": []} for name in parts.flat()}
    for process in processes:
        for argument in process.arguments:
            if argument.actual in ends:
                ends[argument.actual][argument.direction].append(f"kernel '{process.instance}'")
    for name in inputs:
        ends[name]["o"].append("the input port")
    for name in outputs:
        ends[name]["i"].append("the output port")
    bases = {
        single: base for base in parts.streams for single in Parts(streams={base: parts.streams[base]}).flat()
    }
    for name, both in ends.items():
        for direction, verb, port in (("o", "writes", "inputs"), ("i", "reads", "outputs")):
            found = both[direction]
            if len(found) == 1:
                continue
            node = parts.nodes[bases[name]]
            if not found:
                raise source.source.error(
                    node,
                    f"nothing {verb} stream '{name}'; use it in a kernel or name it in the unit's {port}",
                )
            raise source.source.error(
                node,
                f"{len(found)} kernels or ports {verb[:-1]} stream '{name}' ({', '.join(found)}); "
                f"a stream connects one writer to one reader: declare a stream for each",
            )


def _creates(
    parts: Parts, processes: Sequence[Process], ports: set[str], source: Function
) -> dict[str, Operation]:
    result: dict[str, Operation] = {}
    for name, stream in parts.flat().items():
        if name in ports:
            continue
        op = CreateOp(name, stream_type(stream), unsigned=not stream.element.signed)
        base = next(b for b, s in parts.streams.items() if s is stream)
        op.attributes["src"] = StringAttr(source.source.line(parts.nodes[base]))
        if isinstance(stream.token, Array):
            op.attributes["partition"] = ArrayAttr([StringAttr("none")] * len(stream.token.shape))
            _place_blocks(op, name, stream.token, processes)
        result[name] = op
    return result


def _place_blocks(op: Operation, name: str, token: Array, processes: Sequence[Process]) -> None:
    """Storage of a block stream's buffers, from its declaration or from either end's."""
    wanted = [token] + [type_ for p in processes for stream, type_, _ in p.placed if stream == name]
    for key in ("storage", "storage_type"):
        values = {getattr(type_, key) for type_ in wanted} - {None}
        if len(values) > 1:
            raise KernelError(
                f"the blocks of stream '{name}' are placed in {' and '.join(sorted(values))}; keep one @ Memory(...)"
            )
        if values:
            op.attributes[key] = StringAttr(values.pop())


def _top(
    name: str,
    parts: Parts,
    processes: Sequence[Process],
    symbols: Mapping[str, str],
    creates: Mapping[str, Operation],
    ports: tuple[list[str], list[str]],
    slr: int,
    domain: str,
) -> func.FuncOp:
    flat = parts.flat()
    port_names = [*ports[0], *ports[1]]
    names = [*parts.arguments, *port_names]
    types = [*(a.ir for a in parts.arguments.values()), *(stream_type(flat[p]) for p in port_names)]
    elements = [*(a.element for a in parts.arguments.values()), *(flat[p].element for p in port_names)]
    entry = Block(arg_types=types)
    known: dict[str, SSAValue] = dict(zip(names, entry.args, strict=True))
    for arg_name, ssa in known.items():
        ssa.name_hint = hint(arg_name)
    for stream, op in creates.items():
        op.results[0].name_hint = hint(stream)
        known[stream] = op.results[0]
        entry.add_op(op)
    used: dict[str, set[str]] = {argument: set() for argument in parts.arguments}
    for process in processes:
        call = func.CallOp(symbols[process.instance], [known[a.actual] for a in process.arguments], [])
        call.attributes["instance"] = StringAttr(process.instance)
        call.attributes["slr"] = IntegerAttr(slr, i32)
        call.attributes["domain"] = StringAttr(domain)
        entry.add_op(call)
        for argument in process.arguments:
            if argument.actual in used:
                used[argument.actual].add(argument.direction)
    entry.add_op(func.ReturnOp())
    letters = [("o" if "o" in used[a] else "i" if "i" in used[a] else "_") for a in parts.arguments]
    top = func.FuncOp(name, FunctionType.from_lists(types, []), Region(entry))
    top.attributes["fp.region"] = UnitAttr()
    top.attributes["arg_names"] = ArrayAttr([StringAttr(n) for n in names])
    top.attributes["itypes"] = StringAttr("".join("s" if e.signed else "u" for e in elements))
    top.attributes["directions"] = StringAttr("".join(letters) + "i" * len(ports[0]) + "o" * len(ports[1]))
    return top
