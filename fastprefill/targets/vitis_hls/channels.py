"""How streams and block streams appear in C++, decided once for a module and shared by its functions."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, IntegerType, MemRefType, ModuleOp, StringAttr
from xdsl.ir import SSAValue

from fastprefill.errors import FastprefillError
from fastprefill.ir.dialect import BlocksType, CreateOp, StreamType
from fastprefill.targets.vitis_hls.expressions import CType, ap
from fastprefill.targets.vitis_hls.names import Names, clean

# The widest element of a stream: users report that Vitis HLS 2023.2 refuses more (Xilinx/Vitis-Tutorials issue 426).
STREAM_WIDTH = 4096


@dataclass(frozen=True)
class Block:
    """The C++ form of one block.

    A block stream whose arrays are registers (complete in every dimension) becomes streams of words, because UG1399
    ("Stream-of-Blocks", Resource Usage) supports no ARRAY_PARTITION on a stream of blocks: a row (the innermost
    dimension) is one word, and each row has a stream of its own, so that a block crosses in one cycle. Rows too wide
    for a stream travel element by element. Every other block stream is an ``hls::stream_of_blocks``, accessed in
    place under a lock.
    """

    name: str
    element: CType
    shape: tuple[int, ...]
    registers: bool

    @property
    def dimensions(self) -> str:
        return dimensions(self.shape)

    @property
    def packed(self) -> bool:
        """Whether a token of the streams is a row; else it is an element."""
        return self.registers and self.shape[-1] * self.element.width <= STREAM_WIDTH

    @property
    def token(self) -> CType:
        """What one stream of a block of registers carries."""
        return ap(False, self.shape[-1] * self.element.width) if self.packed else self.element

    @property
    def streams(self) -> tuple[int, ...]:
        """Shape of the array of streams that carries a block of registers; empty for a single stream."""
        return self.shape[:-1] if self.packed else self.shape

    def declaration(self) -> str:
        """The type of a block in memory."""
        return f"typedef {self.element.text} {self.name}{self.dimensions};"

    def description(self) -> str:
        """For messages."""
        return f"{self.element.text}{self.dimensions} in {'registers' if self.registers else 'memory'}"


def dimensions(shape: tuple[int, ...]) -> str:
    """``[4][16]``"""
    return "".join(f"[{size}]" for size in shape)


@dataclass(frozen=True)
class Argument:
    """An argument of a function: its C++ name, and what it is.

    Attributes:
        scalar: the type of a run-time scalar.
        stream: the type of a stream's tokens.
        block: what a block stream carries.
        depth: of the block stream.
    """

    name: str
    scalar: CType | None = None
    stream: CType | None = None
    block: Block | None = None
    depth: int = 0

    def parameter(self) -> str:
        """How the function declares it."""
        if self.scalar is not None:
            return f"{self.scalar.text} {self.name}"
        if self.stream is not None:
            return f"hls::stream<{self.stream.text}> &{self.name}"
        assert self.block is not None
        if self.block.registers:
            streams = self.block.streams
            name = f"{self.name}{dimensions(streams)}" if streams else f"&{self.name}"
            return f"hls::stream<{self.block.token.text}> {name}"
        return f"hls::stream_of_blocks<{self.block.name}> &{self.name}"


@dataclass
class Module:
    """A module with the C++ form of everything that its functions share; `blocks` are those in memory."""

    top: func.FuncOp
    functions: dict[str, func.FuncOp]
    arguments: dict[str, list[Argument]]
    blocks: list[Block]
    created: dict[SSAValue, Argument]

    def tokens(self) -> list[CType]:
        """What the streams carry that the regions create."""
        blocks = [argument.block.token for argument in self.created.values() if argument.block is not None]
        return blocks + [a.stream for a in self.created.values() if a.stream is not None]


def functions_of(module: ModuleOp) -> dict[str, func.FuncOp]:
    """The functions of a module by name, in its order."""
    return {op.sym_name.data: op for op in module.body.ops if isinstance(op, func.FuncOp)}


def is_region(function: func.FuncOp) -> bool:
    return "fp.region" in function.attributes


def argument_names(function: func.FuncOp) -> list[str]:
    """The user's names of the arguments."""
    names = function.attributes.get("arg_names")
    if not isinstance(names, ArrayAttr):
        return [argument.name_hint or f"arg{i}" for i, argument in enumerate(function.body.block.args)]
    return [name.data for name in names if isinstance(name, StringAttr)]


