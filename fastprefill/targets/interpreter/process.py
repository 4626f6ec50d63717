"""One process function of the IR as a Python generator function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from xdsl.dialects import arith, memref, scf
from xdsl.dialects.builtin import IntegerAttr, MemRefType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, SSAValue

from fastprefill.errors import FastprefillError
from fastprefill.ir import query
from fastprefill.ir.dialect import AcquireOp, BlocksType, PutOp, StreamType
from fastprefill.targets.interpreter import accesses, arithmetic, declarations, nests, reductions, streams
from fastprefill.targets.interpreter.builder import ArrayInfo, Builder, stored_variables
from fastprefill.targets.interpreter.streams import Wait
from fastprefill.targets.interpreter.values import Value, full, limits, literal

_UNCOUNTED = {"arith.constant", "arith.index_cast", "arith.index_castui"}


@dataclass(frozen=True)
class CompiledProcess:
    """A process, ready to run.

    Attributes:
        name: symbol of the function.
        source: the generated Python.
        start: called with one runtime object per argument (``Fifo``, ``Blocks``, ``Array``) and a callback
            that gets the operations and the tokens per argument at the end; returns the coroutine, which
            yields an index into `waits` when it cannot go on.
        waits: places where it may wait.
        reads, writes: for each argument, whether the process reads or writes it as a stream.
        vector_nests: how many loop nests run as NumPy vectors.
        scalar_nests: why the others, meant to be unrolled, do not.
    """

    name: str
    source: str
    start: Callable[..., Any]
    waits: list[Wait]
    reads: list[bool]
    writes: list[bool]
    vector_nests: int
    scalar_nests: list[str]


def compile_process(func: FuncOp, constants: Mapping[str, memref.GlobalOp]) -> CompiledProcess:
    """Compile one process.

    Args:
        func: a function with ``fp.process``.
        constants: constant arrays of the module.

    Raises:
        FastprefillError: an op that ``docs/ir.md`` does not allow in a process.
    """
    trial = ProcessBuilder(func, constants, None)  # finds the arrays that vectors touch
    trial.build()
    return ProcessBuilder(func, constants, trial.vector_arrays).build()


class ProcessBuilder(Builder):
    """Builds the source of one process."""

    def __init__(
        self, func: FuncOp, constants: Mapping[str, memref.GlobalOp], lane_arrays: set[SSAValue] | None
    ) -> None:
        super().__init__()
        self.func = func
        self.globals = constants
        self.lane_arrays = lane_arrays
        self.vector_arrays: set[SSAValue] = set()
        self.nest: nests.Nest | None = None
        self.waits: list[Wait] = []
        self.scalar_nests: list[str] = []
        self.vector_nests = 0
        self.prologue: list[str] = []
        self.streams: dict[SSAValue, tuple[int, str]] = {}  # position and name of each stream argument
        self.scalars: dict[SSAValue, Value] = {}  # T[1] arguments that the process only reads
        self.global_arrays: dict[tuple[str, bool], str] = {}

    def build(self) -> CompiledProcess:
        """The finished process."""
        parameters = [self._argument(index, argument) for index, argument in enumerate(self.func.args)]
        stored = stored_variables(self.func)
        for index, argument in enumerate(self.func.args):
            if isinstance(argument.type, MemRefType):
                self._array_argument(parameters[index], argument, scalar=argument not in stored)
        self.indent = 2
        self.emit_block(self.func.body.block)
        tokens = ", ".join(f"puts_{index}" for index in range(len(parameters)))
        head = [
            f"def process({', '.join([*parameters, 'done'])}):",
            "    operations = 0",
            *(f"    puts_{index} = 0" for index in range(len(parameters))),
            *(f"    {line}" for line in self.prologue),
            "    try:",
        ]
        tail = [
            "        return",
            "        yield",
            "    finally:",
            f"        done(operations, ({tokens},))",
            "",
        ]
        source = "\n".join([*head, *self.lines, *tail])
        name = self.func.sym_name.data
        exec(compile(source, f"<interpreter:{name}>", "exec"), self.namespace)
        ends = {(wait.argument, wait.reads) for wait in self.waits}
        return CompiledProcess(
            name=name,
            source=source,
            start=self.namespace["process"],
            waits=self.waits,
            reads=[(index, True) in ends for index in range(len(parameters))],
            writes=[(index, False) in ends for index in range(len(parameters))],
            vector_nests=self.vector_nests,
            scalar_nests=self.scalar_nests,
        )

    def _argument(self, index: int, argument: SSAValue) -> str:
        text = self.name(query.array_name(argument))
        if isinstance(argument.type, StreamType | BlocksType):
            self.prologue.append(f"{text}_items = {text}.items")
            writer = any(
                isinstance(use.operation, PutOp)
                or (isinstance(use.operation, AcquireOp) and use.operation.mode.data == "write")
                for use in argument.uses
            )
            if isinstance(argument.type, StreamType) and writer:
                self.prologue.append(f"{text}_depth = {text}.depth")
            if isinstance(argument.type, BlocksType):
                self.prologue.append(f"{text}_free = {text}.free")
            self.streams[argument] = (index, text)
        return text

    def _array_argument(self, text: str, argument: SSAValue, *, scalar: bool) -> None:
        kind = argument.type
        assert isinstance(kind, MemRefType)
        width = query.width(kind.element_type)
        shape = kind.get_shape()
        self.arrays[argument] = ArrayInfo(text, query.array_name(argument), shape, width, lanes=width <= 64)
        if shape == (1,) and scalar:
            cast = "bool" if width == 1 else "int"
            self.prologue.append(f"{text}_scalar = {cast}({text}.data[0])")
            self.scalars[argument] = full(f"{text}_scalar", width)
        else:
            self.prologue.append(f"{text}_data = {text}.data")

    # Statements

    def emit_block(self, block: Block) -> None:
        """All ops of a block."""
        self.count(sum(_counted(op) for op in block.ops))
        for op in block.ops:
            self.emit_op(op)

    def count(self, operations: int) -> None:
        """Add to the operation count, for each lane that is active here."""
        if operations:
            lanes = self.nest.active_lanes() if self.nest else "1"
            self.emit(
                f"operations += {operations}" if lanes == "1" else f"operations += {operations} * {lanes}"
            )

    def emit_op(self, op: Operation) -> None:
        """One op, by its name."""
        if self.nest and op in self.nest.absorbed:
            return
        if op.name in arithmetic.BINARY:
            self._binary(op)
        elif (handler := _HANDLERS.get(op.name)) is not None:
            handler(self, op)
        else:
            raise FastprefillError(
                f"process '{self.func.sym_name.data}': the interpreter does not know '{op.name}'; "
                "docs/ir.md lists the ops of a process"
            )

    def _binary(self, op: Operation) -> None:
        a, b = (self.value(operand) for operand in op.operands)
        width = query.width(op.results[0])
        vector = bool(a.axes or b.axes)
        result = self.define(arithmetic.BINARY[op.name](a, b, width, vector), width, (a, b))
        self.values[op.results[0]] = nests.with_base(self, op.name, a, b, result)

    def _constant(self, op: Operation) -> None:
        assert isinstance(op, arith.ConstantOp) and isinstance(op.value, IntegerAttr)
        self.values[op.result] = literal(op.value.value.data, query.width(op.result))

    def _compare(self, op: Operation) -> None:
        assert isinstance(op, arith.CmpiOp)
        a, b = self.value(op.lhs), self.value(op.rhs)
        predicate = arithmetic.PREDICATES[op.predicate.value.data]
        draft = arithmetic.compare(predicate, a, b, bool(a.axes or b.axes))
        self.values[op.result] = self.define(draft, 1, (a, b))

    def _select(self, op: Operation) -> None:
        condition, a, b = (self.value(operand) for operand in op.operands)
        width = query.width(op.results[0])
        if isinstance(condition.known, int):
            self.values[op.results[0]] = a if condition.known else b
            return
        draft = arithmetic.select(condition, a, b, width, bool(condition.axes or a.axes or b.axes))
        self.values[op.results[0]] = self.define(draft, width, (condition, a, b))

    def _convert(self, op: Operation) -> None:
        a, width = self.value(op.operands[0]), query.width(op.results[0])
        self.values[op.results[0]] = self.define(
            arithmetic.convert(op.name, a, width, bool(a.axes)), width, (a,)
        )

    def _get_slice(self, op: Operation) -> None:
        a, lo = (self.value(operand) for operand in op.operands)
        width = query.width(op.results[0])
        draft = nests.slice_lanes(self, a, lo, width) if lo.axes and not a.axes else None
        if draft is None:
            draft = arithmetic.get_slice(a, lo, width, bool(a.axes or lo.axes))
        self.values[op.results[0]] = self.define(draft, width, (a, lo))

    def _set_slice(self, op: Operation) -> None:
        a, lo, part = (self.value(operand) for operand in op.operands)
        draft = arithmetic.set_slice(a, lo, part, bool(a.axes or lo.axes or part.axes))
        self.values[op.results[0]] = self.define(draft, a.width, (a, lo, part))

    def _load(self, op: Operation) -> None:
        if not (self.nest and reductions.begin(self, self.nest, op)):
            accesses.load(self, op)

    def _store(self, op: Operation) -> None:
        if self.nest and op in self.nest.reductions:
            reductions.finish(self, self.nest, op)
        else:
            accesses.store(self, op)

    # Control

    def _for(self, op: Operation) -> None:
        assert isinstance(op, scf.ForOp)
        self._without_results(op)
        if self.nest:
            nests.emit_lane_loop(self, op)
        elif not (query.number(op, "unroll") == 0 and nests.try_vector(self, op)):
            self._sequential_for(op)

    def _sequential_for(self, op: scf.ForOp) -> None:
        lb, ub, step = self.value(op.lb), self.value(op.ub), self.value(op.step)
        variable, body = op.body.block.args[0], op.body.block
        stored, before, assigned = stored_variables(op), dict(self.current), set(self.assigned)
        self.forget(stored, before)
        text = self.name(variable.name_hint or "i")
        high = min(max(ub.high - 1, lb.low), limits(32)[1])
        self.values[variable] = Value(text, 32, lb.low, high)
        stride = "" if step.known == 1 else f", {step.text}"
        with self.block(f"for {text} in range({lb.text}, {ub.text}{stride}):"):
            self.emit_block(body)
        if not lb.high < ub.low:  # perhaps no iteration
            self.assigned = assigned
        self.forget(stored, before)

    def _while(self, op: Operation) -> None:
        assert isinstance(op, scf.WhileOp)
        self._without_results(op)
        stored, before = stored_variables(op), dict(self.current)
        self.forget(stored, before)
        with self.block("while True:"):
            condition = op.before_region.block
            self.emit_block(condition)
            assert isinstance(condition.last_op, scf.ConditionOp)
            self.emit(f"if not {self.value(condition.last_op.condition).text}: break")
            assigned = set(self.assigned)
            self.emit_block(op.after_region.block)
        self.assigned = assigned
        self.forget(stored, before)

    def _if(self, op: Operation) -> None:
        assert isinstance(op, scf.IfOp)
        self._without_results(op)
        condition = self.value(op.cond)
        branches = [region.block for region in (op.true_region, op.false_region) if region.blocks]
        if isinstance(condition.known, int):
            if condition.known or len(branches) == 2:
                self.emit_block(branches[0 if condition.known else 1])
            return
        if self.nest:
            nests.emit_masked(self, condition, branches)
            return
        stored, before, assigned = stored_variables(op), dict(self.current), set(self.assigned)
        after = []
        for header, block in zip((f"if {condition.text}:", "else:"), branches, strict=False):
            self.current, self.assigned = dict(before), set(assigned)
            with self.block(header):
                self.emit_block(block)
            after.append(self.assigned)
        self.assigned = after[0] & after[1] if len(after) == 2 else assigned & after[0]
        self.forget(stored, before)

    def _without_results(self, op: Operation) -> None:
        if op.results:
            src = query.text(op, "src", "?")
            raise FastprefillError(
                f"{src}: '{op.name}' has results; state passes through variables (docs/ir.md)"
            )


def _counted(op: Operation) -> bool:
    """Whether an op counts as an operation: arithmetic, slices, loads and stores, but no index sums."""
    if op.name in _UNCOUNTED or (op.results and str(op.results[0].type) == "index"):
        return False
    return op.name.startswith("arith.") or op.name in (
        "memref.load",
        "memref.store",
        "fp.get_slice",
        "fp.set_slice",
    )


_HANDLERS: dict[str, Callable[[ProcessBuilder, Any], None]] = {
    "arith.constant": ProcessBuilder._constant,
    "arith.cmpi": ProcessBuilder._compare,
    "arith.select": ProcessBuilder._select,
    **{
        f"arith.{name}": ProcessBuilder._convert
        for name in ("extsi", "extui", "trunci", "index_cast", "index_castui")
    },
    "fp.get_slice": ProcessBuilder._get_slice,
    "fp.set_slice": ProcessBuilder._set_slice,
    "memref.alloc": declarations.alloc,
    "memref.get_global": declarations.get_global,
    "memref.load": ProcessBuilder._load,
    "memref.store": ProcessBuilder._store,
    "fp.fill": accesses.fill,
    "scf.for": ProcessBuilder._for,
    "scf.while": ProcessBuilder._while,
    "scf.if": ProcessBuilder._if,
    "scf.yield": lambda builder, op: None,
    "scf.condition": lambda builder, op: None,
    "func.return": lambda builder, op: None,
    "fp.get": streams.get,
    "fp.put": streams.put,
    "fp.acquire": streams.acquire,
    "fp.release": streams.release,
}
