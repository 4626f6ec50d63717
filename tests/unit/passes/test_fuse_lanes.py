"""fuse-lanes: lane loops over the same lanes become one processing element, where the order of stores allows it."""

from __future__ import annotations

from typing import Any

import pytest
from xdsl.dialects import scf

from fastprefill.ir.pipe import BodyOp, StoreOp
from fastprefill.passes.fuse_lanes import FuseLanes

ARRAYS = "".join(
    f'%{name} = memref.alloc() {{name = "{name}", partition = ["complete"]}} : memref<4xi8>\n'
    for name in "abcd"
)
NEXT = "%next = arith.addi %r, %c1 : index\n"


def body(text: str) -> str:
    return f'pipe.body "b" {{\n{text}}}\n'


def lanes(text: str, variable: str = "r", high: str = "%c4") -> str:
    return f"scf.for %{variable} = %c0 to {high} step %c1 {{\n{text}}} {{unroll = 0 : i32}}\n"


def move(source: str, target: str, at: str = "r", to: str = "r") -> str:
    return (
        f"%v = memref.load %{source}[%{at}] : memref<4xi8>\n"
        f"pipe.store %v, %{target}[%{to}] : i8, memref<4xi8>\n"
    )


def loops(ops: Any, text: str) -> list[Any]:
    return ops(text, scf.ForOp)


def test_elementwise_loops_over_the_same_lanes_become_one(process: Any, apply: Any, ops: Any) -> None:
    text = apply(process(ARRAYS + body(lanes(move("a", "b")) + lanes(move("b", "c")))), FuseLanes())
    (only,) = loops(ops, text)
    names = [op.name for op in only.body.block.ops]
    assert names == ["memref.load", "pipe.store", "memref.load", "pipe.store", "scf.yield"]
    first, second = (op for op in only.body.block.ops if op.name == "pipe.store")
    assert [s.memref.name_hint for s in (first, second)] == ["b", "c"]
    assert all(i is only.body.block.args[0] for s in (first, second) for i in s.indices)


def test_three_loops_become_one(process: Any, apply: Any, ops: Any) -> None:
    three = lanes(move("a", "b")) + lanes(move("b", "c")) + lanes(move("c", "d"))
    (only,) = loops(ops, apply(process(ARRAYS + body(three)), FuseLanes()))
    assert [op.memref.name_hint for op in only.body.block.ops if op.name == "pipe.store"] == ["b", "c", "d"]


@pytest.mark.parametrize(
    "text",
    [
        lanes(move("a", "b")) + lanes(move("b", "c"), high="%c3"),
        # the second reads what another lane of the first writes
        lanes(move("a", "b"), high="%c3") + lanes(NEXT + move("b", "c", at="next"), high="%c3"),
        lanes(NEXT + move("a", "b", to="next"), high="%c3") + lanes(move("b", "c"), high="%c3"),
        # the second overwrites what every lane of the first reads
        lanes(move("a", "b", at="c0")) + lanes(move("c", "a")),
        # a store between them touches what the first writes, or reads it
        lanes(move("a", "b")) + "pipe.store %w, %b[%c0] : i8, memref<4xi8>\n" + lanes(move("c", "d")),
        lanes(move("a", "b")) + "pipe.store %w, %a[%c0] : i8, memref<4xi8>\n" + lanes(move("c", "d")),
        lanes(move("a", "b"))
        + "%l = memref.load %b[%c0] : memref<4xi8>\npipe.store %l, %c[%c0] : i8, memref<4xi8>\n"
        + lanes(move("c", "d")),
    ],
    ids=["other lanes", "neighbour read", "neighbour written", "broadcast overwritten", "written between",
         "source written between", "read between"],
)  # fmt: skip
def test_loops_that_depend_across_lanes_stay_apart(text: str, process: Any, apply: Any, ops: Any) -> None:
    assert len(loops(ops, apply(process(ARRAYS + body(text), "w: i8"), FuseLanes()))) == 2


