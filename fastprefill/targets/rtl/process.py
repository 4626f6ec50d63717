"""A process as a hardware module: sequencer, pipelines, arrays and stream ends."""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.dialects import memref, scf
from xdsl.dialects.builtin import MemRefType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, BlockArgument, Operation, SSAValue

from fastprefill.ir.dialect import AcquireOp, BlocksType, GetOp, GetSliceOp, PutOp, ReleaseOp, StreamType
from fastprefill.ir.pipe import CascadeOp, ExitUnlessOp, FirstOp, LastOp, LiveOp, StoreOp, WindowOp
from fastprefill.ir.query import (
    PURE_ARITH,
    array_name,
    constant,
    is_lane_loop,
    is_scalar_argument,
    text,
    trip_count,
    width,
)
from fastprefill.passes.schedule import ProcessSchedule
from fastprefill.passes.storage import global_values, storage_of
from fastprefill.passes.tree import Body
from fastprefill.targets.rtl.datapath import Datapath, Lane, constant_slice, is_view, lane_number
from fastprefill.targets.rtl.hw import Design, Module, Part, Wire
from fastprefill.targets.rtl.lanes import LaneBuilder, can_outline, lane_arrays
from fastprefill.targets.rtl.memory import Index, Rams, Registers, Rom, Window, select
from fastprefill.targets.rtl.sequencer import Sequencer

FIFO_SLACK = 3
"""Cycles from taking a token out of a FIFO until its credit can be spent again, and one to spare."""


@dataclass
class _Put:
    body: Body
    stage: int
    predicate: Wire | None
    known_at_issue: Wire | None
    data: Wire


@dataclass
class ProcessModule:
    """What a region must know to connect a process.

    Attributes:
        module: the hardware module.
        fifo_depth: for each output stream, words that its FIFO holds.
    """

    module: Module
    fifo_depth: dict[str, int] = field(default_factory=dict)


def credit_counter(initial: int, maximum: int, take: int, back: int) -> Part:
    """The hand-written credit counter."""
    ports = (
        ("clk", "in", 1),
        ("rst", "in", 1),
        ("take", "in", take),
        ("back", "in", back),
        ("credit", "in", 1),
        ("count", "out", maximum.bit_length()),
    )
    parameters = (("INITIAL", initial), ("MAXIMUM", maximum), ("TAKE_WIDTH", take), ("BACK_WIDTH", back))
    return Part("fp_credit", ports, parameters)


def build_process(design: Design, func: FuncOp, schedule: ProcessSchedule) -> ProcessModule:
    """Add the module of a scheduled process to the design."""
    return ProcessBuilder(design, func, schedule).build()


