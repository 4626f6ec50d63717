"""Variables, arrays and constant arrays of one process: declarations, loads, stores, bit slices, initialisers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from xdsl.dialects import func, memref
from xdsl.dialects.builtin import ArrayAttr, IndexType, IntegerType, MemRefType, StringAttr
from xdsl.ir import Operation, SSAValue

from fastprefill.errors import KernelError
from fastprefill.ir.dialect import FillOp, SetSliceOp
from fastprefill.targets.vitis_hls import expressions as cxx
from fastprefill.targets.vitis_hls import operations
from fastprefill.targets.vitis_hls.channels import Argument
from fastprefill.targets.vitis_hls.expressions import CType, Expr
from fastprefill.targets.vitis_hls.folding import FoldingWriter, SliceUpdate, masked_update
from fastprefill.targets.vitis_hls.names import Names, clean
from fastprefill.targets.vitis_hls.pragmas import pragma
from fastprefill.targets.vitis_hls.storage import partition_pragmas, storage_pragmas

_BITWISE = ("&", "|", "^")
"""Not written as ``x ^= y``: ap_int warns at run time where the widths of the two differ."""


@dataclass
class Place:
    """A variable or array: how it is written, what its elements are; `key` names it in dependences."""

    text: str
    element: CType
    shape: tuple[int, ...]
    key: str


class VariableWriter(FoldingWriter):
    """Adds what the process remembers to folding."""

    def __init__(self, function: func.FuncOp, arguments: list[Argument], constants: dict[str, Place]) -> None:
        super().__init__(
            {a.name for a in arguments} | {function.sym_name.data} | {p.text for p in constants.values()}
        )
        self._function = function
        self._constants = constants
        self._labels = Names()
        self._places: dict[SSAValue, Place] = {}
        self._undeclared: set[SSAValue] = set()
        self._early: set[SSAValue] = set()
        self._bound_constants: set[str] = set()
        self._arguments: dict[SSAValue, Argument] = dict(
            zip(function.body.block.args, arguments, strict=True)
        )
        for value, argument in self._arguments.items():
            if argument.scalar is not None:
                self._places[value] = Place(argument.name, argument.scalar, (), argument.name)

    def _alloc(self, op: memref.AllocOp) -> None:
        kind = op.memref.type
        assert isinstance(kind, MemRefType)
        if not op.memref.uses or op.memref in self._places:
            return
        if isinstance(kind.element_type, IndexType):
            element = cxx.INT
        else:
            assert isinstance(kind.element_type, IntegerType)
            element = cxx.ap("unsigned" not in op.attributes, kind.element_type.width.data)
        wanted = op.attributes.get("name")
        name = self._names.new(
            wanted.data if isinstance(wanted, StringAttr) else op.memref.name_hint or "local"
        )
        self._places[op.memref] = Place(name, element, kind.get_shape(), name)
        if not kind.get_shape() and _first_use_stores(op) and op.memref not in self._early:
            self._undeclared.add(op.memref)
            return
        self._declare(op.memref, op)

    def _declare(self, value: SSAValue, op: Operation) -> None:
        place = self._places[value]
        dimensions = "".join(f"[{size}]" for size in place.shape)
        self._statement(f"{place.element.text} {place.text}{dimensions};", op)
        if place.shape:
            self.lines += partition_pragmas(place.text, op.attributes.get("partition"), place.shape)
            self.lines += storage_pragmas(place.text, op, rom=False)

    def _constant_array(self, op: memref.GetGlobalOp) -> Place:
        name = op.name_.string_value()
        if name not in self._constants:
            raise KernelError(f"constant array {name} is not in the module", operations.source(op))
        place = self._constants[name]
        if name not in self._bound_constants:
            self._bound_constants.add(name)
            module = self._function.parent_op()
            assert module is not None
            for sibling in module.regions[0].block.ops:
                if isinstance(sibling, memref.GlobalOp) and sibling.sym_name.data == name:
                    self.lines += partition_pragmas(
                        place.text, sibling.attributes.get("partition"), place.shape
                    )
                    self.lines += storage_pragmas(place.text, sibling, rom=True)
        return place

    def _element(self, array: SSAValue, indices: list[SSAValue]) -> tuple[str, frozenset[str], bool]:
        """The text of an element, what it reads besides the array, and whether that reads a stream."""
        place = self._places[array]
        subscripts = [cxx.plain(self._use(index)) for index in indices]
        reads: frozenset[str] = frozenset().union(*(s.reads for s in subscripts))
        if array in self._arguments:
            return place.text, frozenset(), False
        text = place.text + "".join(f"[{s.text}]" for s in subscripts)
        return text, reads, any(s.effect for s in subscripts)

    def _load(self, op: memref.LoadOp) -> None:
        text, reads, effect = self._element(op.memref, list(op.indices))
        place = self._places[op.memref]
        expr = cxx.variable(text, place.element, reads | {place.key}, effect)
        if op.memref in self._arguments:
            expr = replace(expr, reads=frozenset())
        self._define(op.res, expr, op)

    def _store(self, op: memref.StoreOp) -> None:
        place = self._places[op.memref]
        update = self._updates.get(op.value)
        if update is not None and self._uses[op.value] == 1:
            self._uses[op.value] = 0
            self._pending.pop(op.value, None)
            target, _, _ = self._element(op.memref, list(op.indices))
            self._flush({place.key})
            if op.memref in self._undeclared:
                self._undeclared.discard(op.memref)
                self._statement(f"{place.element.text} {target} = {update.base.text};", op)
            elif update.base.text != target:
                self._statement(f"{target} = {update.base.text};", op)
            self._statement(update.assign(target), op)
            return
        value = self._use(op.value, keep_bind=not place.shape)
        target, _, _ = self._element(op.memref, list(op.indices))
        self._flush({place.key})
        if op.memref in self._undeclared:
            self._undeclared.discard(op.memref)
            self._statement(f"{place.element.text} {target} = {value.text};", op)
        elif value.parts is not None and value.parts[0] == target and value.parts[1] not in _BITWISE:
            self._statement(f"{target} {value.parts[1]}= {strip(value.parts[2])};", op)
        else:
            self._statement(f"{target} = {value.text};", op)
        if value.bind is not None:
            self._pragma(pragma("BIND_OP", variable=place.text, op="mul", impl=value.bind))

    def _set_slice(self, op: SetSliceOp) -> None:
        base, lo, part = self._use(op.value), cxx.exact(self._use(op.lo), True, 32), self._use(op.part)
        total, width = operations.width_of(op.value.type), operations.width_of(op.part.type)
        if lo.lo >= 0 and lo.hi + width <= total:
            if width == 1:
                part = cxx.exact(cxx.plain(part), False, 1)
            update = SliceUpdate(base, cxx.plain(lo), part, width)
            uses = sum(1 for _ in op.result.uses)
            if uses == 0:
                return
            self._updates[op.result], self._uses[op.result] = update, uses
            reads = base.reads | lo.reads | part.reads
            effect = base.effect or lo.effect or part.effect
            self._values[op.result] = Expr(
                base.text, cxx.PRIMARY, cxx.ap(False, total), *cxx.limits(False, total), reads, effect
            )
            if uses > 1:
                self._name(op.result, op)
            else:
                self._pending[op.result] = None
            return
        self._define(op.result, masked_update(base, lo, part, total, width), op)

    def _fill(self, op: FillOp) -> None:
        place = self._places[op.array]
        if self._values[op.value].effect or self._values[op.value].reads:
            self._name(op.value)  # evaluated once, before the loop
        value = cxx.plain(self._use(op.value))
        self._flush({place.key})
        registers = _all_complete(op.array)
        label = self._labels.new(f"fill_{clean(place.text.split('.')[0])}")
        self._names.push()
        subscripts = []
        for position, size in enumerate(place.shape):
            name = self._names.new(f"i{position}")
            subscripts.append(name)
            prefix = f"{label}: " if position == 0 else ""
            self._statement(f"{prefix}for (int {name} = 0; {name} < {size}; ++{name}) {{", op)
            self._depth += 1
            if registers:
                self._pragma(pragma("UNROLL"))
            elif position == len(place.shape) - 1:
                self._pragma(pragma("PIPELINE", II=1))
        target = place.text + "".join(f"[{name}]" for name in subscripts)
        self._statement(f"{target} = {value.text};", op)
        for _ in place.shape:
            self._depth -= 1
            self._statement("}")
        self._names.pop()


def strip(text: str) -> str:
    """Without the parentheses around the whole text."""
    if not text.startswith("("):
        return text
    depth = 0
    for position, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return text[1:-1] if position == len(text) - 1 else text
    return text


def _all_complete(array: SSAValue) -> bool:
    partition = array.owner.attributes.get("partition") if isinstance(array.owner, Operation) else None
    return isinstance(partition, ArrayAttr) and all(
        isinstance(p, StringAttr) and p.data == "complete" for p in partition
    )


def _first_use_stores(op: memref.AllocOp) -> bool:
    """Whether the first thing that happens to a variable, in its own block, is a store."""
    users = {use.operation for use in op.memref.uses}
    following = op.next_op
    while following is not None:
        if following in users:
            return isinstance(following, memref.StoreOp)
        if any(inner in users for region in following.regions for inner in region.walk()):
            return False
        following = following.next_op
    return False
