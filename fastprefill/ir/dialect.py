"""The ``fp`` dialect: streams, block streams and bit slices beside MLIR's func/scf/memref/arith.

Normative description, with the meaning of every op: ``docs/ir.md``.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import (
    I1,
    IndexType,
    IntAttr,
    IntegerType,
    MemRefType,
    StringAttr,
    UnitAttr,
)
from xdsl.ir import Attribute, Dialect, ParametrizedAttribute, SSAValue, TypeAttribute
from xdsl.irdl import (
    IRDLOperation,
    base,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    param_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException


@irdl_attr_definition
class StreamType(ParametrizedAttribute, TypeAttribute):
    """``!fp.stream<i32, 4>``: a FIFO of scalar tokens; the depth is the least a program may rely on."""

    name = "fp.stream"
    element_type: IntegerType = param_def()
    depth: IntAttr = param_def()

    def __init__(self, element_type: IntegerType, depth: int | IntAttr) -> None:
        super().__init__(element_type, IntAttr(depth) if isinstance(depth, int) else depth)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            element = parser.parse_type()
            parser.parse_punctuation(",")
            depth = parser.parse_integer(allow_negative=False, allow_boolean=False)
        return [element, IntAttr(depth)]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_attribute(self.element_type)
            printer.print_string(f", {self.depth.data}")

    def verify(self) -> None:
        if self.depth.data < 1:
            raise VerifyException(f"stream depth is {self.depth.data}; at least 1 is needed")


@irdl_attr_definition
class BlocksType(ParametrizedAttribute, TypeAttribute):
    """``!fp.blocks<memref<4x4xi32>, 2>``: a ring of `depth` array buffers, handed over whole and in place."""

    name = "fp.blocks"
    block_type: MemRefType = param_def()
    depth: IntAttr = param_def()

    def __init__(self, block_type: MemRefType, depth: int | IntAttr) -> None:
        super().__init__(block_type, IntAttr(depth) if isinstance(depth, int) else depth)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            block = parser.parse_type()
            parser.parse_punctuation(",")
            depth = parser.parse_integer(allow_negative=False, allow_boolean=False)
        return [block, IntAttr(depth)]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_attribute(self.block_type)
            printer.print_string(f", {self.depth.data}")

    def verify(self) -> None:
        if self.depth.data < 1:
            raise VerifyException(f"block stream depth is {self.depth.data}; at least 1 is needed")


@irdl_op_definition
class CreateOp(IRDLOperation):
    """A stream or block stream of a region, connecting exactly one writer to one reader."""

    name = "fp.create"
    stream = result_def(base(StreamType) | base(BlocksType))
    stream_name = prop_def(StringAttr)
    unsigned = opt_prop_def(UnitAttr)
    assembly_format = "$stream_name (`unsigned` $unsigned^)? attr-dict `:` type($stream)"

    def __init__(
        self, stream_name: str, stream_type: StreamType | BlocksType, *, unsigned: bool = False
    ) -> None:
        super().__init__(
            result_types=[stream_type],
            properties={
                "stream_name": StringAttr(stream_name),
                "unsigned": UnitAttr() if unsigned else None,
            },
        )


@irdl_op_definition
class GetOp(IRDLOperation):
    """Blocking read of one token. With a predicate (after ``flatten``): read only where it is true."""

    name = "fp.get"
    stream = operand_def(StreamType)
    predicate = opt_operand_def(I1)
    value = result_def(IntegerType)
    assembly_format = "$stream (`if` $predicate^)? attr-dict `:` type($stream) `->` type($value)"

    def __init__(self, stream: SSAValue, predicate: SSAValue | None = None) -> None:
        assert isinstance(stream.type, StreamType)
        super().__init__(
            operands=[stream, [predicate] if predicate else []], result_types=[stream.type.element_type]
        )

    def verify_(self) -> None:
        assert isinstance(self.stream.type, StreamType)
        if self.value.type != self.stream.type.element_type:
            raise VerifyException(
                f"get of {self.value.type} from a stream of {self.stream.type.element_type}"
            )


@irdl_op_definition
class PutOp(IRDLOperation):
    """Blocking write of one token. With a predicate (after ``flatten``): write only where it is true."""

    name = "fp.put"
    stream = operand_def(StreamType)
    value = operand_def(IntegerType)
    predicate = opt_operand_def(I1)
    assembly_format = "$stream `,` $value (`if` $predicate^)? attr-dict `:` type($stream) `,` type($value)"

    def __init__(self, stream: SSAValue, value: SSAValue, predicate: SSAValue | None = None) -> None:
        super().__init__(operands=[stream, value, [predicate] if predicate else []])

    def verify_(self) -> None:
        assert isinstance(self.stream.type, StreamType)
        if self.value.type != self.stream.type.element_type:
            raise VerifyException(
                f"put of {self.value.type} into a stream of {self.stream.type.element_type}"
            )


@irdl_op_definition
class AcquireOp(IRDLOperation):
    """Take the next buffer of a block stream: a free one to write, or the oldest full one to read."""

    name = "fp.acquire"
    stream = operand_def(BlocksType)
    predicate = opt_operand_def(I1)
    block = result_def(MemRefType)
    mode = prop_def(StringAttr)
    assembly_format = "$mode $stream (`if` $predicate^)? attr-dict `:` type($stream) `->` type($block)"

    def __init__(self, stream: SSAValue, mode: str, predicate: SSAValue | None = None) -> None:
        assert isinstance(stream.type, BlocksType)
        super().__init__(
            operands=[stream, [predicate] if predicate else []],
            result_types=[stream.type.block_type],
            properties={"mode": StringAttr(mode)},
        )

    def verify_(self) -> None:
        if self.mode.data not in ("write", "read"):
            raise VerifyException(f"acquire mode is {self.mode.data!r}; it must be 'write' or 'read'")
        same_block(self.stream, self.block)


@irdl_op_definition
class ReleaseOp(IRDLOperation):
    """Hand an acquired buffer on: a written one to the reader, a read one back to the writer."""

    name = "fp.release"
    stream = operand_def(BlocksType)
    block = operand_def(MemRefType)
    predicate = opt_operand_def(I1)
    assembly_format = "$stream `,` $block (`if` $predicate^)? attr-dict `:` type($stream) `,` type($block)"

    def __init__(self, stream: SSAValue, block: SSAValue, predicate: SSAValue | None = None) -> None:
        super().__init__(operands=[stream, block, [predicate] if predicate else []])

    def verify_(self) -> None:
        same_block(self.stream, self.block)


@irdl_op_definition
class GetSliceOp(IRDLOperation):
    """``value[lo : lo + width]``, the width being the result's; ``lo`` is an index, constant or not."""

    name = "fp.get_slice"
    value = operand_def(IntegerType)
    lo = operand_def(IndexType)
    result = result_def(IntegerType)
    traits = traits_def(Pure())
    assembly_format = "$value `[` $lo `]` attr-dict `:` type($value) `->` type($result)"

    def __init__(self, value: SSAValue, lo: SSAValue, width: int) -> None:
        super().__init__(operands=[value, lo], result_types=[IntegerType(width)])


