"""What is known of one kernel instance while it is lowered: its arguments, loops and arrays."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from xdsl.dialects.builtin import ArrayAttr, StringAttr
from xdsl.ir import Attribute, Block, Operation, SSAValue

from fastprefill.frontend.dtypes import Array, Scalar, Stream
from fastprefill.frontend.globals import Globals
from fastprefill.frontend.source import Source
from fastprefill.ir.dialect import BlocksType, StreamType

Place = tuple[str, int, int]
"""File, line and column."""


@dataclass
class Argument:
    """An argument of the process: `actual` is the region's name of what the call passes."""

    name: str
    actual: str
    element: Scalar
    ssa: SSAValue
    direction: str = "_"

    @property
    def is_stream(self) -> bool:
        return isinstance(self.ssa.type, StreamType | BlocksType)


@dataclass(frozen=True)
class Loop:
    """A loop that a schedule can name; `place` tells copies of one loop from another loop of the same name."""

    name: str
    place: Place
    op: Operation
    static: bool


@dataclass
class Local:
    """An array that a schedule can name: a local one (`op`) or a block of the stream `stream`."""

    name: str
    place: Place
    shape: tuple[int, ...]
    op: Operation | None = None
    stream: str | None = None


@dataclass(frozen=True)
class End:
    """An expression that names a stream.

    Attributes:
        base: the stream's declared name.
        actual: its name in the region, with the position.
        stream: its type.
        subscripts: the expressions of the position.
        names: what those could see.
    """

    base: str
    actual: str
    stream: Stream
    subscripts: tuple[ast.expr, ...]
    names: dict[str, Any]


@dataclass(frozen=True)
class Decision:
    """A compile-time condition, the names that it could see, and its answer."""

    node: ast.expr
    names: dict[str, Any]
    answer: bool


@dataclass(frozen=True)
class Access:
    """A use of a stream by the argument of that number."""

    argument: int
    end: End


@dataclass
class Process:
    """One kernel instance.

    Attributes:
        kernel: the kernel's name.
        instance: the kernel's name with its position in the mesh.
        mesh: whether the kernel has several instances.
        globals: constant arrays of the unit.
        operators: variable -> ``dsp`` or ``fabric``, from the unit.
        decisions, accesses: what the body depends on, when its position is no number in it.
        twin: the instance whose body this one shares.
    """

    kernel: str
    instance: str
    mesh: bool
    globals: Globals
    operators: dict[str, str]
    entry: Block = field(default_factory=Block)
    arguments: list[Argument] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)
    locals: list[Local] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    accesses: list[Access] = field(default_factory=list)
    twin: Process | None = None
    bound: set[str] = field(default_factory=set)
    held: dict[str, str] = field(default_factory=dict)
    placed: list[tuple[str, Array, Place]] = field(default_factory=list)
    block_partitions: dict[str, ArrayAttr[StringAttr]] = field(default_factory=dict)
    tables: list[tuple[Operation, Array, list[int], str, str]] = field(default_factory=list)

    def add_argument(self, name: str, actual: str, element: Scalar, type_: Attribute) -> Argument:
        ssa = self.entry.insert_arg(type_, len(self.entry.args))
        argument = Argument(name, actual, element, ssa)
        self.arguments.append(argument)
        return argument

    def use(self, end: End, direction: str, source: Source, node: ast.AST) -> Argument:
        """The argument for one end of a stream, made at its first use: ``i`` to read it, ``o`` to write it."""
        actual, stream = end.actual, end.stream
        argument = next((a for a in self.arguments if a.actual == actual and a.is_stream), None)
        if argument is None:
            name = self._stream_name(end, direction)
            argument = self.add_argument(name, actual, stream.element, stream_type(stream))
            argument.direction = direction
        self.accesses.append(Access(self.arguments.index(argument), end))
        if argument.direction != direction:
            raise source.error(
                node,
                f"kernel '{self.kernel}' both reads and writes stream '{actual}'; a stream connects two kernels: "
                f"keep the value in a local variable or array",
            )
        return argument

    def _stream_name(self, end: End, direction: str) -> str:
        """Position-free in a mesh, so that instances can share one body."""
        name = end.actual
        if self.mesh and end.stream.shape:
            name = f"{end.base}_{'in' if direction == 'i' else 'out'}"
        taken = {argument.name for argument in self.arguments}
        number, unique = 1, name
        while unique in taken:
            unique, number = f"{name}_{number}", number + 1
        return unique


def stream_type(stream: Stream) -> StreamType | BlocksType:
    if isinstance(stream.token, Array):
        return BlocksType(stream.token.ir, stream.depth)
    return StreamType(stream.token.ir, stream.depth)
