"""Regions as dataflow functions: streams, then one call per process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, StringAttr
from xdsl.ir import Block as IRBlock
from xdsl.ir import Operation, SSAValue

from fastprefill.ir.dialect import AcquireOp, CreateOp, GetOp, PutOp, ReleaseOp
from fastprefill.ir.query import strings
from fastprefill.system.limits import at_most_of, limits_of, refused_of, scalar_ranges
from fastprefill.targets.vitis_hls.channels import Argument, Module, dimensions
from fastprefill.targets.vitis_hls.expressions import literal
from fastprefill.targets.vitis_hls.names import clean
from fastprefill.targets.vitis_hls.pragmas import pragma
from fastprefill.targets.vitis_hls.storage import storage_pragmas


def writes(functions: dict[str, func.FuncOp], name: str, position: int) -> bool | None:
    """Whether argument `position` of function `name` is written (True), read (False) or not used (None)."""
    function = functions[name]
    for use in function.body.block.args[position].uses:
        match use.operation:
            case PutOp():
                return True
            case GetOp():
                return False
            case AcquireOp():
                return use.operation.mode.data == "write"
            case ReleaseOp():
                continue
            case func.CallOp():
                inner = writes(functions, use.operation.callee.string_value(), use.index)
                if inner is not None:
                    return inner
    return None


def ports(module: Module) -> tuple[list[Argument], list[Argument], list[Argument]]:
    """Scalars, input streams and output streams of the top, in its order."""
    scalars, inputs, outputs = [], [], []
    for position, argument in enumerate(module.arguments[module.top.sym_name.data]):
        if argument.scalar is not None:
            scalars.append(argument)
        elif writes(module.functions, module.top.sym_name.data, position):
            outputs.append(argument)
        else:
            inputs.append(argument)
    return scalars, inputs, outputs


def calls_in_order(module: Module, region: func.FuncOp) -> tuple[list[func.CallOp], bool]:
    """The calls with producers before consumers, and whether a cycle of streams made that impossible.

    A sequential C simulation (the vendor's) runs the calls in this order; otherwise the order of the region
    is kept.
    """
    calls = [op for op in region.body.block.ops if isinstance(op, func.CallOp)]
    producers: dict[SSAValue, func.CallOp] = {}
    consumed: dict[func.CallOp, list[SSAValue]] = {call: [] for call in calls}
    for call in calls:
        for position, operand in enumerate(call.arguments):
            direction = writes(module.functions, call.callee.string_value(), position)
            if direction is True:
                producers[operand] = call
            elif direction is False:
                consumed[call].append(operand)
    waiting, done, ordered = list(calls), set[Operation](), list[func.CallOp]()
    cyclic = False
    while waiting:
        ready = next(
            (
                call
                for call in waiting
                if all(producers.get(s, call) in {call, *done} for s in consumed[call])
            ),
            None,
        )
        if ready is None:
            cyclic, ready = True, waiting[0]
        waiting.remove(ready)
        done.add(ready)
        ordered.append(ready)
    return ordered, cyclic


def interfaces(module: Module) -> list[str]:
    """The interface pragmas of the top."""
    lines = []
    for argument in module.arguments[module.top.sym_name.data]:
        mode = "s_axilite" if argument.scalar is not None else "axis"
        lines.append(pragma("INTERFACE", mode=mode, port=argument.name))
    return [*lines, pragma("INTERFACE", mode="s_axilite", port="return")]


def outside_limits(module: Module) -> str:
    """The condition under which a start of the top is refused; empty when no scalar has limits."""
    limits, others = limits_of(module.top), at_most_of(module.top)
    names = strings(module.top, "arg_names")
    texts = {n: a.name for n, a in zip(names, module.arguments[module.top.sym_name.data], strict=True)}
    conditions = []
    for name, (least, most) in scalar_ranges(module.top).items():
        low, high = limits.get(name, (least, most))
        conditions += [f"{texts[name]} < {literal(low).text}"] if low > least else []
        conditions += [f"{texts[name]} > {literal(high).text}"] if high < most else []
        conditions += [f"{texts[name]} > {texts[other]}" for other in others.get(name, ())]
    return " || ".join(conditions)


def refused_body(module: Module, inner: str) -> tuple[list[Argument], list[str]]:
    """What the top does in a refused start: the streams that it needs, and the lines. No lines: nothing.

    One region after the other, without a dataflow region: they read no stream, so none waits for another.

    Args:
        module: analysed.
        inner: function of the top without its interfaces.
    """
    region = module.top
    arguments: Sequence[SSAValue] = region.body.block.args
    outer = dict(zip(arguments, module.arguments[region.sym_name.data], strict=True))
    channels = dict(outer)

    def call(name: str, callee: func.FuncOp, operands: Sequence[SSAValue], scalars: Mapping[str, int]) -> str:
        texts = [
            literal(scalars[argument]).text if argument in scalars else channels[operand].name
            for argument, operand in zip(strings(callee, "arg_names"), operands, strict=True)
        ]
        return f"    {name}({', '.join(texts)});"

    if (own := refused_of(region)) is not None:
        streams = [argument for argument in outer.values() if argument.scalar is None]
        return streams, [call(inner, region, arguments, own)]
    calls = []
    for op in region.body.block.ops:
        if isinstance(op, func.CallOp):
            callee = module.functions[op.callee.string_value()]
            if (scalars := refused_of(callee)) is not None:
                calls.append((op, callee, scalars))
    used = {operand for op, _, _ in calls for operand in op.arguments}
    lines = _streams(module, region.body.block, channels, used)
    lines += [call(callee.sym_name.data, callee, op.arguments, scalars) for op, callee, scalars in calls]
    streams = [argument for value, argument in outer.items() if value in used and argument.scalar is None]
    return streams, lines


def region_body(module: Module, region: func.FuncOp) -> list[str]:
    """The lines of a region's function, without the interfaces of the top."""
    arguments = module.arguments[region.sym_name.data]
    calls, cyclic = calls_in_order(module, region)
    lines = []
    # In a cycle no process may wait for another's start token.
    lines.append(pragma("DATAFLOW", disable_start_propagation=True) if cyclic else pragma("DATAFLOW"))
    channels: dict[SSAValue, Argument] = dict(zip(region.body.block.args, arguments, strict=True))
    block = region.body.block
    lines += _streams(module, block, channels)
    if len(lines) and any(isinstance(op, CreateOp) for op in block.ops):
        lines.append("")
    for call in calls:
        instance = call.attributes.get("instance")
        callee = call.callee.string_value()
        name = clean(instance.data) if isinstance(instance, StringAttr) else callee
        operands = ", ".join(channels[operand].name for operand in call.arguments)
        lines.append(f"    DATAFLOW_PROCESS({name}, {callee}({operands}));")
    return lines


def _streams(
    module: Module, region: IRBlock, channels: dict[SSAValue, Argument], only: set[SSAValue] | None = None
) -> list[str]:
    lines = []
    for op in region.ops:
        if not isinstance(op, CreateOp) or (only is not None and op.stream not in only):
            continue
        channel = channels[op.stream] = module.created[op.stream]
        name, depth = channel.name, channel.depth
        block = channel.block
        if block is not None and not block.registers:
            lines.append(f"    hls::stream_of_blocks<{block.name}, {depth}> {name};")
            lines.append(f"    DATAFLOW_NAME({name});")
            if dropped := _partition(op):
                lines.append(
                    f"    // Not partitioned ({dropped}): UG1399 2023.1 has no ARRAY_PARTITION of streams of blocks."
                )
            lines += storage_pragmas(name, op, rom=False)
        elif block is not None and block.streams:
            lines.append(f"    hls::stream<{block.token.text}> {name}{dimensions(block.streams)};")
            lines.append(pragma("STREAM", variable=name, depth=depth))
            lines.append(pragma("ARRAY_PARTITION", variable=name, type="complete", dim=0))
            lines.append(f"    DATAFLOW_STREAMS({name}, {depth});")
        else:
            token = channel.stream if block is None else block.token
            assert token is not None
            lines.append(f'    hls::stream<{token.text}, {depth}> {name}("{name}");')
    return lines


def _partition(op: CreateOp) -> str:
    """The partition that a stream of blocks cannot have, as the schedule says it; empty for none."""
    partition = op.attributes.get("partition")
    kinds = (
        [p.data for p in partition if isinstance(p, StringAttr)] if isinstance(partition, ArrayAttr) else []
    )
    return ", ".join(kinds) if any(kind != "none" for kind in kinds) else ""
