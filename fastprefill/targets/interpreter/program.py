"""A compiled module and its runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import memref
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp

from fastprefill.errors import FastprefillError
from fastprefill.ir import query
from fastprefill.system import limits
from fastprefill.system.case import Case
from fastprefill.targets.interpreter.network import ArraySpec, StreamSpec, flatten
from fastprefill.targets.interpreter.process import compile_process
from fastprefill.targets.interpreter.schedule import Task, execute
from fastprefill.targets.interpreter.support import Array, Blocks, Fifo
from fastprefill.targets.interpreter.values import canonical

UNBOUNDED = 1 << 62


@dataclass
class Statistics:
    """What a run did.

    Attributes:
        operations: arithmetic and slice ops, loads and stores, each counted once per lane that executes it;
            constants and index arithmetic are not counted.
        tokens: tokens (or blocks) written to each stream of the flattened network, inputs excluded.
        processes: operations of each process.
    """

    operations: int = 0
    tokens: dict[str, int] = field(default_factory=dict)
    processes: dict[str, int] = field(default_factory=dict)


def run(
    module: ModuleOp,
    case: Case,
    *,
    arrays: Mapping[str, NDArray[Any]] | None = None,
    statistics: Statistics | None = None,
    trace: dict[str, list[int]] | None = None,
    max_tokens: int | None = None,
) -> dict[str, list[int]]:
    """One start of the module's top region; see ``Program.run``."""
    program = Program(module)
    return program.run(case, arrays=arrays, statistics=statistics, trace=trace, max_tokens=max_tokens)


