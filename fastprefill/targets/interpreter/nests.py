"""Nests of unrolled loops as NumPy vectors: one array operation does the work of all lanes.

A nest runs as vectors when its statements can be executed one after the other for all lanes together:
straight-line code, conditions (as masks) and further unrolled loops, no streams, and no element that one
lane writes and another lane uses, except in the order of the statements (`conflicts.py`) or in a sum or
word assembly (`reductions.py`). Whatever breaks a rule raises ``NotVector``. The nest is then tried with its
innermost loops written out, trip after trip, as a chain of dependent steps in each lane needs it; and at last
the outermost loop is run lane after lane and the loops inside it are tried on their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import scf
from xdsl.ir import Block, Operation, SSAValue

from fastprefill.ir import query
from fastprefill.targets.interpreter import conflicts
from fastprefill.targets.interpreter.builder import ArrayInfo
from fastprefill.targets.interpreter.conflicts import Access, Lane
from fastprefill.targets.interpreter.values import Draft, NotVector, Value, literal, truth, unsigned

if TYPE_CHECKING:
    from fastprefill.targets.interpreter.process import ProcessBuilder

_ALIASES = (
    "arith.extsi",
    "arith.extui",
    "arith.trunci",
    "arith.index_cast",
    "arith.index_castui",
    "arith.select",
)


_WRITTEN_OUT = 16
"""Trips of an inner loop up to which it is written out."""


@dataclass(frozen=True)
class LaneRange:
    """One subscript of an access: a number, or the numbers start, start + step, ... along one axis."""

    axis: int | None
    start: str
    first: int = 0
    count: int = 1
    step: int = 1

    @property
    def text(self) -> str:
        """As a Python slice."""
        stop = self.first + (self.count - 1) * self.step + 1
        offset = f"{self.start} + " if self.start else ""
        return f"{offset}{self.first}:{offset}{stop}" + (f":{self.step}" if self.step > 1 else "")

    def covers(self, size: int) -> bool:
        """Whether it names all of ``range(size)``."""
        return (
            self.axis is not None and not self.start and (self.first, self.count, self.step) == (0, size, 1)
        )


@dataclass
class Nest:
    """A loop nest that is being emitted as vectors.

    Attributes:
        axes: depth of the deepest loop: the rank of lane arrays.
        path: the loops around the present statement, outermost first.
        mask: which lanes execute the present statement; None for all.
        absorbed: ops that a reduction has replaced.
        reductions: the final store of each reduction.
        accesses: every access so far.
        words: bits of variables that lanes have assembled so far.
        serial: inner loops that are written out, trip after trip, and have no axis.
    """

    axes: int
    serial: frozenset[Operation] = frozenset()
    path: list[Lane] = field(default_factory=list)
    mask: Value | None = None
    absorbed: set[Operation] = field(default_factory=set)
    reductions: dict[Operation, Any] = field(default_factory=dict)
    accesses: list[Access] = field(default_factory=list)
    words: dict[SSAValue, int] = field(default_factory=dict)
    _views: dict[SSAValue, list[tuple[Operation, str]]] = field(default_factory=dict)

    def shape(self) -> tuple[int, ...]:
        """Lanes of the present statement along each axis."""
        return tuple(lane.count for lane in self.path) + (1,) * (self.axes - len(self.path))

    def active_lanes(self) -> str:
        """Number of lanes that execute the present statement, as an expression."""
        lanes = int(np.prod(self.shape()))
        if self.mask is None:
            return str(lanes)
        if isinstance(self.mask.known, np.ndarray):
            return str(int(np.count_nonzero(np.broadcast_to(self.mask.known, self.shape()))))
        if not self.mask.axes:
            return f"({lanes} if {self.mask.text} else 0)"
        return f"int(np.count_nonzero(np.broadcast_to({self.mask.text}, {self.shape()!r})))"

    def any_active(self) -> str:
        """Whether a lane executes the present statement, as an expression."""
        assert self.mask is not None
        return f"{self.mask.text}.any()" if self.mask.axes else self.mask.text

    def record(
        self,
        op: Operation,
        array: SSAValue,
        info: ArrayInfo,
        index: tuple[Value, ...],
        *,
        store: bool,
        kind: str = "",
    ) -> None:
        """Note an access for the conflict check; a variable that only this lane sees needs none."""
        private = info.depth or 0
        if info.depth is not None and private == len(self.path):
            return
        known = self.mask.known if self.mask is not None and isinstance(self.mask.known, np.ndarray) else None
        self.accesses.append(Access(op, array, index, tuple(self.path), store, private, known, kind))

    def view(self, op: Operation, array: SSAValue, text: str) -> None:
        """Note that the result of `op` shares memory with `array`."""
        self._views.setdefault(array, []).append((op, text))

    def protect_views(self, builder: ProcessBuilder, op: Operation, array: SSAValue) -> None:
        """Before `op` stores to `array`: copy what was loaded from it and is still needed."""
        for load, text in self._views.pop(array, []):
            if _used_after(load.results[0], op):
                builder.emit(f"{text} = {text}.copy()")

    def as_range(self, value: Value) -> LaneRange | None:
        """`value` as a number or a range along one axis; None when it is neither."""
        if not value.axes:
            return LaneRange(None, value.text)
        start, offsets = value.base if value.base else ("", value.known)
        if not isinstance(offsets, np.ndarray) or len(value.axes) > 1:
            return None
        numbers = offsets.ravel()
        steps = np.diff(numbers)
        if offsets.shape[value.axes[0]] != len(numbers) or steps[0] <= 0 or (steps != steps[0]).any():
            return None
        return LaneRange(value.axes[0], start, int(numbers[0]), len(numbers), int(steps[0]))


def try_vector(builder: ProcessBuilder, op: scf.ForOp) -> bool:
    """Emit an unrolled loop as vectors; False, and nothing emitted, when that is not possible."""
    reason = _attempt(builder, op, frozenset())
    inner = _innermost(op)
    if reason and inner:
        reason = _attempt(builder, op, inner) and reason
    if reason:
        where = query.text(op, "src") or query.text(op, "loop_name", "?")
        builder.scalar_nests.append(f"{where}: {reason}")
        return False
    builder.vector_nests += 1
    return True


def _attempt(builder: ProcessBuilder, op: scf.ForOp, serial: frozenset[Operation]) -> str:
    """Emit a nest as vectors; why not, and nothing emitted, when that is not possible."""
    state, before, touched = builder.snapshot(), dict(builder.arrays), set(builder.vector_arrays)
    builder.nest = nest = Nest(_depth(op), serial)
    try:
        emit_lane_loop(builder, op)
        conflicts.check(nest.accesses)
    except NotVector as reason:
        builder.restore(state)
        builder.arrays, builder.vector_arrays = before, touched
        return str(reason)
    finally:
        builder.nest = None
    for variable in [v for v in builder.current if v not in before and v in builder.arrays]:
        del builder.current[variable]  # variables of the lanes end with the nest
    return ""


def _innermost(op: scf.ForOp) -> frozenset[Operation]:
    """The unrolled loops inside a nest that hold no further loop and have few trips."""
    return frozenset(
        loop
        for loop in op.walk()
        if isinstance(loop, scf.ForOp)
        and loop is not op
        and _depth(loop) == 1
        and (query.trip_count(loop) or _WRITTEN_OUT + 1) <= _WRITTEN_OUT
    )


def _depth(op: Operation) -> int:
    inner = [_depth(child) for region in op.regions for block in region.blocks for child in block.ops]
    return max(inner, default=0) + (op.name == "scf.for")


def emit_lane_loop(builder: ProcessBuilder, op: scf.ForOp) -> None:
    """A loop of the nest: its variable becomes a vector of known numbers."""
    nest = builder.nest
    assert nest is not None
    bounds = [builder.value(operand).known for operand in (op.lb, op.ub, op.step)]
    if query.number(op, "unroll") != 0 or not all(isinstance(bound, int) for bound in bounds):
        raise NotVector("a loop inside that is not unrolled or has bounds that are not constant")
    numbers = np.array(range(*(int(bound) for bound in bounds if isinstance(bound, int))), dtype=np.int64)
    if len(numbers) == 0:
        return
    axis = len(nest.path)
    variable = op.body.block.args[0]
    if op in nest.serial:
        for number in numbers.tolist():
            for done in op.walk():  # a sum over lanes starts anew in each trip
                nest.absorbed.discard(done)
                nest.reductions.pop(done, None)
            builder.values[variable] = literal(number, 32)
            builder.emit_block(op.body.block)
        return
    if len(numbers) == 1:
        builder.values[variable] = literal(int(numbers[0]), 32)
    else:
        lanes = numbers.reshape((1,) * axis + (len(numbers),) + (1,) * (nest.axes - axis - 1))
        text = builder.constant(lanes)
        builder.values[variable] = Value(text, 32, int(lanes.min()), int(lanes.max()), (axis,), lanes)
    nest.path.append(Lane(op, len(numbers)))
    builder.emit_block(op.body.block)
    nest.path.pop()


def emit_masked(builder: ProcessBuilder, condition: Value, branches: Sequence[Block]) -> None:
    """A condition inside a nest: both branches are executed, each for its lanes."""
    nest = builder.nest
    assert nest is not None
    outer, before, after = nest.mask, set(builder.assigned), []
    for position, block in enumerate(branches):
        mask = condition
        if position == 1:
            text = f"~{condition.text}" if condition.axes else f"not {condition.text}"
            mask = builder.define(truth(text), 1, (condition,))
        if outer is not None:
            mask = builder.define(truth(f"{outer.text} & {mask.text}"), 1, (outer, mask))
        builder.assigned = set(before)
        if mask.known is None or isinstance(mask.known, np.ndarray):
            nest.mask = mask
            builder.emit_block(block)
        elif mask.known:
            nest.mask = None
            builder.emit_block(block)
        after.append(builder.assigned)
    nest.mask = outer
    builder.assigned = after[0] & after[1] if len(after) == 2 else before & after[0]


def _used_after(value: SSAValue, store: Operation) -> bool:
    """Whether the memory behind `value`, loaded before `store`, may still be read after it."""
    for use in value.uses:
        user = use.operation
        if user is store:
            continue
        if user.parent is not store.parent or user.parent is None or not _before(user, store):
            return True
        if user.name in _ALIASES and _used_after(user.results[0], store):
            return True
        if user.name == "memref.store" and not user.operands[1].type.get_shape():
            return True
    return False


def _before(first: Operation, second: Operation) -> bool:
    """Whether `first` comes before `second` in their block."""
    op = first.next_op
    while op is not None:
        if op is second:
            return True
        op = op.next_op
    return False


def with_base(builder: ProcessBuilder, name: str, a: Value, b: Value, result: Value) -> Value:
    """`result` = `a` op `b`, with its form "Python int + known offsets" where that is plain to see."""
    if result.known is not None or not result.axes or not result.exact:
        return result
    if name not in ("arith.addi", "arith.subi") or not _no_wrap(name, a, b, result):
        return result
    sign = -1 if name == "arith.subi" else 1
    if not b.axes and b.known is None and sign == 1:
        a, b = b, a
    if not a.axes and a.known is None and isinstance(b.known, np.ndarray):
        return replace(result, base=(a.text, sign * b.known))
    if sign == 1 and a.base is None and b.base is not None:
        a, b = b, a
    if a.base is not None and b.known is not None:
        return replace(result, base=(a.base[0], np.asarray(a.base[1] + sign * np.asarray(b.known))))
    return result


def _no_wrap(name: str, a: Value, b: Value, result: Value) -> bool:
    low, high = (a.low + b.low, a.high + b.high) if name == "arith.addi" else (a.low - b.high, a.high - b.low)
    return -(1 << (result.width - 1)) <= low and high < 1 << (result.width - 1)


def slice_lanes(builder: ProcessBuilder, word: Value, lo: Value, width: int) -> Draft | None:
    """Slices of one word at positions that differ between lanes, or None where int64 lanes do as well."""
    assert builder.nest is not None
    if isinstance(lo.known, np.ndarray) and _aligned(lo.known, width, word.width):
        size = -(-word.width // width) * width // 8
        element = lo.known // width
        numbers = element.ravel()
        regular = len(numbers) == 1 or (np.diff(numbers) == 1).all()
        chosen = builder.constant(element)
        if regular:
            chosen = f"{numbers[0]}:{numbers[-1] + 1}"
        text = (
            f"frombuffer({word.text}.to_bytes({size}, 'little', signed=True), '<i{width // 8}')[{chosen}]"
            f"{f'.reshape({element.shape!r})' if regular else ''}.astype(int64)"
        )
        return Draft(text, -(1 << (width - 1)), (1 << (width - 1)) - 1)
    if word.width <= 64 and lo.high <= 63 and width < 64 and word.low >= 0:
        return None
    if width > 57 or lo.low < 0:
        raise NotVector("a slice of more than 57 bits that is not aligned")
    low, high = (0, 1) if width == 1 else (-(1 << (width - 1)), (1 << (width - 1)) - 1)
    text = f"bit_lanes({unsigned(word, False).text}, {lo.text}, {width}, {word.width})"
    return Draft(text, low, high, truth=width == 1)


def _aligned(lo: NDArray[np.int64], width: int, bits: int) -> bool:
    inside = bool((lo >= 0).all() and (lo + width <= bits).all())
    return inside and width in (8, 16, 32, 64) and not (lo % width).any()
