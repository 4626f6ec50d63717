"""What cannot become Vitis HLS C++ is refused here, before any text is made."""

from __future__ import annotations

from xdsl.dialects import func, memref, scf
from xdsl.dialects.builtin import ArrayAttr, IndexType, IntegerType, MemRefType, ModuleOp, StringAttr
from xdsl.ir import Operation, SSAValue

from fastprefill.errors import FastprefillError, KernelError
from fastprefill.ir.dialect import (
    AcquireOp,
    BlocksType,
    CreateOp,
    FillOp,
    GetOp,
    PutOp,
    ReleaseOp,
    StreamType,
)
from fastprefill.targets.vitis_hls.channels import (
    STREAM_WIDTH,
    Argument,
    analyse,
    argument_names,
    functions_of,
    is_region,
)
from fastprefill.targets.vitis_hls.expressions import MAX_WIDTH
from fastprefill.targets.vitis_hls.names import IDENTIFIER, RESERVED
from fastprefill.targets.vitis_hls.operations import source
from fastprefill.targets.vitis_hls.region import writes
from fastprefill.targets.vitis_hls.storage import partition_pragmas, storage_pragmas

_PREDICATED = (GetOp, PutOp, AcquireOp, ReleaseOp)


def validate(module: ModuleOp) -> None:
    """Check that a module has a form in Vitis HLS C++.

    Raises:
        FastprefillError: what has none, with the kernel's line where it is known.
    """
    functions = functions_of(module)
    if not functions:
        raise FastprefillError("the module has no function, so there is nothing to emit")
    top = list(functions.values())[-1]
    if not is_region(top):
        raise FastprefillError(f"the last function of the module, {top.sym_name.data}, is not a region")
    _check_ports(top, functions)
    for name, function in functions.items():
        _check_name(name, "function")
        _check_arguments(function, function is top)
        if is_region(function):
            _check_region(functions, function)
        else:
            _check_process(function)
    for op in module.walk():
        _check_widths(op)
    found = analyse(module)
    for name, function in functions.items():
        if not is_region(function):
            _check_locks(function, found.arguments[name])


def _check_name(name: str, what: str) -> None:
    if not IDENTIFIER.fullmatch(name) or name in RESERVED:
        raise FastprefillError(f"{what} {name!r} cannot be a C++ name: rename it in the kernel or unit")


def _check_ports(top: func.FuncOp, functions: dict[str, func.FuncOp]) -> None:
    """Ports keep their names, which also name the files of a case."""
    seen: set[str] = set()
    for name in argument_names(top):
        _check_name(name, f"port of {top.sym_name.data}")
        if name in functions or name in seen:
            raise FastprefillError(
                f"port {name} of {top.sym_name.data} has a name that is taken: rename it in the unit"
            )
        seen.add(name)


def _check_arguments(function: func.FuncOp, top: bool) -> None:
    name = function.sym_name.data
    for label, argument in zip(argument_names(function), function.body.block.args, strict=True):
        kind = argument.type
        if isinstance(kind, StreamType):
            continue
        if isinstance(kind, BlocksType):
            if top:
                raise FastprefillError(
                    f"block stream {label} is a port of {name}: UG1399 allows no stream of blocks in the "
                    "interface of a top function; make the port a stream of words"
                )
            continue
        if not isinstance(kind, MemRefType) or kind.get_shape() != (1,):
            raise FastprefillError(
                f"array argument {label} of {name} has shape {_shape(kind)}: a unit takes streams and run-time "
                "scalars (T[1]); feed the array through a stream"
            )


def _shape(kind: object) -> str:
    return "x".join(map(str, kind.get_shape())) if isinstance(kind, MemRefType) else str(kind)


def _check_region(functions: dict[str, func.FuncOp], region: func.FuncOp) -> None:
    readers: dict[SSAValue, str] = {}
    writers: dict[SSAValue, str] = {}
    for op in region.body.block.ops:
        if isinstance(op, CreateOp):
            if isinstance(op.stream.type, BlocksType):
                _check_storage(op, op.stream_name.data, op.stream.type.block_type.get_shape())
        elif isinstance(op, func.CallOp):
            callee = op.callee.string_value()
            if callee not in functions:
                raise FastprefillError(
                    f"region {region.sym_name.data} calls {callee}, which the module lacks"
                )
            for position, operand in enumerate(op.arguments):
                if not isinstance(operand.type, StreamType | BlocksType):
                    continue
                direction = writes(functions, callee, position)
                if direction is None:
                    continue
                side, verb = (writers, "writer") if direction else (readers, "reader")
                if operand in side:
                    raise FastprefillError(
                        f"a stream of region {region.sym_name.data} has two {verb}s, {side[operand]} and {callee}: "
                        "a stream joins exactly one writer to one reader"
                    )
                side[operand] = callee
        elif not isinstance(op, func.ReturnOp):
            raise FastprefillError(
                f"region {region.sym_name.data} holds {op.name}; it may create streams and call"
            )


