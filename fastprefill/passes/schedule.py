"""schedule: give every op of a process a pipeline stage, and every body the initiation interval it can hold.

Ops are placed as soon as possible with chaining inside a clock period (``placement.py``). Constraints between
memory, port and stream ops (``dependences.py``) push ops to later stages; where that cannot converge, the initiation
interval of a body, or the gap between two bodies, grows by a cycle and the reason is kept.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from xdsl.context import Context
from xdsl.dialects import memref
from xdsl.dialects.builtin import IntegerAttr, MemRefType, ModuleOp, StringAttr, i32
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation, SSAValue

from fastprefill import boards
from fastprefill.boards import Board, most_luts
from fastprefill.errors import KernelError
from fastprefill.ir.dialect import AcquireOp, GetOp
from fastprefill.ir.pipe import ExitUnlessOp
from fastprefill.ir.query import is_scalar_argument, processes
from fastprefill.passes.arrival import Limit, Step
from fastprefill.passes.base import Pass
from fastprefill.passes.delays import is_wire
from fastprefill.passes.dependences import Access, Constraint, constraints, forwarded, least_intervals
from fastprefill.passes.placement import place, steps_of, unknown_at_issue
from fastprefill.passes.tree import Body, Tree, build

MAX_ROUNDS = 80
FEW_ROUNDS = 16
"""For a first attempt with strict limits, which many kernels with recurrences cannot keep."""
MAX_ATTEMPTS = 400


@dataclass(frozen=True)
class Schedule(Pass):
    """Annotate ops with ``stage`` and bodies with ``ii``, ``depth`` and ``reason``.

    Attributes:
        board: gives clock period and operator delays.
    """

    name = "schedule"
    summary = "pipeline stages, initiation intervals, gaps; `stage` on ops, `ii`, `depth`, `reason`, `gaps` on bodies"
    board: str = "kv260"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for func in processes(op):
            annotate(schedule(func, boards.load(self.board)))


@dataclass(eq=False)
class ProcessSchedule:
    """When everything in a process happens.

    Attributes:
        tree: the process.
        stages: stage of every op, counted from the issue of its body; of loads, when the address is given.
        ready: stage from which a value may be used.
        ii: cycles from an issue of a body to the next issue of any body.
        gaps: extra cycles between an issue of the first body and the next issue of the second.
        reasons: why a body's initiation interval is larger than asked.
        forwarded: loads that see the stores of their own cycle.
    """

    tree: Tree
    stages: dict[Operation, int] = field(default_factory=dict)
    ready: dict[SSAValue, int] = field(default_factory=dict)
    ii: dict[Body, int] = field(default_factory=dict)
    gaps: dict[tuple[Body, Body], int] = field(default_factory=dict)
    reasons: dict[Body, str] = field(default_factory=dict)
    forwarded: set[Operation] = field(default_factory=set)

    def depth(self, body: Body) -> int:
        """Stages of a body's pipeline."""
        return 1 + max((self.stages[op] for op in body.ops), default=0)


def schedule(func: FuncOp, board: Board) -> ProcessSchedule:
    """Schedule a process after ``forward-stores``.

    Raises:
        KernelError: a get or acquire whose condition is not known when the iteration issues.
    """
    tree = build(func)
    result = ProcessSchedule(tree)
    result.ii = {body: max(1, body.asked) for body in tree.bodies}
    for body, (least, why) in least_intervals(tree).items():
        if least > result.ii[body]:
            result.ii[body], result.reasons[body] = least, why
    result.forwarded = {
        op
        for body in tree.bodies
        for op in body.ops
        if isinstance(op, memref.LoadOp) and not is_scalar_argument(op.memref) and forwarded(op, tree)
    }
    found = constraints(tree)
    pinned = _pinned(tree)
    period = board.clock_ns - board.delays.ff_setup
    # Few LUTs in a row, and registers between what many lanes share and the lanes, where no interval suffers.
    strict, loose = Limit(period, most_luts(board.clock_mhz)), Limit(period, None)
    for limit, spread, rounds in ((strict, True, FEW_ROUNDS), (loose, False, MAX_ROUNDS)):
        steps = {body: steps_of(body.ops, result.forwarded, board, spread) for body in tree.bodies}
        if _attempt(result, found, pinned, steps, limit, push=True, rounds=rounds) is None:
            return result  # the least registers in the elements of lanes
    for _ in range(MAX_ATTEMPTS):
        failed = _attempt(result, found, pinned, steps, limit, push=False)
        if failed is None:
            return result
        _relax(result, failed)
    raise KernelError(f"'{func.sym_name.data}' cannot be scheduled: {failed.why if failed else ''}")


