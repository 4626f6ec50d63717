"""unroll: independent lanes stay a loop, dependent ones are copied, and what cannot be unrolled is refused."""

from __future__ import annotations

from typing import Any

import pytest
from xdsl.dialects import memref, scf

from fastprefill.errors import KernelError
from fastprefill.ir import query
from fastprefill.ir.dialect import PutOp
from fastprefill.passes.unroll import Unroll

OUT = "y: !fp.stream<i8, 2>"
FULLY = '{loop_name = "r", unroll = 0 : i32, src = "k.py:9"}'


def lane(body: str, attributes: str = FULLY, high: str = "%c4") -> str:
    return f"scf.for %r = %c0 to {high} step %c1 {{\n{body}\n}} {attributes}"


def register(name: str, partition: str = '["complete"]', kind: str = "4xi8") -> str:
    return f'%{name} = memref.alloc() {{name = "{name}", partition = {partition}}} : memref<{kind}>\n'


COPY = "%v = memref.load %a[%r] : memref<4xi8>\nmemref.store %v, %b[%r] : memref<4xi8>"
SHIFT = (
    "%next = arith.addi %r, %c1 : index\n%v = memref.load %a[%r] : memref<4xi8>\n"
    "memref.store %v, %a[%next] : memref<4xi8>"
)


@pytest.mark.parametrize(
    "body",
    [
        register("a") + register("b") + lane(COPY),
        register("a") + register("b") + lane("%own = memref.alloc() : memref<i8>\n" + COPY),
        # a register that no lane writes may be read by all
        register("a") + register("b") + lane(COPY.replace("%a[%r]", "%a[%c2]")),
        # other index, same element: through a cast that changes nothing
        register("a")
        + register("b")
        + lane(
            "%w = arith.index_cast %r : index to i32\n%q = arith.index_cast %w : i32 to index\n"
            + COPY.replace("b[%r]", "b[%q]")
        ),
        # a memory for each lane, read at one address and written at another
        register("a", '["complete", "none"]', "4x8xi8")
        + lane(
            "%v = memref.load %a[%r, %c1] : memref<4x8xi8>\nmemref.store %v, %a[%r, %c2] : memref<4x8xi8>"
        ),
    ],
    ids=["elementwise", "private variable", "broadcast", "casts", "two addresses"],
)
def test_lanes_with_elements_of_their_own_stay_a_loop(body: str, process: Any, apply: Any, ops: Any) -> None:
    text = apply(process(body), Unroll())
    (loop,) = ops(text, scf.ForOp)
    assert query.is_lane_loop(loop)
    assert len(ops(text, memref.StoreOp)) == 1


@pytest.mark.parametrize(
    ("body", "stores"),
    [
        (register("a") + lane(SHIFT, high="%c3"), 3),
        (register("a", '["none"]') + register("b") + lane(COPY), 4),
        (register("a") + register("b", '["none"]') + lane(COPY), 4),
        (register("a", '["cyclic 2"]') + register("b") + lane(COPY), 4),
        (register("a") + register("b") + lane(COPY.replace("%b[%r]", "%b[%c0]")), 4),
        (
            "%s = memref.alloc() : memref<i8>\n"
            + register("a")
            + lane("%v = memref.load %a[%r] : memref<4xi8>\nmemref.store %v, %s[] : memref<i8>"),
            4,
        ),
    ],
    ids=["neighbour", "memory read", "memory written", "banks", "one element", "variable"],
)
def test_lanes_that_depend_on_each_other_are_copied(
    body: str, stores: int, process: Any, apply: Any, ops: Any
) -> None:
    text = apply(process(body), Unroll())
    assert not ops(text, scf.ForOp)
    assert len(ops(text, memref.StoreOp)) == stores


def test_copies_are_in_order_and_know_their_lane(process: Any, apply: Any, ops: Any) -> None:
    body = "%v = arith.index_cast %r : index to i8\nfp.put %y, %v : !fp.stream<i8, 2>, i8"
    text = apply(process(lane(body), OUT, directions="o"), Unroll())
    assert [query.constant(put.value) for put in ops(text, PutOp)] == [0, 1, 2, 3]
    assert not ops(text, scf.ForOp)


