"""unroll: copy the bodies of unrolled loops whose lanes depend on each other; independent lanes stay a loop."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith, memref, scf
from xdsl.dialects.builtin import IndexType, IntegerAttr, MemRefType, ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.rewriter import Rewriter

from fastprefill.errors import KernelError
from fastprefill.ir.query import (
    PURE_ARITH,
    constant,
    is_lane_loop,
    number,
    processes,
    strip_casts,
    text,
    trip_count,
)
from fastprefill.passes.base import Pass
from fastprefill.passes.promote import promote

MAX_COPIES = 4096

_INSIDE_LANES = PURE_ARITH | {scf.IfOp, scf.YieldOp, memref.AllocOp, memref.GetGlobalOp}


@dataclass(frozen=True)
class Unroll(Pass):
    """Unroll loops marked ``unroll`` unless every lane works on elements of its own."""

    name = "unroll"
    summary = (
        "copies the bodies of unrolled loops whose lanes depend on each other, variables of the body turned into "
        "values first; others stay *lane loops*"
    )

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for func in processes(op):
            while _unroll_block(func.body.block):
                pass
            for loop in [inner for inner in func.walk() if isinstance(inner, scf.ForOp)]:
                if "unroll" in loop.attributes and trip_count(loop) is None:
                    _copy(loop)  # says why it cannot be


def _unroll_block(block: Block) -> bool:
    """Unroll what has known bounds; returns whether anything was copied, which may give other loops theirs."""
    copied = False
    for op in list(block.ops):
        # From the inside out: a dependent inner loop, such as a sum, becomes copies inside independent lanes.
        for region in op.regions:
            for inner in region.blocks:
                copied |= _unroll_block(inner)
        if not isinstance(op, scf.ForOp) or "unroll" not in op.attributes or trip_count(op) is None:
            continue
        if number(op, "unroll") != 0 or not lanes_independent(op):
            _copy(op)
            copied = True
    return copied


def _copy(loop: scf.ForOp) -> None:
    factor = number(loop, "unroll")
    if factor == 0:
        _copy_fully(loop)
    else:
        _copy_by_factor(loop, factor or 1)


def lanes_independent(loop: scf.ForOp) -> bool:
    """Whether every lane of a fully unrolled nest reads and writes only elements of its own.

    Elements of registers (completely partitioned arrays) may also be read by any lane when no lane writes them.
    """
    if trip_count(loop) is None:
        return False
    ops = list(loop.body.walk())
    # Variables of a lane become wires. An array keeps its elements, and the lanes have only one between them.
    private: set[SSAValue] = {op.memref for op in ops if isinstance(op, memref.AllocOp)}
    if any(isinstance(kind := array.type, MemRefType) and kind.get_shape() for array in private):
        return False
    accesses: dict[SSAValue, list[tuple[Operation, tuple[SSAValue, ...]]]] = {}
    for op in ops:
        if isinstance(op, scf.ForOp):
            if not is_lane_loop(op) or trip_count(op) is None:
                return False
        elif isinstance(op, memref.LoadOp | memref.StoreOp):
            if op.memref not in private:
                accesses.setdefault(op.memref, []).append((op, tuple(strip_casts(i) for i in op.indices)))
        elif type(op) not in _INSIDE_LANES:
            return False
    return all(_own_elements(loop, array, uses) for array, uses in accesses.items())


def _own_elements(
    loop: scf.ForOp, array: SSAValue, uses: list[tuple[Operation, tuple[SSAValue, ...]]]
) -> bool:
    assert isinstance(array.type, MemRefType)
    complete = _complete_dimensions(array)
    written = any(isinstance(op, memref.StoreOp) for op, _ in uses)
    if not written and all(complete):
        return True
    if not written and isinstance(array.owner, memref.GetGlobalOp):
        return True
    # In each of the other dimensions a lane may have several addresses.
    return all(
        any(complete[dim] and all(indices[dim] is iv for _, indices in uses) for dim in range(len(complete)))
        for iv in _lane_variables(loop, uses)
    )


def _lane_variables(loop: scf.ForOp, uses: list[tuple[Operation, tuple[SSAValue, ...]]]) -> set[SSAValue]:
    """Loop variables of the unrolled loops around the accesses, up to and including `loop`."""
    variables: set[SSAValue] = set()
    for op, _ in uses:
        at: Operation | None = op
        while at is not None and at is not loop:
            at = at.parent_op()
            if isinstance(at, scf.ForOp):
                variables.add(at.body.block.args[0])
    return variables


def _complete_dimensions(array: SSAValue) -> list[bool]:
    from fastprefill.passes.storage import partition_of

    return [kind == "complete" for kind in partition_of(array)]


def _copy_fully(loop: scf.ForOp) -> None:
    trips = trip_count(loop)
    if trips is None:
        raise KernelError(
            f"loop '{text(loop, 'loop_name')}' is unrolled but its bounds are known only at run time; "
            "give it constant bounds or a factor",
            text(loop, "src") or None,
        )
    if trips > MAX_COPIES:
        raise KernelError(
            f"unrolling loop '{text(loop, 'loop_name')}' makes {trips} dependent copies; "
            f"at most {MAX_COPIES} are built",
            text(loop, "src") or None,
        )
    low, step = constant(loop.lb), constant(loop.step)
    assert low is not None and step is not None
    block = loop.parent_block()
    assert block is not None
    promote(loop.body.block)
    for trip in range(trips):
        index = arith.ConstantOp(IntegerAttr(low + trip * step, IndexType()))
        block.insert_op_before(index, loop)
        _copy_body(loop, index.result, block)
    Rewriter.erase_op(loop, safe_erase=False)


def _copy_by_factor(loop: scf.ForOp, factor: int) -> None:
    trips, step = trip_count(loop), constant(loop.step)
    if trips is None or step is None or trips % factor:
        raise KernelError(
            f"loop '{text(loop, 'loop_name')}' is unrolled by {factor}, which does not divide its trip count "
            f"({trips if trips is not None else 'known only at run time'}); choose a divisor",
            text(loop, "src") or None,
        )
    body = loop.body.block
    block = loop.parent_block()
    assert block is not None
    wide = arith.ConstantOp(IntegerAttr(step * factor, IndexType()))
    block.insert_op_before(wide, loop)
    original = [op for op in body.ops if not isinstance(op, scf.YieldOp)]
    terminator = body.last_op
    assert terminator is not None
    for lane in range(1, factor):
        offset = arith.ConstantOp(IntegerAttr(lane * step, IndexType()))
        index = arith.AddiOp(body.args[0], offset.result)
        body.insert_ops_before([offset, index], terminator)
        mapping: dict[SSAValue, SSAValue] = {body.args[0]: index.result}
        for op in original:
            copy = op.clone(mapping)
            body.insert_op_before(copy, terminator)
    loop.operands[2] = wide.result
    del loop.attributes["unroll"]


def _copy_body(loop: scf.ForOp, index: SSAValue, block: Block) -> None:
    mapping: dict[SSAValue, SSAValue] = {loop.body.block.args[0]: index}
    for op in loop.body.block.ops:
        if isinstance(op, scf.YieldOp):
            continue
        copy = op.clone(mapping)
        block.insert_op_before(copy, loop)
