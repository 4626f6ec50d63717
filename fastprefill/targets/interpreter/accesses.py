"""Loads, stores and fills: of variables, of single elements, and of many elements by the lanes of a nest."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from xdsl.ir import Operation, SSAValue

from fastprefill.errors import FastprefillError
from fastprefill.ir import query
from fastprefill.targets.interpreter.builder import ArrayInfo
from fastprefill.targets.interpreter.nests import Nest
from fastprefill.targets.interpreter.values import Draft, NotVector, Value, full, signed

if TYPE_CHECKING:
    from fastprefill.targets.interpreter.process import ProcessBuilder


def load(builder: ProcessBuilder, op: Operation) -> None:
    """``memref.load``."""
    array, index = op.operands[0], tuple(builder.value(operand) for operand in op.operands[1:])
    result = op.results[0]
    if array in builder.scalars and index[0].known == 0:
        builder.values[result] = builder.scalars[array]
        return
    if array in builder.scalars:
        builder.prologue.append(f"{builder.arrays[array].data} = {builder.arrays[array].text}.data")
    info, src = builder.arrays[array], query.text(op, "src", "?")
    nest = builder.nest
    if nest:
        nest.record(op, array, info, index, store=False)
    if not info.shape:
        builder.values[result] = load_variable(builder, array, info, src)
    elif nest and any(value.axes for value in index):
        builder.values[result] = load_lanes(builder, nest, array, info, index, src)
        nest.view(op, array, builder.values[result].text)
    elif nest and nest.mask:
        text = builder.name("t")
        with builder.block(f"if {nest.any_active()}:"):
            value = load_element(builder, info, index, src)
            builder.emit(f"{text} = {value.text}")
        with builder.block("else:"):
            builder.emit(f"{text} = {'False' if info.width == 1 else '0'}")
        builder.values[result] = full(text, info.width)
    else:
        builder.values[result] = load_element(builder, info, index, src)


def store(builder: ProcessBuilder, op: Operation) -> None:
    """``memref.store``."""
    array, index = op.operands[1], tuple(builder.value(operand) for operand in op.operands[2:])
    info, src, nest = builder.arrays[array], query.text(op, "src", "?"), builder.nest
    if info.constant:
        raise FastprefillError(f"{src}: '{info.label}' is a constant array; it cannot be written")
    value = builder.value(op.operands[0])
    if nest:
        nest.record(op, array, info, index, store=True)
        nest.protect_views(builder, op, array)
    if not info.shape:
        store_variable(builder, array, info, value)
    elif nest and any(v.axes for v in (*index, value)):
        store_lanes(builder, nest, array, info, index, value, src)
    elif nest and nest.mask:
        with builder.block(f"if {nest.any_active()}:"):
            store_element(builder, info, index, value, src)
    else:
        store_element(builder, info, index, value, src)


def fill(builder: ProcessBuilder, op: Operation) -> None:
    """``fp.fill``: every element."""
    array, value = op.operands[0], builder.value(op.operands[1])
    info = builder.arrays[array]
    if builder.nest and (info.shape or info.depth != len(builder.nest.path)):
        raise NotVector("'fp.fill' of an array in the loop")
    if not info.shape:
        store_variable(builder, array, info, value)
    elif info.lanes:
        builder.emit(f"{info.data}[...] = {value.text}")
        builder.emit(f"{info.text}.full = True")
    else:
        builder.emit(f"{info.data}[:] = [{value.text}] * {prod(info.shape)}")


# Variables


def load_variable(builder: ProcessBuilder, array: SSAValue, info: ArrayInfo, src: str) -> Value:
    """The value of a variable (rank 0)."""
    if info.depth is not None:  # private to a lane: never a Python variable
        if array not in builder.assigned or array not in builder.current:
            raise NotVector(f"'{info.label}' may be read before it is written")
        return builder.current[array]
    if array not in builder.current:
        builder.current[array] = builder.define(_anything(info), info.width, (), impure=True)
    value = builder.current[array]
    if array not in builder.assigned:
        if builder.nest and builder.nest.mask:
            raise NotVector(f"'{info.label}' may be read before it is written")
        builder.emit(f"if {value.text} is None: unwritten_variable({info.label!r}, {src!r})")
        builder.assigned.add(array)
    return value


def store_variable(builder: ProcessBuilder, array: SSAValue, info: ArrayInfo, value: Value) -> None:
    """Give a variable (rank 0) a value; of a lane's own variable, in the active lanes only."""
    nest = builder.nest
    if info.depth is not None:
        assert nest is not None
        mask, old = nest.mask, builder.current.get(array)
        if mask is not None and old is not None:
            value = _merge(builder, mask, value, old, info.width)
        builder.current[array] = value
    else:
        if nest and (nest.mask is not None or value.axes):
            raise NotVector(f"'{info.label}' is written by several lanes")
        builder.emit(f"{info.text} = {value.text}")
        builder.current[array] = value
    builder.assigned.add(array)


