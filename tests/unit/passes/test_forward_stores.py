"""forward-stores: a load sees the stores in front of it in its body, and an element is stored once."""

from __future__ import annotations

from typing import Any

import pytest
from xdsl.dialects import arith, memref, scf

from fastprefill.ir.dialect import PutOp
from fastprefill.ir.pipe import StoreOp
from fastprefill.passes.forward_stores import ForwardStores

Y, A, B, P, Q = "y: !fp.stream<i8, 2>", "a: i8", "b: i8", "p: i1", "q: i1"
ARRAY = '%h = memref.alloc() {name = "h"} : memref<4xi8>\n'


def body(text: str) -> str:
    return f'pipe.body "b" {{\n{text}}}\n'


def store(value: str, at: str = "%i", when: str = "") -> str:
    return f"pipe.store %{value}, %h[{at}]{' if %' + when if when else ''} : i8, memref<4xi8>\n"


def load(name: str, at: str = "%i") -> str:
    return f"%{name} = memref.load %h[{at}] : memref<4xi8>\nfp.put %y, %{name} : !fp.stream<i8, 2>, i8\n"


def run(process: Any, apply: Any, text: str, array: str = ARRAY) -> str:
    return apply(process(array + body(text), Y, A, B, P, Q, "i: index", "j: index"), ForwardStores())


def test_a_load_behind_a_store_of_its_element_takes_the_value(process: Any, apply: Any, ops: Any) -> None:
    text = run(process, apply, store("a") + load("v"))
    assert not ops(text, memref.LoadOp)
    (only,) = ops(text, PutOp)
    assert only.value.name_hint == "a"


def test_a_load_in_front_of_the_store_stays(process: Any, apply: Any, ops: Any) -> None:
    text = run(process, apply, load("v") + store("a") + load("w"))
    (kept,) = ops(text, memref.LoadOp)
    first, second = ops(text, PutOp)
    assert first.value is kept.res
    assert second.value.name_hint == "a"


def test_two_loads_of_an_element_are_one(process: Any, apply: Any, ops: Any) -> None:
    assert len(ops(run(process, apply, load("v") + load("w")), memref.LoadOp)) == 1


def test_a_store_under_a_predicate_gives_a_choice_with_what_was_there(
    process: Any, apply: Any, ops: Any
) -> None:
    text = run(process, apply, store("a", when="p") + load("v"))
    (kept,) = ops(text, memref.LoadOp)
    (choice,) = ops(text, arith.SelectOp)
    (only,) = ops(text, PutOp)
    assert only.value is choice.result
    assert (choice.cond.name_hint, choice.lhs.name_hint, choice.rhs) == ("p", "a", kept.res)
    names = [op.name for op in kept.parent_block().ops]
    assert names.index("memref.load") < names.index("pipe.store")


def test_two_predicated_stores_are_chosen_between_in_order(process: Any, apply: Any, ops: Any) -> None:
    text = run(process, apply, store("a", when="p") + store("b", when="q") + load("v"))
    outer = ops(text, PutOp)[0].value.owner
    assert (outer.cond.name_hint, outer.lhs.name_hint) == ("q", "b")
    inner = outer.rhs.owner
    assert (inner.cond.name_hint, inner.lhs.name_hint, inner.rhs.owner.name) == ("p", "a", "memref.load")


def test_a_fresh_array_holds_nothing_else(process: Any, apply: Any, ops: Any) -> None:
    fresh = ARRAY.replace("}", ", fresh}", 1)
    text = run(process, apply, store("a", when="p") + load("v"), fresh)
    assert not ops(text, memref.LoadOp) and not ops(text, arith.SelectOp)


def test_a_fresh_array_written_under_two_predicates_needs_a_choice(
    process: Any, apply: Any, ops: Any
) -> None:
    fresh = ARRAY.replace("}", ", fresh}", 1)
    text = run(process, apply, store("a", when="p") + store("b", when="q") + load("v"), fresh)
    (choice,) = ops(text, arith.SelectOp)[:1]
    assert not ops(text, memref.LoadOp)
    assert (choice.cond.name_hint, choice.lhs.name_hint, choice.rhs.name_hint) == ("q", "b", "a")


