"""The sequencer of a process: which body issues next, and the loop variables.

One flip-flop says for each body that it is its turn. An issue moves the turn on in the same cycle, so loops
cost nothing between iterations.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.dialects import memref
from xdsl.ir import Operation, SSAValue

from fastprefill.ir.query import INDEX_BITS, constant, is_scalar_argument, text, trip_count
from fastprefill.passes.schedule import ProcessSchedule
from fastprefill.passes.tree import Body, Loop, Node, Repeat, entry
from fastprefill.targets.rtl.addresses import select
from fastprefill.targets.rtl.hw import Module, Part, Wire

Condition = tuple[Wire, Wire | None]
"""What an issue waits for: a wire that says that it is there, and one that says whether it is wanted; None: always."""

LUT_INPUTS = 6
FEW_STAGES = 5
"""Stages of a body whose valid bits fit a LUT with the bit that says whose turn it is."""


def issue_gate(streams: int, always: int) -> Part:
    """The hand-written gate for bodies that wait for several streams, of which all want the first `always`."""
    ports = (
        ("turn", "in", 1),
        ("have", "in", streams),
        ("want", "in", streams),
        ("issue", "out", 1),
        ("take", "out", streams),
    )
    return Part("fp_issue", ports, (("STREAMS", streams), ("ALWAYS", always)))


@dataclass
class _Move:
    """The turn passes to `target` (None: the run is over) when the condition holds."""

    when: Wire
    source: Body
    target: Body | None
    sets: list[tuple[str, Loop, Wire]]


@dataclass
class Sequencer:
    """Control of a process.

    Attributes:
        issue: per body, the cycle in which an iteration issues; wires to be bound by ``finish``.
        most, least: per loop, the most and the least that its upper bound can be, where that is known and not negative.
    """

    m: Module
    schedule: ProcessSchedule
    names: dict[Loop, str] = field(default_factory=dict)
    issue: dict[Body, Wire] = field(default_factory=dict)
    turn: dict[Body, Wire] = field(default_factory=dict)
    variable: dict[Loop, Wire] = field(default_factory=dict)
    firsts: dict[Loop, Wire] = field(default_factory=dict)
    loops: dict[SSAValue, Loop] = field(default_factory=dict)
    parent: dict[Node, tuple[Loop | Repeat | None, list[Node], int]] = field(default_factory=dict)
    valids: dict[tuple[Body, int], Wire] = field(default_factory=dict)
    bounds: dict[Loop, tuple[Wire, Wire, Wire]] = field(default_factory=dict)
    most: dict[Loop, int] = field(default_factory=dict)
    least: dict[Loop, int] = field(default_factory=dict)
    lasts: dict[Loop, Wire] = field(default_factory=dict)
    takes: dict[tuple[Body, Wire], tuple[Wire, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._visit(self.schedule.tree.nodes, None)
        for body in self.schedule.tree.bodies:
            self.issue[body] = self.m.later(1)
            self.turn[body] = self.m.later(1)

    def _visit(self, nodes: list[Node], parent: Loop | Repeat | None) -> None:
        for position, node in enumerate(nodes):
            self.parent[node] = (parent, nodes, position)
            if isinstance(node, Loop):
                name = text(node.op, "loop_name") or node.variable.name_hint or "loop"
                taken = set(self.names.values())
                self.names[node] = name if name not in taken else f"{name}_{len(taken)}"
                self.variable[node] = self.m.later(INDEX_BITS)
                self.loops[node.variable] = node
            if not isinstance(node, Body):
                self._visit(node.children, node)

    # facts that the datapath uses

    def valid(self, body: Body, stage: int) -> Wire:
        """An iteration of the body is in this stage."""
        if stage == 0:
            return self.issue[body]
        key = (body, stage)
        if key not in self.valids:
            self.m.src = text(body.op, "src")
            self.valids[key] = self.m.register(
                self.valid(body, stage - 1), f"{body.name}_valid_s{stage}", reset=0
            )
        return self.valids[key]

    def issues_with(self, body: Body, wanted: Wire | None, name: str) -> Wire:
        """An iteration of the body issues and the condition, which is known then, holds."""
        if wanted is None or wanted == self.m.const(1, 1):
            return self.issue[body]
        return self.takes.setdefault((body, wanted), (self.m.later(1), name))[0]

    def is_first(self, loop: Loop) -> Wire:
        """The loop is in its first iteration."""
        if loop not in self.firsts:
            self.firsts[loop] = self.m.later(1)
        return self.firsts[loop]

    def value(self, loop: Loop) -> Wire:
        """The loop variable. A lower bound that the pipeline computes, or that follows an outer loop's variable,
        may change after the turn has moved on, so the first iteration takes it from where it is kept."""
        if not _changes(loop.op.lb):
            return self.variable[loop]
        self.m.src = text(loop.op, "src")
        first = self.is_first(loop)
        return self.m.mux(first, self.bounds[loop][0], self.variable[loop], f"{self.names[loop]}_now")

    def live(self, loop: Loop) -> Wire:
        """The loop variable is below the upper bound."""
        self.m.src = text(loop.op, "src")
        if self._never_empty(loop):
            return self.m.const(1, 1)
        if self.counts(loop):  # it is, once the loop has begun with it below
            low, high, _ = self.bounds[loop]
            return self.m.compare("slt", low, high, f"{self.names[loop]}_live")
        return self.m.compare("slt", self.value(loop), self.bounds[loop][1], f"{self.names[loop]}_live")

    def last(self, loop: Loop) -> Wire:
        """The next value of the loop variable is not below the upper bound."""
        wide, name = INDEX_BITS + 1, self.names[loop]
        # In a loop without iterations the loops inside end at once: nobody has computed their bounds.
        empty = [self.m.invert(self.live(outer)) for outer in self._outer(loop)]
        if self.counts(loop):
            if loop not in self.lasts:
                self.lasts[loop] = self.m.later(1)
            over = self.lasts[loop]
        else:
            following = self._next(loop, wide)
            high = self.m.resize(self.bounds[loop][1], wide, signed=True)
            self.m.src = text(loop.op, "src")
            over = self.m.compare("sge", following, high, f"{name}_last")
        self.m.src = text(loop.op, "src")
        return self.m.any([over, *empty], shared=f"{name}_ends")

    def counts(self, loop: Loop) -> bool:
        """Whether a loop counts up by one between bounds that do not change in a run. Then a register says in time
        that its last iteration comes: no path holds a comparison behind an addition."""
        return constant(loop.op.step) == 1 and not (_changes(loop.op.lb) or _changes(loop.op.ub))

    def _last_after(self, loop: Loop) -> tuple[Wire, Wire]:
        """Whether the iteration after an entry is the last, and the one after an iteration that is not."""
        m, name = self.m, self.names[loop]
        low, high, _ = self.bounds[loop]
        m.src = text(loop.op, "src")
        start, most = constant(loop.op.lb), self.most.get(loop)
        if start is not None and start >= 0 and most is not None:  # neither bound is negative
            wide = max(start + 1, most).bit_length()
            entered = m.compare("ule", m.resize(high, wide, signed=False), m.const(start + 1, wide))
        else:
            wide = INDEX_BITS + 1
            after = m.binary("add", m.resize(low, wide, signed=True), m.const(1, wide))
            entered = m.compare("sge", after, m.resize(high, wide, signed=True), shared=f"{name}_single")
        # The variable is below the bound by two or more, so equal is enough, and wrapping does no harm.
        bits, end = self._bits(loop), constant(loop.op.ub)
        if end is not None:
            two_before = m.const(end - 2, bits)
        else:
            before = m.binary("sub", m.extract(high, 0, bits), m.const(2, bits))
            two_before = m.register(before, f"{name}_two_before")
        at = m.extract(self.variable[loop], 0, bits)
        return entered, m.compare("eq", at, two_before, shared=f"{name}_last_but_one")

    def _outer(self, loop: Loop) -> list[Loop]:
        """The loops around this one that may have no iterations."""
        found: list[Loop] = []
        at, _, _ = self.parent[loop]
        while at is not None:
            if isinstance(at, Loop) and not self._never_empty(at):
                found.append(at)
            at, _, _ = self.parent[at]
        return found

    def _never_empty(self, loop: Loop) -> bool:
        """Whether a loop has an iteration in every run: by its bounds, or by the limits of a run-time scalar."""
        low = constant(loop.op.lb)
        return bool(trip_count(loop.op)) or (low is not None and low < self.least.get(loop, low))

    def _next(self, loop: Loop, bits: int) -> Wire:
        step = constant(loop.op.step)
        dynamic = self.bounds[loop][2]
        amount = self.m.resize(dynamic, bits, signed=True) if step is None else self.m.const(step, bits)
        value = self.m.resize(self.value(loop), bits, signed=True)
        self.m.src = text(loop.op, "src")
        return self.m.binary("add", value, amount, shared=f"{self.names[loop]}_next")

    # the machine

    def finish(self, start: Wire, conditions: dict[Body, list[Condition]], exits: dict[Body, Wire]) -> Wire:
        """Build the state; returns `busy`.

        Args:
            start: pulse that begins a run.
            conditions: per body, what must hold for it to issue.
            exits: per first body of a ``while``, whether the loop goes on (in stage ii - 1).
        """
        m, bodies = self.m, self.schedule.tree.bodies
        if not bodies:
            return m.const(0, 1)
        moves = self._start(start)
        late: dict[Body, bool] = {}
        for body in bodies:
            late[body] = body in exits and self.schedule.ii[body] > 1
            trigger = self.valid(body, self.schedule.ii[body] - 1) if late[body] else self.issue[body]
            moves += self._after_body(body, trigger, exits)
        waiting = self._wait(moves, late)
        for body in bodies:
            m.src = text(body.op, "src")
            self._issue(body, [*conditions[body], *([(waiting, None)] if waiting is not None else [])])
            m.bind(self.turn[body], self._turn(body, moves, late[body]))
        for loop in self.names:
            self._loop_state(loop, moves)
        return m.any([*self.turn.values(), *(wire for b in bodies for wire in self._flying(b, late[b]))])

    def _turn(self, body: Body, moves: list[_Move], late: bool) -> Wire:
        """Whose turn it is. A body whose iteration decides at issue keeps its turn unless that passes on: what it says
        of the turn coming back need not be waited for."""
        m, turn, issue = self.m, self.turn[body], self.issue[body]
        start, *after = moves
        leaves = [move.when for move in after if move.source is body and move.target is not body]
        keeps = not late and leaves != []
        comes = [start, *(move for move in after if not (keeps and move.source is body))]
        arrives = [move.when for move in comes if move.target is body]
        over = m.any(leaves, shared=f"{body.name}_leaves") if keeps else issue
        m.src = text(body.op, "src")
        stays = m.both([turn, m.invert(over)])
        return m.register(m.any([*arrives, stays]), f"{body.name}_turn", reset=0)

    def _issue(self, body: Body, conditions: list[Condition]) -> None:
        """A body issues in its turn when every condition holds: in a LUT where one is enough, else in ``fp_issue``."""
        m, turn, name = self.m, self.turn[body], f"{body.name}_issue"
        always = m.const(1, 1)
        conditions = sorted(conditions, key=lambda one: one[1] in (None, always))  # a word's first bit comes last
        wants = [always if want is None else want for _, want in conditions]
        gate: dict[Wire, Wire] = {}
        if len({turn, *(have for have, _ in conditions), *wants} - {always}) <= LUT_INPUTS:
            ready = [have if want is None else m.any([have, m.invert(want)]) for have, want in conditions]
            issue = m.both([turn, *ready], name)
        else:
            inputs = {"turn": turn, "have": m.concat([have for have, _ in conditions]), "want": m.concat(wants)}
            part = issue_gate(len(wants), wants.count(always))
            outs = m.instance(f"{body.name}_gate", part, inputs)
            issue = outs["issue"]
            gate = {want: m.extract(outs["take"], at, 1) for at, want in enumerate(reversed(wants))}
        m.bind(self.issue[body], issue)
        for (of, want), (take, shared) in self.takes.items():
            if of is body:
                m.bind(take, gate[want] if want in gate else m.both([issue, want], shared=shared))

    def _flying(self, body: Body, late: bool) -> list[Wire]:
        """One of these is 1 while iterations of a body are in its stages. Where there are many, a register is, for all
        but the first: what decides on an issue comes late."""
        valids = [self.valid(body, stage) for stage in range(self._stages(body, late))]
        if len(valids) <= FEW_STAGES:
            return valids[1:]
        self.m.src = text(body.op, "src")
        return [valids[1], self.m.register(self.m.any(valids[1:-1]), f"{body.name}_flying", reset=0)]

    def _stages(self, body: Body, late: bool) -> int:
        """Stages during which the process is busy: those of the pipeline, and the wait for a late condition."""
        return max(self.schedule.depth(body), self.schedule.ii[body] if late else 1)

    def _start(self, start: Wire) -> list[_Move]:
        first = self.schedule.tree.nodes[0]
        return [self._enter(first, start, entry(first))]

    def _enter(self, node: Node, when: Wire, source: Body) -> _Move:
        sets: list[tuple[str, Loop, Wire]] = []
        at = node
        while not isinstance(at, Body):
            if isinstance(at, Loop):
                sets += [("variable", at, self.bounds[at][0]), ("first", at, self.m.const(1, 1))]
                if self.counts(at):
                    sets.append(("last", at, self._last_after(at)[0]))
            at = at.children[0]
        return _Move(when, source, at, sets)

    def _after_body(self, body: Body, trigger: Wire, exits: dict[Body, Wire]) -> list[_Move]:
        if body not in exits:
            return self._step(body, trigger, body)
        goes_on, m, name = exits[body], self.m, body.name
        repeat, _, _ = self.parent[body]
        assert isinstance(repeat, Repeat)
        m.src = text(body.op, "src")
        inside = self._step(body, m.both([trigger, goes_on], shared=f"{name}_again"), body)
        over = m.both([trigger, m.invert(goes_on)], shared=f"{name}_over")
        return inside + self._step(repeat, over, body)

    def _step(self, node: Node, when: Wire, source: Body) -> list[_Move]:
        """Where the turn goes when a node is over."""
        parent, siblings, position = self.parent[node]
        if position + 1 < len(siblings):
            return [self._enter(siblings[position + 1], when, source)]
        if parent is None:
            return [_Move(when, source, None, [])]
        if isinstance(parent, Repeat):
            return [self._enter(parent.children[0], when, source)]
        last, name = self.last(parent), self.names[parent]
        goes_on = self.m.both([when, self.m.invert(last)], shared=f"{name}_again")
        again = self._enter(parent.children[0], goes_on, source)
        again.sets += [
            ("variable", parent, self._next(parent, INDEX_BITS)),
            ("first", parent, self.m.const(0, 1)),
        ]
        if self.counts(parent):
            again.sets.append(("last", parent, self._last_after(parent)[1]))
        self.m.src = text(parent.op, "src")
        return [again, *self._step(parent, self.m.both([when, last], shared=f"{name}_over"), source)]

    def _wait(self, moves: list[_Move], late: dict[Body, bool]) -> Wire | None:
        """Initiation intervals above one and gaps: a counter that holds the turn back."""
        waits: list[tuple[_Move, int]] = []
        for move in moves[1:]:
            if move.target is None:
                continue
            gap = self.schedule.gaps.get((move.source, move.target), 0)
            waits.append((move, gap + (0 if late[move.source] else self.schedule.ii[move.source] - 1)))
        most = max((n for _, n in waits), default=0)
        if most == 0:
            return None
        m, bits = self.m, most.bit_length()
        count = m.later(bits)
        m.src = ""
        zero = m.compare("eq", count, m.const(0, bits), shared="waited")
        following = m.mux(zero, count, m.binary("sub", count, m.const(1, bits)))
        for move, n in waits:
            following = m.mux(move.when, m.const(n, bits), following)
        m.bind(count, m.register(following, "wait", reset=0))
        return zero

    def _loop_state(self, loop: Loop, moves: list[_Move]) -> None:
        m, name = self.m, self.names[loop]
        m.src = text(loop.op, "src")
        states = [("variable", self.variable[loop], name)]
        if loop in self.firsts:
            states.append(("first", self.firsts[loop], f"{name}_first"))
        if loop in self.lasts:
            states.append(("last", self.lasts[loop], f"{name}_last"))
        for kind, wire, label in states:
            whens: dict[Wire, list[Wire]] = {}  # by new value; the first one is that of entering the loop
            for move in moves:
                for set_kind, set_loop, new in move.sets:
                    if set_kind == kind and set_loop is loop:
                        whens.setdefault(new, []).append(move.when)
            enters, *others = whens
            entering = m.any(whens[enters], shared=f"{name}_enters")
            value = enters
            if others:
                value = m.mux(
                    entering, enters, select(m, [(m.any(whens[new]), new) for new in others], wire.width)
                )
            enable = m.any([when for some in whens.values() for when in some], shared=f"{name}_moves")
            bits = self._bits(loop) if kind == "variable" else 1
            held = m.register(m.extract(value, 0, bits), label, enable=enable)
            above = m.const(0, wire.width - bits) if bits < wire.width else None
            m.bind(wire, m.concat([above, held], f"{label}_number") if above else held)

    def _bits(self, loop: Loop) -> int:
        """Bits of a loop variable that can be anything but 0."""
        low, high = constant(loop.op.lb), constant(loop.op.ub)
        most = high if high is not None else self.most.get(loop)
        if low is None or low < 0 or most is None or constant(loop.op.step) != 1:
            return INDEX_BITS
        return max(low, most - 1, 1).bit_length()


def _changes(bound: SSAValue) -> bool:
    """Whether a bound depends on anything but constants and run-time scalars."""
    owner = bound.owner
    if not isinstance(owner, Operation):
        return True
    if isinstance(owner, memref.LoadOp):
        return not is_scalar_argument(owner.memref)
    return any(_changes(operand) for operand in owner.operands)
