"""Constant arrays of a unit: one ``memref.global`` for each distinct content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xdsl.dialects import memref
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, StringAttr, TensorType, UnitAttr

from fastprefill.frontend.dtypes import Array

WIDEST = 64
"""Bits of the widest element that a dense attribute can hold."""


@dataclass
class Globals:
    """The constant arrays of one unit; symbols are ``<unit>_<array>``, none of them in `reserved`."""

    unit: str
    reserved: frozenset[str] = frozenset()
    ops: dict[str, memref.GlobalOp] = field(default_factory=dict)
    _known: dict[tuple[str, Array, tuple[int, ...]], str] = field(default_factory=dict)

    def symbol(self, name: str, type_: Array, values: Sequence[int]) -> str:
        """The symbol of a constant array with these elements (row-major)."""
        key = (name, type_, tuple(values))
        if key not in self._known:
            symbol, number = f"{self.unit}_{name}", 1
            while symbol in self.ops or symbol in self.reserved:
                symbol, number = f"{self.unit}_{name}_{number}", number + 1
            self._known[key] = symbol
            self.ops[symbol] = self._global(symbol, name, type_, values)
        return self._known[key]

    @staticmethod
    def _global(symbol: str, name: str, type_: Array, values: Sequence[int]) -> memref.GlobalOp:
        dense = DenseIntOrFPElementsAttr.from_list(TensorType(type_.element.ir, type_.shape), list(values))
        op = memref.GlobalOp.get(StringAttr(symbol), type_.ir, dense, constant=UnitAttr())
        op.attributes["name"] = StringAttr(name)
        return op