def _check_process(process: func.FuncOp) -> None:
    for op in process.walk():
        if op is process:
            continue
        if op.name.startswith("pipe."):
            raise FastprefillError(
                f"{op.name} in {process.sym_name.data}: HLS C++ is made of the IR before 'flatten'"
            )
        if isinstance(op, _PREDICATED) and op.predicate is not None:
            raise FastprefillError(
                f"{op.name} with a predicate in {process.sym_name.data}: HLS C++ is made of the IR before 'flatten'"
            )
        if isinstance(op, memref.AllocOp):
            assert isinstance(op.memref.type, MemRefType)
            _check_storage(op, _declared_name(op), op.memref.type.get_shape())
        if isinstance(op, scf.ForOp) and op.iter_args:
            raise KernelError(
                "a loop with values that it carries has no form here; use a variable", source(op)
            )
        if isinstance(op, memref.StoreOp | FillOp):
            target = op.memref if isinstance(op, memref.StoreOp) else op.array
            if target in process.body.block.args:
                raise KernelError("a run-time scalar is read only", source(op))


def _check_locks(process: func.FuncOp, arguments: list[Argument]) -> None:
    """A lock ends with its scope in C++, so locks nest; and a stream of blocks has one lock at a time (UG1399,
    Stream-of-Blocks, Limitations). Blocks of registers take no lock.
    """
    registers = {
        value
        for value, argument in zip(process.body.block.args, arguments, strict=True)
        if argument.block is not None and argument.block.registers
    }
    for outer in process.walk():
        if not isinstance(outer, AcquireOp):
            continue
        held, following = _held(outer)
        if following is None:
            raise KernelError(
                "a block is acquired and not released in the same block of statements", source(outer)
            )
        for op in held:
            for inner in op.walk():
                if isinstance(inner, AcquireOp) and inner.stream == outer.stream:
                    raise KernelError(
                        "a block stream is acquired again before its block is released", source(inner)
                    )
            if isinstance(op, AcquireOp) and outer.stream not in registers and _held(op)[1] not in held:
                raise KernelError(
                    "this block is still held when the one taken before it ends, and locks of C++ end in reverse "
                    "order: take the block that ends last first",
                    source(op),
                )


def _held(acquire: AcquireOp) -> tuple[list[Operation], Operation | None]:
    """The ops between an acquire and its release, and the release."""
    held: list[Operation] = []
    following = acquire.next_op
    while following is not None:
        if isinstance(following, ReleaseOp) and following.block == acquire.block:
            return held, following
        held.append(following)
        following = following.next_op
    return held, None


def _check_storage(op: Operation, name: str, shape: tuple[int, ...]) -> None:
    """Refuse storage that UG1399 has not, with the line."""
    try:
        partition = op.attributes.get("partition")
        partition_pragmas(name, partition, shape)
        storage_pragmas(name, op, rom=False)
    except FastprefillError as error:
        raise KernelError(str(error), source(op)) from error
    if isinstance(partition, ArrayAttr) and len(partition) != len(shape):
        raise KernelError(
            f"{name} has {len(shape)} dimensions and a partition of {len(partition)}", source(op)
        )


def _declared_name(op: Operation) -> str:
    name = op.attributes.get("name")
    return name.data if isinstance(name, StringAttr) else "array"


def _check_widths(op: Operation) -> None:
    for value in (*op.operands, *op.results):
        if isinstance(value.type, StreamType) and value.type.element_type.width.data > STREAM_WIDTH:
            raise KernelError(
                f"a token of {value.type.element_type.width.data} bits is wider than the {STREAM_WIDTH} of a stream in "
                "Vitis HLS: divide it among several streams",
                source(op),
            )
        kind = value.type.element_type if isinstance(value.type, MemRefType | StreamType) else value.type
        if isinstance(kind, IndexType):
            continue
        if isinstance(kind, IntegerType) and kind.width.data > MAX_WIDTH:
            raise KernelError(
                f"an integer of {kind.width.data} bits is wider than the {MAX_WIDTH} of ap_int (UG1399); "
                "divide it, choose smaller parameters, or emit RTL alone",
                source(op),
            )
