"""promote: variables of a loop body become values before its lanes are copied."""

from __future__ import annotations

from typing import Any

from xdsl.dialects import memref

from fastprefill.ir.dialect import PutOp
from fastprefill.passes.unroll import Unroll

ARGUMENTS = ("y: !fp.stream<i8, 2>", "a: i8", "b: i8", "p: i1")
VARIABLE = '%v = memref.alloc() {name = "v"} : memref<i8>\n'
PUT = "fp.put %y, %{} : !fp.stream<i8, 2>, i8\n"


def store(value: str) -> str:
    return f"memref.store %{value}, %v[] : memref<i8>\n"


def load(name: str) -> str:
    return f"%{name} = memref.load %v[] : memref<i8>\n" + PUT.format(name)


def run(process: Any, apply: Any, lane: str, before: str = "") -> str:
    loop = f'scf.for %r = %c0 to %c2 step %c1 {{\n{lane}}} {{loop_name = "r", unroll = 0 : i32}}'
    return apply(process(before + loop, *ARGUMENTS), Unroll())


def test_a_variable_of_the_body_is_gone_and_its_last_value_is_used(process: Any, apply: Any, ops: Any) -> None:
    text = run(process, apply, VARIABLE + store("a") + load("x") + store("b") + load("z"))
    assert not ops(text, memref.LoadOp) and not ops(text, memref.StoreOp) and not ops(text, memref.AllocOp)
    assert [put.value.name_hint for put in ops(text, PutOp)] == ["a", "b", "a", "b"]


def test_a_condition_between_may_have_stored(process: Any, apply: Any, ops: Any) -> None:
    under = "scf.if %p {\n" + store("b") + "}\n"
    text = run(process, apply, VARIABLE + store("a") + under + load("x"))
    assert len(ops(text, memref.StoreOp)) == 4, "the store in front of the condition holds where it does not"
    assert [put.value.owner.name for put in ops(text, PutOp)] == ["memref.load"] * 2


def test_a_store_that_a_condition_reads_stays(process: Any, apply: Any, ops: Any) -> None:
    under = "scf.if %p {\n" + load("x") + "}\n"
    text = run(process, apply, VARIABLE + store("a") + under + store("b") + load("z"))
    assert len(ops(text, memref.StoreOp)) == 4
    assert [put.value.name_hint for put in ops(text, PutOp)] == ["x", "b", "x", "b"]


def test_a_variable_of_all_lanes_stays(process: Any, apply: Any, ops: Any) -> None:
    text = run(process, apply, load("x") + store("a"), before=VARIABLE)
    assert len(ops(text, memref.LoadOp)) == len(ops(text, memref.StoreOp)) == 2
