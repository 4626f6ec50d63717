"""The ops and syntax of the MLIR that Allo prints, as far as a dataflow program needs them.

The ``allo`` ops follow Allo's ``AlloOps.td``. The ops of other dialects here differ from xDSL's own only in what
their custom syntax accepts: attributes on affine accesses, ``affine.if``, ``memref.global``, ``scf.while``
without operands.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.context import Context
from xdsl.dialects import affine, memref, scf
from xdsl.dialects.arith import Arith
from xdsl.dialects.builtin import (
    AffineMapAttr,
    AffineSetAttr,
    Builtin,
    DenseArrayBase,
    FunctionType,
    IndexType,
    IntAttr,
    IntegerType,
    MemRefType,
    StringAttr,
    TensorType,
    UnitAttr,
)
from xdsl.dialects.func import Func
from xdsl.dialects.linalg import Linalg
from xdsl.ir import Attribute, Dialect, Operation, ParametrizedAttribute, Region, TypeAttribute
from xdsl.irdl import (
    IRDLOperation,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    param_def,
    prop_def,
    region_def,
    result_def,
    var_operand_def,
)
from xdsl.parser import AttrParser, Parser
from xdsl.printer import Printer


@irdl_attr_definition
class AlloStream(ParametrizedAttribute, TypeAttribute):
    """``!allo.stream<i8, 4>`` or, of blocks, ``!allo.stream<memref<4x4xi32>, 2>``."""

    name = "allo.stream"
    base: Attribute = param_def()
    depth: IntAttr = param_def()

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            base = parser.parse_type()
            parser.parse_punctuation(",")
            depth = parser.parse_integer(allow_negative=False, allow_boolean=False)
        return [base, IntAttr(depth)]

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_attribute(self.base)
            printer.print_string(f", {self.depth.data}")


@irdl_op_definition
class StreamConstruct(IRDLOperation):
    name = "allo.stream_construct"
    stream = result_def(AlloStream)
    assembly_format = "`(` `)` attr-dict `:` type($stream)"


@irdl_op_definition
class StreamGet(IRDLOperation):
    name = "allo.stream_get"
    stream = operand_def(AlloStream)
    indices = prop_def(DenseArrayBase)
    value = result_def()

    @classmethod
    def parse(cls, parser: Parser) -> StreamGet:
        parser.parse_punctuation("(")
        stream = parser.parse_unresolved_operand()
        parser.parse_punctuation(",")
        indices = _indices(parser)
        parser.parse_punctuation(")")
        attributes = parser.parse_optional_attr_dict()
        parser.parse_punctuation(":")
        type_ = parser.parse_type()
        parser.parse_punctuation("->")
        value = parser.parse_type()
        return cls(
            operands=[parser.resolve_operand(stream, type_)],
            result_types=[value],
            properties={"indices": indices},
            attributes=attributes,
        )


@irdl_op_definition
class StreamPut(IRDLOperation):
    name = "allo.stream_put"
    stream = operand_def(AlloStream)
    data = operand_def()
    indices = prop_def(DenseArrayBase)

    @classmethod
    def parse(cls, parser: Parser) -> StreamPut:
        parser.parse_punctuation("(")
        stream = parser.parse_unresolved_operand()
        parser.parse_punctuation(",")
        indices = _indices(parser)
        parser.parse_punctuation(",")
        data = parser.parse_unresolved_operand()
        parser.parse_punctuation(")")
        attributes = parser.parse_optional_attr_dict()
        parser.parse_punctuation(":")
        type_ = parser.parse_type()
        parser.parse_characters("contains")
        contained = parser.parse_type()
        return cls(
            operands=[parser.resolve_operand(stream, type_), parser.resolve_operand(data, contained)],
            properties={"indices": indices},
            attributes=attributes,
        )


def _indices(parser: Parser) -> DenseArrayBase:
    numbers = parser.parse_comma_separated_list(parser.Delimiter.SQUARE, parser.parse_integer)
    return DenseArrayBase.from_list(IntegerType(64), numbers)


@irdl_op_definition
class GetSlice(IRDLOperation):
    name = "allo.get_slice"
    num = operand_def(IntegerType)
    hi = operand_def(IndexType)
    lo = operand_def(IndexType)
    result = result_def(IntegerType)
    assembly_format = "`(` $num `:` type($num) `,` $hi `,` $lo `)` attr-dict `->` type($result)"


@irdl_op_definition
class SetSlice(IRDLOperation):
    name = "allo.set_slice"
    num = operand_def(IntegerType)
    hi = operand_def(IndexType)
    lo = operand_def(IndexType)
    val = operand_def(IntegerType)
    result = result_def(IntegerType)
    assembly_format = (
        "`(` $num `:` type($num) `,` $hi `,` $lo `,` $val `:` type($val) `)` attr-dict `->` type($result)"
    )


@irdl_op_definition
class GetBit(IRDLOperation):
    name = "allo.get_bit"
    num = operand_def(IntegerType)
    index = operand_def(IndexType)
    result = result_def(IntegerType)
    assembly_format = "`(` $num `:` type($num) `,` $index `)` attr-dict `->` type($result)"


@irdl_op_definition
class SetBit(IRDLOperation):
    name = "allo.set_bit"
    num = operand_def(IntegerType)
    index = operand_def(IndexType)
    val = operand_def(IntegerType)
    result = result_def(IntegerType)
    assembly_format = (
        "`(` $num `:` type($num) `,` $index `,` $val `:` type($val) `)` attr-dict `->` type($result)"
    )


@irdl_op_definition
class AffineLoad(IRDLOperation):
    name = "affine.load"
    memref = operand_def(MemRefType)
    indices = var_operand_def(IndexType)
    map = prop_def(AffineMapAttr)
    result = result_def()

    @classmethod
    def parse(cls, parser: Parser) -> AffineLoad:
        ref = parser.parse_unresolved_operand()
        map_, indices = parser.parse_affine_map_of_ssa_ids()
        attributes = parser.parse_optional_attr_dict()
        parser.parse_punctuation(":")
        type_ = parser.parse_type()
        assert isinstance(type_, MemRefType)
        return cls(
            operands=[parser.resolve_operand(ref, type_), list(indices)],
            result_types=[type_.element_type],
            properties={"map": AffineMapAttr(map_)},
            attributes=attributes,
        )


@irdl_op_definition
class AffineStore(IRDLOperation):
    name = "affine.store"
    value = operand_def()
    memref = operand_def(MemRefType)
    indices = var_operand_def(IndexType)
    map = prop_def(AffineMapAttr)

    @classmethod
    def parse(cls, parser: Parser) -> AffineStore:
        value = parser.parse_unresolved_operand()
        parser.parse_punctuation(",")
        ref = parser.parse_unresolved_operand()
        map_, indices = parser.parse_affine_map_of_ssa_ids()
        attributes = parser.parse_optional_attr_dict()
        parser.parse_punctuation(":")
        type_ = parser.parse_type()
        assert isinstance(type_, MemRefType)
        return cls(
            operands=[
                parser.resolve_operand(value, type_.element_type),
                parser.resolve_operand(ref, type_),
                list(indices),
            ],
            properties={"map": AffineMapAttr(map_)},
            attributes=attributes,
        )


@irdl_op_definition
class AffineIf(IRDLOperation):
    name = "affine.if"
    args = var_operand_def(IndexType)
    condition = prop_def(AffineSetAttr)
    then_region = region_def()
    else_region = region_def()

    @classmethod
    def parse(cls, parser: Parser) -> AffineIf:
        condition = parser.parse_attribute()
        assert isinstance(condition, AffineSetAttr)
        arguments = []
        for delimiter in (parser.Delimiter.PAREN, parser.Delimiter.SQUARE):
            found = parser.parse_optional_comma_separated_list(delimiter, parser.parse_unresolved_operand)
            arguments += [parser.resolve_operand(name, IndexType()) for name in found or []]
        then_region = parser.parse_region()
        else_region = parser.parse_region() if parser.parse_optional_keyword("else") else Region()
        return cls(
            operands=[arguments],
            properties={"condition": condition},
            regions=[then_region, else_region],
            attributes=parser.parse_optional_attr_dict(),
        )


@irdl_op_definition
class Global(IRDLOperation):
    name = "memref.global"
    sym_name = prop_def(StringAttr)
    sym_visibility = opt_prop_def(StringAttr)
    type = prop_def(MemRefType)
    initial_value = prop_def()
    constant = opt_prop_def(UnitAttr)

    @classmethod
    def parse(cls, parser: Parser) -> Global:
        visibility = parser.parse_optional_str_literal()
        constant = parser.parse_optional_keyword("constant") is not None
        name = parser.parse_symbol_name()
        parser.parse_punctuation(":")
        type_ = parser.parse_type()
        assert isinstance(type_, MemRefType)
        parser.parse_punctuation("=")
        parser.parse_keyword("dense")
        tensor = TensorType(type_.element_type, type_.get_shape())
        values = parser.parse_dense_int_or_fp_elements_attr(tensor)
        return cls(
            properties={
                "sym_name": name,
                "sym_visibility": StringAttr(visibility) if visibility else None,
                "type": type_,
                "initial_value": values,
                "constant": UnitAttr() if constant else None,
            },
            attributes=parser.parse_optional_attr_dict(),
        )


@irdl_op_definition
class While(IRDLOperation):
    """The syntax of ``scf.while`` without operands and results; parsing it gives xDSL's op."""

    name = "scf.while"

    @classmethod
    def parse(cls, parser: Parser) -> Operation:  # type: ignore[override]
        if parser.parse_optional_punctuation("("):
            parser.parse_punctuation(")")
        parser.parse_punctuation(":")
        type_ = parser.parse_type()
        if type_ != FunctionType.from_lists([], []):
            parser.raise_error("scf.while with operands or results is not in the form that Allo prints")
        before = parser.parse_region()
        parser.parse_characters("do")
        op = scf.WhileOp([], [], before, parser.parse_region())
        attributes = parser.parse_optional_attr_dict_with_keyword()
        if attributes is not None:
            op.attributes.update(attributes.data)
        return op


def context() -> Context:
    """An xDSL context that reads what Allo prints."""
    ctx = Context(allow_unregistered=True)
    for dialect in (Builtin, Func, Arith, Linalg):
        ctx.load_dialect(dialect)
    kept: dict[str, type[Operation]] = {}
    for dialect in (affine.Affine, memref.MemRef, scf.Scf):
        kept |= {op.name: op for op in dialect.operations}
    kept |= {op.name: op for op in (AffineLoad, AffineStore, AffineIf, Global, While)}
    for name in ("affine", "memref", "scf"):
        ctx.load_dialect(Dialect(name, [op for key, op in kept.items() if key.startswith(f"{name}.")], []))
    allo: list[type[Operation]] = [StreamConstruct, StreamGet, StreamPut, GetSlice, SetSlice, GetBit, SetBit]
    ctx.load_dialect(Dialect("allo", allo, [AlloStream]))
    return ctx
