"""How an array is stored: partition, banks, kind of memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

from xdsl.dialects import memref
from xdsl.dialects.builtin import ArrayAttr, DenseIntOrFPElementsAttr, MemRefType, ModuleOp, StringAttr
from xdsl.dialects.func import CallOp, FuncOp
from xdsl.ir import Attribute, BlockArgument, Operation, SSAValue

from fastprefill.errors import KernelError
from fastprefill.ir.dialect import AcquireOp, BlocksType, CreateOp
from fastprefill.ir.pipe import WindowOp
from fastprefill.ir.query import text

LUTRAM_MAX_DEPTH = 64
"""Arrays up to this many words per bank become LUTRAM when the kernel does not say."""


@dataclass(frozen=True)
class Storage:
    """Where the elements of an array are.

    Attributes:
        shape: extents of the array.
        width: bits of an element.
        kinds: per dimension ``none``, ``complete``, ``cyclic`` or ``block``.
        factors: banks per dimension (1 for ``none``, the extent for ``complete``).
        memory: ``register``, ``rom``, ``distributed``, ``block`` or ``ultra``.
    """

    shape: tuple[int, ...]
    width: int
    kinds: tuple[str, ...]
    factors: tuple[int, ...]
    memory: str

    @cached_property
    def banks(self) -> int:
        return prod(self.factors)

    @cached_property
    def depths(self) -> tuple[int, ...]:
        """Extent of a bank along each dimension."""
        return tuple(-(-extent // factor) for extent, factor in zip(self.shape, self.factors, strict=True))

    @cached_property
    def depth(self) -> int:
        """Words of a bank."""
        return prod(self.depths)

    @property
    def read_latency(self) -> int:
        """Cycles from address to data."""
        return 1 if self.memory in ("block", "ultra") else 0


def partition_of(array: SSAValue) -> list[str]:
    """The partition of an array as declared: one string per dimension."""
    kind = array.type
    assert isinstance(kind, MemRefType)
    source = _declaration(array)
    value = source.get("partition")
    if isinstance(value, ArrayAttr) and len(value) == len(kind.get_shape()):
        return [item.data for item in value if isinstance(item, StringAttr)]
    return ["none"] * len(kind.get_shape())


def storage_of(array: SSAValue) -> Storage:
    """Storage of a local array, constant array or block of a block stream."""
    kind = array.type
    assert isinstance(kind, MemRefType)
    source = _declaration(array)
    asked = source.get("storage")
    found = storage(
        kind, partition_of(array), asked.data if isinstance(asked, StringAttr) else "AUTO", _where(array)
    )
    return replace(found, memory="rom") if isinstance(array.owner, memref.GetGlobalOp) else found


def storage(kind: MemRefType, partition: list[str], asked: str, src: str | None = None) -> Storage:
    """Storage from a type, a partition and the resource that the kernel asks for."""
    from fastprefill.ir.query import element_type

    shape = tuple(kind.get_shape())
    kinds, factors = [], []
    for extent, entry in zip(shape, partition, strict=True):
        name, _, factor = entry.partition(" ")
        count = {"none": 1, "complete": extent}.get(name) or int(factor or 0)
        if count < 1 or count > extent:
            raise KernelError(
                f"partition factor {count} of a dimension of {extent}; choose 1 to {extent}", src
            )
        kinds.append(name)
        factors.append(count)
    depth = prod(-(-extent // factor) for extent, factor in zip(shape, factors, strict=True))
    if depth == 1:
        memory = "register"
    elif asked in ("URAM", "BRAM"):
        memory = {"URAM": "ultra", "BRAM": "block"}[asked]
    elif asked == "LUTRAM" or depth <= LUTRAM_MAX_DEPTH:
        memory = "distributed"
    else:
        memory = "block"
    return Storage(shape, element_type(kind).width.data, tuple(kinds), tuple(factors), memory)


def _declaration(array: SSAValue) -> dict[str, Attribute]:
    """Attributes of the op that declares the array's storage."""
    op = array.owner
    if type(op) is AcquireOp or type(op) is WindowOp:
        create = declaration_of_stream(op.stream)
        return dict(create.attributes) if create is not None else {}
    if type(op) is memref.GetGlobalOp:
        declared = _global(op)
        return dict(declared.attributes) if declared is not None else {}
    return dict(op.attributes) if isinstance(op, Operation) else {}


