"""Stages for the ops of one body: as soon as possible, chained inside a clock period."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from xdsl.dialects import arith, memref, scf
from xdsl.dialects.builtin import IndexType, IntegerType
from xdsl.ir import Operation, SSAValue

from fastprefill.boards import Board
from fastprefill.errors import KernelError
from fastprefill.ir.dialect import AcquireOp, GetOp, GetSliceOp, SetSliceOp
from fastprefill.ir.pipe import CascadeOp, LastOp, LiveOp, StoreOp
from fastprefill.ir.query import (
    array_name,
    constant,
    is_lane_loop,
    is_scalar_argument,
    text,
    trip_count,
    width,
)
from fastprefill.passes.addresses import address_delay
from fastprefill.passes.arrival import AT_ISSUE, Arrival, Limit, Step, after, at_once, together
from fastprefill.passes.delays import delay, is_multiplier, is_wire, read_delay
from fastprefill.passes.lanes import is_lane_constant
from fastprefill.passes.storage import storage_of

MAX_SINKS = 24
"""Placements that are tried to move ops of lanes to the stages that use them."""

WIDE = 64
"""Pins in lanes from which on what comes from outside goes through registers, which can be copied."""
LOADS = 32
"""Pins that one of those registers drives."""

Pinned = Mapping[Operation, GetOp | AcquireOp]
"""Ops whose values must be known when an iteration issues, each with the read that depends on it."""


@dataclass
class Placed:
    """Stage of every op, and the stage from which a value may be used."""

    stages: dict[Operation, int] = field(default_factory=dict)
    ready: dict[SSAValue, int] = field(default_factory=dict)


def steps_of(
    ops: Collection[Operation], forwarded: Collection[Operation], board: Board, spread: bool = False
) -> list[Step]:
    """The ops of a body in order; `forwarded` are loads that see the stores of their own cycle.

    With `spread`, what many lanes take from outside goes through registers first.

    Raises:
        KernelError: an address that takes more than a cycle.
    """
    steps = []
    sinking: set[Operation] = set()
    for op in ops:
        latency, cost, address = 0, delay(op, board), 0.0
        subscripts: frozenset[SSAValue] = frozenset()
        if isinstance(op, memref.LoadOp | StoreOp) and not is_scalar_argument(op.memref):
            subscripts, address = frozenset(op.indices), address_delay(op, board.delays)
            if address > board.clock_ns - board.delays.ff_setup:
                raise _slow_address(op, address, board)
            latency = storage_of(op.memref).read_latency if isinstance(op, memref.LoadOp) else 0
            if isinstance(op, memref.LoadOp) and latency:
                cost = read_delay(op, board) + (board.delays.lut if op in forwarded else 0.0)
        elif is_multiplier(op):
            latency = op.latency if isinstance(op, CascadeOp) else 1
        may_sink = _depends_on_no_lane(op, sinking)
        if may_sink:
            sinking.add(op)
        outside, levels = _spread(op) if spread else (frozenset(), 0)
        steps.append(
            Step(
                op,
                waits_for=tuple((v, _lag(op, number)) for number, v in enumerate(op.operands) if not _is_stable(v)),
                subscripts=subscripts,
                address=address,
                registered=is_multiplier(op),
                latency=latency,
                delay=None if is_wire(op) else cost,
                is_sum=isinstance(op, arith.AddiOp | arith.SubiOp),
                is_logic=isinstance(op, arith.SelectOp | arith.AndIOp | arith.OrIOp | arith.XOrIOp),
                luts=_luts(op, cost, board),
                carry_per_bit=board.delays.carry_per_bit,
                bits=_bits(op),
                shift=_shift(op),
                may_sink=may_sink,
                outside=outside,
                levels=levels,
            )
        )
    return steps


def _luts(op: Operation, cost: float, board: Board) -> int:
    """LUTs in a row of an op that takes `cost` ns; stores and puts end a path."""
    if is_wire(op) or not op.results:
        return 0
    if isinstance(op, arith.AddiOp | arith.SubiOp | arith.CmpiOp | LastOp | LiveOp):
        return 1  # and a carry
    return max(1, round(cost / board.delays.lut))


def _spread(op: Operation) -> tuple[frozenset[SSAValue], int]:
    """What an op in many lanes takes from outside them, and how many levels of registers it takes to bring it there."""
    lanes, at = 1, op.parent_op()
    outermost: Operation = op
    while isinstance(at, scf.ForOp) and is_lane_loop(at):
        lanes *= trip_count(at) or 1
        outermost, at = at, at.parent_op()
    loads = lanes * width(op.value) if isinstance(op, StoreOp) else lanes
    if lanes == 1 or loads < WIDE or isinstance(op, memref.LoadOp):
        return frozenset(), 0
    if isinstance(op, StoreOp):
        outside = {op.predicate} - {None}
    else:
        loads = LOADS
        outside = {v for v in op.operands if not (_is_stable(v) or is_lane_constant(v))}
    levels = 1 if loads <= LOADS * LOADS else 2
    return frozenset(v for v in outside if v is not None and not outermost.is_ancestor(_owner(v))), levels


def _owner(value: SSAValue) -> Operation:
    """The op that makes a value, or that has the block whose argument it is."""
    owner = value.owner if isinstance(value.owner, Operation) else value.owner.parent_op()
    assert owner is not None
    return owner


def _slow_address(op: memref.LoadOp | StoreOp, address: float, board: Board) -> KernelError:
    name = array_name(op.memref)
    return KernelError(
        f"the bank and address of an element of '{name}' take {address:.1f} ns to compute from its subscripts, and a "
        f"cycle has {board.clock_ns - board.delays.ff_setup:.1f} ns; make the partition factor and the inner extents "
        f"of '{name}' powers of two",
        text(op, "src") or None,
    )


def place(
    steps: list[Step], least: Mapping[Operation, int], pinned: Pinned, limit: Limit, push: bool
) -> Placed:
    """Stages as soon as possible, chained inside the limit; `least` gives stages that are not undercut.

    What a lane can compute later without keeping anything for it, it does in the stage that uses it: its operands are
    kept in registers that all lanes share, and its result would need some in every lane. Only with `push` may another
    op get later by it.

    Raises:
        KernelError: whether a read happens is not known when the iteration issues.
    """
    placed = _as_soon_as_possible(steps, least, pinned, limit)
    sunk = dict(least)
    staying: set[Operation] = set(pinned)
    for _ in range(MAX_SINKS):
        late = _later_stages(steps, placed, staying)
        if not late:
            break
        trial = _as_soon_as_possible(steps, {**sunk, **late}, pinned, limit)
        pushed = [s for s in steps if trial.stages[s.op] > late.get(s.op, placed.stages[s.op])]
        if pushed and not push:
            staying |= {op for step in pushed for op in _fed_by(step.op, late)}
        else:
            placed = trial
            sunk |= late
    return placed


def _as_soon_as_possible(
    steps: list[Step], least: Mapping[Operation, int], pinned: Pinned, limit: Limit
) -> Placed:
    placed = Placed()
    at: dict[SSAValue, Arrival] = {}
    for step in steps:
        op = step.op
        levels = 0 if op in pinned else step.levels
        came = [
            (at_once(at.get(v, AT_ISSUE).stage + levels) if v in step.outside else at.get(v, AT_ISSUE), lag, v)
            for v, lag in step.waits_for
        ]
        first = levels if isinstance(op, StoreOp) else 0
        stage = max(least.get(op, 0), first, *(arrival.stage - lag for arrival, lag, _ in came))
        now = [(arrival, v) for arrival, lag, v in came if arrival.stage - lag == stage and not arrival.registered]
        if isinstance(op, GetOp | AcquireOp):
            if stage > 0:
                raise unknown_at_issue(op)
            done = at_once(0, step.delay or 0.0)  # the data is there whether or not it is taken
        elif step.registered:
            stage += bool(now)
            done = at_once(stage + step.latency)
        elif step.latency:
            stage += bool(now) and together(step, stage, now).last > limit.period
            done = at_once(stage + step.latency, step.delay or 0.0)
        else:
            done = after(step, stage, now)
            if step.delay is not None and now and not limit.holds(done):
                stage += 1
                done = after(step, stage, [])
        if op in pinned and done.stage > 0:
            raise unknown_at_issue(pinned[op])
        placed.stages[op] = stage
        for value in op.results:
            at[value] = done
            placed.ready[value] = done.stage
    return placed


def _shift(op: Operation) -> int | None:
    amount: int | None = 0
    if isinstance(op, GetSliceOp):
        amount = constant(op.lo)
    elif isinstance(op, SetSliceOp):
        amount = None if constant(op.lo) is None else 0  # the bits that stay
    elif isinstance(op, arith.ShRSIOp | arith.ShRUIOp):
        amount = constant(op.rhs)
    elif isinstance(op, arith.ShLIOp):
        amount = -(constant(op.rhs) or 0)
    elif isinstance(op, arith.MuliOp | arith.DivUIOp):
        factor = constant(op.rhs)
        bits = factor.bit_length() - 1 if factor else None
        amount = -bits if bits is not None and isinstance(op, arith.MuliOp) else bits
    return amount


# ops of lanes that can wait


_CAN_SINK = frozenset(
    {
        arith.SelectOp, arith.AndIOp, arith.OrIOp, arith.XOrIOp, arith.CmpiOp, arith.ExtUIOp, arith.ExtSIOp,
        arith.TruncIOp, GetSliceOp, SetSliceOp,
    }
)  # fmt: skip


def _depends_on_no_lane(op: Operation, sinking: Collection[Operation]) -> bool:
    """Whether an op of a lane is made of values from outside the lane, of slices of them and of such ops."""
    if type(op) not in _CAN_SINK or not is_lane_loop(op.parent_op()):
        return False
    for value in op.operands:
        owner = value.owner
        if isinstance(owner, Operation) and is_lane_loop(owner.parent_op()):
            slices = isinstance(owner, GetSliceOp) and not is_lane_loop(owner.value.owner.parent_op())
            if not (owner in sinking or slices or is_lane_constant(value)):
                return False
    return True


def _later_stages(steps: list[Step], placed: Placed, staying: Collection[Operation]) -> dict[Operation, int]:
    """Ops that may sink to the first stage that uses them, which is later than their own."""
    late: dict[Operation, int] = {}
    registered = {step.op for step in steps if step.registered}
    for step in reversed(steps):
        if step.may_sink and step.delay is not None and step.op not in staying:
            first = min(
                (
                    late.get(user, placed.stages[user]) + lag - (user in registered)
                    for user, lag in _users(step.op)
                    if user in placed.stages
                ),
                default=0,
            )
            if first > placed.stages[step.op]:
                late[step.op] = first
    return late


def _users(op: Operation) -> Iterator[tuple[Operation, int]]:
    """The ops that use the results of an op, also through wires, and how many stages after their own."""
    for value in op.results:
        for use in value.uses:
            if is_wire(use.operation):
                yield from _users(use.operation)
            else:
                yield use.operation, _lag(use.operation, use.index)


def _fed_by(op: Operation, late: Collection[Operation]) -> Iterator[Operation]:
    """The ops of `late` that an op depends on, through wires and one another."""
    for value in op.operands:
        owner = value.owner
        if isinstance(owner, Operation):
            if owner in late:
                yield owner
            if owner in late or is_wire(owner):
                yield from _fed_by(owner, late)


def _bits(op: Operation) -> int:
    """Width of the result; 0 for ops that have none that is a number."""
    kind = op.results[0].type if op.results else None
    return width(kind) if isinstance(kind, IntegerType | IndexType) else 0


def _lag(op: Operation, operand: int) -> int:
    return op.lag(operand) if isinstance(op, CascadeOp) else 0


def _is_stable(value: SSAValue) -> bool:
    """Constants and run-time scalars: the same in every stage."""
    owner = value.owner
    return constant(value) is not None or (
        isinstance(owner, memref.LoadOp) and is_scalar_argument(owner.memref)
    )


def unknown_at_issue(op: GetOp | AcquireOp) -> KernelError:
    """The refusal of a read whose condition is not known when the iteration issues."""
    return KernelError(
        "whether this reads its stream depends on a value that takes more than one cycle to compute; "
        "compute the condition in an iteration before, or read unconditionally",
        text(op, "src") or None,
    )