@pytest.mark.parametrize(
    ("between", "at", "forwarded"),
    [
        (store("b", "%j"), "%i", False),
        (store("b", "%j", when="p"), "%i", False),
        (store("b", "%c1"), "%i", False),
        (store("b", "%c1"), "%c0", True),
        (store("b", "%c1", when="p"), "%c0", True),
        (load("other", "%j"), "%i", True),
    ],
    ids=["may be the same", "may be, under a predicate", "constant against variable", "another constant",
         "another constant, under a predicate", "a load"],
)  # fmt: skip
def test_a_store_that_may_be_of_the_element_comes_first(
    between: str, at: str, forwarded: bool, process: Any, apply: Any, ops: Any
) -> None:
    text = run(process, apply, store("a", at) + between + load("v", at))
    last = ops(text, PutOp)[-1]
    assert (last.value.name_hint == "a") is forwarded


def test_stores_to_one_element_become_one(process: Any, apply: Any, ops: Any) -> None:
    (only,) = ops(run(process, apply, store("a") + store("b")), StoreOp)
    assert only.value.name_hint == "b" and only.predicate is None


def test_a_store_and_one_under_a_predicate_become_one_that_always_writes(
    process: Any, apply: Any, ops: Any
) -> None:
    text = run(process, apply, store("a") + store("b", when="p"))
    (only,) = ops(text, StoreOp)
    (choice,) = ops(text, arith.SelectOp)
    assert only.predicate is None and only.value is choice.result
    assert [v.name_hint for v in choice.operands] == ["p", "b", "a"]


def test_stores_under_two_predicates_write_under_either(process: Any, apply: Any, ops: Any) -> None:
    text = run(process, apply, store("a", when="p") + store("b", when="q"))
    (only,) = ops(text, StoreOp)
    (either,) = ops(text, arith.OrIOp)
    assert only.predicate is either.result
    assert {v.name_hint for v in either.operands} == {"p", "q"}
    assert [v.name_hint for v in only.value.owner.operands] == ["q", "b", "a"]


@pytest.mark.parametrize(
    "text",
    [
        store("a") + load("v", "%j") + store("b"),
        store("a") + store("b", "%j") + store("b"),
        store("a", "%c0") + store("b", "%c1"),
    ],
    ids=["read between", "may be written between", "different elements"],
)
def test_stores_that_may_not_move_stay(text: str, process: Any, apply: Any, ops: Any) -> None:
    assert len(ops(run(process, apply, text), StoreOp)) == text.count("pipe.store")


LANE_ARRAY = '%h = memref.alloc() {name = "h", partition = ["complete"]} : memref<4xi8>\n'


def test_each_lane_forwards_its_own_element(process: Any, apply: Any, ops: Any) -> None:
    inner = (
        store("a", "%r")
        + "%v = memref.load %h[%r] : memref<4xi8>\n%s = arith.addi %v, %b : i8\n"
        + store("s", "%r")
    )
    lanes = f"scf.for %r = %c0 to %c4 step %c1 {{\n{inner}}} {{unroll = 0 : i32}}\n"
    text = run(process, apply, lanes, LANE_ARRAY)
    (total,) = ops(text, arith.AddiOp)
    assert [v.name_hint for v in total.operands] == ["a", "b"]
    assert len(ops(text, StoreOp)) == 1 and not ops(text, memref.LoadOp)


def test_what_a_lane_loop_writes_is_not_known_behind_it(process: Any, apply: Any, ops: Any) -> None:
    lanes = f"scf.for %r = %c0 to %c4 step %c1 {{\n{store('b', '%r')}}} {{unroll = 0 : i32}}\n"
    text = run(process, apply, store("a", "%c0") + lanes + load("v", "%c0"), LANE_ARRAY)
    (only,) = ops(text, PutOp)
    assert only.value.owner.name == "memref.load"
    assert len(ops(text, StoreOp)) == 2


def test_lanes_see_a_variable_stored_in_front_of_them(process: Any, apply: Any, ops: Any) -> None:
    scalar = '%s = memref.alloc() {name = "s"} : memref<i8>\n'
    lanes = (
        "pipe.store %a, %s[] if %p : i8, memref<i8>\n"
        "scf.for %r = %c0 to %c4 step %c1 {\n%v = memref.load %s[] : memref<i8>\n"
        f"{store('v', '%r')}}} {{unroll = 0 : i32}}\n"
    )
    text = run(process, apply, lanes, LANE_ARRAY + scalar)
    (loop,) = ops(text, scf.ForOp)
    assert [op.name for op in loop.body.block.ops] == ["pipe.store", "scf.yield"]
    (choice,) = ops(text, arith.SelectOp)
    assert choice.parent_op() is loop.parent_op()
