"""The ``pipe`` dialect: a process after ``flatten``, as a tree of loops around straight-line pipeline bodies.

Normative description: ``docs/ir.md``, section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from xdsl.dialects.builtin import I1, DenseArrayBase, IndexType, IntegerType, MemRefType, StringAttr, i1, i32
from xdsl.ir import Block, Dialect, Operation, Region, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import NoTerminator, Pure
from xdsl.utils.exceptions import VerifyException

from fastprefill.ir.dialect import BlocksType, element_of, same_block


@irdl_op_definition
class BodyOp(IRDLOperation):
    """Straight-line, predicated ops that issue together: one iteration of a pipeline."""

    name = "pipe.body"
    body_name = prop_def(StringAttr)
    body = region_def("single_block")
    traits = traits_def(NoTerminator())
    assembly_format = "$body_name $body attr-dict"

    def __init__(self, name: str) -> None:
        super().__init__(properties={"body_name": StringAttr(name)}, regions=[Region(Block())])


@irdl_op_definition
class RepeatOp(IRDLOperation):
    """Bodies and loops repeated until ``pipe.exit_unless`` in the first body is false (a ``while``)."""

    name = "pipe.repeat"
    body = region_def("single_block")
    traits = traits_def(NoTerminator())
    assembly_format = "$body attr-dict"

    def __init__(self) -> None:
        super().__init__(regions=[Region(Block())])


class _Position(IRDLOperation):
    """A fact about the present iteration of the loop whose variable is the operand."""

    loop = operand_def(IndexType)
    result = result_def(I1)
    traits = traits_def(Pure())
    assembly_format = "$loop attr-dict"

    def __init__(self, loop: SSAValue) -> None:
        super().__init__(operands=[loop], result_types=[i1])


@irdl_op_definition
class FirstOp(_Position):
    """The first iteration of the loop (also of a loop without iterations, which issues once, not live)."""

    name = "pipe.first"


@irdl_op_definition
class LastOp(_Position):
    """The last iteration of the loop."""

    name = "pipe.last"


@irdl_op_definition
class LiveOp(_Position):
    """The loop variable is inside the loop's bounds."""

    name = "pipe.live"


@cache
def store_segments(subscripts: int, predicates: int) -> DenseArrayBase:
    """How many operands each field of a ``pipe.store`` has."""
    return DenseArrayBase.from_list(i32, [1, 1, subscripts, predicates])


@irdl_op_definition
class StoreOp(IRDLOperation):
    """Store where the predicate is true."""

    name = "pipe.store"
    value = operand_def(IntegerType)
    memref = operand_def(MemRefType)
    indices = var_operand_def(IndexType)
    predicate = opt_operand_def(I1)
    irdl_options = (AttrSizedOperandSegments(as_property=True),)
    assembly_format = (
        "$value `,` $memref `[` $indices `]` (`if` $predicate^)? attr-dict `:` type($value) `,` type($memref)"
    )

    def __init__(
        self,
        value: SSAValue,
        memref: SSAValue,
        indices: Sequence[SSAValue],
        predicate: SSAValue | None = None,
    ) -> None:
        # Without sorting arguments into segments, as IRDLOperation does: flattening makes one for each assignment.
        last = () if predicate is None else (predicate,)
        Operation.__init__(
            self,
            operands=[value, memref, *indices, *last],
            properties={"operandSegmentSizes": store_segments(len(indices), len(last))},
        )

    @property
    def fields(self) -> tuple[SSAValue, SSAValue, tuple[SSAValue, ...], SSAValue | None]:
        """Value, array, subscripts and predicate together: each alone costs xDSL a look at the segments."""
        value, array, *rest = self.operands
        assert isinstance(array.type, MemRefType)
        rank = len(array.type.shape.data)
        return value, array, tuple(rest[:rank]), rest[rank] if len(rest) > rank else None

    def verify_(self) -> None:
        assert isinstance(self.memref.type, MemRefType)
        element_of(self.memref, self.value)
        if len(self.indices) != len(self.memref.type.get_shape()):
            rank = len(self.memref.type.get_shape())
            raise VerifyException(f"{len(self.indices)} subscripts for an array of {rank} dimensions")


@irdl_op_definition
class CascadeOp(IRDLOperation):
    """``start`` plus the sum of ``left[i] * right[i]``, all signed, modulo 2**48, in a chain of DSP slices.

    Slice i registers its operands i cycles after slice 0, so operands are used in successive stages.
    """

    name = "pipe.cascade"
    start = operand_def(IntegerType)
    left = var_operand_def(IntegerType)
    right = var_operand_def(IntegerType)
    result = result_def(IntegerType)
    traits = traits_def(Pure())
    irdl_options = (AttrSizedOperandSegments(as_property=True),)
    assembly_format = (
        "$start `+` $left `*` $right attr-dict `:` "
        "type($start) `,` type($left) `*` type($right) `->` type($result)"
    )

    def __init__(
        self, start: SSAValue, left: Sequence[SSAValue], right: Sequence[SSAValue], bits: int
    ) -> None:
        super().__init__(operands=[start, list(left), list(right)], result_types=[IntegerType(bits)])

    def lag(self, operand: int) -> int:
        """Stages from the op's own to the one that uses the operand of this number."""
        return 1 if operand == 0 else (operand - 1) % len(self.left)

    @property
    def latency(self) -> int:
        """Stages from the op's own to the first that has its result."""
        return len(self.left) + 2

    def verify_(self) -> None:
        if len(self.left) != len(self.right) or not self.left:
            raise VerifyException(
                f"{len(self.left)} left and {len(self.right)} right factors; one each per slice"
            )
        for values, most in (((self.start, self.result), 48), (self.left, 27), (self.right, 18)):
            for value in values:
                assert isinstance(value.type, IntegerType)
                if value.type.width.data > most:
                    raise VerifyException(
                        f"an operand of {value.type.width.data} bits; a DSP slice takes {most}"
                    )


@irdl_op_definition
class ExitUnlessOp(IRDLOperation):
    """Leave the enclosing ``pipe.repeat`` when the condition is false."""

    name = "pipe.exit_unless"
    condition = operand_def(I1)
    assembly_format = "$condition attr-dict"

    def __init__(self, condition: SSAValue) -> None:
        super().__init__(operands=[condition])


@irdl_op_definition
class WindowOp(IRDLOperation):
    """The buffer of a block stream that this process holds at the moment; one per process, stream and mode."""

    name = "pipe.window"
    mode = prop_def(StringAttr)
    stream = operand_def(BlocksType)
    window = result_def(MemRefType)
    assembly_format = "$mode $stream attr-dict `:` type($stream) `->` type($window)"

    def __init__(self, stream: SSAValue, mode: str) -> None:
        assert isinstance(stream.type, BlocksType)
        super().__init__(
            operands=[stream], result_types=[stream.type.block_type], properties={"mode": StringAttr(mode)}
        )

    def verify_(self) -> None:
        if self.mode.data not in ("write", "read"):
            raise VerifyException(f"window mode is {self.mode.data!r}; it must be 'write' or 'read'")
        same_block(self.stream, self.window)


PIPE = Dialect(
    "pipe", [WindowOp, BodyOp, RepeatOp, FirstOp, LastOp, LiveOp, CascadeOp, StoreOp, ExitUnlessOp], []
)
