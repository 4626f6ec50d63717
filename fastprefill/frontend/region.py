"""Lowers a dataflow region to a module."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xdsl.dialects.builtin import ModuleOp, StringAttr

from fastprefill.errors import KernelError
from fastprefill.frontend import connections
from fastprefill.frontend.bindings import check_bound, split_operators
from fastprefill.frontend.globals import Globals
from fastprefill.frontend.kernel import Kernel, lower_process
from fastprefill.frontend.names import problem
from fastprefill.frontend.parts import Parts, read_region
from fastprefill.frontend.process import Process
from fastprefill.frontend.replicate import position_names, twin
from fastprefill.frontend.schedule import Schedule
from fastprefill.frontend.sharing import share
from fastprefill.frontend.source import Function, function


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
    bindings = split_operators({kernel.name for kernel in parts.kernels}, operators)
    _check_names(source, parts)
    tables = Globals(name, frozenset(f"{name}_{instance}" for k in parts.kernels for instance in _names(k)))
    processes = [
        process for kernel in parts.kernels for process in _instances(kernel, parts, tables, bindings)
    ]
    check_bound(bindings, processes)
    ports = (
        connections.ports(parts, port_names[0], "input"),
        connections.ports(parts, port_names[1], "output"),
    )
    connections.check(source, parts, processes, *ports)
    creates = connections.creates(parts, processes, {*ports[0], *ports[1]}, source)
    if schedule is not None:
        schedule(Schedule(processes, creates))
    functions, symbols = share(name, processes)
    top = connections.top(name, parts, processes, symbols, creates, ports, slr, domain)
    module = ModuleOp([*tables.ops.values(), *functions, top])
    module.attributes["fp.unit"] = StringAttr(name)
    return module


def _instances(
    kernel: Kernel, parts: Parts, tables: Globals, bindings: Mapping[str, dict[str, str]]
) -> list[Process]:
    """The instances of a kernel; one whose body must equal an earlier one's is not lowered again."""
    source, positions, flat = kernel.function.source, kernel.positions(), parts.flat()
    names = position_names(kernel.function.node, parts.streams)
    movable = names is not None and len(names) in (0, len(kernel.mapping))
    lowered: list[Process] = []
    result: list[Process] = []
    for position in positions:
        instance, values = kernel.instance(position), dict(zip(names or [], position, strict=False))
        twins = (twin(first, instance, values, flat, source) for first in lowered if movable)
        process = next((found for found in twins if found is not None), None)
        if process is None:
            process = Process(
                kernel.name, instance, len(positions) > 1, tables, bindings.get(kernel.name, {})
            )
            lower_process(kernel, position, process, parts.arguments, parts.streams, parts.helpers)
            lowered.append(process)
        result.append(process)
    return result


def _names(kernel: Kernel) -> list[str]:
    """The kernel's name and those of its instances."""
    return list(dict.fromkeys([kernel.name, *map(kernel.instance, kernel.positions())]))


def _check_names(source: Function, parts: Parts) -> None:
    """Names with positions, and the wires of ports, must differ from every other name."""
    names = [
        *parts.arguments,
        *(single for single, _, _ in parts.singles()),
        *(name for kernel in parts.kernels for name in _names(kernel)),
    ]
    wires = [f"{stream}_{wire}" for stream in parts.flat() for wire in ("valid", "data", "ready")]
    seen: set[str] = set()
    for name in [*names, *wires]:
        if name in seen:
            raise source.source.error(
                source.node,
                f"two things of region '{source.node.name}' are named '{name}' in the generated hardware "
                f"(positions and _valid, _data, _ready are appended to names); rename one",
            )
        seen.add(name)
