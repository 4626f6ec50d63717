"""simplify: fold constants, share equal expressions, drop what nobody uses, inside pipeline bodies."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith, memref
from xdsl.dialects.builtin import IndexType, IntegerAttr, IntegerType, MemRefType, ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.rewriter import Rewriter

from fastprefill.ir.pipe import BodyOp, FirstOp, LastOp, LiveOp, StoreOp
from fastprefill.ir.query import PURE_ARITH, constant, is_lane_loop, is_scalar_argument, processes, width
from fastprefill.passes.base import Pass
from fastprefill.passes.positions import position
from fastprefill.passes.storage import global_values

_SHARED = PURE_ARITH | {FirstOp, LastOp, LiveOp}
_DROPPED = _SHARED | {memref.LoadOp}


@dataclass(frozen=True)
class Simplify(Pass):
    """Constant folding, common subexpressions and dead code; loads of run-time scalars are shared too."""

    name = "simplify"
    summary = "constants, common subexpressions, dead code; what does not depend on the lane moves out of lane loops"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for func in processes(op):
            _share(func.body.block, {})
            drop_dead(func.body.block)
            _drop_unread_arrays(func.body.block)
            drop_dead(func.body.block)


_Key = tuple[object, ...]


def _hoist(loop: Operation) -> None:
    """What does not depend on the lane is computed once, in front of the whole lane nest."""
    block = loop.parent_block()
    assert block is not None
    inside = {value for op in loop.walk() for value in op.results}
    inside |= {
        arg for op in loop.walk() for region in op.regions for inner in region.blocks for arg in inner.args
    }
    for op in list(loop.walk()):
        if type(op) in _SHARED and not any(v in inside for v in op.operands):
            parent = op.parent_block()
            assert parent is not None
            block.insert_op_before(parent.detach_op(op), loop)
            inside -= set(op.results)


def _share(block: Block, outer: dict[_Key, Operation]) -> None:
    known = dict(outer)
    for op in list(block.ops):
        # Bodies take from around them only what is the same in every stage; other ops there have none.
        visible = {k: o for k, o in known.items() if _is_stable(o)} if isinstance(op, BodyOp) else known
        for region in op.regions:
            for inner in region.blocks:
                _share(inner, visible)
        if is_lane_loop(op) and not is_lane_loop(block.parent_op()):
            _hoist(op)
        if type(op) not in _SHARED and not (
            isinstance(op, memref.LoadOp) and (is_scalar_argument(op.memref) or _is_fixed(op))
        ):
            continue
        folded = _fold(op)
        if folded is not None:
            if isinstance(folded, Operation):
                block.insert_op_before(folded, op)
                folded = _known_or_new(folded, known)
            _keep_name(op.results[0], folded)
            op.results[0].replace_all_uses_with(folded)
            Rewriter.erase_op(op)
            continue
        key = _key(op)
        if key in known:
            _keep_name(op.results[0], known[key].results[0])
            op.results[0].replace_all_uses_with(known[key].results[0])
            Rewriter.erase_op(op)
        else:
            known[key] = op


def _is_fixed(load: memref.LoadOp) -> bool:
    """Reads an element of a constant array that is known now."""
    return isinstance(load.memref.owner, memref.GetGlobalOp) and all(
        constant(index) is not None for index in load.indices
    )


def _is_stable(op: Operation) -> bool:
    return isinstance(op, arith.ConstantOp | memref.LoadOp)


def _keep_name(old: SSAValue, new: SSAValue) -> None:
    if new.name_hint is None:
        new.name_hint = old.name_hint


def _known_or_new(op: Operation, known: dict[_Key, Operation]) -> SSAValue:
    key = _key(op)
    if key in known:
        Rewriter.erase_op(op)
        return known[key].results[0]
    known[key] = op
    return op.results[0]


def _key(op: Operation) -> _Key:
    attributes = tuple(sorted((k, v) for k, v in op.attributes.items() if k != "src"))
    return (
        op.name,
        tuple(op.operands),
        tuple(sorted(op.properties.items(), key=lambda item: item[0])),
        attributes,
        tuple(r.type for r in op.results),
    )


def _fold(op: Operation) -> SSAValue | Operation | None:
    """A simpler value for an op, or None. Only what unrolling and predication leave behind."""
    if type(op) is arith.ConstantOp:
        return None
    if type(op) is memref.LoadOp:
        return _element(op) if _is_fixed(op) else None
    if type(op) is arith.AndIOp:
        for one, other in ((op.lhs, op.rhs), (op.rhs, op.lhs)):
            bits = constant(one)
            if one is other or bits == -1 or (width(one) == 1 and bits == 1):
                return other
            if bits == 0:
                return one
    if type(op) is arith.OrIOp:
        for one, other in ((op.lhs, op.rhs), (op.rhs, op.lhs)):
            if one is other or constant(one) == 0:
                return other
            if width(one) == 1 and constant(one) in (1, -1):
                return one
    if type(op) is arith.CmpiOp:
        bit = _compared_bit(op)
        if bit is not None:
            return bit
        fact = position(op)
        if fact is not None:
            return fact
    if type(op) is arith.SelectOp:
        if op.lhs is op.rhs:
            return op.lhs
        inner = op.rhs.owner
        if isinstance(inner, arith.SelectOp) and inner.cond is op.cond:
            return arith.SelectOp(op.cond, op.lhs, inner.rhs)
        accumulated = _conditional_add(op)
        if accumulated is not None:
            return accumulated
        condition = constant(op.cond)
        if condition is not None:
            return op.lhs if condition else op.rhs
    if (
        type(op) is arith.IndexCastOp
        and isinstance(inner := op.input.owner, arith.IndexCastOp)
        and width(inner.input) == width(op.input) == width(op.result)
        and inner.input.type == op.result.type
    ):
        return inner.input
    numbers = [_number(operand) for operand in op.operands] if len(op.operands) <= 2 else [None]
    if not op.operands or any(n is None for n in numbers):
        return None
    value = _evaluate(op, [n for n in numbers if n is not None])
    if value is None:
        return None
    return _constant(value, op.results[0])


def _compared_bit(op: arith.CmpiOp) -> SSAValue | None:
    """``x == 1`` and ``x != 0`` of a single bit, extended or not, are the bit."""
    number = constant(op.rhs)
    kind = {0: "eq", 1: "ne"}.get(op.predicate.value.data)
    if number is None or kind is None:
        return None
    bit = op.lhs
    if isinstance(bit.owner, arith.ExtUIOp):
        bit = bit.owner.input
    elif width(bit) == 1:
        number &= 1
    if width(bit) == 1 and (kind, number) in (("eq", 1), ("ne", 0)):
        return bit
    return None


def _constant(value: int, result: SSAValue) -> Operation:
    """`value` modulo the result's width; a single bit is 0 or 1, wider ones are signed."""
    bits = width(result.type)
    value &= (1 << bits) - 1
    if bits > 1 and value >> (bits - 1):
        value -= 1 << bits
    assert isinstance(result.type, IntegerType | IndexType)
    return arith.ConstantOp(IntegerAttr(value, result.type))


