"""What the ops of a body do to streams and memories, and under which predicate."""

from __future__ import annotations

from xdsl.dialects import arith, memref
from xdsl.ir import Operation, SSAValue

from fastprefill.ir.dialect import AcquireOp, GetOp, PutOp, ReleaseOp
from fastprefill.ir.pipe import ExitUnlessOp, StoreOp, store_segments
from fastprefill.ir.query import is_scalar_argument
from fastprefill.passes.storage import storage_of

Effect = StoreOp | GetOp | PutOp | AcquireOp | ReleaseOp


def has_effect(op: Operation) -> bool:
    return any(isinstance(inner, (Effect, ExitUnlessOp)) for inner in op.walk())


def under(ops: list[Operation], predicate: SSAValue) -> list[Operation]:
    """The ops with their effects limited to where the predicate holds."""
    result: list[Operation] = []
    joined: dict[SSAValue, SSAValue] = {}
    for op in ops:
        for inner in list(op.walk()):
            if isinstance(inner, ExitUnlessOp):
                both = arith.AndIOp(inner.condition, predicate)
                result.append(both)
                inner.operands[0] = both.result
            if not isinstance(inner, Effect):
                continue
            if inner.predicate is None:
                set_predicate(inner, predicate)
            elif inner.predicate in joined:
                set_predicate(inner, joined[inner.predicate])
            else:
                both = arith.AndIOp(inner.predicate, predicate)
                both.result.name_hint = predicate.name_hint
                if inner is op:
                    result.append(both)
                    joined[inner.predicate] = both.result
                else:
                    block = inner.parent_block()
                    assert block is not None
                    block.insert_op_before(both, inner)
                set_predicate(inner, both.result)
        result.append(op)
    return result


def set_predicate(op: Effect, predicate: SSAValue) -> None:
    if op.predicate is not None:
        op.operands[len(op.operands) - 1] = predicate
        return
    op.operands = [*op.operands, predicate]
    if isinstance(op, StoreOp):
        op.properties["operandSegmentSizes"] = store_segments(len(op.operands) - 3, 1)


def streams(op: Operation) -> set[tuple[SSAValue, str]]:
    """Stream ends used by an op and what is inside it: each serves one token or buffer per cycle."""
    return {use for inner in op.walk() for use in streams_of(inner)}


def streams_of(op: Operation) -> set[tuple[SSAValue, str]]:
    return {(op.stream, op.name)} if isinstance(op, GetOp | PutOp | AcquireOp | ReleaseOp) else set()


def ports(op: Operation) -> set[tuple[SSAValue, str]]:
    """Memory ports used by an op and what is inside it; registers and ROMs have none."""
    return {use for inner in op.walk() for use in ports_of(inner)}


def ports_of(op: Operation) -> set[tuple[SSAValue, str]]:
    if not isinstance(op, memref.LoadOp | StoreOp) or is_scalar_argument(op.memref):
        return set()
    return set() if storage_of(op.memref).memory in ("register", "rom") else {(op.memref, op.name)}
