"""A system: units and the streams between them, linked in the IR."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, FunctionType, IntegerAttr, ModuleOp, StringAttr, UnitAttr, i32
from xdsl.ir import Block, Operation, Region, SSAValue

from fastprefill.errors import FastprefillError
from fastprefill.frontend.names import hint, problem
from fastprefill.ir.dialect import CreateOp, StreamType
from fastprefill.ir.query import is_scalar_argument
from fastprefill.system.build import build_unit
from fastprefill.system.depths import equalise_depths
from fastprefill.system.limits import AT_MOST, ATTRIBUTE, AtMost, Limits, at_most_of, attach, limits_of
from fastprefill.system.mover import Memory
from fastprefill.system.unit import Unit

Connection = tuple[str, str, int]
"""``("mpu.c", "requant.x", 4)``: output port, input port, least depth of the stream between."""


@dataclass(frozen=True)
class System:
    """Units and their connections.

    Attributes:
        name: prefix of the top module; a C and SystemVerilog identifier.
        units: instance name -> unit. Units that are equal but for their SLR are built once: give several instances
            one `Unit` object, or copies of it with `slr` replaced.
        connections: streams from an output port to an input port. Ports that are not connected become ports
            of the system, named ``<instance>_<port>``, as do the scalars.
        parameters: what the system was generated from.
        names: ``"instance.port"`` -> another name for a port or scalar of the system. Scalars of several instances
            with one name are one scalar; it has the limits that all of them allow.
        memory: movers for its commands and beats; None for a system that has none.
    """

    name: str
    units: Mapping[str, Unit]
    connections: tuple[Connection, ...] = ()
    parameters: Mapping[str, int | str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    memory: Memory | None = None


@dataclass(frozen=True)
class _Port:
    """An argument of one instance's region."""

    instance: str
    name: str
    type: object
    letter: str
    direction: str
    ssa: SSAValue
    given: str | None = None

    @property
    def flat(self) -> str:
        return self.given or f"{self.instance}_{self.name}"

    @property
    def is_scalar(self) -> bool:
        return is_scalar_argument(self.ssa)


def link(system: System) -> ModuleOp:
    """One module with every unit's functions and a top region that calls the units' regions.

    Raises:
        FastprefillError: unknown or doubly used ports, unequal types, clashing names.
    """
    _check_name(system.name, "system")
    if not system.units:
        raise FastprefillError(f"system '{system.name}' has no units; give at least one")
    modules, regions = _build(system)
    ports = {
        f"{instance}.{port.name}": port
        for instance in system.units
        for port in _ports(instance, regions[instance], system.names)
    }
    for name in system.names:
        if name not in ports:
            raise FastprefillError(
                f"system '{system.name}' gives '{name}' a name; it has no such port, only {', '.join(ports)}"
            )
    streams = _connections(system, ports)
    top = _top(system, regions, ports, streams)
    ops: list[Operation] = []
    for module in modules:
        for op in list(module.body.block.ops):
            op.detach()
            ops.append(op)
    ops.sort(key=lambda op: op.name != "memref.global")
    linked = ModuleOp([*ops, top])
    linked.attributes["fp.unit"] = StringAttr(system.name)
    equalise_depths(linked)
    return linked


def _check_name(name: str, what: str, *, port: bool = False) -> None:
    if unusable := problem(name, what, port=port):
        raise FastprefillError(unusable)