class Program:
    """A module compiled for any number of runs.

    Args:
        module: in the form of ``docs/ir.md``, before ``flatten``; the last function is the top.

    Raises:
        FastprefillError: the module is outside the IR, or a stream has not one writer and one reader.
    """

    def __init__(self, module: ModuleOp) -> None:
        self.network = flatten(module)
        self.top = [op for op in module.ops if isinstance(op, FuncOp)][-1]
        constants = {op.sym_name.data: op for op in module.ops if isinstance(op, memref.GlobalOp)}
        used = {process.function for process in self.network.processes}
        self.processes = {
            func.sym_name.data: compile_process(func, constants)
            for func in query.processes(module)
            if func.sym_name.data in used
        }
        self._streams: list[StreamSpec] = []
        self._writer: dict[StreamSpec, str] = {}
        self._reader: dict[StreamSpec, str] = {}
        for argument in self.network.arguments:
            if isinstance(argument, StreamSpec):
                self._streams.append(argument)
        for process in self.network.processes:
            compiled = self.processes[process.function]
            for position, argument in enumerate(process.arguments):
                if isinstance(argument, StreamSpec):
                    if argument not in self._streams:
                        self._streams.append(argument)
                    if compiled.reads[position]:
                        self._end(self._reader, argument, process.name, "reads")
                    if compiled.writes[position]:
                        self._end(self._writer, argument, process.name, "writes")

    def _end(self, ends: dict[StreamSpec, str], stream: StreamSpec, process: str, verb: str) -> None:
        if stream in ends:
            raise FastprefillError(
                f"'{ends[stream]}' and '{process}' both {verb[:-1]} stream '{stream.name}'; "
                "a stream has one writer and one reader"
            )
        ends[stream] = process

    @property
    def inputs(self) -> list[StreamSpec]:
        """Ports that a process reads."""
        return [stream for stream in self._streams if stream.port and stream in self._reader]

    @property
    def outputs(self) -> list[StreamSpec]:
        """Ports that a process writes."""
        return [stream for stream in self._streams if stream.port and stream in self._writer]

    def run(
        self,
        case: Case,
        *,
        arrays: Mapping[str, NDArray[Any]] | None = None,
        statistics: Statistics | None = None,
        trace: dict[str, list[int]] | None = None,
        max_tokens: int | None = None,
        unread: dict[str, int] | None = None,
    ) -> dict[str, list[int]]:
        """One start. With a scalar outside its limits only the processes run that do so in refused starts.

        Args:
            case: scalars and input tokens; its outputs are not looked at.
            arrays: array arguments of the top region by name, of the argument's shape and any integer dtype
                (``object`` for elements of more than 64 bits); changed in place.
            statistics: filled in.
            trace: gets the tokens of every scalar stream of the network, by name, as unsigned patterns.
            max_tokens: end with an error when an output gets more tokens than this.
            unread: gets the number of tokens that are left in each input; without it, any is an error.

        Returns:
            The tokens of each output, as unsigned patterns.

        Raises:
            FastprefillError: a name or value of the case does not fit the region; a deadlock; an element that
                was never written is read, or one outside its array used; tokens are left in a stream.
        """
        given = arrays or {}
        self._check_names(case, given)
        logs: dict[StreamSpec, list[Any]] = {}
        streams = {
            spec: self._stream(spec, case, logs, max_tokens, traced=trace is not None)
            for spec in self._streams
        }
        memories = {
            spec: _memory(spec, case, given) for spec in self.network.arguments if isinstance(spec, ArraySpec)
        }
        objects: dict[Any, Any] = {**streams, **memories}
        counts: dict[str, tuple[int, tuple[int, ...]]] = {}
        tasks = []
        values = {spec.name: int(memory.data[0]) for spec, memory in memories.items() if spec.shape == (1,)}
        refused = limits.outside(self.top, values) != 0
        for process in self.network.processes:
            if refused and process.refused is None:
                continue
            compiled = self.processes[process.function]

            def done(operations: int, tokens: tuple[int, ...], name: str = process.name) -> None:
                counts[name] = operations, tokens

            arguments = [objects[argument] for argument in process.arguments]
            for position, value in (process.refused or {}).items() if refused else ():
                arguments[position] = _scalar(process.arguments[position], value)
            tasks.append(
                Task(
                    name=process.name,
                    coroutine=compiled.start(*arguments, done),
                    waits=compiled.waits,
                    streams=arguments,
                    labels=[argument.name for argument in process.arguments],
                )
            )
        try:
            execute(tasks, ports={id(streams[spec]) for spec in self.inputs})
        finally:
            self._count(statistics, counts)
            if trace is not None:
                for spec, log in logs.items():
                    trace[spec.name] = [int(token) & ((1 << spec.width) - 1) for token in log]
        if unread is not None:
            unread.update({spec.name: len(streams[spec].items) for spec in self.inputs})
        self._check_empty(streams, inputs=unread is None)
        for array, memory in memories.items():
            if array.name in given:
                _write_back(array, memory, given[array.name])
        outputs: dict[str, list[int]] = {}
        for spec in self.outputs:
            tokens: deque[Any] = streams[spec].items
            outputs[spec.name] = [int(token) & ((1 << spec.width) - 1) for token in tokens]
        return outputs

    def _check_names(self, case: Case, arrays: Mapping[str, NDArray[Any]]) -> None:
        inputs = [spec.name for spec in self.inputs]
        memories = [spec.name for spec in self.network.arguments if isinstance(spec, ArraySpec)]
        for kind, names, known in (
            ("an input stream", case.inputs, inputs),
            ("a scalar", case.scalars, memories),
            ("an array", arrays, memories),
        ):
            for name in names:
                if name not in known:
                    raise FastprefillError(
                        f"case '{case.name}': '{name}' is not {kind} of '{self.network.name}'; "
                        f"it has {', '.join(known) or 'none'}"
                    )
        for name in inputs:
            if name not in case.inputs:
                raise FastprefillError(f"case '{case.name}': no tokens for the input stream '{name}'")
        for name in memories:
            if name not in case.scalars and name not in arrays:
                raise FastprefillError(f"case '{case.name}': no value for the argument '{name}'")

    def _stream(
        self,
        spec: StreamSpec,
        case: Case,
        logs: dict[StreamSpec, list[Any]],
        max_tokens: int | None,
        *,
        traced: bool,
    ) -> Fifo | Blocks:
        if spec.block is not None:
            if spec.port:
                raise FastprefillError(
                    f"port '{spec.name}' is a block stream; a case can only feed scalar tokens"
                )
            return Blocks(
                [Array(spec.name, spec.block, spec.width, lanes=spec.width <= 64) for _ in range(spec.depth)]
            )
        items: deque[Any] = deque()
        if spec in self.inputs:
            items.extend(_pattern(token, spec, case) for token in case.inputs[spec.name])
            if traced:
                logs[spec] = list(items)
            return Fifo(UNBOUNDED, items)
        if traced or (max_tokens is not None and spec in self.outputs):
            items = LoggedItems(spec.name, max_tokens if spec in self.outputs else None)
            if traced:
                logs[spec] = items.log
        return Fifo(UNBOUNDED if spec in self.outputs else spec.depth, items)

    def _check_empty(self, streams: Mapping[StreamSpec, Fifo | Blocks], *, inputs: bool) -> None:
        for spec, stream in streams.items():
            if spec in self.outputs or not stream.items or (spec in self.inputs and not inputs):
                continue
            what = "tokens" if spec.block is None else "blocks"
            where = f"input stream '{spec.name}'" if spec.port else f"stream '{spec.name}'"
            raise FastprefillError(
                f"{len(stream.items)} {what} are left in {where} after all processes have ended; "
                f"'{self._reader.get(spec, 'nobody')}' reads fewer than were written"
            )

    def _count(
        self, statistics: Statistics | None, counts: Mapping[str, tuple[int, tuple[int, ...]]]
    ) -> None:
        if statistics is None:
            return
        for process in self.network.processes:
            operations, tokens = counts.get(process.name, (0, ()))
            statistics.operations += operations
            statistics.processes[process.name] = statistics.processes.get(process.name, 0) + operations
            written = self.processes[process.function].writes
            for argument, count, writes in zip(process.arguments, tokens, written, strict=False):
                if writes:
                    statistics.tokens[argument.name] = statistics.tokens.get(argument.name, 0) + count


