"""Sums and word assembly over the lanes of a nest.

``x += e`` and ``word[lo : hi] = e`` in an unrolled loop make every lane use what the lane before it wrote. Both
are recognised from the load to the store, and done for all lanes at once: additions modulo 2^N commute, and
slices that do not overlap do too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from xdsl.ir import Operation, SSAValue

from fastprefill.ir import query
from fastprefill.targets.interpreter import accesses
from fastprefill.targets.interpreter.builder import ArrayInfo
from fastprefill.targets.interpreter.nests import Nest
from fastprefill.targets.interpreter.values import (
    INT64_HIGH,
    INT64_LOW,
    Draft,
    NotVector,
    Value,
    limits,
    signed,
    unsigned,
)

if TYPE_CHECKING:
    from fastprefill.targets.interpreter.process import ProcessBuilder

_CHANGES_OF_WIDTH = ("arith.extsi", "arith.extui", "arith.trunci")


@dataclass(frozen=True)
class Chain:
    """From a load to the store of the updated value.

    Attributes:
        load, store: its ends.
        inner: the ops between that only update the value.
        terms: (sign, addend) of a sum.
        slices: (position, part) of a word assembly.
    """

    load: Operation
    store: Operation
    inner: tuple[Operation, ...]
    terms: tuple[tuple[int, SSAValue], ...]
    slices: tuple[tuple[SSAValue, SSAValue], ...]

    @property
    def kind(self) -> str:
        """Updates of one kind commute."""
        return "sum" if self.terms else "word"


def begin(builder: ProcessBuilder, nest: Nest, op: Operation) -> bool:
    """Whether a load starts an update over lanes that share the element; its ops are then left to `finish`."""
    array = op.operands[0]
    info = builder.arrays[array]
    index = tuple(builder.value(operand) for operand in op.operands[1:])
    shared = _shared_axes(nest, info, index)
    if not shared or array in builder.scalars:
        return False
    loop = nest.path[shared[0]].loop
    users = [use.operation for use in array.uses if loop.is_ancestor(use.operation)]
    chains = [_chain(user) for user in users if user.name == "memref.load"]
    if None in chains or len({chain.kind for chain in chains if chain}) != 1:
        return False
    ends = {chain.store for chain in chains if chain}
    if any(user.name != "memref.load" and user not in ends for user in users) or len(ends) != len(chains):
        return False  # a use besides the updates, or an update by the element itself
    chain = next(chain for chain in chains if chain and chain.load is op)
    nest.absorbed.update((*chain.inner,))
    nest.reductions[chain.store] = chain
    return True


def finish(builder: ProcessBuilder, nest: Nest, op: Operation) -> None:
    """Emit the update at the place of its store."""
    chain: Chain = nest.reductions[op]
    array, src = op.operands[1], query.text(op, "src", "?")
    info = builder.arrays[array]
    index = tuple(builder.value(operand) for operand in op.operands[2:])
    if nest.mask is not None and (info.shape or chain.slices):
        raise NotVector("an element shared by lanes, under a condition")
    shared = _shared_axes(nest, info, index)
    nest.record(op, array, info, index, store=True, kind=chain.kind)
    nest.protect_views(builder, op, array)
    lanes = any(value.axes for value in index)
    if not info.shape:
        old = accesses.load_variable(builder, array, info, src)
    elif lanes:
        old = accesses.load_lanes(builder, nest, array, info, index, src)
    else:
        old = accesses.load_element(builder, info, index, src)
    new = (
        _summed(builder, nest, chain, old, shared)
        if chain.terms
        else _assembled(builder, nest, chain, old, array)
    )
    mask, nest.mask = nest.mask, None  # lanes that are not active add 0
    if not info.shape:
        accesses.store_variable(builder, array, info, new)
    elif lanes:
        accesses.store_lanes(builder, nest, array, info, index, new, src)
    else:
        accesses.store_element(builder, info, index, new, src)
    nest.mask = mask


def _shared_axes(nest: Nest, info: ArrayInfo, index: tuple[Value, ...]) -> list[int]:
    """Axes along which lanes use the same element."""
    used = {axis for value in index for axis in value.axes}
    return [
        axis
        for axis in range(info.depth or 0, len(nest.path))
        if nest.path[axis].count > 1 and axis not in used
    ]


def _chain(load: Operation) -> Chain | None:
    """The chain that starts with a load; None when the value goes elsewhere too."""
    value, bits = load.results[0], query.width(load.results[0])
    inner: list[Operation] = []
    terms: list[tuple[int, SSAValue]] = []
    slices: list[tuple[SSAValue, SSAValue]] = []
    while len(uses := list(value.uses)) == 1:
        user, position = uses[0].operation, uses[0].index
        if user.parent is not load.parent:
            return None
        if user.name == "memref.store":
            same = user.operands[1] is load.operands[0] and len(user.operands) == len(load.operands) + 1
            same = same and all(map(_same, user.operands[2:], load.operands[1:]))
            if position != 0 or not same or bool(terms) == bool(slices):
                return None
            return Chain(load, user, tuple(inner), tuple(terms), tuple(slices))
        if user.name == "arith.addi" or (user.name == "arith.subi" and position == 0):
            terms.append((-1 if user.name == "arith.subi" else 1, user.operands[1 - position]))
        elif user.name == "fp.set_slice" and position == 0:
            slices.append((user.operands[1], user.operands[2]))
        elif user.name not in _CHANGES_OF_WIDTH or query.width(user.results[0]) < bits:
            return None
        inner.append(user)
        value = user.results[0]
    return None


def _same(a: SSAValue, b: SSAValue) -> bool:
    """Whether two index values are computed alike, by pure ops."""
    if a is b:
        return True
    x, y = a.owner, b.owner
    if not (isinstance(x, Operation) and isinstance(y, Operation)):
        return False
    alike = (
        x.name == y.name and x.name.startswith("arith.") and a.type == b.type and x.properties == y.properties
    )
    return alike and len(x.operands) == len(y.operands) and all(map(_same, x.operands, y.operands))


def _summed(builder: ProcessBuilder, nest: Nest, chain: Chain, old: Value, shared: list[int]) -> Value:
    """The old value plus the terms of all lanes that share it."""
    shape, bits = nest.shape(), old.width
    count = int(np.prod([shape[axis] for axis in shared]))
    everything = len(shared) == sum(size > 1 for size in shape) and not old.axes
    result = old
    for sign, ssa in chain.terms:
        term = builder.value(ssa)
        draft = signed(term, True)
        text = draft.text if nest.mask is None else f"where({nest.mask.text}, {draft.text}, 0)"
        lows = (min(draft.low, 0) * count, max(draft.high, 0) * count)
        fits = draft.exact and lows[0] >= INT64_LOW and lows[1] <= INT64_HIGH
        if bits > 64 and not fits:
            raise NotVector("a sum of more than 64 bits")
        text = f"np.broadcast_to({text}, {shape!r}).sum("
        text = f"int({text}))" if everything else f"{text}axis={tuple(shared)!r}, keepdims=True)"
        name = builder.name("sum")
        builder.emit(f"{name} = {text}")
        axes = (
            ()
            if everything
            else tuple(axis for axis, size in enumerate(shape) if size > 1 and axis not in shared)
        )
        low, high = lows if fits else (INT64_LOW, INT64_HIGH)
        total = Value(name, 65, low, high, axes, exact=fits or everything)
        x = signed(result, bool(axes))
        low, high = (x.low + low, x.high + high) if sign > 0 else (x.low - high, x.high - low)
        if not fits:  # congruent modulo 2^64 only: wrap in any case
            low, high = limits(bits)[0] - 1, limits(bits)[1] + 1
        draft = Draft(
            f"{x.text} {'+' if sign > 0 else '-'} {name}", low, high, x.exact and (fits or everything)
        )
        result = builder.define(draft, bits, (result, total))
    return result


def _assembled(builder: ProcessBuilder, nest: Nest, chain: Chain, old: Value, array: SSAValue) -> Value:
    """The old word with the slices of all lanes."""
    if old.axes:
        raise NotVector("words assembled in a lane from further lanes")
    shape, bits, word = nest.shape(), old.width, old
    for lo_ssa, part_ssa in chain.slices:
        lo, part = builder.value(lo_ssa), builder.value(part_ssa)
        width = part.width
        if not isinstance(lo.known, np.ndarray) or lo.low < 0 or lo.high + width > bits or not part.exact:
            raise NotVector("positions in a word that are not known")
        positions = np.broadcast_to(lo.known, shape).ravel()
        _occupy(nest, array, positions.tolist(), width)
        elements = positions // width
        aligned = width in (8, 16, 32, 64) and not (positions % width).any()
        lanes = f"np.broadcast_to({signed(part, True).text}, {shape!r})"
        if aligned and bits == width * len(elements) and (np.diff(elements) == 1).all():
            text = f"int.from_bytes({lanes}.astype('<i{width // 8}').tobytes(), 'little', signed=True)"
            draft = Draft(text, *limits(bits))
        elif aligned:
            size = -(-bits // width) * width // 8
            chosen = builder.constant(elements)
            text = f"insert_elements({word.text}, {size}, '<i{width // 8}', {chosen}, {lanes}.ravel())"
            edge = 0 if size * 8 == bits else 1
            draft = Draft(text, limits(bits)[0] - edge, limits(bits)[1] + edge)
        else:
            lanes = f"np.broadcast_to({unsigned(part, True).text}, {shape!r})"
            chosen = builder.constant(positions.tolist())
            text = f"insert_bits({word.text}, {chosen}, {width}, {lanes}.ravel())"
            draft = Draft(text, limits(bits)[0] - 1, limits(bits)[1] + 1)
        name = builder.name("word")
        builder.emit(f"{name} = {text}")
        word = builder.define(Draft(name, draft.low, draft.high), bits, ())
    return word


def _occupy(nest: Nest, array: SSAValue, positions: list[int], width: int) -> None:
    """Refuse slices that overlap: the last lane would have to win."""
    taken = nest.words.get(array, 0)
    for lo in positions:
        bits = ((1 << width) - 1) << lo
        if taken & bits:
            raise NotVector("slices that overlap")
        taken |= bits
    nest.words[array] = taken
