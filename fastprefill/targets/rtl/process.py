"""A process as a hardware module: sequencer, pipelines, arrays and stream ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from xdsl.dialects import memref, scf
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, SSAValue

from fastprefill.ir.dialect import AcquireOp, BlocksType, GetOp, GetSliceOp, PutOp, ReleaseOp, SetSliceOp
from fastprefill.ir.pipe import CascadeOp, ExitUnlessOp, FirstOp, LastOp, LiveOp, StoreOp, WindowOp
from fastprefill.ir.query import (
    PURE_ARITH,
    array_name,
    constant,
    is_lane_loop,
    is_read,
    is_scalar_argument,
    source_of,
    strip_casts,
    text,
    trip_count,
    width,
)
from fastprefill.passes.schedule import ProcessSchedule
from fastprefill.passes.storage import global_values, storage_of
from fastprefill.passes.tree import Body
from fastprefill.system.limits import process_limits
from fastprefill.targets.rtl.addresses import Index
from fastprefill.targets.rtl.comments import instances, process_head
from fastprefill.targets.rtl.datapath import Datapath, constant_slice
from fastprefill.targets.rtl.ends import Ends
from fastprefill.targets.rtl.hw import Design, Module, Wire
from fastprefill.targets.rtl.lanes import LaneBuilder, can_outline, has_many_lanes, lane_arrays
from fastprefill.targets.rtl.memory import Rams, Reader, Registers, Rom, Window
from fastprefill.targets.rtl.sequencer import Sequencer
from fastprefill.targets.rtl.values import Lane, is_view, lane_number

_VALUES = PURE_ARITH | {CascadeOp, memref.LoadOp, GetOp}


@dataclass
class ProcessModule:
    """What a region must know to connect a process.

    Attributes:
        module: the hardware module.
        fifo_depth: for each output stream, words that its FIFO holds.
    """

    module: Module
    fifo_depth: dict[str, int] = field(default_factory=dict)


def build_process(design: Design, func: FuncOp, schedule: ProcessSchedule) -> ProcessModule:
    """Add the module of a scheduled process to the design."""
    return ProcessBuilder(design, func, schedule).build()


class ProcessBuilder:
    """Builds the module of one process; ``lanes.py`` adds the elements of unrolled loops."""

    def __init__(self, design: Design, func: FuncOp, schedule: ProcessSchedule) -> None:
        self.func, self.schedule = func, schedule
        module = func.parent_op()
        assert isinstance(module, ModuleOp)
        self.limits = process_limits(module).get(func.sym_name.data, {})
        self.m = Module(design, func.sym_name.data)
        self.m.about = process_head(func, schedule)
        self.m.labels = {label for _, label in instances(func)}
        self.m.flip_flops = has_many_lanes(schedule)
        self.start = self.m.input("start", 1)
        self.sequencer = Sequencer(self.m, schedule)
        self.data = Datapath(self.m, schedule, self.source)
        self.ends = Ends(self.m, func, self.sequencer)
        self.arrays: dict[SSAValue, Registers | Rams | Rom | Window] = {}
        self.scalars: dict[SSAValue, Wire] = {}
        self.exits: dict[Body, Wire] = {}
        self.of_lanes = lane_arrays(schedule)
        self.body: Body | None = None
        self.names_used: dict[str, int] = {}
        self.happening: dict[tuple[Body, int, SSAValue, tuple[int, ...]], Wire] = {}

    def build(self) -> ProcessModule:
        self.run_time_scalars()
        self.declare_arrays()
        self.loop_bounds()
        for body in self.schedule.tree.bodies:
            self.body = body
            self.block(body.op.body.block, {})
        self.ends.finish()
        busy = self.sequencer.finish(self.start, self.ends.conditions, self.exits)
        for declared, array in self.arrays.items():
            self.m.src = source_of(declared)
            array.finish()
        self.m.src = ""
        self.m.output("busy", busy)
        self.m.output("starved", self.m.any(self.ends.starved))
        self.m.output("blocked", self.m.any(self.ends.blocked))
        return ProcessModule(self.m, self.ends.fifo_depth)

    # interface and declarations

    def run_time_scalars(self) -> None:
        for arg in self.func.body.block.args:
            if is_scalar_argument(arg) and is_read(arg):
                assert isinstance(arg.type, MemRefType)
                bits = width(arg.type.element_type)
                value = self.m.input(array_name(arg), bits)
                low, high = self.limits.get(array_name(arg), (-1, 0))
                if low >= 0:  # the bits above are 0 in every run
                    value = self.m.low_bits(value, high.bit_length(), f"{array_name(arg)}_number")
                self.scalars[arg] = value

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
                self.arrays[op.memref] = Rom(
                    self.m, array_name(op.memref), storage_of(op.memref), global_values(op)
                )

    def loop_bounds(self) -> None:
        for loop in self.sequencer.names:
            low, high, step = (self.outside(v) for v in loop.op.operands)
            self.sequencer.bounds[loop] = (low, high, step)
            bound = strip_casts(loop.op.ub)
            if isinstance(bound.owner, memref.LoadOp) and is_scalar_argument(bound.owner.memref):
                limits = self.limits.get(array_name(bound.owner.memref))
                if limits is not None and limits[0] >= 0 and limits[1] < 1 << (width(bound) - 1):
                    self.sequencer.least[loop], self.sequencer.most[loop] = limits

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
            return array.read([], Reader(self.m.const(1, 1), False))
        operands = [self.outside(v) for v in op.operands]
        if isinstance(op, GetSliceOp) and (low := constant(op.lo)) is not None:
            return constant_slice(self.m, operands[0], low, width(op.result))
        if is_view(op) and not isinstance(op, SetSliceOp):
            return self.m.resize(operands[0], width(op.results[0]), signed=op.name != "arith.extui")
        return self.data.compute(op, operands, {}, named=False)

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
            elif type(op) in _VALUES:
                self.pure(op, lane)
            elif isinstance(op, StoreOp):
                self.store(op, lane)
            elif isinstance(op, PutOp):
                self.put(op, lane)
            elif isinstance(op, AcquireOp):
                self.ends.acquire(op, self.here, self.predicate(op.predicate, 0, lane))
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

    def happens(self, body: Body, stage: int, predicate: SSAValue | None, lane: Lane, name: str) -> Wire:
        """Whether something of a body, also of another than the present one, happens: an iteration is in the stage and
        the predicate holds. Known as soon as the predicate is, and kept in one register a stage from there on."""
        if predicate is None or lane_number(predicate, lane) == 1:
            return self.active(self.sequencer.valid(body, stage), stage)
        key = (body, stage, predicate, self.data.lane_key(predicate.owner, lane))
        if key not in self.happening:
            if stage > self.schedule.ready.get(predicate, 0):
                before = self.happens(body, stage - 1, predicate, lane, name)
                self.m.src = text(body.op, "src")
                happening = self.m.register(before, f"{name}_s{stage}", reset=0)
            else:
                here, self.body = self.body, body
                wanted = self.predicate(predicate, stage, lane)
                self.body = here
                happening = (
                    self.m.both([self.sequencer.valid(body, stage), wanted], shared=name)
                    if stage
                    else self.sequencer.issues_with(body, wanted, name)
                )
            self.happening[key] = self.active(happening, stage)
        return self.happening[key]

    def active(self, happening: Wire, stage: int) -> Wire:
        """Note that something happens, for a check in simulation: behind its issue, a process is busy with it."""
        if stage:
            self.m.active[happening] = None
        return happening

    def indices(self, values: Iterable[SSAValue], stage: int, lane: Lane) -> list[Index]:
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
            return self.ends.get(op, self.here, self.predicate(op.predicate, 0, lane))
        assert isinstance(op, memref.LoadOp)
        if op.memref in self.scalars:
            return self.scalars[op.memref]
        stage = self.schedule.stages[op]
        where = self.indices(op.indices, stage, lane)
        waits = stage == 0
        reader = Reader(self.sequencer.turn[self.here] if waits else self.sequencer.valid(self.here, stage), waits)
        array = self.arrays[op.memref]
        if isinstance(array, Window):
            return array.read_at(where, reader, self.slot(op.memref, stage))
        return array.read(where, reader)

    def store(self, op: StoreOp, lane: Lane) -> None:
        value, array, _, _ = op.fields
        if array in self.of_lanes:
            return  # the elements of the lanes do it
        self.write(op, lane, self.data.at(value, self.schedule.stages[op], lane), None)

    def write(self, op: StoreOp, lane: Lane, data: Wire, predicate: Wire | None) -> None:
        """Store `data`; the predicate is given when it was computed inside a processing element."""
        stage = self.schedule.stages[op]
        _, memory, subscripts, condition = op.fields
        name = f"{array_name(memory)}_write"
        if predicate is None:
            enable = self.happens(self.here, stage, condition, lane, name)
        else:
            valid = self.active(self.sequencer.valid(self.here, stage), stage)
            enable = self.m.both([valid, predicate], shared=name)
        where = self.indices(subscripts, stage, lane)
        self.m.src = text(op, "src")
        array = self.arrays[memory]
        if isinstance(array, Window):
            array.write_at(where, enable, data, self.slot(memory, stage))
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
        happens = self.happens(self.here, stage, op.predicate, lane, f"{array_name(op.stream)}_now")
        dropped = None if early or op.predicate is None else self.predicate(op.predicate, stage, lane)
        known_at_issue = self.predicate(op.predicate, 0, lane) if early else None
        data = self.data.at(op.value, stage, lane)
        self.ends.put(op, self.here, stage, happens, dropped, known_at_issue, data)

    def release(self, op: ReleaseOp, lane: Lane) -> None:
        stage = self.schedule.stages[op]
        predicate = self.predicate(op.predicate, stage, lane)
        self.m.src = text(op, "src")
        pulse = self.active(self.m.both([self.sequencer.valid(self.here, stage), predicate], shared="release"), stage)
        self.ends.release(op, pulse)

    def slot(self, window: SSAValue, stage: int) -> Wire | None:
        """The number of the buffer behind a window, as ``Ends.slot``."""
        assert isinstance(window.owner, WindowOp)
        return self.ends.slot(window.owner.stream, self.here, stage)