def _merge(builder: ProcessBuilder, mask: Value, new: Value, old: Value, width: int) -> Value:
    vector = bool(mask.axes or new.axes or old.axes)
    if width == 1:
        text = f"where({mask.text}, {new.text}, {old.text})"
        return builder.define(Draft(text, 0, 1, truth=True), 1, (mask, new, old))
    x, y = signed(new, vector), signed(old, vector)
    draft = Draft(
        f"where({mask.text}, {x.text}, {y.text})", min(x.low, y.low), max(x.high, y.high), x.exact and y.exact
    )
    return builder.define(draft, width, (mask, new, old))


def _anything(info: ArrayInfo) -> Draft:
    value = full(info.text, info.width)
    return Draft(value.text, value.low, value.high, truth=info.width == 1)


# Single elements


def load_element(builder: ProcessBuilder, info: ArrayInfo, index: tuple[Value, ...], src: str) -> Value:
    """One element, at an index that is the same in all lanes."""
    place = _place(builder, info, index, src)
    subscript = ", ".join(value.text for value in index)
    draft = full("", info.width)
    if info.lanes:
        if not info.constant:
            builder.emit(
                f"if not {info.text}.full and not {info.text}.valid.item({subscript}): "
                f"{info.text}.unwritten(({subscript},), {src!r})"
            )
        text = f"{info.data}.item({subscript})"
    else:
        text = f"{info.data}[{place}]"
    value = builder.define(
        Draft(text, draft.low, draft.high, truth=info.width == 1), info.width, (), impure=True
    )
    if not info.lanes and not info.constant:
        builder.emit(f"if {value.text} is None: {info.text}.unwritten(({subscript},), {src!r})")
    return value


def store_element(
    builder: ProcessBuilder, info: ArrayInfo, index: tuple[Value, ...], value: Value, src: str
) -> None:
    """Write one element, at an index that is the same in all lanes."""
    place = _place(builder, info, index, src)
    if not info.lanes:
        builder.emit(f"{info.data}[{place}] = {value.text}")
        return
    subscript = ", ".join(v.text for v in index)
    builder.emit(f"{info.data}[{subscript}] = {value.text}")
    builder.emit(f"if not {info.text}.full: {info.text}.valid[{subscript}] = True")


def _place(builder: ProcessBuilder, info: ArrayInfo, index: tuple[Value, ...], src: str) -> str:
    """Check the range of an index; returns its position in a flat list."""
    bad = [
        f"not 0 <= {value.text} < {size}"
        for value, size in zip(index, info.shape, strict=True)
        if not (value.low >= 0 and value.high < size)
    ]
    if bad:
        subscript = ", ".join(value.text for value in index)
        builder.emit(f"if {' or '.join(bad)}: {info.text}.outside(({subscript},), {src!r})")
    terms, stride = [], 1
    for value, size in zip(reversed(index), reversed(info.shape), strict=True):
        terms.append(value.text if stride == 1 else f"{value.text} * {stride}")
        stride *= size
    return " + ".join(reversed(terms))


# Lanes


@dataclass(frozen=True)
class Subscript:
    """How the lanes of an access select elements.

    Attributes:
        parts: subscripts in source form.
        sliced: True for ranges, one per axis, in order; False for arrays of indices.
        whole: every element, in order.
    """

    parts: tuple[str, ...]
    sliced: bool
    whole: bool = False

    @property
    def text(self) -> str:
        """What goes between the brackets."""
        return ", ".join(self.parts)


