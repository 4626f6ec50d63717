"""Who is connected to whom in a region: ports, streams, calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, FunctionType, IntegerAttr, StringAttr, UnitAttr, i32
from xdsl.ir import Block, Operation, Region, SSAValue

from fastprefill.errors import KernelError
from fastprefill.frontend.dtypes import Array
from fastprefill.frontend.names import hint
from fastprefill.frontend.parts import Parts
from fastprefill.frontend.process import Process, stream_type
from fastprefill.frontend.source import Function
from fastprefill.ir.dialect import CreateOp


def ports(parts: Parts, names: Sequence[str], what: str) -> list[str]:
    """Single streams, in the unit's order."""
    flat = parts.flat()
    result: list[str] = []
    for name in names:
        if name in parts.streams and parts.streams[name].shape:
            found = [single for single, base, _ in parts.singles() if base == name]
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


def check(
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


def creates(
    parts: Parts, processes: Sequence[Process], ports: set[str], source: Function
) -> dict[str, Operation]:
    result: dict[str, Operation] = {}
    for name, base, stream in parts.singles():
        if name in ports:
            continue
        op = CreateOp(name, stream_type(stream), unsigned=not stream.element.signed)
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


def top(
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
    # one that no kernel takes, perhaps as `meta_if` left that kernel out, is no argument
    taken = {argument.actual for process in processes for argument in process.arguments}
    arguments = {name: array for name, array in parts.arguments.items() if name in taken}
    names = [*arguments, *port_names]
    types = [*(a.ir for a in arguments.values()), *(stream_type(flat[p]) for p in port_names)]
    elements = [*(a.element for a in arguments.values()), *(flat[p].element for p in port_names)]
    entry = Block(arg_types=types)
    known: dict[str, SSAValue] = dict(zip(names, entry.args, strict=True))
    for arg_name, ssa in known.items():
        ssa.name_hint = hint(arg_name)
    for stream, op in creates.items():
        op.results[0].name_hint = hint(stream)
        known[stream] = op.results[0]
        entry.add_op(op)
    used: dict[str, set[str]] = {argument: set() for argument in arguments}
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
    letters = [("o" if "o" in used[a] else "i" if "i" in used[a] else "_") for a in arguments]
    top = func.FuncOp(name, FunctionType.from_lists(types, []), Region(entry))
    top.attributes["fp.region"] = UnitAttr()
    top.attributes["arg_names"] = ArrayAttr([StringAttr(n) for n in names])
    top.attributes["itypes"] = StringAttr("".join("s" if e.signed else "u" for e in elements))
    top.attributes["directions"] = StringAttr("".join(letters) + "i" * len(ports[0]) + "o" * len(ports[1]))
    return top
