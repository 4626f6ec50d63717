"""One process function of the IR as a Python generator function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xdsl.dialects import arith, memref, scf
from xdsl.dialects.builtin import IntegerAttr, MemRefType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, SSAValue

from fastprefill.errors import FastprefillError
from fastprefill.ir import query
from fastprefill.ir.dialect import AcquireOp, BlocksType, GetOp, PutOp, ReleaseOp, StreamType
from fastprefill.targets.interpreter import accesses, arithmetic, nests, reductions
from fastprefill.targets.interpreter.builder import ArrayInfo, Builder, stored_variables
from fastprefill.targets.interpreter.support import Array
from fastprefill.targets.interpreter.values import NotVector, Value, canonical, full, limits, literal

_UNCOUNTED = {"arith.constant", "arith.index_cast", "arith.index_castui"}


@dataclass(frozen=True)
class Wait:
    """A place where a process may wait.

    Attributes:
        argument: index of the stream among the process's arguments.
        reads: True when it waits for a token or a full buffer, False for room or a free buffer.
        src: ``file:line``.
    """

    argument: int
    reads: bool
    src: str


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
        self._global_arrays: dict[tuple[str, bool], str] = {}

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
        tail = ["        return", "        yield", "    finally:", f"        done(operations, ({tokens},))", ""]
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
            self.emit(f"operations += {operations}" if lanes == "1" else f"operations += {operations} * {lanes}")

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

    def _alloc(self, op: Operation) -> None:
        array = op.results[0]
        assert isinstance(array.type, MemRefType)
        label, shape = query.array_name(array), array.type.get_shape()
        width = query.width(array.type.element_type)
        depth = nests.declare(self, array, shape) if self.nest else None
        text = self.arrays[array].text if array in self.arrays else self.name(label)
        self.current.pop(array, None)
        self.assigned.discard(array)
        if not shape:
            self.arrays[array] = ArrayInfo(text, label, shape, width, depth=depth)
            if depth is None:
                self.emit(f"{text} = None")
            return
        lanes = width <= 64 and (self.lane_arrays is None or array in self.lane_arrays)
        info = self.arrays[array] = ArrayInfo(text, label, shape, width, lanes=lanes)
        self.namespace["Array"] = Array
        self.prologue.append(f"{text} = Array({label!r}, {shape!r}, {width}, lanes={lanes})")
        self.emit(f"{text}.reset()")
        self.emit(f"{info.data} = {text}.data")

    def _get_global(self, op: Operation) -> None:
        assert isinstance(op, memref.GetGlobalOp) and isinstance(op.memref.type, MemRefType)
        symbol = op.name_.string_value()
        shape, width = op.memref.type.get_shape(), query.width(op.memref.type.element_type)
        lanes = self.lane_arrays is None or op.memref in self.lane_arrays
        if (symbol, lanes) not in self._global_arrays:
            if symbol not in self.globals:
                raise FastprefillError(f"memref.get_global: the module has no constant array '{symbol}'")
            self._global_arrays[symbol, lanes] = text = self.constant(
                _constant_array(self.globals[symbol], symbol, shape, width, lanes=lanes)
            )
            self.prologue.append(f"{text}_data = {text}.data")
        text = self._global_arrays[symbol, lanes]
        label = query.text(self.globals[symbol], "name") or symbol
        self.arrays[op.memref] = ArrayInfo(text, label, shape, width, lanes=lanes, constant=True)

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
            raise FastprefillError(f"{src}: '{op.name}' has results; state passes through variables (docs/ir.md)")

    # Streams

    def _wait(self, op: Operation, stream: SSAValue, condition: str, *, reads: bool) -> str:
        """Wait until `condition` holds; returns the name of the stream."""
        if self.nest:
            raise NotVector(f"'{op.name}' in the loop")
        index, text = self.streams[stream]
        self.emit(f"while {condition.format(s=text)}: yield {len(self.waits)}")
        self.waits.append(Wait(index, reads, query.text(op, "src", "?")))
        return text

    def _get(self, op: Operation) -> None:
        assert isinstance(op, GetOp)
        width = query.width(op.value)
        text = self.name("t")
        with_predicate = op.predicate is not None
        if op.predicate is not None:
            self.emit(f"{text} = {'False' if width == 1 else '0'}")
            with self.block(f"if {self.value(op.predicate).text}:"):
                stream = self._wait(op, op.stream, "not {s}_items", reads=True)
                self.emit(f"{text} = {stream}_items.popleft()")
        if not with_predicate:
            stream = self._wait(op, op.stream, "not {s}_items", reads=True)
            self.emit(f"{text} = {stream}_items.popleft()")
        self.values[op.value] = full(text, width)

    def _put(self, op: Operation) -> None:
        assert isinstance(op, PutOp)
        if op.predicate is not None:
            with self.block(f"if {self.value(op.predicate).text}:"):
                self._put_token(op)
        else:
            self._put_token(op)

    def _put_token(self, op: PutOp) -> None:
        stream = self._wait(op, op.stream, "len({s}_items) >= {s}_depth", reads=False)
        self.emit(f"{stream}_items.append({self.value(op.value).text})")
        self.emit(f"puts_{self.streams[op.stream][0]} += 1")

    def _acquire(self, op: Operation) -> None:
        assert isinstance(op, AcquireOp) and isinstance(op.block.type, MemRefType)
        self._unpredicated(op, op.predicate)
        reads = op.mode.data == "read"
        queue = "{s}_items" if reads else "{s}_free"
        stream = self._wait(op, op.stream, f"not {queue}", reads=reads)
        width, label = query.width(op.block.type.element_type), query.array_name(op.block)
        info = ArrayInfo(self.name(label), label, op.block.type.get_shape(), width, lanes=width <= 64)
        self.arrays[op.block] = info
        self.emit(f"{info.text} = {queue.format(s=stream)}.popleft()")
        if not reads:
            self.emit(f"{info.text}.reset()")
        self.emit(f"{info.text}.name = {label!r}")
        self.emit(f"{info.data} = {info.text}.data")

    def _release(self, op: Operation) -> None:
        assert isinstance(op, ReleaseOp)
        self._unpredicated(op, op.predicate)
        if self.nest:
            raise NotVector(f"'{op.name}' in the loop")
        index, stream = self.streams[op.stream]
        owner = op.block.owner
        reads = isinstance(owner, AcquireOp) and owner.mode.data == "read"
        self.emit(f"{stream}_{'free' if reads else 'items'}.append({self.arrays[op.block].text})")
        if not reads:
            self.emit(f"puts_{index} += 1")

    def _unpredicated(self, op: Operation, predicate: SSAValue | None) -> None:
        if predicate is not None:
            raise FastprefillError(f"the interpreter does not run '{op.name}' with a predicate; run it before flatten")


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


def _constant_array(op: memref.GlobalOp, name: str, shape: Sequence[int], width: int, *, lanes: bool) -> Array:
    array = Array(query.text(op, "name") or name, tuple(shape), width, lanes=lanes)
    initial: Any = op.initial_value
    numbers = [canonical(int(number), width) for number in initial.get_values()]
    if len(numbers) == 1:
        numbers *= array.valid.size
    if lanes:
        array.data.ravel()[:] = numbers
        array.valid[...] = True
        array.full = True
    else:
        array.data = numbers
    return array


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
    "memref.alloc": ProcessBuilder._alloc,
    "memref.get_global": ProcessBuilder._get_global,
    "memref.load": ProcessBuilder._load,
    "memref.store": ProcessBuilder._store,
    "fp.fill": accesses.fill,
    "scf.for": ProcessBuilder._for,
    "scf.while": ProcessBuilder._while,
    "scf.if": ProcessBuilder._if,
    "scf.yield": lambda builder, op: None,
    "scf.condition": lambda builder, op: None,
    "func.return": lambda builder, op: None,
    "fp.get": ProcessBuilder._get,
    "fp.put": ProcessBuilder._put,
    "fp.acquire": ProcessBuilder._acquire,
    "fp.release": ProcessBuilder._release,
}
