"""What must happen before what: constraints between the stages of a process's ops.

A constraint says ``stage(later) >= stage(earlier) + offset``, less the distance in cycles between the issues of
the two bodies when it crosses iterations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from xdsl.dialects import memref
from xdsl.ir import Operation, SSAValue

from fastprefill.ir.dialect import PutOp, ReleaseOp
from fastprefill.ir.pipe import StoreOp, WindowOp
from fastprefill.ir.query import array_name, constant, is_scalar_argument, strip_casts, text
from fastprefill.passes.storage import Storage, storage_of
from fastprefill.passes.tree import Body, Loop, Tree, bound_loads


@dataclass(eq=False)
class Access:
    """A use of an array at a body's pipeline; `fixed` accesses are the sequencer's, at that stage."""

    body: Body
    op: Operation
    array: SSAValue
    is_store: bool
    fixed: int | None = None


@dataclass(eq=False)
class Constraint:
    """``stage(later) >= stage(earlier) + offset - distance``; `distance` counts only across iterations.

    Attributes:
        across: whether `later` belongs to a later issue than `earlier`.
        why: for the report, such as ``recurrence through 'h'``.
        port: whether the two ops share a port; `kind` names it.
    """

    earlier: Access
    later: Access
    offset: int
    across: bool
    why: str
    port: bool = False
    kind: str = ""


def forwarded(load: memref.LoadOp, tree: Tree) -> bool:
    """Loads of local block memories that are also stored to see a store of the same cycle.

    The memory of a block stream is outside the process and has no such bypass.
    """
    if isinstance(load.memref.owner, WindowOp):
        return False
    return storage_of(load.memref).read_latency > 0 and any(
        isinstance(op, StoreOp) and op.memref is load.memref for body in tree.bodies for op in body.ops
    )


def constraints(tree: Tree, *, ports_alone: bool = False) -> list[Constraint]:
    """All constraints of a process between memory, port, put and release ops, or those of ports alone."""
    result: list[Constraint] = []
    by_array: dict[SSAValue, list[Access]] = {}
    by_port: dict[tuple[SSAValue, str], list[Access]] = {}
    for body in tree.bodies:
        for op in body.ops:
            if isinstance(op, memref.LoadOp | StoreOp):
                if is_scalar_argument(op.memref):
                    continue
                access = Access(body, op, op.memref, isinstance(op, StoreOp))
                by_array.setdefault(op.memref, []).append(access)
            elif isinstance(op, PutOp | ReleaseOp):
                by_port.setdefault((op.stream, op.name), []).append(Access(body, op, op.stream, True))
    for access in _sequencer_loads(tree):
        by_array.setdefault(access.array, []).append(access)
    for array, accesses in by_array.items():
        if not ports_alone:
            result += _dependences(array, accesses)
        storage = storage_of(array)
        if storage.memory not in ("register", "rom"):
            readers = [a for a in accesses if not a.is_store and a.fixed is None]
            writers = [a for a in accesses if a.is_store]
            kind = {"block": "BRAM", "ultra": "URAM", "distributed": "LUTRAM"}[storage.memory]
            if not _many_readers(array):
                result += _port(
                    readers, f"{kind} '{array_name(array)}' has one read port, {{count}} reads", storage
                )
            result += _port(
                writers, f"{kind} '{array_name(array)}' has one write port, {{count}} writes", storage
            )
    for (stream, name), accesses in by_port.items():
        verb = "puts" if name == "fp.put" else "releases"
        result += _port(
            accesses, f"stream '{array_name(stream)}' takes one token per cycle, {{count}} {verb}", None
        )
    return result if ports_alone else [*result, *_release_after_access(tree)]


def least_intervals(tree: Tree) -> dict[Body, tuple[int, str]]:
    """Initiation interval that the ports alone force on each body, with the reason."""
    found: dict[Body, tuple[int, str]] = {}
    chains: dict[tuple[Operation, str], int] = {}
    for c in constraints(tree, ports_alone=True):
        if not c.across:
            length = chains.get((c.earlier.op, c.kind), 1) + 1
            if length > chains.get((c.later.op, c.kind), 1):
                chains[c.later.op, c.kind] = length
                if length > found.get(c.later.body, (1, ""))[0]:
                    found[c.later.body] = (length, c.why)
    return found


def _sequencer_loads(tree: Tree) -> Iterator[Access]:
    for body in tree.bodies:
        for loop in body.loops:
            if isinstance(loop, Loop):
                for load, _ in bound_loads(loop):
                    yield Access(body, load, load.memref, False, fixed=0)


def _many_readers(array: SSAValue) -> bool:
    op = array.owner
    return isinstance(op, Operation) and text(op, "storage_type") == "RAM_1WNR"


def _element(access: Access) -> tuple[object, ...]:
    assert isinstance(access.op, memref.LoadOp | StoreOp)
    return tuple(n if (n := constant(i)) is not None else strip_casts(i) for i in access.op.indices)


def _distinct(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """Whether two elements are certainly not the same."""
    return any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in zip(one, other, strict=True))


def _dependences(array: SSAValue, accesses: list[Access]) -> Iterator[Constraint]:
    name = array_name(array)
    block_memory = storage_of(array).read_latency > 0
    # Every pair is looked at, so what is known of one access is read once.
    elements = [_element(access) for access in accesses]
    sources = [text(access.op, "src") for access in accesses]
    for i, one in enumerate(accesses):
        for j, other in enumerate(accesses):
            if not (one.is_store or other.is_store) or _distinct(elements[i], elements[j]):
                continue
            if one.is_store:
                offset, why = 1, f"recurrence through '{name}'"
            else:
                offset, why = (1 if block_memory else 0), f"'{name}' is read before it is written again"
            if one.fixed is not None or other.fixed is not None:
                why = f"loop bound '{name}' is computed in the pipeline"
            src = sources[i] or sources[j]
            why += f" at {src}" if src else ""
            if one.body is other.body and i < j and one.fixed is None and other.fixed is None:
                yield Constraint(one, other, offset, False, why)
            yield Constraint(one, other, offset, True, why)


def _bank(access: Access, storage: Storage | None) -> tuple[object, ...] | None:
    """The bank of an access when it is known, else None."""
    if storage is None or storage.banks == 1:
        return None
    bank: list[object] = []
    for index, kind, factor, extent in zip(
        _element(access), storage.kinds, storage.factors, storage.depths, strict=True
    ):
        if kind == "none":
            continue
        if not isinstance(index, int):
            return None
        bank.append(index // extent if kind == "block" else index % factor)
    return tuple(bank)


def _port(accesses: list[Access], why: str, storage: Storage | None) -> Iterator[Constraint]:
    counts = Counter(access.body for access in accesses)
    for one, other, across in _port_pairs(accesses, storage):
        src = text(other.op, "src")
        reason = why.format(count=counts[other.body]) + (f" at {src}" if src else "")
        yield Constraint(one, other, 1, across, reason, True, why)


def _port_pairs(accesses: list[Access], storage: Storage | None) -> Iterator[tuple[Access, Access, bool]]:
    """Accesses that must not meet at a port, the earlier one first, and whether they are of two issues."""
    if storage is None or storage.banks == 1:
        # One port for all: in a body each waits for the one before, so only the last of an issue
        # and the first of the next one can meet.
        by_body: dict[Body, list[Access]] = {}
        for access in accesses:
            by_body.setdefault(access.body, []).append(access)
        for mine in by_body.values():
            yield from ((one, other, False) for one, other in pairwise(mine))
            yield from (
                (mine[-1], theirs[0], True) for theirs in by_body.values() if theirs[0] is not mine[-1]
            )
        return
    for i, one in enumerate(accesses):
        for j, other in enumerate(accesses):
            banks = _bank(one, storage), _bank(other, storage)
            if one is other or (None not in banks and banks[0] != banks[1]):
                continue
            if one.body is other.body and i < j:
                yield one, other, False
            yield one, other, True


def _release_after_access(tree: Tree) -> Iterator[Constraint]:
    """A buffer is handed on no earlier than the last access to it."""
    accesses: list[tuple[Access, SSAValue, str]] = []
    for body in tree.bodies:
        for op in body.ops:
            if isinstance(op, memref.LoadOp | StoreOp) and isinstance(window := op.memref.owner, WindowOp):
                accesses.append(
                    (Access(body, op, op.memref, isinstance(op, StoreOp)), window.stream, window.mode.data)
                )
    for body in tree.bodies:
        for op in body.ops:
            if isinstance(op, ReleaseOp):
                release = Access(body, op, op.stream, True)
                for access, stream, _ in accesses:
                    if stream is op.stream:
                        why = f"buffer of '{array_name(op.stream)}' is handed on after its last access"
                        if access.body is body and body.ops.index(access.op) < body.ops.index(op):
                            yield Constraint(access, release, 0, False, why)
                        yield Constraint(access, release, 0, True, why)
