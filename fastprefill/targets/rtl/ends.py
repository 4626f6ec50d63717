"""The ends of streams and block streams in a process: who uses them when, and the control that follows from it.

Uses are collected while the bodies are built; ``finish`` makes the ports, credits and conditions of issue.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.dialects.func import FuncOp
from xdsl.ir import BlockArgument, Operation, SSAValue

from fastprefill.ir.dialect import AcquireOp, BlocksType, GetOp, PutOp, ReleaseOp, StreamType
from fastprefill.ir.query import array_name, text
from fastprefill.passes.tree import Body
from fastprefill.targets.rtl.addresses import select
from fastprefill.targets.rtl.hw import Module, Part, Wire
from fastprefill.targets.rtl.sequencer import Condition, Sequencer

FIFO_SLACK = 3
"""Cycles from taking a token out of a FIFO until its credit can be spent again, and one to spare."""


def credit_counter(initial: int, maximum: int, take: int, back: int) -> Part:
    """The hand-written credit counter."""
    ports = (
        ("clk", "in", 1),
        ("rst", "in", 1),
        ("take", "in", take),
        ("back", "in", back),
        ("credit", "in", 1),
        ("count", "out", maximum.bit_length()),
        ("some", "out", 1),
    )
    parameters = (("INITIAL", initial), ("MAXIMUM", maximum), ("TAKE_WIDTH", take), ("BACK_WIDTH", back))
    return Part("fp_credit", ports, parameters)


@dataclass
class _Read:
    """A get or acquire, in stage 0; without a predicate it always happens."""

    op: Operation
    body: Body
    predicate: Wire | None


@dataclass
class _Put:
    """A put; where it is not known at issue whether it happens, with the predicate in its stage."""

    op: PutOp
    body: Body
    stage: int
    happens: Wire
    predicate: Wire | None
    known_at_issue: Wire | None
    data: Wire


@dataclass
class Ends:
    """The stream ends of a process.

    Attributes:
        conditions: per body, what must hold for it to issue.
        starved, blocked: a body has its turn and waits for input, or for room.
        fifo_depth: for each output stream, words that its FIFO holds.
    """

    m: Module
    func: FuncOp
    sequencer: Sequencer
    conditions: dict[Body, list[Condition]] = field(default_factory=dict)
    starved: list[Wire] = field(default_factory=list)
    blocked: list[Wire] = field(default_factory=list)
    fifo_depth: dict[str, int] = field(default_factory=dict)
    inputs: dict[SSAValue, tuple[Wire, Wire]] = field(default_factory=dict)
    gets: dict[SSAValue, list[_Read]] = field(default_factory=dict)
    puts: dict[SSAValue, list[_Put]] = field(default_factory=dict)
    acquires: dict[SSAValue, list[_Read]] = field(default_factory=dict)
    releases: dict[SSAValue, list[tuple[ReleaseOp, Wire]]] = field(default_factory=dict)
    slots: dict[SSAValue, tuple[Wire, Wire]] = field(default_factory=dict)
    delayed_slots: dict[tuple[SSAValue, Body, int], Wire] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.conditions = {body: [] for body in self.sequencer.schedule.tree.bodies}
        for arg in self.func.body.block.args:
            if isinstance(arg.type, StreamType) and self.direction(arg) == "i":
                name, bits = array_name(arg), arg.type.element_type.width.data
                self.inputs[arg] = (self.m.input(f"{name}_valid", 1), self.m.input(f"{name}_data", bits))

    def direction(self, arg: BlockArgument) -> str:
        return text(self.func, "directions")[arg.index]

    # uses

    def get(self, op: GetOp, body: Body, predicate: Wire | None) -> Wire:
        """Note a get; returns its data."""
        self.gets.setdefault(op.stream, []).append(_Read(op, body, predicate))
        return self.inputs[op.stream][1]

    def put(
        self,
        op: PutOp,
        body: Body,
        stage: int,
        happens: Wire,
        predicate: Wire | None,
        known_at_issue: Wire | None,
        data: Wire,
    ) -> None:
        put = _Put(op, body, stage, happens, predicate, known_at_issue, data)
        self.puts.setdefault(op.stream, []).append(put)

    def acquire(self, op: AcquireOp, body: Body, predicate: Wire | None) -> None:
        self.acquires.setdefault(op.stream, []).append(_Read(op, body, predicate))

    def release(self, op: ReleaseOp, pulse: Wire) -> None:
        self.releases.setdefault(op.stream, []).append((op, pulse))

    def slot(self, stream: SSAValue, body: Body, stage: int) -> Wire | None:
        """The number of the buffer that the iteration in a stage works on; None where there is only one."""
        assert isinstance(stream.type, BlocksType)
        depth = stream.type.depth.data
        if depth == 1:
            return None
        if stream not in self.slots:
            bits = (depth - 1).bit_length()
            self.slots[stream] = (self.m.later(bits), self.m.later(bits))
        wire, following = self.slots[stream]
        for read in self.acquires.get(stream, []):
            if read.body is body:
                wire = following if read.predicate is None else self.m.mux(read.predicate, following, wire)
        for number in range(1, stage + 1):
            # Accesses of one body share the registers that take the number along its stages.
            key = (stream, body, number)
            if key not in self.delayed_slots:
                self.delayed_slots[key] = self.m.register(wire, f"{array_name(stream)}_slot_s{number}")
            wire = self.delayed_slots[key]
        return wire

    # what follows from them

    def finish(self) -> None:
        """Make the ports and their control."""
        for arg in self.func.body.block.args:
            if isinstance(arg.type, BlocksType):
                self.finish_blocks(arg)
        for stream in self.inputs:
            self.finish_input(stream)
        for arg in self.func.body.block.args:
            if isinstance(arg.type, StreamType) and self.direction(arg) == "o":
                self.finish_output(arg, self.puts.get(arg, []))

    def wait(self, body: Body, have: Wire, wanted: Wire | None, waiting: list[Wire], name: str) -> None:
        """Hold a body back until something that it wants is there, and count the cycles."""
        self.conditions[body].append((have, wanted))
        ready = have if wanted is None else self.m.any([have, self.m.invert(wanted)], shared=name)
        waiting.append(self.m.both([self.sequencer.turn[body], self.m.invert(ready)]))

    def taken(self, name: str, reads: list[_Read]) -> Wire:
        """Whether one of the reads happens in this cycle."""
        used = [self.sequencer.issues_with(r.body, r.predicate, f"{name}_taken") for r in reads]
        return self.m.any(used, shared=f"{name}_taken")

    def finish_input(self, stream: SSAValue) -> None:
        m, name, (valid, _) = self.m, array_name(stream), self.inputs[stream]
        reads = self.gets.get(stream, [])
        for read in reads:
            m.src = text(read.op, "src")
            self.wait(read.body, valid, read.predicate, self.starved, f"{name}_there")
        m.output(f"{name}_ready", self.taken(name, reads))

    def finish_blocks(self, arg: BlockArgument) -> None:
        m, name = self.m, array_name(arg)
        assert isinstance(arg.type, BlocksType)
        depth, writing = arg.type.depth.data, self.direction(arg) == "o"
        arrives = m.input(f"{name}_free" if writing else f"{name}_full", 1)
        reads = self.acquires.get(arg, [])
        m.src = text(reads[0].op, "src") if reads else ""
        taken = self.taken(name, reads)
        part = credit_counter(depth if writing else 0, depth, 1, 1)
        inputs = {"take": taken, "back": m.const(0, 1), "credit": arrives}
        there = m.instance(f"{name}_buffers", part, inputs)["some"]
        for read in reads:
            m.src = text(read.op, "src")
            self.wait(read.body, there, read.predicate, self.blocked if writing else self.starved, f"{name}_there")
        if arg in self.slots:
            current, following = self.slots[arg]
            zero, one = m.const(0, following.width), m.const(1, following.width)
            end = m.compare("eq", following, m.const(depth - 1, following.width))
            advanced = m.mux(end, zero, m.binary("add", following, one))
            m.bind(following, m.register(m.mux(taken, advanced, following), f"{name}_next", reset=0))
            m.bind(current, m.register(following, f"{name}_held", enable=taken))
        releases = self.releases.get(arg, [])
        m.src = text(releases[0][0], "src") if releases else ""
        m.output(f"{name}_release", m.any(pulse for _, pulse in releases))

    def finish_output(self, stream: BlockArgument, puts: list[_Put]) -> None:
        """Credits are taken at issue for every put that may happen, and given back where it does not."""
        m, name = self.m, array_name(stream)
        assert isinstance(stream.type, StreamType)
        latest = max((p.stage for p in puts), default=0)
        most = max((sum(q.body is p.body for q in puts) for p in puts), default=1)
        depth = stream.type.depth.data + latest + FIFO_SLACK + most - 1
        self.fifo_depth[name] = depth
        arrives = m.input(f"{name}_credit", 1)
        m.src = text(puts[0].op, "src") if puts else ""
        enables, backs, takes = [], [], []
        count, some, bits = m.later(depth.bit_length()), m.later(1), most.bit_length()
        for body in dict.fromkeys(p.body for p in puts):
            known = [p.known_at_issue for p in puts if p.body is body]
            if len(known) == 1:
                self.wait(body, some, known[0], self.blocked, f"{name}_room")
                taken = self.sequencer.issues_with(body, known[0], f"{name}_take")
                takes.append(m.resize(taken, bits, signed=False))
            else:
                ready, wanted = self.room(name, count, known)
                self.wait(body, ready, None, self.blocked, f"{name}_room")
                amount = m.resize(wanted, bits, signed=False)
                issue = self.sequencer.issue[body]
                takes.append(m.mux(issue, amount, m.const(0, bits), shared=f"{name}_take"))
        for p in puts:
            m.src = text(p.op, "src")
            enables.append((p.happens, p.data))
            if p.predicate is not None:
                valid = self.sequencer.valid(p.body, p.stage)
                m.src = text(p.op, "src")
                backs.append(m.both([valid, m.invert(p.predicate)]))
        take = takes[0] if takes else m.const(0, bits)
        for other in takes[1:]:
            take = m.binary("or", take, other)  # one body issues in a cycle
        back_bits = max(1, len(backs).bit_length())
        back = m.const(0, back_bits)
        for pulse in backs:
            back = m.binary("add", back, m.resize(pulse, back_bits, signed=False))
        part = credit_counter(depth, depth, bits, back_bits)
        counted = m.instance(f"{name}_credits", part, {"take": take, "back": back, "credit": arrives})
        m.bind(count, counted["count"])
        m.bind(some, counted["some"])
        m.output(f"{name}_put", m.any(e for e, _ in enables))
        m.output(f"{name}_data", select(m, enables, stream.type.element_type.width.data))

    def room(self, name: str, count: Wire, puts: list[Wire | None]) -> tuple[Wire, Wire]:
        """Whether the credits of a stream are enough for an issue with these puts, several, and how many it takes.

        Args:
            name: of the stream.
            count: credits that are left.
            puts: for each put whether it happens, None where that is not known at issue: it may.
        """
        m, bits = self.m, count.width
        ones = [m.const(1, bits) if p is None else m.resize(p, bits, signed=False) for p in puts]
        wanted = ones[0]
        for one in ones[1:]:
            wanted = m.binary("add", wanted, one, shared=f"{name}_wanted")
        return m.compare("uge", count, wanted, shared=f"{name}_room"), wanted