def element_type(kind: IntegerType, unsigned: bool) -> CType:
    """The ap type of an element."""
    return ap(not unsigned, kind.width.data)


def analyse(module: ModuleOp) -> Module:
    """Decide names and C++ types of all arguments and created streams.

    Raises:
        FastprefillError: one function is called with block streams of two forms.
    """
    functions = functions_of(module)
    top = list(functions.values())[-1]
    found = Module(top, functions, {}, [], {})
    forms: dict[tuple[str, int], Block] = {}
    _walk(found, top, forms)
    for name, function in functions.items():
        taken = set(functions) if is_region(function) else {name}
        found.arguments[name] = _arguments(function, forms, taken)
    for function in functions.values():
        _create(found, function, forms)
    return found


def _walk(found: Module, region: func.FuncOp, forms: dict[tuple[str, int], Block]) -> None:
    """Follow block streams from where they are created into the functions that use them."""
    known: dict[SSAValue, Block] = {}
    for i, argument in enumerate(region.body.block.args):
        if (region.sym_name.data, i) in forms:
            known[argument] = forms[region.sym_name.data, i]
    for op in region.body.block.ops:
        if isinstance(op, CreateOp) and isinstance(op.stream.type, BlocksType):
            known[op.stream] = _block(found, op)
        elif isinstance(op, func.CallOp):
            callee = found.functions[op.callee.string_value()]
            for i, operand in enumerate(op.arguments):
                if operand not in known:
                    continue
                key = (callee.sym_name.data, i)
                if forms.setdefault(key, known[operand]) != known[operand]:
                    raise FastprefillError(
                        f"{callee.sym_name.data} is used with block streams of two kinds, "
                        f"{forms[key].description()} and {known[operand].description()}: partition both alike"
                    )
            if is_region(callee):
                _walk(found, callee, forms)


def _block(found: Module, op: CreateOp) -> Block:
    kind = op.stream.type
    assert isinstance(kind, BlocksType) and isinstance(kind.block_type.element_type, IntegerType)
    partition = op.attributes.get("partition")
    registers = isinstance(partition, ArrayAttr) and all(
        isinstance(p, StringAttr) and p.data == "complete" for p in partition
    )
    element = element_type(kind.block_type.element_type, op.unsigned is not None)
    shape = kind.block_type.get_shape()
    if registers:
        return Block("", element, shape, registers)
    for block in found.blocks:
        if (block.element, block.shape, block.registers) == (element, shape, registers):
            return block
    taken = Names({b.name for b in found.blocks} | set(found.functions))
    block = Block(taken.new(clean(op.stream_name.data) + "_t"), element, shape, registers)
    found.blocks.append(block)
    return block


def _arguments(function: func.FuncOp, forms: dict[tuple[str, int], Block], taken: set[str]) -> list[Argument]:
    names = Names(taken)
    itypes = function.attributes.get("itypes")
    letters = itypes.data if isinstance(itypes, StringAttr) else ""
    result = []
    for i, (wanted, value) in enumerate(zip(argument_names(function), function.body.block.args, strict=True)):
        unsigned = letters[i : i + 1] == "u"
        name = names.new(wanted)
        kind = value.type
        if isinstance(kind, StreamType):
            result.append(Argument(name, stream=element_type(kind.element_type, unsigned)))
        elif isinstance(kind, BlocksType):
            result.append(Argument(name, block=forms.get((function.sym_name.data, i)), depth=kind.depth.data))
        else:
            assert isinstance(kind, MemRefType) and isinstance(kind.element_type, IntegerType)
            result.append(Argument(name, scalar=element_type(kind.element_type, unsigned)))
    return result


def _create(found: Module, function: func.FuncOp, forms: dict[tuple[str, int], Block]) -> None:
    """The streams that a region creates, named beside its arguments."""
    if not is_region(function):
        return
    names = Names({a.name for a in found.arguments[function.sym_name.data]} | set(found.functions))
    for op in function.body.block.ops:
        if isinstance(op, CreateOp):
            name, kind = names.new(op.stream_name.data), op.stream.type
            if isinstance(kind, StreamType):
                token = element_type(kind.element_type, op.unsigned is not None)
                found.created[op.stream] = Argument(name, stream=token, depth=kind.depth.data)
            else:
                assert isinstance(kind, BlocksType)
                found.created[op.stream] = Argument(name, block=_block(found, op), depth=kind.depth.data)