def _build(system: System) -> tuple[list[ModuleOp], dict[str, func.FuncOp]]:
    """The modules of the distinct units, and the region that each instance calls.

    Where an instance is placed is said by the call of the top region alone: units that differ in nothing else are one
    module, whose own calls say nothing of it.
    """
    modules: dict[str, ModuleOp] = {}
    names: dict[str, Unit] = {}
    regions: dict[str, func.FuncOp] = {}
    for instance, unit in system.units.items():
        _check_name(instance, "instance")
        if unit.name == system.name:
            raise FastprefillError(
                f"system '{system.name}' has a unit of the same name; give the system another name"
            )
        anywhere = replace(unit, slr=0)
        if names.setdefault(unit.name, anywhere) != anywhere:
            raise FastprefillError(
                f"system '{system.name}' has two different units named '{unit.name}'; give them different names, "
                f"or use one Unit object for both instances (a copy may have another slr)"
            )
        if unit.name not in modules:
            modules[unit.name] = build_unit(anywhere)
            for op in modules[unit.name].walk():
                op.attributes.pop("slr", None)
        region = modules[unit.name].body.block.last_op
        assert isinstance(region, func.FuncOp)
        regions[instance] = region
    _check_symbols(list(modules.values()))
    return list(modules.values()), regions


def _check_symbols(modules: list[ModuleOp]) -> None:
    seen: dict[str, str] = {}
    for module in modules:
        unit = module.attributes["fp.unit"]
        assert isinstance(unit, StringAttr)
        for op in module.body.block.ops:
            symbol = op.properties["sym_name"]
            assert isinstance(symbol, StringAttr)
            if symbol.data in seen:
                raise FastprefillError(
                    f"units '{seen[symbol.data]}' and '{unit.data}' both make a module '{symbol.data}'; rename one"
                )
            seen[symbol.data] = unit.data


def _ports(instance: str, region: func.FuncOp, given: Mapping[str, str]) -> list[_Port]:
    names, letters, directions = (region.attributes[key] for key in ("arg_names", "itypes", "directions"))
    assert (
        isinstance(names, ArrayAttr)
        and isinstance(letters, StringAttr)
        and isinstance(directions, StringAttr)
    )
    return [
        _Port(instance, name.data, ssa.type, letter, direction, ssa, given.get(f"{instance}.{name.data}"))
        for name, letter, direction, ssa in zip(
            names, letters.data, directions.data, region.body.block.args, strict=True
        )
    ]


def _connections(system: System, ports: Mapping[str, _Port]) -> dict[str, tuple[str, StreamType, bool]]:
    """Each connected port -> (name of its stream, type, unsigned)."""
    result: dict[str, tuple[str, StreamType, bool]] = {}
    for source, sink, depth in system.connections:
        for name, direction, what in ((source, "o", "output"), (sink, "i", "input")):
            port = ports.get(name)
            if port is None or not isinstance(port.type, StreamType) or port.direction != direction:
                known = ", ".join(
                    n for n, p in ports.items() if p.direction == direction and isinstance(p.type, StreamType)
                )
                raise FastprefillError(
                    f"connection {source} -> {sink}: '{name}' is not an {what} port; {what} ports: {known or 'none'}"
                )
            if name in result:
                raise FastprefillError(
                    f"connection {source} -> {sink}: port '{name}' is connected twice; use a stream for each"
                )
        writer, reader = ports[source], ports[sink]
        assert isinstance(writer.type, StreamType) and isinstance(reader.type, StreamType)
        if writer.type.element_type != reader.type.element_type:
            raise FastprefillError(
                f"connection {source} -> {sink}: {writer.type.element_type} into {reader.type.element_type}; "
                f"the words must have the same width"
            )
        if depth < 1:
            raise FastprefillError(f"connection {source} -> {sink} with depth {depth}; the least is 1")
        deepest = max(depth, writer.type.depth.data, reader.type.depth.data)
        type_ = StreamType(writer.type.element_type, deepest)
        stream = (writer.flat, type_, writer.letter == "u")
        result[source] = result[sink] = stream
    return result


def _order(port: _Port) -> int:
    """Arrays and scalars first, then inputs, then outputs."""
    return 1 + "io".index(port.direction) if isinstance(port.type, StreamType) else 0