class LoggedItems(deque[Any]):
    """Tokens of a stream that are also kept, or limited in number."""

    def __init__(self, name: str, limit: int | None) -> None:
        super().__init__()
        self.name, self.limit, self.log = name, limit, list[Any]()

    def append(self, token: Any) -> None:
        self.log.append(token)
        super().append(token)
        if self.limit is not None and len(self.log) > self.limit:
            raise FastprefillError(f"stream '{self.name}' got more than {self.limit} tokens")


def _pattern(number: int, spec: StreamSpec | ArraySpec, case: Case) -> int:
    low, high = -(1 << (spec.width - 1)), (1 << spec.width) - 1
    if not low <= number <= high:
        raise FastprefillError(
            f"case '{case.name}': {number} for '{spec.name}' does not fit {spec.width} bits ({low} to {high})"
        )
    return canonical(int(number), spec.width)


def _memory(spec: ArraySpec, case: Case, arrays: Mapping[str, NDArray[Any]]) -> Array:
    memory = Array(spec.name, spec.shape, spec.width, lanes=spec.width <= 64)
    if spec.name in arrays:
        given = arrays[spec.name]
        if given.shape != spec.shape:
            raise FastprefillError(
                f"array '{spec.name}' has the shape {given.shape}; the region wants {spec.shape}"
            )
        numbers = [_pattern(int(number), spec, case) for number in given.ravel().tolist()]
    elif spec.shape == (1,):
        numbers = [_pattern(case.scalars[spec.name], spec, case)]
    else:
        raise FastprefillError(f"'{spec.name}' is an array of shape {spec.shape}; pass it in `arrays`")
    memory.assign(numbers)
    return memory


def _scalar(spec: StreamSpec | ArraySpec, value: int) -> Array:
    scalar = Array(spec.name, (1,), spec.width, lanes=spec.width <= 64)
    scalar.assign([canonical(value, spec.width)])
    return scalar


def _write_back(spec: ArraySpec, memory: Array, target: NDArray[Any]) -> None:
    """Elements of the finished run into the caller's array, wrapped to its dtype's signedness."""
    flat = memory.data.ravel().tolist() if isinstance(memory.data, np.ndarray) else memory.data
    signed = target.dtype.kind == "i"
    numbers = [int(number) if signed else int(number) & ((1 << spec.width) - 1) for number in flat]
    target[...] = np.array(numbers, dtype=target.dtype).reshape(spec.shape)