def test_independent_lanes_inside_copies_stay_a_loop(process: Any, apply: Any, ops: Any) -> None:
    inner = lane("%v = memref.load %a[%q, %r] : memref<2x4xi8>\nmemref.store %v, %b[%q, %r] : memref<2x4xi8>")
    body = (
        f"scf.for %q = %c0 to %c2 step %c1 {{\n{inner}\nfp.put %y, %one : !fp.stream<i8, 2>, i8\n}} {FULLY}"
    )
    both = '["complete", "complete"]'
    module = process(
        "%one = arith.constant 1 : i8\n"
        + register("a", both, "2x4xi8")
        + register("b", both, "2x4xi8")
        + body,
        OUT,
    )
    text = apply(module, Unroll())
    loops = ops(text, scf.ForOp)
    assert [query.is_lane_loop(loop) for loop in loops] == [True, True]
    assert [query.constant(store.indices[0]) for store in ops(text, memref.StoreOp)] == [0, 1]
    assert len(ops(text, PutOp)) == 2


def test_a_factor_copies_the_body_and_widens_the_step(process: Any, apply: Any, ops: Any) -> None:
    body = "%v = arith.index_cast %r : index to i8\nfp.put %y, %v : !fp.stream<i8, 2>, i8"
    text = apply(process(lane(body, '{loop_name = "r", unroll = 2 : i32}'), OUT, directions="o"), Unroll())
    (loop,) = ops(text, scf.ForOp)
    assert (query.constant(loop.step), query.trip_count(loop), query.number(loop, "unroll")) == (2, 2, None)
    first, second = ops(text, PutOp)
    start = loop.body.block.args[0]
    assert first.value.owner.operands[0] is start
    index = second.value.owner.operands[0].owner
    assert index.operands[0] is start and query.constant(index.operands[1]) == 1


def test_a_factor_must_divide_the_trip_count(process: Any, apply: Any) -> None:
    module = process(
        lane("fp.put %y, %v : !fp.stream<i8, 2>, i8", '{loop_name = "r", unroll = 3 : i32, src = "k.py:9"}'),
        OUT,
        "v: i8",
    )
    with pytest.raises(KernelError) as error:
        apply(module, Unroll())
    assert str(error.value) == (
        "k.py:9: loop 'r' is unrolled by 3, which does not divide its trip count (4); choose a divisor"
    )


def test_bounds_known_only_at_run_time(process: Any, apply: Any) -> None:
    top = "%n0 = memref.load %n[%c0] : memref<1xi32>\n%top = arith.index_cast %n0 : i32 to index\n"
    put = "fp.put %y, %v : !fp.stream<i8, 2>, i8"
    with pytest.raises(KernelError) as error:
        apply(process(top + lane(put, high="%top"), OUT, "v: i8", "n: memref<1xi32>"), Unroll())
    assert str(error.value) == (
        "k.py:9: loop 'r' is unrolled but its bounds are known only at run time; give it constant bounds or a factor"
    )
    by_two = '{loop_name = "r", unroll = 2 : i32, src = "k.py:9"}'
    with pytest.raises(KernelError, match=r"does not divide its trip count \(known only at run time\)"):
        apply(process(top + lane(put, by_two, high="%top"), OUT, "v: i8", "n: memref<1xi32>"), Unroll())


def test_too_many_dependent_copies(process: Any, apply: Any) -> None:
    many = "%many = arith.constant 4097 : index\n"
    with pytest.raises(KernelError) as error:
        apply(
            process(many + lane("fp.put %y, %v : !fp.stream<i8, 2>, i8", high="%many"), OUT, "v: i8"),
            Unroll(),
        )
    assert (
        str(error.value) == "k.py:9: unrolling loop 'r' makes 4097 dependent copies; at most 4096 are built"
    )


def test_loops_that_are_not_unrolled_are_left_alone(process: Any, apply: Any) -> None:
    module = process(
        lane("fp.put %y, %v : !fp.stream<i8, 2>, i8", '{loop_name = "r", pipeline_ii = 1 : i32}'),
        OUT,
        "v: i8",
    )
    before = apply(module)
    assert apply(module, Unroll()) == before
