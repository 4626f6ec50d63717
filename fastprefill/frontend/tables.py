"""Arrays with initial contents: constant where nothing writes them, else filled at every start."""

from __future__ import annotations

import ast
from collections.abc import Callable

import numpy as np
from xdsl.dialects import memref, scf
from xdsl.dialects.builtin import IndexType, IntegerType, StringAttr
from xdsl.ir import Block, Operation, Region, SSAValue

from fastprefill.frontend.constants import range_of
from fastprefill.frontend.context import Context
from fastprefill.frontend.dtypes import Array
from fastprefill.frontend.globals import WIDEST, Globals
from fastprefill.frontend.process import Process
from fastprefill.frontend.scope import ArrayName
from fastprefill.ir.dialect import FillOp

Constant = Callable[[int, IntegerType | IndexType], SSAValue]

UNROLLED = 16
"""Arrays of at most this many elements are initialised by one store each, larger ones by a copy loop."""


def values(ctx: Context, node: ast.expr, type_: Array) -> list[int] | None:
    """The elements that a list or a NumPy array gives, row-major; each must fit the element type.

    None when the initialiser is a number.
    """
    base = node
    while isinstance(base, ast.Subscript):
        base = base.value
    named = isinstance(base, ast.Name) and ctx.scope.find(base.id) is None
    if isinstance(base, ast.Name) and named and isinstance(ctx.scope.names.get(base.id), np.ndarray):
        content = np.asarray(ctx.evaluate(node))
    elif isinstance(node, ast.List):
        content = _listed(ctx, node)
    else:
        return None
    if content.shape != type_.shape:
        raise ctx.error(
            node, f"an initialiser of shape {list(content.shape)} for {type_}; the shapes must be equal"
        )
    if content.dtype.kind not in "iubO":
        raise ctx.error(
            node, f"an initialiser of {content.dtype}; only integers are built: scale and round it first"
        )
    for position, number in np.ndenumerate(content):
        if not type_.element.holds(int(number)):
            place = "".join(f"[{i}]" for i in position)
            raise ctx.error(
                node,
                f"element {place} of the initialiser, {number}, does not fit: {range_of(type_.element, int(number))}",
            )
    return [int(element) for element in content.reshape(-1).tolist()]


def _listed(ctx: Context, node: ast.List) -> np.ndarray[tuple[int, ...], np.dtype[np.object_]]:
    try:
        content = np.array(ctx.evaluate(node), dtype=object)
    except ValueError:
        raise ctx.error(
            node, "a nested list whose rows differ in length; give every row the same number of elements"
        ) from None
    if not all(isinstance(element, int | np.integer) for element in content.reshape(-1)):
        raise ctx.error(
            node, f"'{ast.unparse(node)}' is not made of integers; write a nested list of integers"
        )
    return content


def declare(ctx: Context, name: str, array: ArrayName, table: list[int], node: ast.AST) -> None:
    """Remember the contents of a local array; ``settle`` decides when the whole body is known."""
    alloc = array.ref.owner
    assert isinstance(alloc, Operation)
    ctx.process.tables.append((alloc, array.type, table, ctx.prefix + name, ctx.line(node)))


def store_all(ctx: Context, array: ArrayName, table: list[int], node: ast.AST) -> None:
    """Write the elements one by one, or as a fill when they are equal."""
    for op in _writes(ctx.emit.constant, array.ref, array.type, table, ctx.line(node)):
        ctx.emit.add(op)


def _writes(constant: Constant, ref: SSAValue, type_: Array, table: list[int], src: str) -> list[Operation]:
    ops: list[Operation] = []
    if len(set(table)) == 1:
        ops.append(FillOp(ref, constant(table[0], type_.element.ir)))
    else:
        for position, element in zip(np.ndindex(type_.shape), table, strict=True):
            indices = [constant(i, IndexType()) for i in position]
            ops.append(memref.StoreOp.get(constant(element, type_.element.ir), ref, indices))
    for op in ops:
        op.attributes["src"] = StringAttr(src)
    return ops


def settle(process: Process, constant: Constant) -> None:
    """Turn arrays with contents that nothing writes into constant arrays; initialise the others in place."""
    for alloc, type_, table, name, src in process.tables:
        ref = alloc.results[0]
        written = any(
            (isinstance(use.operation, memref.StoreOp) and use.operation.memref is ref)
            or isinstance(use.operation, FillOp)
            for use in ref.uses
        )
        block = alloc.parent
        assert block is not None
        if not written and type_.element.bits <= WIDEST:
            _as_global(process.globals, process, alloc, type_, table, name)
        elif len(table) <= UNROLLED or type_.element.bits > WIDEST or len(set(table)) == 1:
            block.insert_ops_after(_writes(constant, ref, type_, table, src), alloc)
        else:
            symbol = process.globals.symbol(f"{name}_initial", type_, table)
            source = memref.GetGlobalOp(symbol, type_.ir)
            loop = _copy(constant, source.memref, ref, type_, name, src)
            block.insert_ops_after([source, loop], alloc)


def _as_global(
    globals_: Globals, process: Process, alloc: Operation, type_: Array, table: list[int], name: str
) -> None:
    symbol = globals_.symbol(name, type_, table)
    get = memref.GetGlobalOp(symbol, type_.ir)
    for key in ("name", "src", "unsigned"):
        if key in alloc.attributes:
            get.attributes[key] = alloc.attributes[key]
    for key in ("unsigned", "partition", "storage", "storage_type"):
        if key in alloc.attributes:
            globals_.ops[symbol].attributes[key] = alloc.attributes[key]
    for local in process.locals:
        if local.op is alloc:
            local.op = globals_.ops[symbol]
    block = alloc.parent
    assert block is not None
    block.insert_ops_before([get], alloc)
    alloc.results[0].replace_all_uses_with(get.memref)
    alloc.detach()
    alloc.erase()


def _copy(
    constant: Constant,
    source: SSAValue,
    target: SSAValue,
    type_: Array,
    name: str,
    src: str,
) -> Operation:
    """A loop nest that copies `source` to `target`."""
    place = outer = Block(arg_types=[IndexType()])
    indices: list[SSAValue] = [outer.args[0]]
    nest: list[tuple[Block, int]] = [(outer, type_.shape[0])]
    for size in type_.shape[1:]:
        inner = Block(arg_types=[IndexType()])
        nest.append((inner, size))
        indices.append(inner.args[0])
        place = inner
    load = memref.LoadOp.get(source, indices)
    place.add_ops([load, memref.StoreOp.get(load.res, target, indices)])
    op: Operation | None = None
    for depth, (body, size) in reversed(list(enumerate(nest))):
        if op is not None:
            body.add_op(op)
        body.add_op(scf.YieldOp())
        op = scf.ForOp(
            constant(0, IndexType()), constant(size, IndexType()), constant(1, IndexType()), [], Region(body)
        )
        op.attributes["loop_name"] = StringAttr(f"{name}_initial_{depth}" if depth else f"{name}_initial")
    assert op is not None
    for inner_op in op.walk():
        if isinstance(inner_op, memref.LoadOp | memref.StoreOp | scf.ForOp):
            inner_op.attributes["src"] = StringAttr(src)
    return op
