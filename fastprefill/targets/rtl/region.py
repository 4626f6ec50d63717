"""A region as a hardware module: its processes, the FIFOs and buffers between them, start and done."""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.dialects.func import CallOp, FuncOp
from xdsl.ir import SSAValue

from fastprefill.ir.dialect import BlocksType, CreateOp, StreamType
from fastprefill.ir.query import (
    array_name,
    is_read,
    is_scalar_argument,
    number,
    source_of,
    strings,
    text,
    width,
)
from fastprefill.passes.addresses import bits as address_bits
from fastprefill.passes.storage import block_storage
from fastprefill.system.limits import (
    at_most_of,
    error_code,
    limits_of,
    process_limits,
    refused_of,
    scalar_ranges,
)
from fastprefill.targets.rtl.blocks import build_blocks
from fastprefill.targets.rtl.comments import region_head, source_range
from fastprefill.targets.rtl.hw import Design, Module, Wire
from fastprefill.targets.rtl.links import RELAY_HOPS, fifo, relay
from fastprefill.targets.rtl.process import ProcessModule

ERROR_BITS = 32
"""Width of ``error``: the pulse that sets the status register ``first_error``."""


@dataclass
class _Stream:
    """The consumer's side of a stream: valid and data towards it, ready from it."""

    valid: Wire
    data: Wire
    ready: Wire
    slr: int = 0


@dataclass
class _Blocks:
    """Wires between the two ends of a block stream; those that come later are bound when both ends are known.

    `own_rdata` is what the writer reads, where it does; registers show it what they show the reader.
    """

    create: CreateOp
    we: Wire
    waddr: Wire
    wdata: Wire
    raddr: Wire
    rdata: Wire
    full: Wire
    free: Wire
    own_raddr: Wire | None
    own_rdata: Wire | None
    bound: set[str] = field(default_factory=set)


