"""Arrays, variables and constant arrays of a process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xdsl.dialects import memref
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Operation

from fastprefill.errors import FastprefillError
from fastprefill.ir import query
from fastprefill.targets.interpreter.builder import ArrayInfo
from fastprefill.targets.interpreter.support import Array
from fastprefill.targets.interpreter.values import NotVector, canonical

if TYPE_CHECKING:
    from fastprefill.targets.interpreter.process import ProcessBuilder


def alloc(builder: ProcessBuilder, op: Operation) -> None:
    """``memref.alloc``: all elements unwritten, each time it is executed."""
    array = op.results[0]
    assert isinstance(array.type, MemRefType)
    label, shape = query.array_name(array), array.type.get_shape()
    width = query.width(array.type.element_type)
    if builder.nest and shape:
        raise NotVector("an array declared in the loop")
    depth = len(builder.nest.path) if builder.nest else None
    text = builder.arrays[array].text if array in builder.arrays else builder.name(label)
    builder.current.pop(array, None)
    builder.assigned.discard(array)
    if not shape:
        builder.arrays[array] = ArrayInfo(text, label, shape, width, depth=depth)
        if depth is None:
            builder.emit(f"{text} = None")
        return
    # Python lists are faster for single elements; only arrays that vectors touch are NumPy arrays.
    lanes = width <= 64 and (builder.lane_arrays is None or array in builder.lane_arrays)
    info = builder.arrays[array] = ArrayInfo(text, label, shape, width, lanes=lanes)
    builder.prologue.append(f"{text} = Array({label!r}, {shape!r}, {width}, lanes={lanes})")
    builder.emit(f"{text}.reset()")
    builder.emit(f"{info.data} = {text}.data")


def get_global(builder: ProcessBuilder, op: Operation) -> None:
    """``memref.get_global``: a constant array, shared by all runs."""
    assert isinstance(op, memref.GetGlobalOp) and isinstance(op.memref.type, MemRefType)
    symbol = op.name_.string_value()
    if symbol not in builder.globals:
        raise FastprefillError(f"memref.get_global: the module has no constant array '{symbol}'")
    shape, width = op.memref.type.get_shape(), query.width(op.memref.type.element_type)
    label = query.text(builder.globals[symbol], "name") or symbol
    lanes = width <= 64 and (builder.lane_arrays is None or op.memref in builder.lane_arrays)
    if (symbol, lanes) not in builder.global_arrays:
        array = _constant_array(builder.globals[symbol], Array(label, shape, width, lanes=lanes))
        text = builder.global_arrays[symbol, lanes] = builder.constant(array)
        builder.prologue.append(f"{text}_data = {text}.data")
    text = builder.global_arrays[symbol, lanes]
    builder.arrays[op.memref] = ArrayInfo(text, label, shape, width, lanes=lanes, constant=True)


def _constant_array(op: memref.GlobalOp, array: Array) -> Array:
    """`array` with the elements of a constant array."""
    initial: Any = op.initial_value
    numbers = [canonical(int(number), array.width) for number in initial.get_values()]
    if len(numbers) == 1:
        numbers *= array.valid.size
    array.assign(numbers)
    return array