def load_lanes(
    builder: ProcessBuilder, nest: Nest, array: SSAValue, info: ArrayInfo, index: tuple[Value, ...], src: str
) -> Value:
    """One element for each lane."""
    subscript = lane_subscript(builder, nest, array, info, index, src)
    if not info.constant:
        mask = f", {nest.mask.text}" if nest.mask else ""
        place = "..." if subscript.whole else f"np.s_[{subscript.text}]"
        builder.emit(f"if not {info.text}.full: {info.text}.check({place}, {src!r}{mask})")
    value = full("", info.width)
    text = info.data if subscript.whole else f"{info.data}[{subscript.text}]"
    draft = Draft(text, value.low, value.high, truth=info.width == 1)
    return builder.define(draft, info.width, index, impure=True)


def store_lanes(
    builder: ProcessBuilder,
    nest: Nest,
    array: SSAValue,
    info: ArrayInfo,
    index: tuple[Value, ...],
    value: Value,
    src: str,
) -> None:
    """Write one element from each active lane."""
    if not value.exact:
        raise NotVector("a value of more than 64 bits in a lane")
    named = {axis for v in index for axis in v.axes}
    # A known mask may leave one lane to an element that the subscripts alone give to many: index by arrays.
    by_range = nest.mask is None or named.issuperset((*nest.mask.axes, *value.axes))
    subscript = lane_subscript(builder, nest, array, info, index, src, by_range=by_range)
    place = "..." if subscript.whole else subscript.text
    if nest.mask is not None:
        method = "put_masked" if subscript.sliced else "scatter_masked"
        builder.emit(f"{info.text}.{method}(np.s_[{place}], {value.text}, {nest.mask.text})")
    elif subscript.whole:
        builder.emit(f"{info.data}[...] = {value.text}")
        builder.emit(f"{info.text}.full = True")
    else:
        builder.emit(f"{info.data}[{place}] = {value.text}")
        builder.emit(f"if not {info.text}.full: {info.text}.valid[{place}] = True")


def lane_subscript(
    builder: ProcessBuilder,
    nest: Nest,
    array: SSAValue,
    info: ArrayInfo,
    index: tuple[Value, ...],
    src: str,
    *,
    by_range: bool = True,
) -> Subscript:
    """Subscripts for an access by lanes, with its range checked; ranges only where `by_range` allows them."""
    if not info.lanes:
        raise NotVector(f"elements of '{info.label}' have more than 64 bits")
    builder.vector_arrays.add(array)
    ranges = [nest.as_range(value) for value in index]
    inside = all(v.low >= 0 and v.high < size for v, size in zip(index, info.shape, strict=True))
    axes = [r.axis for r in ranges if r is not None and r.axis is not None]
    in_order = None not in ranges and axes == sorted(set(axes))
    if by_range and axes and in_order and (inside or nest.mask is None):
        parts: list[str] = []
        next_axis = 0
        for lane_range in ranges:
            assert lane_range is not None
            if lane_range.axis is None:
                parts.append(lane_range.start)
                continue
            parts += ["None"] * (lane_range.axis - next_axis)
            parts.append(lane_range.text)
            next_axis = lane_range.axis + 1
        parts += ["None"] * (nest.axes - next_axis)
        covered = [r is not None and r.covers(size) for r, size in zip(ranges, info.shape, strict=True)]
        whole = all(covered) and axes == list(range(nest.axes))
        if not inside:
            indices = ", ".join(value.text for value in index)
            builder.emit(f"{info.text}.check_range(({indices},), {src!r})")
        return Subscript(tuple(parts), sliced=True, whole=whole)
    texts = tuple(value.text for value in index)
    if not inside:
        checked = builder.name("index")
        mask = f", {nest.mask.text}" if nest.mask else ""
        builder.emit(f"{checked} = {info.text}.check_range(({', '.join(texts)},), {src!r}{mask})")
        texts = tuple(f"{checked}[{axis}]" for axis in range(len(index)))
    return Subscript(texts, sliced=False)