def _element(load: memref.LoadOp) -> Operation | None:
    """The element of a constant array; None outside it, which the interpreter reports."""
    array = load.memref.owner
    assert isinstance(array, memref.GetGlobalOp) and isinstance(array.memref.type, MemRefType)
    place = 0
    for index, size in zip(load.indices, array.memref.type.get_shape(), strict=True):
        number = constant(index)
        if number is None or not 0 <= number < size:
            return None
        place = place * size + number
    return _constant(global_values(array)[place], load.res)


def _conditional_add(op: arith.SelectOp) -> Operation | None:
    """``c ? b + x : b`` is ``b + (c ? x : 0)``: the choice leaves the path from b, and fits in the adder's LUTs."""
    total = op.lhs.owner
    if not isinstance(total, arith.AddiOp) or total.result.has_more_than_one_use():
        return None
    for base, added in ((total.lhs, total.rhs), (total.rhs, total.lhs)):
        if base is op.rhs:
            block = op.parent_block()
            assert block is not None
            assert isinstance(added.type, IntegerType | IndexType)
            zero = arith.ConstantOp(IntegerAttr(0, added.type))
            choice = arith.SelectOp(op.cond, added, zero.result)
            choice.result.name_hint = added.name_hint
            block.insert_ops_before([zero, choice], op)
            result = arith.AddiOp(base, choice.result)
            result.attributes.update(total.attributes)
            return result
    return None


def _number(value: SSAValue) -> int | None:
    """A constant as the signed number that its bits mean: 1 : i1 is -1, as its extension shows."""
    number = constant(value)
    if number is None:
        return None
    half = 1 << (width(value) - 1)
    return ((number + half) & (2 * half - 1)) - half


def _evaluate(op: Operation, numbers: list[int]) -> int | None:
    match op:
        case arith.AddiOp():
            return numbers[0] + numbers[1]
        case arith.SubiOp():
            return numbers[0] - numbers[1]
        case arith.MuliOp():
            return numbers[0] * numbers[1]
        case arith.AndIOp():
            return numbers[0] & numbers[1]
        case arith.OrIOp():
            return numbers[0] | numbers[1]
        case arith.XOrIOp():
            return numbers[0] ^ numbers[1]
        case arith.IndexCastOp() | arith.ExtSIOp() | arith.TruncIOp():
            return numbers[0]
        case arith.ExtUIOp():
            return numbers[0] & ((1 << width(op.input)) - 1)
        case arith.CmpiOp():
            return _compare(op, numbers)
    return None


def _compare(op: arith.CmpiOp, numbers: list[int]) -> int:
    bits = width(op.lhs)
    mask = (1 << bits) - 1
    a, b = (n & mask for n in numbers)
    predicate = op.predicate.value.data
    if 2 <= predicate <= 5:  # signed orders
        half = 1 << (bits - 1)
        a, b = a ^ half, b ^ half
        predicate += 4
    return int([a == b, a != b, None, None, None, None, a < b, a <= b, a > b, a >= b][predicate] or False)


def drop_dead(block: Block) -> None:
    """Remove pure ops, loads and empty lane loops whose results nobody uses."""
    for op in reversed(list(block.ops)):
        for region in op.regions:
            for inner in region.blocks:
                drop_dead(inner)
        dead = type(op) in _DROPPED and not any(r.uses for r in op.results)
        empty = is_lane_loop(op) and len(op.regions[0].block.ops) == 1
        if dead or empty:
            Rewriter.erase_op(op)


def _drop_unread_arrays(block: Block) -> None:
    """Remove local arrays and variables that are only written."""
    for op in list(block.ops):
        if isinstance(op, memref.AllocOp) and all(
            isinstance(use.operation, StoreOp) and use.operation.memref is op.memref for use in op.memref.uses
        ):
            for use in list(op.memref.uses):
                Rewriter.erase_op(use.operation)
            Rewriter.erase_op(op)