class RegionBuilder:
    """Builds the module of one region function."""

    def __init__(
        self, design: Design, func: FuncOp, processes: dict[str, ProcessModule], regions: dict[str, Module]
    ) -> None:
        self.design, self.func, self.processes, self.regions = design, func, processes, regions
        self.m = Module(design, func.sym_name.data)
        self.m.about = region_head(func)
        self.scalars: dict[SSAValue, Wire] = {}
        self.refusal: Wire | None = None  # the start is refused; None where no start can be
        self.streams: dict[SSAValue, _Stream] = {}
        self.blocks: dict[SSAValue, _Blocks] = {}
        self.outputs: list[tuple[SSAValue, str]] = []
        self.memories: dict[SSAValue, Module] = {}
        # What producers drive: `streams` moves on to the far side of a crossing when the consumer comes first.
        self.produced: dict[SSAValue, _Stream] = {}
        self.flags: dict[str, list[Wire]] = {"busy": [], "starved": [], "blocked": []}

    def build(self) -> Module:
        m = self.m
        start = m.input("start", 1)
        running = m.later(1)
        accept = m.both([start, m.invert(running)], "accept")
        begun = m.register(accept, "begun", reset=0)
        limits, others = limits_of(self.func), at_most_of(self.func)
        module = self.func.parent_op()
        assert isinstance(module, ModuleOp)
        known = process_limits(module)[self.func.sym_name.data]  # in a system, what its top has checked
        refused: list[tuple[Wire, Wire]] = []  # conditions of scalars outside their limits, and error codes
        is_top = self.func.next_op is None
        inputs: dict[str, Wire] = {}
        for arg in self.func.body.block.args:
            if is_scalar_argument(arg) and (is_top or is_read(arg)):
                assert isinstance(arg.type, MemRefType)
                inputs[array_name(arg)] = m.input(array_name(arg), width(arg.type.element_type))
        for arg in self.func.body.block.args:
            name = array_name(arg)
            if name in inputs:
                value = inputs[name]
                low, high = known.get(name, (-1, 0))
                bits = high.bit_length() if low >= 0 else value.width  # no run begins with more
                sampled = m.register(m.extract(value, 0, bits), f"{name}_sampled", enable=accept)
                above = [m.const(0, value.width - bits)] if bits < value.width else []
                self.scalars[arg] = m.concat([*above, sampled], f"{name}_number" if above else "")
                if name in limits or name in others:
                    ends = [inputs[other] for other in others.get(name, ())]
                    outside = self.outside(name, value, limits.get(name), ends, accept)
                    refused.append((outside, m.const(error_code(len(self.scalars) - 1), ERROR_BITS)))
        go = begun
        if refused:
            self.refusal = m.any(bad for bad, _ in refused)
            go = m.both([begun, m.invert(self.refusal)], "go")
        self.ports()
        creates = [op for op in self.func.body.block.ops if isinstance(op, CreateOp)]
        calls = [op for op in self.func.body.block.ops if isinstance(op, CallOp)]
        for op in creates:
            self.create(op, calls)
        for call in calls:
            self.call(call, go if self.refused(call) is None else begun)
        for port, name in self.outputs:
            stream = self.streams[port]
            m.bind(stream.ready, m.input(f"{name}_ready", 1))
            m.output(f"{name}_valid", stream.valid)
            m.output(f"{name}_data", stream.data)
        for end, blocks in self.blocks.items():
            self.finish_blocks(end, blocks)
        m.src = ""
        busy = m.any([begun, *self.flags["busy"]])
        finished = m.both([running, m.invert(busy)], shared="over")
        stays = m.both([running, m.invert(finished)])
        m.bind(running, m.register(m.any([accept, stays]), "running", reset=0))
        m.output("idle", m.invert(running))
        m.output("done", finished)
        m.output("starved", m.any(self.flags["starved"]))
        m.output("blocked", m.any(self.flags["blocked"]))
        if is_top:
            error = m.const(0, ERROR_BITS)
            for bad, code in reversed(refused):
                error = m.mux(m.both([begun, bad]), code, error)
            m.output("error", error)
        return m

    def outside(
        self, name: str, value: Wire, limits: tuple[int, int] | None, at_most: list[Wire], accept: Wire
    ) -> Wire:
        """Whether a scalar was outside its limits when the run began; from a register, so that nothing waits for it."""
        m = self.m
        least, most = scalar_ranges(self.func)[name]
        low, high = limits or (least, most)
        sign = "s" if least < 0 else "u"
        below = [m.compare(f"{sign}lt", value, m.const(low, value.width))] if low > least else []
        above = [m.compare(f"{sign}gt", value, m.const(high, value.width))] if high < most else []
        above += [m.compare(f"{sign}gt", value, other) for other in at_most]
        return m.register(m.any([*below, *above]), f"{name}_outside", enable=accept)

    def ports(self) -> None:
        """Stream ports: an input port drives its consumer directly, an output port has its producer's FIFO."""
        directions = text(self.func, "directions")
        for arg in self.func.body.block.args:
            if not isinstance(arg.type, StreamType):
                continue
            name, bits = array_name(arg), arg.type.element_type.width.data
            if directions[arg.index] == "i":
                ready = self.m.later(1)
                self.streams[arg] = _Stream(
                    self.m.input(f"{name}_valid", 1), self.m.input(f"{name}_data", bits), ready
                )
                self.m.output(f"{name}_ready", ready)
            else:
                self.streams[arg] = self.produced[arg] = _Stream(
                    self.m.later(1), self.m.later(bits), self.m.later(1)
                )
                self.outputs.append((arg, name))

    def create(self, op: CreateOp, calls: list[CallOp]) -> None:
        m, name = self.m, op.stream_name.data
        kind = op.stream.type
        if isinstance(kind, StreamType):
            bits = kind.element_type.width.data
            self.streams[op.stream] = self.produced[op.stream] = _Stream(
                m.later(1), m.later(bits), m.later(1)
            )
            return
        assert isinstance(kind, BlocksType)
        storage = block_storage(op)
        words = storage.depth * kind.depth.data
        fields, bits = storage.banks, address_bits(words)
        all_bits = storage.banks * storage.width
        rdata_bits = all_bits * words if storage.memory == "register" else all_bits
        writer_reads = self.writer_reads(op, calls)
        module = build_blocks(self.design, f"{self.func.sym_name.data}_{name}", op, writer_reads=writer_reads)
        copied = writer_reads and storage.memory != "register"
        rdata = m.later(rdata_bits)
        self.blocks[op.stream] = _Blocks(
            op,
            m.later(fields),
            m.later(fields * bits),
            m.later(all_bits),
            m.later(fields * bits),
            rdata,
            m.later(1),
            m.later(1),
            m.later(fields * bits) if copied else None,
            m.later(all_bits) if copied else rdata if writer_reads else None,
        )
        self.memories[op.stream] = module

    def writer_reads(self, op: CreateOp, calls: list[CallOp]) -> bool:
        """Whether the writer of a block stream also reads the buffers that it fills."""
        for call in calls:
            process = self.processes.get(call.callee.string_value())
            for name, direction, value in self.arguments(call):
                if process is not None and value is op.stream and direction == "o":
                    return any(port == f"{name}_rdata" for port, _ in process.module.inputs)
        return False

    def finish_blocks(self, value: SSAValue, blocks: _Blocks) -> None:
        module = self.memories[value]
        inputs = {"we": blocks.we, "waddr": blocks.waddr, "wdata": blocks.wdata, "raddr": blocks.raddr}
        if blocks.own_raddr is not None:
            inputs["own_raddr"] = blocks.own_raddr
        self.m.src = text(blocks.create, "src")
        outs = self.m.instance(blocks.create.stream_name.data, module, inputs)
        self.m.bind(blocks.rdata, outs["rdata"])
        if blocks.own_raddr is not None and blocks.own_rdata is not None:
            self.m.bind(blocks.own_rdata, outs["own_rdata"])

    def call(self, call: CallOp, go: Wire) -> None:
        callee = call.callee.string_value()
        instance = text(call, "instance") or callee
        if callee in self.regions:
            self.call_region(call, callee, instance, go)
        else:
            self.call_process(call, callee, instance, go)

    def arguments(self, call: CallOp) -> list[tuple[str, str, SSAValue]]:
        """Name in the callee, direction and value of each argument."""
        callee = self.callee(call)
        names, directions = strings(callee, "arg_names"), text(callee, "directions")
        return list(zip(names, directions, call.arguments, strict=True))

    def scalars_of(self, call: CallOp) -> dict[str, Wire]:
        """The scalars that the callee reads; it has no port for others."""
        inside = self.callee(call).body.block.args
        refused = self.refused(call) or {}
        found: dict[str, Wire] = {}
        for (name, _, value), arg in zip(self.arguments(call), inside, strict=True):
            if is_scalar_argument(arg) and is_read(arg):
                found[name] = self.scalars[value]
                if self.refusal is not None and name in refused:
                    instead = self.m.const(refused[name], found[name].width)
                    found[name] = self.m.mux(self.refusal, instead, found[name])
        return found

    def refused(self, call: CallOp) -> dict[str, int] | None:
        """The scalars with which a call runs when the start is refused; None when it does not run."""
        own = refused_of(self.func)
        if own is not None:
            return {name: own[array_name(v)] for name, _, v in self.arguments(call) if is_scalar_argument(v)}
        return refused_of(self.callee(call))

    def callee(self, call: CallOp) -> FuncOp:
        module = self.func.parent_op()
        assert module is not None
        return next(
            op
            for op in module.regions[0].block.ops
            if isinstance(op, FuncOp) and op.sym_name.data == call.callee.string_value()
        )

    def call_process(self, call: CallOp, callee: str, instance: str, go: Wire) -> None:
        m, process = self.m, self.processes[callee]
        inputs: dict[str, Wire] = {"start": go, **self.scalars_of(call)}
        credits: dict[str, Wire] = {}
        slr = number(call, "slr") or 0
        for name, direction, value in self.arguments(call):
            if isinstance(value.type, StreamType) and direction == "i":
                stream = self.cross(value, slr, f"{instance}_{name}")
                inputs[f"{name}_valid"], inputs[f"{name}_data"] = stream.valid, stream.data
            elif isinstance(value.type, StreamType):
                credits[name] = inputs[f"{name}_credit"] = m.later(1)
            elif isinstance(value.type, BlocksType):
                blocks = self.blocks[value]
                if direction == "o":
                    inputs[f"{name}_free"] = blocks.free
                    if blocks.own_rdata is not None:
                        inputs[f"{name}_rdata"] = blocks.own_rdata
                else:
                    inputs[f"{name}_full"], inputs[f"{name}_rdata"] = blocks.full, blocks.rdata
        m.src = source_range(self.callee(call))
        outs = m.instance(instance, process.module, inputs)
        for flag, wires in self.flags.items():
            wires.append(outs[flag])
        for name, direction, value in self.arguments(call):
            if isinstance(value.type, StreamType) and direction == "i":
                m.bind(self.streams[value].ready, outs[f"{name}_ready"])
            elif isinstance(value.type, StreamType):
                bits = value.type.element_type.width.data
                stream = self.produced[value]
                stream.slr = slr
                ports = {"put": outs[f"{name}_put"], "put_data": outs[f"{name}_data"], "ready": stream.ready}
                part = fifo(bits, process.fifo_depth[name], self.taken(value, slr))
                m.src = source_of(value)
                queue = m.instance(f"{instance}_{name}_fifo", part, ports)
                m.bind(credits[name], queue["credit"])
                m.bind(stream.valid, queue["valid"])
                m.bind(stream.data, queue["data"])
            elif isinstance(value.type, BlocksType):
                self.connect_blocks(self.blocks[value], name, direction, outs)

    def taken(self, stream: SSAValue, slr: int) -> bool:
        """Whether the consumer of a stream raises ready with a token alone: processes do, relays and ports do not."""
        readers = [
            use.operation
            for use in stream.uses
            if isinstance(use.operation, CallOp) and self.arguments(use.operation)[use.index][1] == "i"
        ]
        return bool(readers) and all((number(call, "slr") or 0) == slr for call in readers)

    def connect_blocks(self, blocks: _Blocks, name: str, direction: str, outs: dict[str, Wire]) -> None:
        m = self.m
        if direction == "o":
            m.bind(blocks.full, outs[f"{name}_release"])
            for field_name, wire in (("we", blocks.we), ("waddr", blocks.waddr), ("wdata", blocks.wdata)):
                m.bind(wire, outs.get(f"{name}_{field_name}", m.const(0, wire.width)))
            if blocks.own_raddr is not None:
                m.bind(blocks.own_raddr, outs[f"{name}_raddr"])
        else:
            m.bind(blocks.free, outs[f"{name}_release"])
            m.bind(blocks.raddr, outs.get(f"{name}_raddr", m.const(0, blocks.raddr.width)))

    def call_region(self, call: CallOp, callee: str, instance: str, go: Wire) -> None:
        m = self.m
        inputs: dict[str, Wire] = {"start": go, **self.scalars_of(call)}
        slr = number(call, "slr") or 0
        for name, direction, value in self.arguments(call):
            if not isinstance(value.type, StreamType):
                continue
            if direction == "i":
                stream = self.cross(value, slr, f"{instance}_{name}")
                inputs[f"{name}_valid"], inputs[f"{name}_data"] = stream.valid, stream.data
            else:
                self.produced[value].slr = slr
                inputs[f"{name}_ready"] = self.produced[value].ready
        m.src = source_range(self.callee(call))
        outs = m.instance(instance, self.regions[callee], inputs)
        self.flags["busy"].append(m.invert(outs["idle"]))
        self.flags["starved"].append(outs["starved"])
        self.flags["blocked"].append(outs["blocked"])
        for name, direction, value in self.arguments(call):
            if not isinstance(value.type, StreamType):
                continue
            if direction == "i":
                m.bind(self.streams[value].ready, outs[f"{name}_ready"])
            else:
                m.bind(self.produced[value].valid, outs[f"{name}_valid"])
                m.bind(self.produced[value].data, outs[f"{name}_data"])

    def cross(self, value: SSAValue, slr: int, label: str) -> _Stream:
        """The stream as its reader sees it: through relay registers where it comes from another SLR."""
        stream = self.streams[value]
        producer = self.producer_slr(value)
        if producer is None or producer == slr:
            return stream
        self.m.src = source_of(value)
        part = relay(stream.data.width, RELAY_HOPS * abs(producer - slr))
        ready = self.m.later(1)
        ports = {"in_valid": stream.valid, "in_data": stream.data, "out_ready": ready}
        outs = self.m.instance(f"{label}_relay", part, ports)
        self.m.bind(stream.ready, outs["in_ready"])
        crossed = _Stream(outs["out_valid"], outs["out_data"], ready, slr)
        self.streams[value] = crossed
        return crossed

    def producer_slr(self, value: SSAValue) -> int | None:
        """SLR of the call that writes a stream, or None for a port."""
        for use in value.uses:
            call = use.operation
            if isinstance(call, CallOp):
                _, direction, _ = self.arguments(call)[use.index]
                if direction == "o":
                    return number(call, "slr") or 0
        return None
