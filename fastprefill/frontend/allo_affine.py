"""Affine expressions of MLIR as ``index`` arithmetic, partitions and storage encoded in types."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import AffineMapAttr, ArrayAttr, IntegerAttr, MemRefType, StringAttr
from xdsl.ir import Operation, SSAValue
from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineConstraintKind,
    AffineDimExpr,
    AffineExpr,
    AffineMap,
    AffineSet,
    AffineSymExpr,
)

from fastprefill.errors import KernelError
from fastprefill.frontend.emit import Emitter

_PREDICATES = {AffineConstraintKind.ge: "sge", AffineConstraintKind.le: "sle", AffineConstraintKind.eq: "eq"}
# Codes of Allo's memory spaces: resource * 16 + storage type (allo/memory.py).
_RESOURCES = ("AUTO", "BRAM", "URAM", "LUTRAM", "SRL")
_STORAGE = (None, "RAM_1P", "RAM_2P", "RAM_T2P", "RAM_1WNR", "RAM_S2P", "ROM_1P", "ROM_2P", "ROM_NP")


def expression(
    emit: Emitter, expr: AffineExpr, dims: Sequence[SSAValue], symbols: Sequence[SSAValue]
) -> SSAValue:
    """An affine expression without division as an ``index``."""
    match expr:
        case AffineConstantExpr(value=value):
            return emit.index(value)
        case AffineDimExpr(position=position):
            return dims[position]
        case AffineSymExpr(position=position):
            return symbols[position]
        case AffineBinaryOpExpr(kind=AffineBinaryOpKind.Mul, lhs=lhs, rhs=AffineConstantExpr(value=factor)):
            scaled = expression(emit, lhs, dims, symbols)
            return scaled if factor == 1 else emit.index_scale(scaled, factor)
        case AffineBinaryOpExpr(kind=AffineBinaryOpKind.Add, lhs=lhs, rhs=rhs):
            left, right = expression(emit, lhs, dims, symbols), expression(emit, rhs, dims, symbols)
            return emit.index_add(left, right)
    raise KernelError(
        f"the affine expression '{expr}' in Allo's MLIR divides or multiplies run-time values; only sums of products "
        f"by constants are subscripts: compute the subscript in an integer variable"
    )


def results(emit: Emitter, map_: AffineMap, operands: Sequence[SSAValue]) -> list[SSAValue]:
    """The results of a map applied to `operands` (dimensions, then symbols)."""
    dims, symbols = operands[: map_.num_dims], operands[map_.num_dims :]
    return [expression(emit, result, dims, symbols) for result in map_.results]


def condition(emit: Emitter, set_: AffineSet, operands: Sequence[SSAValue]) -> SSAValue:
    """The condition of an ``affine.if``: all constraints hold."""
    dims, symbols = operands[: set_.num_dims], operands[set_.num_dims :]
    total: SSAValue | None = None
    for constraint in set_.constraints:
        left = expression(emit, constraint.lhs, dims, symbols)
        right = expression(emit, constraint.rhs, dims, symbols)
        one = emit.compare(_PREDICATES[constraint.kind], left, right)
        if total is not None:
            before = total
            one = emit.pure(("&", before, one), lambda a=before, b=one: arith.AndIOp(a, b))  # type: ignore[misc]
        total = one
    if total is None:
        raise KernelError("an affine.if without constraints in Allo's MLIR; write a condition")
    return total


def partitions(type_: MemRefType) -> list[str]:
    """The partition of each dimension that Allo's layout map means.

    Allo gives a memref of N dimensions a map with 2N results: first the bank in each dimension, then the place in
    the bank. A bank ``0`` means none, ``d`` complete, ``d mod F`` cyclic, ``d floordiv B`` blocks of B elements.
    """
    rank = len(type_.get_shape())
    layout = type_.layout
    if not isinstance(layout, AffineMapAttr) or len(layout.data.results) != 2 * rank:
        return ["none"] * rank
    words = []
    for dim, bank in enumerate(layout.data.results[:rank]):
        match bank:
            case AffineConstantExpr():
                words.append("none")
            case AffineDimExpr():
                words.append("complete")
            case AffineBinaryOpExpr(kind=AffineBinaryOpKind.Mod, rhs=AffineConstantExpr(value=factor)):
                words.append(f"cyclic {factor}")
            case AffineBinaryOpExpr(kind=AffineBinaryOpKind.FloorDiv, rhs=AffineConstantExpr(value=size)):
                words.append(f"block {-(-type_.get_shape()[dim] // size)}")
            case _:
                raise KernelError(
                    f"the layout map '{layout.data}' in Allo's MLIR is not a partition that is known"
                )
    return words


def words(type_: MemRefType) -> ArrayAttr[StringAttr]:
    """``partitions`` as the attribute of an array."""
    return ArrayAttr([StringAttr(word) for word in partitions(type_)])


def place(op: Operation, type_: MemRefType) -> None:
    """Storage from Allo's memory space number."""
    space = type_.memory_space
    if not isinstance(space, IntegerAttr) or not space.value.data:
        return
    resource, storage = divmod(space.value.data, 16)
    op.attributes["storage"] = StringAttr(_RESOURCES[resource])
    if _STORAGE[storage]:
        op.attributes["storage_type"] = StringAttr(_STORAGE[storage] or "")
