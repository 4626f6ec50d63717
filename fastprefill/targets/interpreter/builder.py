"""The body of one process as Python source: lines, names, known values, forwarded variables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from xdsl.ir import Operation, SSAValue

from fastprefill.targets.interpreter.support import RUNTIME
from fastprefill.targets.interpreter.values import Draft, NotVector, Value, literal, wrapped

_NAME = re.compile(r"[A-Za-z_]\w*\Z")


@dataclass(frozen=True)
class ArrayInfo:
    """How an array, or a variable (rank 0), appears in the generated code.

    Attributes:
        text: name of the ``Array`` object; of the Python variable itself at rank 0.
        label: the user's name.
        shape: extents; empty for a variable.
        width: bits of an element.
        lanes: NumPy storage; else a flat list.
        depth: loops of the vectorised nest around the declaration; None outside a nest.
        constant: a constant array: stores are refused.
    """

    text: str
    label: str
    shape: tuple[int, ...]
    width: int
    lanes: bool = False
    depth: int | None = None
    constant: bool = False

    @property
    def data(self) -> str:
        """Name of the storage."""
        return f"{self.text}_data"


@dataclass
class Snapshot:
    """What `Builder.restore` goes back to."""

    lines: int
    indent: int
    known: dict[str, Value]
    current: dict[SSAValue, Value]
    assigned: set[SSAValue]


class Builder:
    """Lines of one Python function and what is known at the point where the next line goes.

    Attributes:
        lines: the source so far.
        namespace: names that the source uses, beside its own: runtime functions, constants.
        values: SSA values seen so far.
        current: for variables (rank 0), a value that equals the variable's at this point.
        assigned: variables that surely have a value at this point.
        vector: True inside a vectorised nest.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.indent = 1
        self.namespace: dict[str, Any] = dict(RUNTIME)
        self.values: dict[SSAValue, Value] = {}
        self.arrays: dict[SSAValue, ArrayInfo] = {}
        self.current: dict[SSAValue, Value] = {}
        self.assigned: set[SSAValue] = set()
        self.vector = False
        self._known: dict[str, Value] = {}
        self._names = 0

    def name(self, stem: str) -> str:
        """A new name that starts with `stem`."""
        self._names += 1
        return f"{re.sub(r'[^A-Za-z0-9_]', '_', stem)}_{self._names}"

    def emit(self, line: str) -> None:
        """Add a line at the present indentation."""
        self.lines.append("    " * self.indent + line)

    def constant(self, value: Any) -> str:
        """A name for `value` in the namespace."""
        name = self.name("K")
        self.namespace[name] = value
        return name

    @contextmanager
    def block(self, header: str) -> Iterator[None]:
        """An indented Python block; what is computed inside is not reused after it."""
        self.emit(header)
        known, self._known = self._known, dict(self._known)
        self.indent += 1
        start = len(self.lines)
        yield
        if len(self.lines) == start:
            self.emit("pass")
        self.indent -= 1
        self._known = known

    def snapshot(self) -> Snapshot:
        """The present state, for `restore`."""
        return Snapshot(len(self.lines), self.indent, dict(self._known), dict(self.current), set(self.assigned))

    def restore(self, state: Snapshot) -> None:
        """Undo everything emitted since `state` was taken."""
        del self.lines[state.lines :]
        self.indent = state.indent
        self._known = dict(state.known)
        self.current = dict(state.current)
        self.assigned = set(state.assigned)

    def value(self, ssa: SSAValue) -> Value:
        """The value of an operand."""
        return self.values[ssa]

    def define(self, draft: Draft, width: int, operands: tuple[Value, ...], *, impure: bool = False) -> Value:
        """A value of `width` bits computed by `draft` from `operands`: a constant, an alias or a new name.

        Args:
            draft: the expression.
            width: bits of the result, to which it is wrapped.
            operands: what the expression uses; they decide the lanes of the result.
            impure: the expression may not be evaluated at compile time or shared.
        """
        axes = tuple(sorted({axis for operand in operands for axis in operand.axes}))
        draft = wrapped(draft, width, bool(axes))
        if draft.low == draft.high and draft.exact:
            return literal(draft.low, width)
        result = Value(draft.text, width, draft.low, draft.high, axes, exact=draft.exact)
        if _NAME.match(draft.text) and not impure:
            source = next((v for v in operands if v.text == draft.text), None)
            known, base = (source.known, source.base) if source else (None, None)
            return replace(result, known=known, base=base)
        if not impure and operands and all(operand.known is not None for operand in operands):
            return self._evaluate(result)
        key = f"{width}:{draft.text}"
        if impure or key not in self._known:
            name = self.name("t")
            self.emit(f"{name} = {draft.text}")
            result = replace(result, text=name)
            if impure:
                return result
            self._known[key] = result
        return self._known[key]

    def _evaluate(self, value: Value) -> Value:
        """A value all of whose operands are known: computed now, by the very expression."""
        try:
            number = eval(value.text, self.namespace)
        except OverflowError:  # NumPy, with an intermediate result that no int64 lane holds
            raise NotVector("a constant of more than 64 bits in a lane") from None
        if not value.axes:
            return literal(int(number), value.width)
        if not value.exact:
            raise NotVector("a constant of more than 64 bits in a lane")
        array = np.asarray(number)
        return replace(
            value, text=self.constant(array), known=array, low=int(array.min()), high=int(array.max())
        )

    def forget(self, variables: set[SSAValue], before: Mapping[SSAValue, Value]) -> None:
        """Keep of the forwarded values those of `before` whose variable is not among `variables`."""
        self.current = {variable: value for variable, value in before.items() if variable not in variables}


def stored_variables(op: Operation) -> set[SSAValue]:
    """Variables (rank 0) that `op` or what is in it declares or changes."""
    found: set[SSAValue] = set()
    for inner in op.walk():
        if inner.name == "memref.store":
            found.add(inner.operands[1])
        elif inner.name == "fp.fill":
            found.add(inner.operands[0])
        elif inner.name == "memref.alloc":
            found.add(inner.results[0])
    return found