def test_what_stands_between_and_touches_neither_stays_in_front(process: Any, apply: Any, ops: Any) -> None:
    between = "pipe.store %w, %d[%c0] : i8, memref<4xi8>\n"
    text = apply(
        process(ARRAYS + body(lanes(move("a", "b")) + between + lanes(move("b", "c"))), "w: i8"), FuseLanes()
    )
    (only,) = ops(text, BodyOp)
    assert [op.name for op in only.body.block.ops] == ["pipe.store", "scf.for"]


def test_bodies_do_not_mix(process: Any, apply: Any, ops: Any) -> None:
    text = apply(process(ARRAYS + body(lanes(move("a", "b"))) + body(lanes(move("b", "c")))), FuseLanes())
    assert [len([op for op in b.body.block.ops if op.name == "scf.for"]) for b in ops(text, BodyOp)] == [1, 1]


def test_nests_become_perfect_before_they_are_joined(process: Any, apply: Any, ops: Any) -> None:
    array = '%t = memref.alloc() {partition = ["complete", "complete"]} : memref<2x4xi8>\n'
    inner = "%s = memref.load %t[%q, %r] : memref<2x4xi8>\n%u = arith.addi %s, %v : i8\n"
    inner += "pipe.store %u, %t[%q, %r] : i8, memref<2x4xi8>\n"
    nest = lanes("%v = memref.load %a[%q] : memref<4xi8>\n" + lanes(inner), "q", "%c2")
    text = apply(process(ARRAYS + array + body(nest + nest.replace("%v", "%w"))), FuseLanes())
    outer, inside = loops(ops, text)
    assert [op.name for op in outer.body.block.ops] == ["scf.for", "scf.yield"]
    assert len([op for op in inside.body.block.ops if op.name == "pipe.store"]) == 2


def test_nests_with_swapped_subscripts_stay_apart(process: Any, apply: Any, ops: Any) -> None:
    array = '%t = memref.alloc() {partition = ["complete", "complete"]} : memref<4x4xi8>\n'
    array += array.replace("%t", "%u")

    def nest(source: str, at: str, target: str) -> str:
        inner = f"%v = memref.load %{source}[{at}] : memref<4x4xi8>\n"
        inner += f"pipe.store %v, %{target}[%q, %r] : i8, memref<4x4xi8>\n"
        return lanes(lanes(inner), "q")

    text = array + body(nest("t", "%q, %r", "u") + nest("u", "%r, %q", "t"))
    assert len(loops(ops, apply(process(text), FuseLanes()))) == 4


def test_loops_that_share_an_array_fuse_over_another_loop(process: Any, apply: Any, ops: Any) -> None:
    text = lanes(move("a", "b")) + lanes(move("d", "d")) + lanes(move("b", "c"))
    other, both = loops(ops, apply(process(ARRAYS + body(text)), FuseLanes()))
    stored = [[op.memref.name_hint for op in loop.walk() if isinstance(op, StoreOp)] for loop in (other, both)]
    assert stored == [["d"], ["b", "c"]]


@pytest.mark.parametrize("between", [move("b", "d"), move("d", "a"), move("d", "b")])
def test_loops_do_not_fuse_over_one_that_needs_their_order(
    between: str, process: Any, apply: Any, ops: Any
) -> None:
    last = move("b", "c") + move("c", "d").replace("%v", "%w")
    text = lanes(move("a", "b")) + lanes(between, high="%c3") + lanes(last)
    assert len(loops(ops, apply(process(ARRAYS + body(text)), FuseLanes()))) == 3


def test_loops_that_share_no_array_stay_apart(process: Any, apply: Any, ops: Any) -> None:
    text = lanes(move("a", "a")) + lanes(move("b", "b"))
    assert len(loops(ops, apply(process(ARRAYS + body(text)), FuseLanes()))) == 2