class ProcessBuilder:
    """Builds the module of one process; ``lanes.py`` adds the elements of unrolled loops."""

    def __init__(self, design: Design, func: FuncOp, schedule: ProcessSchedule) -> None:
        self.func, self.schedule = func, schedule
        self.m = Module(design, func.sym_name.data)
        self.start = self.m.input("start", 1)
        self.sequencer = Sequencer(self.m, schedule)
        self.data = Datapath(self.m, schedule, self.source)
        self.arrays: dict[SSAValue, Registers | Rams | Rom | Window] = {}
        self.scalars: dict[SSAValue, Wire] = {}
        self.gets: dict[SSAValue, list[tuple[Body, Wire | None]]] = {}
        self.puts: dict[SSAValue, list[_Put]] = {}
        self.acquires: dict[SSAValue, list[tuple[Body, Wire | None]]] = {}
        self.releases: dict[SSAValue, list[Wire]] = {}
        self.stream_inputs: dict[SSAValue, tuple[Wire, Wire]] = {}
        self.slots: dict[SSAValue, tuple[Wire, Wire]] = {}
        self.exits: dict[Body, Wire] = {}
        self.of_lanes = lane_arrays(schedule)
        self.result = ProcessModule(self.m)
        self.body: Body | None = None
        self.names_used: dict[str, int] = {}

    def build(self) -> ProcessModule:
        self.interface()
        self.declare_arrays()
        self.loop_bounds()
        for body in self.schedule.tree.bodies:
            self.body = body
            self.block(body.op.body.block, {})
        conditions: dict[Body, list[Wire]] = {body: [] for body in self.schedule.tree.bodies}
        starved: list[Wire] = []
        blocked: list[Wire] = []
        self.finish_gets(conditions, starved)
        self.finish_puts(conditions, blocked)
        self.finish_blocks(conditions, starved, blocked)
        busy = self.sequencer.finish(self.start, conditions, self.exits)
        for array in self.arrays.values():
            array.finish()
        self.m.output("busy", busy)
        self.m.output("starved", self.m.any(starved))
        self.m.output("blocked", self.m.any(blocked))
        return self.result

    # interface and declarations

    def interface(self) -> None:
        for arg in self.func.body.block.args:
            name = array_name(arg)
            if is_scalar_argument(arg):
                assert isinstance(arg.type, MemRefType)
                self.scalars[arg] = self.m.input(name, width(arg.type.element_type))
            elif isinstance(arg.type, StreamType) and self.direction(arg) == "i":
                bits = arg.type.element_type.width.data
                self.stream_inputs[arg] = (
                    self.m.input(f"{name}_valid", 1),
                    self.m.input(f"{name}_data", bits),
                )

    def direction(self, arg: BlockArgument) -> str:
        return text(self.func, "directions")[arg.index]

    def declare_arrays(self) -> None:
        for op in self.func.body.block.ops:
            if isinstance(op, WindowOp):
                kind = op.stream.type
                assert isinstance(kind, BlocksType)
                name = array_name(op.stream)
                self.arrays[op.window] = Window(
                    self.m, name, storage_of(op.window), kind.depth.data, op.mode.data
                )
            elif isinstance(op, memref.AllocOp):
                storage = storage_of(op.memref)
                if storage.memory == "register":
                    self.arrays[op.memref] = Registers(self.m, op.memref, storage)
                else:
                    loads = [o for o in self.schedule.forwarded if o.operands[0] is op.memref]
                    copies = text(op, "storage_type") == "RAM_1WNR"
                    self.arrays[op.memref] = Rams(self.m, op.memref, storage, bool(loads), copies)
            elif isinstance(op, memref.GetGlobalOp):
                self.arrays[op.memref] = Rom(self.m, storage_of(op.memref), global_values(op))

    def loop_bounds(self) -> None:
        for loop in self.sequencer.names:
            low, high, step = (self.outside(v) for v in loop.op.operands)
            self.sequencer.bounds[loop] = (low, high, step)

    def outside(self, value: SSAValue) -> Wire:
        """A value of the sequencer: constants, run-time scalars, loop variables, variables and casts of them."""
        number = constant(value)
        if number is not None:
            return self.m.const(number, width(value))
        op = value.owner
        if not isinstance(op, Operation):
            return self.source(value, {})
        if isinstance(op, memref.LoadOp):
            if is_scalar_argument(op.memref):
                return self.scalars[op.memref]
            array = self.arrays[op.memref]
            assert isinstance(array, Registers)
            return array.read([], self.m.const(1, 1))
        operands = [self.outside(v) for v in op.operands]
        if isinstance(op, GetSliceOp) and (low := constant(op.lo)) is not None:
            return constant_slice(self.m, operands[0], low, width(op.result))
        if is_view(op):
            return self.m.resize(operands[0], width(op.results[0]), signed=op.name != "arith.extui")
        return self.data.compute(op, operands, {}, "")

    # bodies

    def block(self, block: Block, lane: Lane) -> None:
        for op in block.ops:
            self.m.src = text(op, "src")
            if is_lane_loop(op):
                assert isinstance(op, scf.ForOp)
                if not lane and can_outline(op):
                    LaneBuilder(self, op).build()
                    continue
                low, step, trips = constant(op.lb), constant(op.step), trip_count(op)
                assert low is not None and step is not None and trips is not None
                for trip in range(trips):
                    self.block(op.body.block, {**lane, op.body.block.args[0]: low + trip * step})
            elif isinstance(op, (*PURE_ARITH, CascadeOp, memref.LoadOp, GetOp)):
                self.pure(op, lane)
            elif isinstance(op, StoreOp):
                self.store(op, lane)
            elif isinstance(op, PutOp):
                self.put(op, lane)
            elif isinstance(op, AcquireOp):
                self.acquires.setdefault(op.stream, []).append(
                    (self.here, self.predicate(op.predicate, 0, lane))
                )
            elif isinstance(op, ReleaseOp):
                self.release(op, lane)
            elif isinstance(op, ExitUnlessOp):
                self.exits[self.here] = self.data.at(op.condition, self.schedule.ii[self.here] - 1, lane)

    @property
    def here(self) -> Body:
        assert self.body is not None
        return self.body

    def pure(self, op: Operation, lane: Lane) -> None:
        """Ops in order, so that long chains are not built by recursion."""
        if is_view(op) or lane_number(op.results[0], lane) is not None:
            return
        self.data.at(op.results[0], self.schedule.ready[op.results[0]], lane)

    def predicate(self, value: SSAValue | None, stage: int, lane: Lane) -> Wire | None:
        return None if value is None else self.data.at(value, stage, lane)

    def indices(self, values: list[SSAValue], stage: int, lane: Lane) -> list[Index]:
        found: list[Index] = []
        for value in values:
            number = lane_number(value, lane)
            found.append(number if number is not None else self.data.at(value, stage, lane))
        return found

    def source(self, value: SSAValue, lane: Lane) -> Wire:
        """Values that come from the sequencer, the streams and the arrays."""
        op = value.owner
        if not isinstance(op, Operation):
            return self.sequencer.value(self.sequencer.loops[value])
        if isinstance(op, FirstOp):
            return self.sequencer.is_first(self.sequencer.loops[op.loop])
        if isinstance(op, LastOp):
            return self.sequencer.last(self.sequencer.loops[op.loop])
        if isinstance(op, LiveOp):
            return self.sequencer.live(self.sequencer.loops[op.loop])
        if isinstance(op, GetOp):
            self.gets.setdefault(op.stream, []).append((self.here, self.predicate(op.predicate, 0, lane)))
            return self.stream_inputs[op.stream][1]
        assert isinstance(op, memref.LoadOp)
        if op.memref in self.scalars:
            return self.scalars[op.memref]
        stage = self.schedule.stages[op]
        where = self.indices(list(op.indices), stage, lane)
        active = self.sequencer.valid(self.here, stage)
        array = self.arrays[op.memref]
        if isinstance(array, Window):
            return array.read_at(where, active, self.slot(op.memref, stage))
        return array.read(where, active)

    def store(self, op: StoreOp, lane: Lane) -> None:
        if op.memref in self.of_lanes:
            return  # the elements of the lanes do it
        self.write(op, lane, self.data.at(op.value, self.schedule.stages[op], lane), None)

    def write(self, op: StoreOp, lane: Lane, data: Wire, predicate: Wire | None) -> None:
        """Store `data`; the predicate is given when it was computed inside a processing element."""
        stage = self.schedule.stages[op]
        if predicate is None:
            predicate = self.predicate(op.predicate, stage, lane)
        enable = self.m.both([self.sequencer.valid(self.here, stage), predicate])
        where = self.indices(list(op.indices), stage, lane)
        self.m.src = text(op, "src")
        array = self.arrays[op.memref]
        if isinstance(array, Window):
            array.write_at(where, enable, data, self.slot(op.memref, stage))
        else:
            assert not isinstance(array, Rom)
            array.write(where, enable, data)

    def free_name(self, base: str) -> str:
        """`base`, or with a number when it is taken."""
        self.names_used[base] = self.names_used.get(base, 0) + 1
        return base if self.names_used[base] == 1 else f"{base}{self.names_used[base]}"

    def put(self, op: PutOp, lane: Lane) -> None:
        stage = self.schedule.stages[op]
        early = op.predicate is not None and self.schedule.ready.get(op.predicate, 0) == 0
        self.puts.setdefault(op.stream, []).append(
            _Put(
                self.here,
                stage,
                self.predicate(op.predicate, stage, lane),
                self.predicate(op.predicate, 0, lane) if early else None,
                self.data.at(op.value, stage, lane),
            )
        )

    def release(self, op: ReleaseOp, lane: Lane) -> None:
        stage = self.schedule.stages[op]
        pulse = self.m.both(
            [self.sequencer.valid(self.here, stage), self.predicate(op.predicate, stage, lane)]
        )
        self.releases.setdefault(op.stream, []).append(pulse)

    # buffers of block streams

    def slot(self, window: SSAValue, stage: int) -> Wire | None:
        """The number of the buffer that the iteration in a stage works on; None where there is only one."""
        op = window.owner
        assert isinstance(op, WindowOp) and isinstance(op.stream.type, BlocksType)
        if op.stream.type.depth.data == 1:
            return None
        current, following = self.slot_state(op.stream)
        mine = [p for b, p in self.acquires.get(op.stream, []) if b is self.here]
        held = current
        for predicate in mine:
            held = following if predicate is None else self.m.mux(predicate, following, held)
        wire = held
        for number in range(1, stage + 1):
            step_key = ("slot", op.stream, self.here, number)
            if step_key not in self.m.known:
                self.m.known[step_key] = self.m.register(wire, f"{array_name(op.stream)}_slot_{number}")
            wire = self.m.known[step_key]
        return wire

    def slot_state(self, stream: SSAValue) -> tuple[Wire, Wire]:
        """Number of the buffer held, and number of the next."""
        if stream not in self.slots:
            assert isinstance(stream.type, BlocksType)
            bits = max(1, (stream.type.depth.data - 1).bit_length())
            self.slots[stream] = (self.m.later(bits), self.m.later(bits))
        return self.slots[stream]

    def finish_blocks(
        self, conditions: dict[Body, list[Wire]], starved: list[Wire], blocked: list[Wire]
    ) -> None:
        m = self.m
        for arg in self.func.body.block.args:
            if not isinstance(arg.type, BlocksType):
                continue
            name, depth = array_name(arg), arg.type.depth.data
            writing = self.direction(arg) == "o"
            arrives = m.input(f"{name}_free" if writing else f"{name}_full", 1)
            uses = self.acquires.get(arg, [])
            taken = m.any(m.both([self.sequencer.issue[b], p]) for b, p in uses)
            part = credit_counter(depth if writing else 0, depth, 1, 1)
            inputs = {"take": taken, "back": m.const(0, 1), "credit": arrives}
            count = m.instance(f"{name}_buffers", part, inputs)["count"]
            there = m.compare("ne", count, m.const(0, count.width))
            for body, predicate in uses:
                ready = there if predicate is None else m.any([there, m.invert(predicate)])
                conditions[body].append(ready)
                waiting = m.both([self.sequencer.turn[body], m.invert(ready)])
                (blocked if writing else starved).append(waiting)
            if arg in self.slots:
                current, following = self.slots[arg]
                end = m.compare("eq", following, m.const(depth - 1, following.width))
                advanced = m.mux(
                    end, m.const(0, following.width), m.binary("add", following, m.const(1, following.width))
                )
                m.bind(following, m.register(m.mux(taken, advanced, following), f"{name}_next", reset=0))
                m.bind(current, m.register(following, f"{name}_held", enable=taken))
            m.output(f"{name}_release", m.any(self.releases.get(arg, [])))

    # streams

    def finish_gets(self, conditions: dict[Body, list[Wire]], starved: list[Wire]) -> None:
        for stream, (valid, _) in self.stream_inputs.items():
            uses = self.gets.get(stream, [])
            for body, predicate in uses:
                ready = valid if predicate is None else self.m.any([valid, self.m.invert(predicate)])
                conditions[body].append(ready)
                starved.append(self.m.both([self.sequencer.turn[body], self.m.invert(ready)]))
            takes = [self.m.both([self.sequencer.issue[b], p]) for b, p in uses]
            self.m.output(f"{array_name(stream)}_ready", self.m.any(takes))

    def finish_puts(self, conditions: dict[Body, list[Wire]], blocked: list[Wire]) -> None:
        for arg in self.func.body.block.args:
            if not isinstance(arg.type, StreamType) or self.direction(arg) != "o":
                continue
            self.finish_output(arg, self.puts.get(arg, []), conditions, blocked)

    def finish_output(
        self, stream: BlockArgument, puts: list[_Put], conditions: dict[Body, list[Wire]], blocked: list[Wire]
    ) -> None:
        """Credits are taken at issue for every put that may happen, and given back where it does not."""
        m, name = self.m, array_name(stream)
        assert isinstance(stream.type, StreamType)
        latest = max((p.stage for p in puts), default=0)
        most = max((sum(q.body is p.body for q in puts) for p in puts), default=1)
        depth = stream.type.depth.data + latest + FIFO_SLACK + most - 1
        self.result.fifo_depth[name] = depth
        arrives = m.input(f"{name}_credit", 1)
        bits = depth.bit_length()
        enables, backs, takes = [], [], []
        count = m.later(bits)
        for body in dict.fromkeys(p.body for p in puts):
            mine = [p for p in puts if p.body is body]
            wanted = m.const(0, bits)
            for p in mine:
                one = m.const(1, bits)
                if p.known_at_issue is not None:
                    one = m.resize(p.known_at_issue, bits, signed=False)
                wanted = one if p is mine[0] else m.binary("add", wanted, one)
            enough = m.compare("uge", count, wanted)
            conditions[body].append(enough)
            blocked.append(m.both([self.sequencer.turn[body], m.invert(enough)]))
            takes.append(m.mux(self.sequencer.issue[body], wanted, m.const(0, bits)))
        for p in puts:
            valid = self.sequencer.valid(p.body, p.stage)
            enables.append((m.both([valid, p.predicate]), p.data))
            if p.predicate is not None and p.known_at_issue is None:
                backs.append(m.both([valid, m.invert(p.predicate)]))
        take = takes[0] if takes else m.const(0, bits)
        for other in takes[1:]:
            take = m.binary("add", take, other)
        back = m.const(0, bits)
        for pulse in backs:
            back = m.binary("add", back, m.resize(pulse, bits, signed=False))
        part = credit_counter(depth, depth, bits, bits)
        counted = m.instance(f"{name}_credits", part, {"take": take, "back": back, "credit": arrives})
        m.bind(count, counted["count"])
        m.output(f"{name}_put", m.any(e for e, _ in enables))
        m.output(f"{name}_data", select(m, enables, stream.type.element_type.width.data))