def _pinned(tree: Tree) -> dict[Operation, GetOp | AcquireOp]:
    """Ops that decide whether a get or acquire happens, which must be known when the iteration issues."""
    pinned: dict[Operation, GetOp | AcquireOp] = {}
    for body in tree.bodies:
        inside = set(body.ops)
        for read in body.ops:
            if not isinstance(read, GetOp | AcquireOp) or read.predicate is None:
                continue
            stack = [read.predicate]
            while stack:
                owner = stack.pop().owner
                if isinstance(owner, Operation) and owner in inside and owner not in pinned:
                    pinned[owner] = read
                    stack += [v for v in owner.operands if not isinstance(v.type, MemRefType)]
    return pinned


def _attempt(
    result: ProcessSchedule,
    found: list[Constraint],
    pinned: dict[Operation, GetOp | AcquireOp],
    steps: dict[Body, list[Step]],
    limit: Limit,
    push: bool,
    rounds: int = MAX_ROUNDS,
) -> Constraint | None:
    """Place all ops; returns the constraint that does not let the stages converge, or None."""
    least: dict[Operation, int] = {}
    raised: Counter[Constraint] = Counter()
    limits = _limits(result, found)
    result.stages.clear()
    result.ready.clear()
    moved = set(result.tree.bodies)
    for round_number in range(rounds):
        for body in result.tree.bodies:
            if body in moved:
                placed = place(steps[body], least, pinned, limit, push)
                result.stages |= placed.stages
                result.ready |= placed.ready
        before, moved = moved, set()
        for (start, end), some in limits.items():
            if start not in before and end not in before:
                continue  # nothing that they compare has changed
            for c, earlier, later, lag in some:
                short = lag
                short += result.stages[earlier] if earlier is not None else 0
                short -= result.stages[later] if later is not None else 0
                if short <= 0:
                    continue
                if later is None or later in pinned:
                    continue  # cannot move; whether it must is known when everything else is in place
                raised[c] += round_number > rounds // 2
                least[later] = result.stages[later] = result.stages[later] + short
                moved.add(end)
        if not moved:
            return _too_late(result, limits, pinned) or _late_exit(result)
    across = [c for c in raised if c.across] or list(raised)
    return max(across, key=lambda c: (raised[c], c.earlier.body is c.later.body))


def _too_late(
    result: ProcessSchedule,
    limits: dict[tuple[Body, Body], list[_Limit]],
    pinned: dict[Operation, GetOp | AcquireOp],
) -> Constraint | None:
    """A constraint that does not hold because its later end cannot move."""
    for some in limits.values():
        for c, earlier, later, lag in some:
            stage = result.stages[earlier] if earlier is not None else 0
            if stage + lag <= (result.stages[later] if later is not None else 0):
                continue
            if later in pinned and not c.across:
                raise unknown_at_issue(pinned[later])
            return c
    return None


_Limit = tuple[Constraint, Operation | None, Operation | None, int]
"""A constraint as ``stage(first op) + number <= stage(second op)``; None counts as stage 0."""


