"""lower-fill: an initialiser becomes stores to every element, in parallel where the array is partitioned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xdsl.dialects import memref, scf

from fastprefill.ir import query
from fastprefill.ir.dialect import FillOp
from fastprefill.ir.text import parse
from fastprefill.passes.lower_fill import LowerFill


def loops(text: str) -> list[tuple[str, int | None, int | None]]:
    """Name, trip count and unrolling of each loop, outermost first."""
    found = [op for op in parse(text).walk() if isinstance(op, scf.ForOp)]
    return [(query.text(op, "loop_name"), query.trip_count(op), query.number(op, "unroll")) for op in found]


def fill(process: Callable[..., Any], shape: str, attributes: str) -> Any:
    return process(
        f"%v = arith.constant -2 : i8\n%h = memref.alloc() {{{attributes}}} : memref<{shape}i8>\n"
        f'fp.fill %h, %v {{src = "k.py:7"}} : memref<{shape}i8>, i8'
    )


def test_a_memory_is_filled_element_by_element(process: Any, apply: Any, ops: Any) -> None:
    text = apply(fill(process, "6x", 'name = "h"'), LowerFill())
    assert loops(text) == [("fill_h_0", 6, None)]
    (store,) = ops(text, memref.StoreOp)
    (loop,) = ops(text, scf.ForOp)
    assert query.text(store, "src") == query.text(loop, "src") == "k.py:7"
    assert query.constant(store.value) == -2
    assert list(store.indices) == [loop.body.block.args[0]]
    assert not ops(text, FillOp)


def test_registers_are_filled_at_once(process: Any, apply: Any) -> None:
    text = apply(fill(process, "2x3x", 'name = "h", partition = ["complete", "complete"]'), LowerFill())
    assert loops(text) == [("fill_h_0", 2, 0), ("fill_h_1", 3, 0)]


def test_whole_dimensions_are_outside_and_partitioned_ones_inside(process: Any, apply: Any, ops: Any) -> None:
    text = apply(fill(process, "2x3x", 'name = "h", partition = ["complete", "none"]'), LowerFill())
    assert loops(text) == [("fill_h_1", 3, None), ("fill_h_0", 2, 0)]
    (store,) = ops(text, memref.StoreOp)
    outer, inner = ops(text, scf.ForOp)
    assert list(store.indices) == [inner.body.block.args[0], outer.body.block.args[0]]


def test_cyclic_banks_are_filled_one_element_a_cycle(process: Any, apply: Any) -> None:
    text = apply(fill(process, "8x", 'name = "h", partition = ["cyclic 4"]'), LowerFill())
    assert loops(text) == [("fill_h_0", 8, None)]


def test_a_scalar_variable_needs_no_loop(process: Any, apply: Any, ops: Any) -> None:
    text = apply(fill(process, "", 'name = "h"'), LowerFill())
    assert loops(text) == []
    (store,) = ops(text, memref.StoreOp)
    assert not store.indices


def test_a_fill_inside_a_loop_runs_in_every_iteration(process: Any, apply: Any) -> None:
    module = process(
        "%v = arith.constant 1 : i8\nscf.for %t = %c0 to %c3 step %c1 {\n"
        '%h = memref.alloc() {name = "h"} : memref<4xi8>\nfp.fill %h, %v : memref<4xi8>, i8\n} {loop_name = "t"}'
    )
    assert loops(apply(module, LowerFill())) == [("t", 3, None), ("fill_h_0", 4, None)]


def test_nothing_to_fill_changes_nothing(process: Any, apply: Any) -> None:
    module = process("%h = memref.alloc() : memref<4xi8>")
    before = apply(module)
    assert apply(module, LowerFill()) == before
