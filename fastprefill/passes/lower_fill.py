"""lower-fill: write initialisers out as loops; partitioned dimensions are filled in parallel."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith, memref, scf
from xdsl.dialects.builtin import IndexType, IntegerAttr, MemRefType, ModuleOp, StringAttr, i32
from xdsl.ir import Block, SSAValue
from xdsl.rewriter import Rewriter

from fastprefill.ir.dialect import FillOp
from fastprefill.ir.query import array_name, processes, text
from fastprefill.passes.base import Pass
from fastprefill.passes.storage import partition_of


@dataclass(frozen=True)
class LowerFill(Pass):
    """Turn ``fp.fill`` into a loop nest of stores: whole dimensions outside, unrolled ones inside."""

    name = "lower-fill"
    summary = "initialisers become loops of stores, partitioned dimensions in parallel"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for func in processes(op):
            for fill in [inner for inner in func.walk() if isinstance(inner, FillOp)]:
                _lower(fill)


def _lower(fill: FillOp) -> None:
    assert isinstance(fill.array.type, MemRefType)
    block = fill.parent_block()
    assert block is not None
    shape = fill.array.type.get_shape()
    complete = [kind == "complete" for kind in partition_of(fill.array)]
    order = [d for d in range(len(shape)) if not complete[d]] + [d for d in range(len(shape)) if complete[d]]
    indices: dict[int, SSAValue] = {}
    zero, one = (arith.ConstantOp(IntegerAttr(n, IndexType())) for n in (0, 1))
    block.insert_ops_before([zero, one], fill)
    anchor = fill
    target: Block = block
    for dim in order:
        high = arith.ConstantOp(IntegerAttr(shape[dim], IndexType()))
        body = Block(arg_types=[IndexType()])
        body.add_op(scf.YieldOp())
        loop = scf.ForOp(zero.result, high.result, one.result, [], body)
        loop.attributes["loop_name"] = StringAttr(f"fill_{array_name(fill.array)}_{dim}")
        if src := text(fill, "src"):
            loop.attributes["src"] = StringAttr(src)
        if complete[dim]:
            loop.attributes["unroll"] = IntegerAttr(0, i32)
        if target is block:
            block.insert_ops_before([high, loop], anchor)
        else:
            target.insert_ops_before([high, loop], target.last_op)  # type: ignore[arg-type]
        indices[dim] = body.args[0]
        target = body
    store = memref.StoreOp.get(fill.value, fill.array, [indices[d] for d in range(len(shape))])
    if src := text(fill, "src"):
        store.attributes["src"] = StringAttr(src)
    if target is block:
        block.insert_op_before(store, fill)
    else:
        target.insert_op_before(store, target.last_op)  # type: ignore[arg-type]
    Rewriter.erase_op(fill)
