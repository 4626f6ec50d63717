"""forward-stores: inside a body a load sees the stores before it; what is left is one load and one store each."""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.context import Context
from xdsl.dialects import arith, memref, scf
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.rewriter import Rewriter

from fastprefill.ir.pipe import BodyOp, StoreOp
from fastprefill.ir.query import array_name, constant, is_scalar_argument, processes, strip_casts
from fastprefill.passes.base import Pass

_Key = tuple[SSAValue, tuple[object, ...]]


@dataclass(frozen=True)
class ForwardStores(Pass):
    """Forward stored values to later loads of the same element in the same body, and join stores."""

    name = "forward-stores"
    summary = "inside a body a load sees the stores before it; one load and one store per element stay"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for func in processes(op):
            for body in [inner for inner in func.walk() if isinstance(inner, BodyOp)]:
                _forward(body.body.block, {}, set())
                _join(body.body.block)


@dataclass
class _Element:
    """What is known of an element: its value, once somebody asks, and the stores since then."""

    value: SSAValue | None = None
    stores: list[StoreOp] = field(default_factory=list)
    only_under: SSAValue | None = None
    """Of a fresh element: the predicate of its first store; without it the element holds nothing."""


def _element(array: SSAValue, indices: tuple[SSAValue, ...]) -> _Key:
    parts = tuple(n if (n := constant(i)) is not None else strip_casts(i) for i in indices)
    return array, parts


def _distinct(one: _Key, other: _Key) -> bool:
    """Provably different elements of one array."""
    return any(
        isinstance(a, int) and isinstance(b, int) and a != b for a, b in zip(one[1], other[1], strict=True)
    )


def _is_fresh(array: SSAValue) -> bool:
    """Whether elements hold nothing before the first store: reading them there is an error of the program."""
    return isinstance(array.owner, memref.AllocOp) and "fresh" in array.owner.attributes


def _rank(array: SSAValue) -> int:
    assert isinstance(array.type, MemRefType)
    return len(array.type.get_shape())


def _forward(block: Block, known: dict[_Key, _Element], touched: set[SSAValue]) -> None:
    """`touched`: arrays of which elements that are not known now may have been stored to in this body."""
    for op in list(block.ops):
        if isinstance(op, memref.LoadOp) and not is_scalar_argument(op.memref):
            key = _element(op.memref, tuple(op.indices))
            element = known.setdefault(key, _Element())
            value = _value(element, op)
            if value is not None and value is not op.res:
                if value.name_hint is None:
                    value.name_hint = op.res.name_hint
                op.res.replace_all_uses_with(value)
                Rewriter.erase_op(op)
            else:
                element.value, element.stores = op.res, []
        elif isinstance(op, StoreOp):
            stored, array, indices, predicate = op.fields
            key = _element(array, indices)
            if stored.name_hint is None and constant(stored) is None:
                stored.name_hint = array_name(array)
            if indices:  # a variable has no other elements
                for other in [k for k in known if k[0] is array and k != key and not _distinct(k, key)]:
                    del known[other]
                    touched.add(array)
            element = known.setdefault(key, _Element())
            if predicate is None:
                element.value, element.stores, element.only_under = stored, [], None
            elif _is_fresh(array) and (
                element.only_under is predicate
                or (element.value is None and not element.stores and array not in touched)
            ):
                element.value, element.stores, element.only_under = stored, [], predicate
            else:
                element.stores.append(op)
                element.only_under = None
        elif isinstance(op, scf.ForOp):
            written = {inner.memref for inner in op.walk() if isinstance(inner, StoreOp)}
            inside = {k: e for k, e in known.items() if k[0] not in written}
            _materialise(inside, op)
            # A variable that a lane loop writes is declared inside it: every lane has its own.
            _forward(op.body.block, inside, touched | {array for array in written if _rank(array)})
            for key in [k for k in known if k[0] in written]:
                del known[key]
            touched |= written


def _materialise(known: dict[_Key, _Element], before: scf.ForOp) -> None:
    """Values that a lane loop asks for are computed once, in front of it."""
    asked = {
        _element(op.memref, tuple(op.indices))
        for op in before.walk()
        if isinstance(op, memref.LoadOp) and not is_scalar_argument(op.memref)
    }
    for key in [k for k in known if k not in asked]:
        del known[key]
    for key, element in known.items():
        value = _value(element, before)
        if value is not None:
            element.value, element.stores = value, []
        del key


