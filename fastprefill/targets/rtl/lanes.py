"""Unrolled loops as processing elements: one module for the body of a lane, one instance for each lane."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import TYPE_CHECKING

from xdsl.dialects import memref, scf
from xdsl.ir import Operation, SSAValue

from fastprefill.ir.dialect import GetSliceOp, SetSliceOp
from fastprefill.ir.pipe import StoreOp
from fastprefill.ir.query import (
    array_name,
    constant,
    is_lane_loop,
    is_scalar_argument,
    source_of,
    strip_casts,
    text,
    trip_count,
    width,
)
from fastprefill.passes.fuse_lanes import nest
from fastprefill.passes.lanes import is_lane_constant, only_chooses
from fastprefill.passes.placement import WIDE
from fastprefill.passes.schedule import ProcessSchedule
from fastprefill.passes.storage import Storage, storage_of
from fastprefill.passes.tree import Body
from fastprefill.targets.rtl.comments import element_head
from fastprefill.targets.rtl.datapath import Datapath
from fastprefill.targets.rtl.hw import Module, Wire
from fastprefill.targets.rtl.memory import Reader, Registers
from fastprefill.targets.rtl.values import Lane, is_view, lane_number, name_of

if TYPE_CHECKING:
    from fastprefill.targets.rtl.process import ProcessBuilder

LEAST_LANES = 4
"""Fewer lanes are built in place."""


def can_outline(loop: scf.ForOp) -> bool:
    """Whether a lane nest is perfect, has lanes enough, and does more than choose and move elements."""
    loops = nest(loop)
    lanes = 1
    for level in loops:
        lanes *= trip_count(level) or 0
    inner = loops[-1].body.block
    moves = (StoreOp, scf.YieldOp)
    own_work = any(
        not (is_edge(op) or is_view(op) or only_chooses(op) or isinstance(op, moves)) for op in inner.ops
    )
    return lanes >= LEAST_LANES and own_work and not any(is_lane_loop(op) for op in inner.ops)


def has_many_lanes(schedule: ProcessSchedule) -> bool:
    """Whether a process is an array of elements: these are short of LUTs before they are short of flip-flops."""
    loops = [op for body in schedule.tree.bodies for op in body.op.body.block.ops if is_lane_loop(op)]
    return any(prod(trip_count(level) or 1 for level in nest(loop)) >= WIDE for loop in loops)


def is_edge(op: Operation) -> bool:
    """Ops that differ from lane to lane in how they are wired; they are built outside the element."""
    if isinstance(op, memref.LoadOp):
        return True
    if isinstance(op, GetSliceOp | SetSliceOp):
        return constant(op.lo) is None and is_lane_constant(op.lo)
    return bool(op.results) and is_lane_constant(op.results[0])


@dataclass
class _Stored:
    """A store to an array outside the element: ports that carry data and, when it is made inside, the enable."""

    op: StoreOp
    data: str
    enable: str | None


@dataclass(frozen=True)
class _Control:
    """A port that says that an iteration of a body is in a stage, and its predicate holds."""

    body: Body
    stage: int
    predicate: SSAValue | None


_Bits = tuple[SSAValue, int, int, int]
"""Bits of a value in a stage: value, lowest bit, number of bits, stage."""


@dataclass
class _LaneDatapath(Datapath):
    """Values inside an element; what comes from outside becomes an input port."""

    inside: set[Operation] = field(default_factory=set)
    home: dict[SSAValue, Registers] = field(default_factory=dict)
    imports: dict[_Bits, str] = field(default_factory=dict)
    ports: dict[_Bits, Wire] = field(default_factory=dict)

    def at(self, value: SSAValue, stage: int, lane: Lane) -> Wire:
        if lane_number(value, {}) is None and not self.mine(value):
            return self.imported(value, 0, width(value), stage)
        return super().at(value, stage, {})

    def bits_at(self, value: SSAValue, low: int, bits: int, stage: int, lane: Lane) -> Wire:
        inside = low >= 0 and low + bits <= width(value)
        if inside and lane_number(value, {}) is None and not self.mine(value):
            return self.imported(value, low, bits, stage)
        return super().bits_at(value, low, bits, stage, {})

    def mine(self, value: SSAValue) -> bool:
        """Whether a value is made inside the element."""
        op = value.owner
        return isinstance(op, Operation) and op in self.inside and not self.outside(op)

    def sees_through(self, op: Operation) -> bool:
        return self.mine(op.results[0])

    def outside(self, op: object) -> bool:
        if isinstance(op, memref.LoadOp):
            return op.memref not in self.home
        return isinstance(op, Operation) and is_edge(op)

    def imported(self, value: SSAValue, low: int, bits: int, stage: int) -> Wire:
        owner = value.owner
        if is_lane_constant(value) or (isinstance(owner, memref.LoadOp) and is_scalar_argument(owner.memref)):
            stage = 0
        key = (value, low, bits, stage)
        if key not in self.ports:
            name = name_of(value)
            self.imports[key] = self.m.free_port(name if bits == width(value) else f"{name}_{low}")
            self.ports[key] = self.m.input(self.imports[key], bits)
        return self.ports[key]

    def lane_key(self, op: object, lane: Lane) -> tuple[int, ...]:
        return ()


def lane_arrays(schedule: ProcessSchedule) -> dict[SSAValue, scf.ForOp]:
    """Local arrays of registers whose elements belong to the lanes of one nest, with the outermost loop of it.

    Every lane of the nest uses its own element alone; outside the nest, all elements are set to a constant at once.
    """
    uses: dict[SSAValue, list[Operation]] = {}
    for body in schedule.tree.bodies:
        for op in body.ops:
            if isinstance(op, memref.LoadOp | StoreOp) and isinstance(op.memref.owner, memref.AllocOp):
                uses.setdefault(op.memref, []).append(op)
    found: dict[SSAValue, scf.ForOp] = {}
    for array, ops in uses.items():
        storage = storage_of(array)
        if storage.memory != "register" or not all(_own_element(op, storage) for op in ops):
            continue
        nests = {
            id(loop): loop for op in ops if not _sets_constant(op) and (loop := _outermost(op)) is not None
        }
        if len(nests) == 1:
            (loop,) = nests.values()
            if can_outline(loop):
                found[array] = loop
    return found


def _sets_constant(op: Operation) -> bool:
    """A store of a constant, alone in its lane nest."""
    if not isinstance(op, StoreOp) or constant(op.value) is None:
        return False
    predicate = op.predicate
    loop = _outermost(op)
    return (
        loop is not None
        and not can_outline(loop)
        and (predicate is None or predicate.owner not in set(loop.walk()))
    )


def _outermost(op: Operation) -> scf.ForOp | None:
    """The outermost of the lane loops around an op."""
    found: scf.ForOp | None = None
    at = op.parent_op()
    while at is not None:
        if is_lane_loop(at):
            assert isinstance(at, scf.ForOp)
            found = at
        at = at.parent_op()
    return found


def _own_element(op: Operation, storage: Storage) -> bool:
    """Whether the lanes around an access use each element of an array once."""
    assert isinstance(op, memref.LoadOp | StoreOp)
    loop = _outermost(op)
    if loop is None:
        return False
    loops = nest(loop)
    if op.parent_block() is not loops[-1].body.block:
        return False
    variables = [level.body.block.args[0] for level in loops]
    indices = [strip_casts(i) for i in op.indices]
    if sorted(map(id, indices)) != sorted(map(id, variables)):
        return False
    for level in loops:
        extent = storage.shape[indices.index(level.body.block.args[0])]
        if constant(level.lb) != 0 or constant(level.step) != 1 or trip_count(level) != extent:
            return False
    return True


class LaneBuilder:
    """Builds the element of a lane nest and its instances in the process."""

    def __init__(self, process: ProcessBuilder, loop: scf.ForOp) -> None:
        self.process, self.loops = process, nest(loop)
        self.block = self.loops[-1].body.block
        self.variables = [level.body.block.args[0] for level in self.loops]
        self.name = process.free_name("lane")
        self.m = Module(process.m.design, f"{process.m.name}_{self.name}", reset=False)
        self.m.flip_flops = True
        self.data = _LaneDatapath(self.m, process.schedule, self.source, inside=set(self.block.ops))
        self.controls: dict[str, _Control] = {}
        self.stored: list[_Stored] = []

    def build(self) -> None:
        for array in self.own_arrays():
            bits = storage_of(array).width
            self.data.home[array] = Registers(self.m, array, Storage((), bits, (), (), "register"))
        for op in self.block.ops:
            self.m.src = text(op, "src")
            if isinstance(op, StoreOp):
                self.store(op)
            elif op.results and not (self.data.outside(op) or is_view(op)):
                value = op.results[0]
                if lane_number(value, {}) is None:
                    self.data.at(value, self.process.schedule.ready[value], {})
        self.fills()
        for array, registers in self.data.home.items():
            self.m.src = source_of(array)
            registers.finish()
        self.instances()

    def own_arrays(self) -> list[SSAValue]:
        """Local arrays of which every lane uses just its own element, and others only set all elements at once."""
        return [array for array, loop in self.process.of_lanes.items() if loop is self.loops[0]]

    def fills(self) -> None:
        """Stores of a constant into all elements, made in another body: here a port enables the lane's own."""
        for body in self.process.schedule.tree.bodies:
            for op in body.ops:
                if not isinstance(op, StoreOp) or op.memref not in self.data.home:
                    continue
                if op.parent_block() is not self.block:
                    stage = self.process.schedule.stages[op]
                    enable = self.control(body, stage, op.predicate)
                    number = constant(op.value)
                    assert number is not None
                    self.data.home[op.memref].write([], enable, self.m.const(number, width(op.value)))

    def source(self, value: SSAValue, lane: Lane) -> Wire:
        op = value.owner
        assert isinstance(op, memref.LoadOp)
        return self.data.home[op.memref].read([], Reader(self.m.const(1, 1), False))

    def store(self, op: StoreOp) -> None:
        stage = self.process.schedule.stages[op]
        data = self.data.at(op.value, stage, {})
        self.m.src = text(op, "src")
        inner = op.predicate is not None and op.predicate.owner in self.data.inside
        if op.memref in self.data.home:
            valid = self.control(self.process.here, stage, None if inner else op.predicate)
            enable = self.m.both(
                [valid, self.data.at(op.predicate, stage, {}) if inner and op.predicate else None]
            )
            self.data.home[op.memref].write([], enable, data)
            return
        name = array_name(op.memref)
        port = self.m.free_port(f"{name}_data")
        self.m.output(port, data)
        enable_port = None
        if inner and op.predicate is not None:
            enable_port = self.m.free_port(f"{name}_enable")
            self.m.output(enable_port, self.data.at(op.predicate, stage, {}))
        self.stored.append(_Stored(op, port, enable_port))

    def control(self, body: Body, stage: int, predicate: SSAValue | None) -> Wire:
        """A port that says that an iteration is in a stage, and its predicate holds."""
        control = _Control(body, stage, predicate)
        for name, known in self.controls.items():
            if known == control:
                return Wire(f"%{name}", 1)
        here = body is self.process.here
        name = self.m.free_port(f"enable_s{stage}" if here else f"{body.name}_enable")
        self.controls[name] = control
        return self.m.input(name, 1)

    def instances(self) -> None:
        """One element for each lane, with what differs from lane to lane around it."""
        process = self.process
        spans = []
        for level in self.loops:
            low, step, trips = constant(level.lb), constant(level.step), trip_count(level)
            assert low is not None and step is not None and trips is not None
            spans.append([low + trip * step for trip in range(trips)])
        self.m.about = element_head(self.m.name, process.m.name, self.block.ops)
        for numbers in product(*spans):
            lane: Lane = dict(zip(self.variables, numbers, strict=True))
            inputs = {
                name: process.data.bits_at(value, low, bits, stage, lane)
                for (value, low, bits, stage), name in self.data.imports.items()
            }
            for name, control in self.controls.items():
                inputs[name] = process.happens(
                    control.body, control.stage, control.predicate, lane, f"{self.name}_{name}"
                )
            process.m.src = ""
            label = "_".join([self.name, *map(str, numbers)])
            outs = process.m.instance(label, self.m, inputs)
            for stored in self.stored:
                process.write(
                    stored.op, lane, outs[stored.data], outs[stored.enable] if stored.enable else None
                )
