"""Questions that several passes and targets ask of a module."""

from __future__ import annotations

from collections.abc import Iterator

from xdsl.dialects import arith, memref, scf
from xdsl.dialects.builtin import (
    ArrayAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    MemRefType,
    ModuleOp,
    StringAttr,
)
from xdsl.dialects.func import CallOp, FuncOp
from xdsl.ir import Attribute, BlockArgument, Operation, OpResult, SSAValue
from xdsl.traits import SymbolTable

from fastprefill.ir.dialect import AcquireOp, BlocksType, GetSliceOp, SetSliceOp, StreamType
from fastprefill.ir.pipe import WindowOp

INDEX_BITS = 32
"""Width of ``index`` values (signed)."""

BINARY_ARITH: frozenset[type[Operation]] = frozenset(
    {
        arith.AddiOp,
        arith.SubiOp,
        arith.MuliOp,
        arith.AndIOp,
        arith.OrIOp,
        arith.XOrIOp,
        arith.ShLIOp,
        arith.ShRSIOp,
        arith.ShRUIOp,
        arith.DivUIOp,
        arith.RemUIOp,
    }
)
PURE_ARITH: frozenset[type[Operation]] = BINARY_ARITH | {
    arith.ConstantOp,
    arith.CmpiOp,
    arith.SelectOp,
    arith.ExtSIOp,
    arith.ExtUIOp,
    arith.TruncIOp,
    arith.IndexCastOp,
    GetSliceOp,
    SetSliceOp,
}
"""Classes of ops that compute from their operands alone. Asked by ``type(op) in PURE_ARITH``: `isinstance` of xDSL's
classes is slow, and these are asked of every op by every pass."""


def processes(module: ModuleOp) -> Iterator[FuncOp]:
    """The process functions, in order."""
    return (op for op in module.ops if isinstance(op, FuncOp) and "fp.process" in op.attributes)


def regions(module: ModuleOp) -> list[FuncOp]:
    """The region functions, callees first; the last is the top."""
    return [op for op in module.ops if isinstance(op, FuncOp) and "fp.region" in op.attributes]


def text(op: Operation, name: str, default: str = "") -> str:
    """A string attribute of `op`, or the default."""
    value = op.attributes.get(name)
    return value.data if isinstance(value, StringAttr) else default


def number(op: Operation, name: str) -> int | None:
    """An integer attribute of `op`, or None."""
    value = op.attributes.get(name)
    return value.value.data if isinstance(value, IntegerAttr) else None


def strings(op: Operation, name: str) -> list[str]:
    """An attribute that is an array of strings, or an empty list."""
    value = op.attributes.get(name)
    return (
        [item.data for item in value if isinstance(item, StringAttr)] if isinstance(value, ArrayAttr) else []
    )


def width(value: SSAValue | Attribute) -> int:
    """Bits of an integer or index value or type."""
    kind = value.type if isinstance(value, OpResult | BlockArgument) else value
    if type(kind) is IntegerType:  # `isinstance` of xDSL's classes is slow, and this is asked millions of times
        return int(kind.width.data)
    if type(kind) is IndexType:
        return INDEX_BITS
    raise TypeError(f"{kind} has no width")


def constant(value: SSAValue) -> int | None:
    """The number of a constant (through casts), signed, or None."""
    op = value.owner
    if type(op) is arith.ConstantOp and isinstance(op.value, IntegerAttr):
        return int(op.value.value.data)
    if type(op) is arith.IndexCastOp:
        return constant(op.input)
    return None


def strip_casts(value: SSAValue) -> SSAValue:
    """The value behind index casts that change nothing (index <-> i32)."""
    while type(op := value.owner) is arith.IndexCastOp and width(op.input) == width(value) == INDEX_BITS:
        value = op.input
    return value


def is_scalar_argument(value: SSAValue) -> bool:
    """A run-time scalar: a ``memref<1xiN>`` argument of a process, sampled at start and read only."""
    return (
        type(value) is BlockArgument
        and isinstance(kind := value.type, MemRefType)
        and kind.get_shape() == (1,)
    )


def is_read(argument: SSAValue) -> bool:
    """Whether a run-time scalar is read by the process or, of a region, by what it calls."""
    for use in argument.uses:
        call = use.operation
        if not isinstance(call, CallOp):
            return True
        callee = SymbolTable.lookup_symbol(call, call.callee)
        assert isinstance(callee, FuncOp)
        if is_read(callee.body.block.args[use.index]):
            return True
    return False


def is_lane_loop(op: Operation | None) -> bool:
    """A loop that is unrolled completely."""
    return type(op) is scf.ForOp and number(op, "unroll") == 0


def trip_count(op: scf.ForOp) -> int | None:
    """Iterations of a loop with constant bounds, or None."""
    low, high, step = constant(op.lb), constant(op.ub), constant(op.step)
    if low is None or high is None or step is None:
        return None
    return max(0, -(-(high - low) // step))


def array_name(array: SSAValue) -> str:
    """The user's name of an array, stream or block."""
    if type(array) is BlockArgument:
        func = array.block.parent_op()
        names = strings(func, "arg_names") if func is not None else []
        return names[array.index] if array.index < len(names) else f"arg{array.index}"
    op = array.owner
    assert isinstance(op, Operation)
    if type(op) is AcquireOp or type(op) is WindowOp:
        return text(op, "name") or array_name(op.stream)
    if type(op) is memref.GetGlobalOp:
        return str(op.name_.string_value())
    return text(op, "name") or array.name_hint or "v"


def source_of(value: SSAValue) -> str:
    """``file:line`` of the op that makes a value, or empty."""
    return text(value.owner, "src") if isinstance(value.owner, Operation) else ""


def element_type(kind: Attribute) -> IntegerType:
    """Type of one element of a stream, block stream or array."""
    if isinstance(kind, StreamType):
        return kind.element_type
    if isinstance(kind, BlocksType):
        kind = kind.block_type
    assert isinstance(kind, MemRefType) and isinstance(kind.element_type, IntegerType)
    return kind.element_type