def _value(element: _Element, at: Operation) -> SSAValue | None:
    """The element's value in front of `at`, or None when it must be loaded there."""
    if not element.stores:
        return element.value
    block = at.parent_block()
    assert block is not None
    value = element.value
    first = element.stores[0]
    if value is None:  # what the element held before the first store of this body
        load = memref.LoadOp.get(first.memref, list(first.indices))
        load.attributes.update({k: v for k, v in first.attributes.items() if k == "src"})
        home = first.parent_block()
        assert home is not None
        home.insert_op_before(load, first)
        value = load.res
    for store in element.stores:
        assert store.predicate is not None
        choice = arith.SelectOp(store.predicate, store.value, value)
        choice.result.name_hint = array_name(store.memref)
        block.insert_op_before(choice, at)
        value = choice.result
    element.value, element.stores = value, []
    return value


def _join(block: Block) -> None:
    """Stores to one element become one store, where nothing between them reads or may write the element."""
    pending: dict[_Key, StoreOp] = {}
    for op in list(block.ops):
        if isinstance(op, scf.ForOp):
            _join(op.body.block)
        if isinstance(op, StoreOp):
            _, array, indices, _ = op.fields
            key = _element(array, indices)
            if indices:
                for other in [k for k in pending if k[0] is array and k != key and not _distinct(k, key)]:
                    del pending[other]
            earlier = pending.get(key)
            if earlier is not None:
                op = _join_two(earlier, op, block)
            pending[key] = op
        elif op.regions or isinstance(op, memref.LoadOp):
            touched = {o.memref for o in op.walk() if isinstance(o, memref.LoadOp | StoreOp)}
            for key in [k for k in pending if k[0] in touched]:
                del pending[key]


def _join_two(earlier: StoreOp, later: StoreOp, block: Block) -> StoreOp:
    value, array, indices, predicate = later.fields
    before, _, _, earlier_predicate = earlier.fields
    # A store that was joined before may have moved behind the next one.
    anchor: Operation = later if _precedes(earlier, later) else earlier
    known = _known_choice(earlier, later)
    if predicate is not None and known is not None:
        value, anchor = known, _after(known, anchor)
    elif predicate is not None:
        choice = arith.SelectOp(predicate, value, before)
        choice.result.name_hint = array_name(array)
        block.insert_op_before(choice, anchor)
        value = choice.result
    if predicate is not None:
        if earlier_predicate is None:
            predicate = None
        elif _implies(predicate, earlier_predicate):
            predicate = earlier_predicate
        elif earlier_predicate is not predicate:
            either = arith.OrIOp(earlier_predicate, predicate)
            block.insert_op_before(either, anchor)
            predicate = either.result
    joined = StoreOp(value, array, indices, predicate)
    joined.attributes.update(later.attributes)
    block.insert_op_before(joined, anchor)
    for gone in (earlier, later):
        Rewriter.erase_op(gone)
    return joined


def _implies(one: SSAValue, other: SSAValue) -> bool:
    """Whether a condition is another one and something more."""
    owner = one.owner
    return one is other or (
        isinstance(owner, arith.AndIOp) and any(_implies(operand, other) for operand in owner.operands)
    )


def _precedes(one: Operation, other: Operation) -> bool:
    """Whether an op stands before another of its block."""
    at = one.next_op
    while at is not None and at is not other:
        at = at.next_op
    return at is other


def _touched_between(store: StoreOp, end: Operation) -> bool:
    """Whether an op from behind the store up to `end` uses the store's array."""
    at = store.next_op
    while at is not None and at is not end:
        if any(isinstance(o, memref.LoadOp | StoreOp) and o.memref is store.memref for o in at.walk()):
            return True
        at = at.next_op
    return at is None


def _known_choice(earlier: StoreOp, later: StoreOp) -> SSAValue | None:
    """What a load behind both stores sees, when one asked: right wherever the joined store writes."""
    value, _, _, predicate = later.fields
    before, _, _, earlier_predicate = earlier.fields
    for use in value.uses:
        outer = use.operation
        if type(outer) is not arith.SelectOp or outer.cond is not predicate or outer.lhs is not value:
            continue
        inner = outer.rhs.owner
        if outer.parent_block() is not later.parent_block():
            continue
        if (
            isinstance(inner, arith.SelectOp)
            and inner.cond is earlier_predicate
            and inner.lhs is before
            and not _touched_between(later, outer)
        ):
            return outer.result
    return None


def _after(value: SSAValue, op: Operation) -> Operation:
    """The op in front of which a user of `value` may stand: behind both `value` and `op`."""
    owner = value.owner
    assert isinstance(owner, Operation)
    at: Operation | None = op
    while at is not None and at is not owner:
        at = at.next_op
    following = owner.next_op if at is owner else op
    assert following is not None
    return following
