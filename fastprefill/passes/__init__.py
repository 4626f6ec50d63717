"""The passes, in the order in which the RTL target applies them."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp

from fastprefill.errors import FastprefillError
from fastprefill.ir.text import context
from fastprefill.passes.base import Pass
from fastprefill.passes.bind_cascades import BindCascades
from fastprefill.passes.flatten import Flatten
from fastprefill.passes.forward_stores import ForwardStores
from fastprefill.passes.fuse_lanes import FuseLanes
from fastprefill.passes.lower_fill import LowerFill
from fastprefill.passes.schedule import Schedule
from fastprefill.passes.simplify import Simplify
from fastprefill.passes.unroll import Unroll


def pipeline(board: str, merge: bool = True) -> list[Pass]:
    """The passes from the front end's output to scheduled bodies."""
    return [
        LowerFill(),
        Unroll(),
        Flatten(merge=merge),
        Simplify(),
        FuseLanes(),
        ForwardStores(),
        Simplify(),
        ForwardStores(),  # subscripts that are equal only now
        Simplify(),
        BindCascades(),
        Schedule(board=board),
    ]


def run(module: ModuleOp, board: str, after: str | None = None) -> ModuleOp:
    """Apply the pipeline to `module` in place, up to and including the last pass named `after`.

    Raises:
        FastprefillError: no pass of that name.
    """
    passes = pipeline(board)
    names = [p.name for p in passes]
    if after is not None:
        if after not in names:
            raise FastprefillError(
                f"there is no pass '{after}'; passes are {', '.join(dict.fromkeys(names))}"
            )
        passes = passes[: len(names) - names[::-1].index(after)]
    ctx = context()
    for step in passes:
        step.apply(ctx, module)
    return module
