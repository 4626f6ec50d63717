"""Variables of a block become values: what is forwarded once is not copied, and forwarded, with every lane."""

from __future__ import annotations

from xdsl.dialects import memref
from xdsl.ir import Block, SSAValue
from xdsl.rewriter import Rewriter

from fastprefill.ir.query import array_name, constant


def promote(block: Block) -> None:
    """A load of a variable declared in the block becomes the value that was stored last; unread stores go.

    Only between ops without regions: what an inner loop or condition does to the variable is not followed.
    """
    declared = {op.memref for op in block.ops if isinstance(op, memref.AllocOp) and not op.memref.type.get_shape()}
    values: dict[SSAValue, SSAValue] = {}
    unread: dict[SSAValue, memref.StoreOp] = {}
    for op in list(block.ops):
        if op.regions:
            values.clear()
            unread.clear()
        elif isinstance(op, memref.StoreOp) and op.memref in declared:
            array, value = op.memref, op.value
            if value.name_hint is None and constant(value) is None:
                value.name_hint = array_name(array)
            if array in unread:
                Rewriter.erase_op(unread[array])
            values[array], unread[array] = value, op
        elif isinstance(op, memref.LoadOp) and op.memref in declared:
            value = values.setdefault(op.memref, op.res)
            if value is op.res:
                continue
            if value.name_hint is None:
                value.name_hint = op.res.name_hint
            op.res.replace_all_uses_with(value)
            Rewriter.erase_op(op)
    for array in declared:
        if all(isinstance(use.operation, memref.StoreOp) for use in array.uses):
            for use in list(array.uses):
                Rewriter.erase_op(use.operation)
            Rewriter.erase_op(array.owner)