@irdl_op_definition
class SetSliceOp(IRDLOperation):
    """``value`` with bits ``[lo : lo + width]`` replaced by ``part``; the width is that of ``part``."""

    name = "fp.set_slice"
    value = operand_def(IntegerType)
    lo = operand_def(IndexType)
    part = operand_def(IntegerType)
    result = result_def(IntegerType)
    traits = traits_def(Pure())
    assembly_format = (
        "$value `[` $lo `]` `,` $part attr-dict `:` type($value) `,` type($part) `->` type($result)"
    )

    def __init__(self, value: SSAValue, lo: SSAValue, part: SSAValue) -> None:
        super().__init__(operands=[value, lo, part], result_types=[value.type])

    def verify_(self) -> None:
        if self.result.type != self.value.type:
            raise VerifyException(f"set_slice of {self.value.type} gives {self.result.type}")


@irdl_op_definition
class FillOp(IRDLOperation):
    """Set every element of an array to one value (the initialiser of a mutable local array)."""

    name = "fp.fill"
    array = operand_def(MemRefType)
    value = operand_def(IntegerType)
    assembly_format = "$array `,` $value attr-dict `:` type($array) `,` type($value)"

    def __init__(self, array: SSAValue, value: SSAValue) -> None:
        super().__init__(operands=[array, value])

    def verify_(self) -> None:
        element_of(self.array, self.value)


def same_block(stream: SSAValue, block: SSAValue) -> None:
    """Refuse a buffer whose type is not the stream's."""
    assert isinstance(stream.type, BlocksType)
    if block.type != stream.type.block_type:
        raise VerifyException(f"buffer of {block.type} with a block stream of {stream.type.block_type}")


def element_of(array: SSAValue, value: SSAValue) -> None:
    """Refuse a value whose type is not the array's element type."""
    assert isinstance(array.type, MemRefType)
    if value.type != array.type.element_type:
        raise VerifyException(f"value of {value.type} for an array of {array.type.element_type}")


FP = Dialect(
    "fp",
    [CreateOp, GetOp, PutOp, AcquireOp, ReleaseOp, GetSliceOp, SetSliceOp, FillOp],
    [StreamType, BlocksType],
)