def _limits(result: ProcessSchedule, found: list[Constraint]) -> dict[tuple[Body, Body], list[_Limit]]:
    """The constraints that matter with the present intervals and gaps, by the bodies of their ends."""
    distance = _distances(result)
    limits: dict[tuple[Body, Body], list[_Limit]] = {}
    for c in found:
        bodies = c.earlier.body, c.later.body
        if c.across and bodies not in distance:
            continue
        lag = c.offset - (distance[bodies] if c.across else 0)
        lag += _lag(c.earlier, result, seen=c.earlier.is_store) - _lag(c.later, result, seen=not c.port)
        ops = tuple(None if access.fixed is not None else access.op for access in (c.earlier, c.later))
        limits.setdefault(bodies, []).append((c, ops[0], ops[1], lag))
    return limits


def _lag(access: Access, result: ProcessSchedule, *, seen: bool) -> int:
    """Cycles from the stage of an access to the one that counts.

    That is the stage in which it uses its port or, where `seen`, the one whose state a load sees and at whose end a
    store, put or release happens. Accesses of the sequencer have a fixed stage.
    """
    if access.fixed is not None:
        return access.fixed
    return int(seen and access.op in result.forwarded)


def _late_exit(result: ProcessSchedule) -> Constraint | None:
    """A while loop whose condition comes after the interval of its body, once everything else is in place."""
    for body in result.tree.bodies:
        for op in body.ops:
            if isinstance(op, ExitUnlessOp) and result.stages[op] > result.ii[body] - 1:
                why = "the next iteration of the while loop waits for its condition"
                access = Access(body, op, op.condition, False)
                return Constraint(access, access, 0, True, why)
    return None


def _distances(result: ProcessSchedule) -> dict[tuple[Body, Body], int]:
    """Least cycles from an issue of one body to a later issue of another (or itself)."""
    best: dict[tuple[Body, Body], int] = {}
    for edge in result.tree.edges:
        cost = result.ii[edge[0]] + result.gaps.get(edge, 0)
        best[edge] = min(best.get(edge, cost), cost)
    for middle in result.tree.bodies:
        for start in result.tree.bodies:
            for end in result.tree.bodies:
                if (start, middle) in best and (middle, end) in best:
                    cost = best[start, middle] + best[middle, end]
                    if cost < best.get((start, end), cost + 1):
                        best[start, end] = cost
    return best


def _relax(result: ProcessSchedule, failed: Constraint) -> None:
    """Give the failed constraint one cycle more."""
    start, end = failed.earlier.body, failed.later.body
    if failed.earlier is failed.later or (start is end and (start, start) in result.tree.edges):
        # A while loop's condition is due inside the interval of its body; no gap in front of it helps.
        result.ii[start] += 1
        result.reasons[start] = failed.why
        return
    # Every way into `end` that comes from `start` gets longer: widen the edges into it that are not its own loop.
    distance = _distances(result)
    into = [
        e
        for e in result.tree.edges
        if e[1] is end and e[0] is not end and (e[0] is start or (start, e[0]) in distance)
    ]
    if not into:
        result.ii[end] += 1
        result.reasons[end] = failed.why
        return
    edge = min(into, key=lambda e: result.gaps.get(e, 0))
    gap = result.gaps.get(edge, 0)
    result.gaps[edge] = gap + 1 + gap // 4  # long gaps are found in fewer attempts
    result.reasons.setdefault(end, failed.why)


def annotate(result: ProcessSchedule) -> None:
    """Write the schedule into the IR, for people and for the snapshot of the pass."""
    for body in result.tree.bodies:
        body.op.attributes["ii"] = IntegerAttr(result.ii[body], i32)
        body.op.attributes["depth"] = IntegerAttr(result.depth(body), i32)
        if body in result.reasons:
            body.op.attributes["reason"] = StringAttr(result.reasons[body])
        gaps = {e[0].name: n for e, n in result.gaps.items() if e[1] is body and n}
        if gaps:
            listed = ", ".join(f"{n} after {name}" for name, n in sorted(gaps.items()))
            body.op.attributes["gaps"] = StringAttr(listed)
        for op in body.ops:
            if not is_wire(op):
                op.attributes["stage"] = IntegerAttr(result.stages[op], i32)
