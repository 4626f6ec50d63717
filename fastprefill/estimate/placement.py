"""Where the parts of a unit are placed: super logic regions (SLR) by instance, from the IR."""

from __future__ import annotations

from collections.abc import Mapping

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp

from fastprefill.ir.query import number, text


def placement(module: ModuleOp) -> dict[str, int]:
    """SLR of each process of the top region, by the path of its instance in the RTL, such as ``far.scale``."""
    functions = {op.sym_name.data: op for op in module.ops if isinstance(op, func.FuncOp)}
    return _region(list(functions.values())[-1], functions, "", 0)


def slr_of(path: str, placed: Mapping[str, int]) -> int:
    """SLR of any instance.

    A region, and the top with its empty path, counts where the lowest of its processes is. What belongs to a process or
    region, such as the FIFO behind it or the relay before it, has its name at the front and is where that is.
    """
    if path in placed:
        return placed[path]
    parent, _, name = path.rpartition(".")
    around = f"{path}." if path else ""
    if inside := [slr for process, slr in placed.items() if process.startswith(around)]:
        return min(inside)
    beside = f"{parent}." if parent else ""
    names = {p.removeprefix(beside).partition(".")[0] for p in placed if p.startswith(beside)}
    if owners := [owner for owner in names if name.startswith(f"{owner}_")]:
        return slr_of(beside + max(owners, key=len), placed)
    return slr_of(parent, placed) if path else 0


def slr_of_call(call: func.CallOp, around: int) -> int:
    """SLR of a call in a region that is itself in SLR `around`: its own, or the region's where it says nothing."""
    own = number(call, "slr")
    return around if own is None else own


def _region(
    region: func.FuncOp, functions: Mapping[str, func.FuncOp], path: str, around: int
) -> dict[str, int]:
    found: dict[str, int] = {}
    for call in (op for op in region.body.block.ops if isinstance(op, func.CallOp)):
        callee = functions[call.callee.string_value()]
        name = path + (text(call, "instance") or call.callee.string_value())
        slr = slr_of_call(call, around)
        if "fp.region" in callee.attributes:
            found |= _region(callee, functions, f"{name}.", slr)
        else:
            found[name] = slr
    return found