def _shared(system: System, outer: list[_Port]) -> list[_Port]:
    """Without the scalars that share the name of one before."""
    first: dict[str, _Port] = {}
    kept = []
    for port in outer:
        other = first.setdefault(port.flat, port)
        if port.is_scalar and other.is_scalar and port.given and other.given and port is not other:
            if (port.ssa.type, port.letter) != (other.ssa.type, other.letter):
                raise FastprefillError(
                    f"system '{system.name}': the scalars '{other.instance}.{other.name}' and "
                    f"'{port.instance}.{port.name}' share the name '{port.flat}' and differ in type"
                )
            continue
        kept.append(port)
    return kept


def _common(
    system: System, ports: Mapping[str, _Port], limits: Mapping[str, Limits], at_most: Mapping[str, AtMost]
) -> tuple[Limits, dict[str, list[str]]]:
    """The limits of the system's scalars, and those that they are at most: what every instance allows."""
    found: Limits = {}
    others: dict[str, list[str]] = {}
    for port in ports.values():
        if port.name in limits[port.instance]:
            low, high = limits[port.instance][port.name]
            least, most = found.get(port.flat, (low, high))
            found[port.flat] = max(low, least), min(high, most)
            if found[port.flat][0] > found[port.flat][1]:
                raise FastprefillError(
                    f"system '{system.name}': no value of the scalar '{port.flat}' is within the limits of all units"
                )
        for name in at_most[port.instance].get(port.name, ()):
            other = ports[f"{port.instance}.{name}"].flat
            if other != port.flat:  # else both are one scalar here
                others.setdefault(port.flat, []).append(other)
    return found, others


def _top(
    system: System,
    regions: Mapping[str, func.FuncOp],
    ports: Mapping[str, _Port],
    streams: Mapping[str, tuple[str, StreamType, bool]],
) -> func.FuncOp:
    outer = sorted((port for name, port in ports.items() if name not in streams), key=_order)
    outer = _shared(system, outer)
    flat = [port.flat for port in outer]
    for name in {*flat, *(stream for stream, _, _ in streams.values())}:
        _check_name(name, "port", port=True)
        if flat.count(name) > 1:
            raise FastprefillError(
                f"system '{system.name}' gets two ports named '{name}'; rename an instance"
            )
    entry = Block(arg_types=[port.ssa.type for port in outer])
    arguments = dict(zip(flat, entry.args, strict=True))
    for name, ssa in arguments.items():
        ssa.name_hint = hint(name)
    known: dict[str, SSAValue] = {
        name: arguments[port.flat] for name, port in ports.items() if name not in streams
    }
    created: dict[str, SSAValue] = {}
    for name, (stream, type_, unsigned) in streams.items():
        if stream not in created:
            create = CreateOp(stream, type_, unsigned=unsigned)
            create.stream.name_hint = hint(stream)
            entry.add_op(create)
            created[stream] = create.stream
        known[name] = created[stream]
    for instance, unit in system.units.items():
        region = regions[instance]
        values = [known[f"{instance}.{port.name}"] for port in _ports(instance, region, {})]
        call = func.CallOp(region.sym_name.data, values, [])
        call.attributes["instance"] = StringAttr(instance)
        call.attributes["slr"] = IntegerAttr(unit.slr, i32)
        call.attributes["domain"] = StringAttr(unit.domain)
        entry.add_op(call)
    entry.add_op(func.ReturnOp())
    top = func.FuncOp(system.name, FunctionType.from_lists([p.ssa.type for p in outer], []), Region(entry))
    top.attributes["fp.region"] = UnitAttr()
    top.attributes["arg_names"] = ArrayAttr([StringAttr(name) for name in flat])
    top.attributes["itypes"] = StringAttr("".join(port.letter for port in outer))
    top.attributes["directions"] = StringAttr("".join(port.direction for port in outer))
    limits = {instance: limits_of(region) for instance, region in regions.items()}
    at_most = {instance: at_most_of(region) for instance, region in regions.items()}
    attach(top, *_common(system, ports, limits, at_most))
    for region in regions.values():
        for attribute in (ATTRIBUTE, AT_MOST):
            region.attributes.pop(attribute, None)  # checked once, where the system starts
    return top