def declaration_of_stream(stream: SSAValue) -> CreateOp | None:
    """The ``fp.create`` behind a stream argument of a process, through the calls of the module."""
    if isinstance(stream.owner, CreateOp):
        return stream.owner
    if not isinstance(stream, BlockArgument):
        return None
    func = stream.block.parent_op()
    assert isinstance(func, FuncOp)
    module = func.parent_op()
    assert isinstance(module, ModuleOp)
    for region in module.ops:
        if not isinstance(region, FuncOp) or "fp.process" in region.attributes:
            continue  # processes, which are long, call nobody
        for call in region.body.block.ops:
            if isinstance(call, CallOp) and call.callee.string_value() == func.sym_name.data:
                found = declaration_of_stream(call.arguments[stream.index])
                if found is not None:
                    return found
    return None


def _global(op: memref.GetGlobalOp) -> memref.GlobalOp | None:
    at: Operation | None = op
    while at is not None and not isinstance(at, ModuleOp):
        at = at.parent_op()
    for candidate in at.ops if isinstance(at, ModuleOp) else ():
        if isinstance(candidate, memref.GlobalOp) and candidate.sym_name.data == op.name_.string_value():
            return candidate
    return None


def global_values(op: memref.GetGlobalOp) -> list[int]:
    """Elements of a constant array, row-major."""
    declared = _global(op)
    assert declared is not None
    assert isinstance(declared.initial_value, DenseIntOrFPElementsAttr)
    return [int(v) for v in declared.initial_value.get_values()]


def _where(array: SSAValue) -> str | None:
    op = array.owner
    return (text(op, "src") or None) if isinstance(op, Operation) else None


def block_storage(create: CreateOp) -> Storage:
    """Storage of one buffer of a block stream."""
    kind = create.stream.type
    assert isinstance(kind, BlocksType)
    value, asked = create.attributes.get("partition"), create.attributes.get("storage")
    shape = kind.block_type.get_shape()
    parts = (
        [i.data for i in value if isinstance(i, StringAttr)]
        if isinstance(value, ArrayAttr)
        else ["none"] * len(shape)
    )
    name = asked.data if isinstance(asked, StringAttr) else "AUTO"
    return storage(kind.block_type, parts, name, text(create, "src") or None)


LARGEST_LUTRAM_FIFO = 512
"""Words of the deepest FIFO in distributed RAM, as in extern/sv/fp_fifo.sv."""
WIDEST_LUTRAM_WORD = 2048
"""Bits of the widest words in distributed RAM."""


@dataclass(frozen=True)
class FifoStorage:
    """How a FIFO keeps its words.

    Attributes:
        memory: ``distributed`` or ``block``.
        slice_bits: bits of a slice with control of its own, so few that no net has more than 64 loads; 0: no slices.
    """

    memory: str
    slice_bits: int


def fifo_storage(bits: int, depth: int) -> FifoStorage:
    """Storage of a FIFO of `depth` words of `bits` bits."""
    if bits > WIDEST_LUTRAM_WORD:
        return FifoStorage("block", 6 * 72)  # six RAMB36E2
    memory = "distributed" if depth <= LARGEST_LUTRAM_FIFO else "block"
    slice_bits = 7 * 14 if depth <= 32 else 7 * 7  # seven times eight LUTs
    return FifoStorage(memory, 0 if bits <= slice_bits or memory == "block" else slice_bits)
