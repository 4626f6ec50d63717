"""Removes operations whose results nothing uses."""

from __future__ import annotations

from xdsl.dialects import memref
from xdsl.ir import Block

from fastprefill.ir.dialect import GetSliceOp, SetSliceOp

_EFFECTLESS = (GetSliceOp, SetSliceOp, memref.LoadOp, memref.GetGlobalOp)


def remove_dead(block: Block) -> None:
    """Remove unused pure operations and loads, last first, in `block` and the blocks inside it."""
    for op in reversed(list(block.ops)):
        for region in op.regions:
            for inner in region.blocks:
                remove_dead(inner)
        pure = isinstance(op, _EFFECTLESS) or op.name.startswith("arith.")
        if pure and op.results and not any(result.uses.get_length() for result in op.results):
            op.detach()
            op.erase()
