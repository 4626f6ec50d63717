"""flatten: a tree of loops around predicated bodies, as docs/ir.md section 4 describes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from xdsl.dialects import memref, scf

from fastprefill import passes
from fastprefill.errors import KernelError
from fastprefill.frontend import load_module
from fastprefill.ir.dialect import AcquireOp, GetOp, PutOp, ReleaseOp
from fastprefill.ir.pipe import BodyOp, FirstOp, LiveOp, StoreOp, WindowOp
from fastprefill.ir.text import parse, to_text
from fastprefill.passes.flatten import Flatten
from fastprefill.system.build import build_unit
from fastprefill.system.limits import process_limits

X, Y = "x: !fp.stream<i8, 2>", "y: !fp.stream<i8, 2>"
RING = "r: !fp.blocks<memref<4xi8>, 2>"
P, Q = "p: i1", "q: i1"
TOP = "%n0 = memref.load %n[%c0] : memref<1xi32>\n%top = arith.index_cast %n0 : i32 to index\n"
N = "n: memref<1xi32>"
ONE = "%one = arith.constant 1 : i8\n%two = arith.constant 2 : i8\n"
VARIABLE = '%v = memref.alloc() {name = "v"} : memref<i8>\n'
MEMORY = '%h = memref.alloc() {name = "h", storage = "BRAM"} : memref<4xi8>\n'


def get(name: str) -> str:
    return f"%{name} = fp.get %x : !fp.stream<i8, 2> -> i8\n"


def put(name: str) -> str:
    return f"fp.put %y, %{name} : !fp.stream<i8, 2>, i8\n"


def store(name: str, to: str = "%v[] : memref<i8>") -> str:
    return f"memref.store %{name}, {to}\n"


def loop(body: str, variable: str = "i", high: str = "%c4") -> str:
    return f'scf.for %{variable} = %c0 to {high} step %c1 {{\n{body}\n}} {{loop_name = "{variable}"}}\n'


def when(condition: str, then: str, otherwise: str = "") -> str:
    return f"scf.if %{condition} {{\n{then}}}" + (f" else {{\n{otherwise}}}" if otherwise else "") + "\n"


def show(lines: Any, apply: Any, module: Any, **options: bool) -> list[str]:
    return lines(apply(module, Flatten(**options)))


def names(ops: Any, text: str) -> list[str]:
    return [body.body_name.data for body in ops(text, BodyOp)]


def test_a_perfect_nest_is_one_body(process: Any, apply: Any, lines: Any) -> None:
    assert show(lines, apply, process(loop(loop(get("g") + put("g"), "j")), X, Y)) == [
        "scf.for %i = %c0 to %c4 step %c1 {",
        "scf.for %j = %c0_1 to %c4_1 step %c1_1 {",
        'pipe.body "j" {',
        "%g = fp.get %x : !fp.stream<i8, 2> -> i8",
        "fp.put %y, %g : !fp.stream<i8, 2>, i8",
        "func.return",
    ]


# loops without iterations


def test_what_a_loop_of_unknown_length_does_happens_only_inside_its_bounds(
    process: Any, apply: Any, lines: Any
) -> None:
    assert show(lines, apply, process(TOP + loop(get("g") + put("g"), high="%top"), N, X, Y))[2:] == [
        "scf.for %i = %c0 to %top step %c1 {",
        'pipe.body "i" {',
        "%i_live = pipe.live %i",
        "%g = fp.get %x if %i_live : !fp.stream<i8, 2> -> i8",
        "fp.put %y, %g if %i_live : !fp.stream<i8, 2>, i8",
        "func.return",
    ]


@pytest.mark.parametrize(("high", "guarded"), [("%c0", True), ("%c1", False), ("%c4", False)])
def test_only_loops_that_may_be_empty_are_guarded(
    high: str, guarded: bool, process: Any, apply: Any, ops: Any
) -> None:
    text = apply(process(loop(get("g"), high=high), X), Flatten())
    assert bool(ops(text, LiveOp)) is guarded
    assert (ops(text, GetOp)[0].predicate is not None) is guarded


def test_every_loop_around_a_body_guards_it(process: Any, apply: Any, ops: Any) -> None:
    module = process(TOP + loop(loop(loop(get("g"), "k", "%top"), "j"), "i", "%top"), N, X)
    text = apply(module, Flatten())
    assert sorted(live.loop.name_hint for live in ops(text, LiveOp)) == ["i", "k"]


def test_a_loop_under_a_condition_has_no_iterations_where_it_does_not_hold(
    process: Any, apply: Any, ops: Any
) -> None:
    text = apply(process(loop(when("p", loop(get("g"), "j"))), P, X), Flatten())
    first, second = ops(text, BodyOp)
    assert [b.body_name.data for b in (first, second)] == ["i", "j"]
    assert "select" in "".join(op.name for op in first.body.block.ops)
    assert ops(text, GetOp)[0].predicate.owner.name == "pipe.live"


def test_loops_that_do_nothing_disappear(process: Any, apply: Any, ops: Any) -> None:
    body = "%s = arith.addi %i, %c1 : index\n"
    assert not ops(apply(process(loop(body)), Flatten()), scf.ForOp)


# conditions


def test_conditions_become_predicates(process: Any, apply: Any, lines: Any) -> None:
    module = process(
        ONE + loop(when("p", put("one"), store("one", "%m[%i] : memref<4xi8>"))), P, Y, "m: memref<4xi8>"
    )
    assert show(lines, apply, module)[2:-1] == [
        "fp.put %y, %one if %p : !fp.stream<i8, 2>, i8",
        "%1 = arith.xori %p, %0 : i1",
        "pipe.store %one, %m[%i] if %1 : i8, memref<4xi8>",
    ]


def test_nested_conditions_hold_together(process: Any, apply: Any, ops: Any) -> None:
    text = apply(process(ONE + loop(when("p", when("q", put("one")))), P, Q, Y), Flatten())
    (only,) = ops(text, PutOp)
    assert only.predicate.owner.name == "arith.andi"
    assert sorted(v.name_hint for v in only.predicate.owner.operands) == ["p", "q"]


def test_a_put_in_both_branches_is_one_put(process: Any, apply: Any, lines: Any) -> None:
    module = process(ONE + loop(when("p", put("one"), put("two"))), P, Y)
    assert show(lines, apply, module)[2:-1] == [
        "%0 = arith.select %p, %one, %two : i8",
        "fp.put %y, %0 : !fp.stream<i8, 2>, i8",
    ]


def test_a_get_in_both_branches_is_one_get(process: Any, apply: Any, ops: Any) -> None:
    then, otherwise = get("g") + store("g"), get("h") + "%k = arith.addi %h, %h : i8\n" + store("k")
    text = apply(process(VARIABLE + loop(when("p", then, otherwise)), P, X), Flatten())
    (only,) = ops(text, GetOp)
    assert only.predicate is None
    assert len(ops(text, StoreOp)) == 2


@pytest.mark.parametrize("order", ["then", "else"])
def test_a_put_under_a_condition_of_its_own_stays_under_it(
    order: str, process: Any, apply: Any, ops: Any
) -> None:
    branches = [when("q", put("one")), put("two")]
    text = apply(
        process(ONE + loop(when("p", *branches[:: 1 if order == "then" else -1])), P, Q, Y), Flatten()
    )
    assert any("q" in uses(found.predicate) for found in ops(text, PutOp))


def test_a_get_under_a_condition_of_its_own_stays_under_it(process: Any, apply: Any, ops: Any) -> None:
    nested = when("q", get("g") + store("g"))
    text = apply(process(VARIABLE + loop(when("p", nested, get("h") + store("h"))), P, Q, X), Flatten())
    assert any("q" in uses(found.predicate) for found in ops(text, GetOp))


def uses(value: Any) -> set[str]:
    """Names of the arguments that a condition is computed from."""
    if value is None:
        return set()
    if not hasattr(value.owner, "operands"):
        return {value.name_hint}
    return set().union(*(uses(v) for v in value.owner.operands)) if value.owner.operands else set()


# statements around an inner loop

IMPERFECT = (
    ONE
    + VARIABLE
    + loop(
        store("one")
        + loop(
            get("g") + "%o = memref.load %v[] : memref<i8>\n%s = arith.addi %g, %o : i8\n" + store("s"), "j"
        )
        + "%e = memref.load %v[] : memref<i8>\n"
        + put("e")
    )
)


def test_statements_around_a_loop_join_its_first_and_last_iteration(
    process: Any, apply: Any, lines: Any
) -> None:
    assert show(lines, apply, process(IMPERFECT, X, Y))[3:-1] == [
        'pipe.body "j" {',
        "%j_first = pipe.first %j",
        "pipe.store %one, %v[] if %j_first : i8, memref<i8>",
        "%g = fp.get %x : !fp.stream<i8, 2> -> i8",
        "%o = memref.load %v[] : memref<i8>",
        "%s = arith.addi %g, %o : i8",
        "pipe.store %s, %v[] : i8, memref<i8>",
        "%j_last = pipe.last %j",
        "%e = memref.load %v[] : memref<i8>",
        "fp.put %y, %e if %j_last : !fp.stream<i8, 2>, i8",
    ]


def test_without_merging_they_are_bodies_of_their_own(process: Any, apply: Any, ops: Any) -> None:
    text = apply(process(IMPERFECT, X, Y), Flatten(merge=False))
    assert names(ops, text) == ["i", "j", "i_2"]


@pytest.mark.parametrize(
    "body",
    [
        MEMORY
        + store("one", "%h[%c0] : memref<4xi8>")
        + loop(get("g") + store("g", "%h[%i] : memref<4xi8>")),
        get("first") + store("first", "%h[%c1] : memref<4xi8>") + loop(get("g") + put("g")),
        put("one") + loop(get("g") + put("g")),
    ],
    ids=["memory port", "stream end", "put before a get"],
)
def test_statements_that_cannot_issue_with_the_loop_stay_in_front(
    body: str, process: Any, apply: Any, ops: Any
) -> None:
    memory = "" if "%h = " in body else MEMORY
    assert names(ops, apply(process(ONE + memory + body, X, Y), Flatten())) == ["once", "i"]


def test_statements_that_compute_a_bound_stay_in_front(process: Any, apply: Any, ops: Any) -> None:
    bound = (
        get("g") + store("g") + "%o = memref.load %v[] : memref<i8>\n%t = arith.index_cast %o : i8 to index\n"
    )
    text = apply(process(VARIABLE + loop(bound + loop(put("p8"), "j", "%t")), X, Y, "p8: i8"), Flatten())
    assert names(ops, text) == ["i", "j"]


def test_between_two_loops_the_second_takes_what_it_can(process: Any, apply: Any, ops: Any) -> None:
    module = process(
        ONE + VARIABLE + loop(get("g") + store("g")) + store("two") + loop(put("one"), "j"), X, Y
    )
    text = apply(module, Flatten())
    assert names(ops, text) == ["i", "j"]
    _, second = ops(text, BodyOp)
    assert [op.name for op in second.body.block.ops].count("pipe.first") == 1


REGISTERS = '%r = memref.alloc() {name = "r", partition = ["complete"]} : memref<4xi8>\n'
FILL = loop(store("one", "%r[%f] : memref<4xi8>"), "f").replace('{loop_name = "f"}', "{unroll = 0 : i32}")
USE = get("g") + "%e = memref.load %r[%c1] : memref<4xi8>\n" + store("g", "%r[%c1] : memref<4xi8>") + put("e")


def test_registers_filled_once_in_a_run_are_filled_in_a_cycle_of_their_own(
    process: Any, apply: Any, ops: Any
) -> None:
    text = apply(process(ONE + REGISTERS + FILL + loop(USE), X, Y), Flatten())
    assert names(ops, text) == ["once", "i"]
    assert not ops(text, FirstOp)


def test_registers_filled_in_a_loop_are_filled_with_the_first_iteration_inside(
    process: Any, apply: Any, ops: Any
) -> None:
    text = apply(process(ONE + REGISTERS + loop(FILL + loop(USE), "q"), X, Y), Flatten())
    assert names(ops, text) == ["i"]
    assert len(ops(text, FirstOp)) == 1


# limits


@pytest.mark.parametrize(
    ("kind", "limits", "condition", "guarded"),
    [
        ("int32", (1, 10), "", False),
        ("int32", (0, 10), "", True),
        ("int32", None, "", True),
        ("int32", (1, 10), "if ln[0] > 2:", True),  # no iterations where the condition does not hold
        ("uint32", (1, 2**31 - 1), "", False),
        ("uint32", (1, 2**31), "", True),  # as a bound it is a signed number
        ("uint8", (1, 127), "", False),
        ("Int(48)", (1, 2**40), "", True),  # what is cut off may leave 0
    ],
)
def test_a_loop_that_the_limits_keep_from_being_empty_is_not_guarded(
    kind: str, limits: tuple[int, int] | None, condition: str, guarded: bool, tmp_path: Path, ops: Any
) -> None:
    (tmp_path / "k.py").write_text(LIMITED.format(kind=kind, condition=condition or "if True:", limits=limits))
    module = build_unit(load_module(tmp_path / "k.py").unit())
    text = to_text(passes.run(module, "kv260", after="flatten"))
    assert bool(ops(text, LiveOp)) is guarded
    assert (ops(text, PutOp)[0].predicate is not None) is guarded


LIMITED = """
import allo, allo.dataflow as df
from allo.ir.types import Int, Stream, int32, uint8, uint32
from fastprefill.system.unit import Unit

@df.region()
def region(n: {kind}[1]):
    y: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[n])
    def p(ln: {kind}[1]):
        {condition}
            for i in range(ln[0]):
                y.put(i)

def unit():
    limits = {limits}
    return Unit("u", region, outputs=("y",), limits={{"n": limits}} if limits else {{}})
"""


def test_limits_of_a_process_hold_for_all_its_calls() -> None:
    """Two instances with different scalars of the top, one of them through another region."""
    scalars = "%a: memref<1xi32>, %b: memref<1xi32>"
    call = '{instance = "NAME"} : (memref<1xi32>, memref<1xi32>) -> ()'
    attributes = 'arg_names = ["a", "b"], itypes = "ss", directions = "ii"'
    module = parse(
        f"""builtin.module {{
          func.func @p(%x: memref<1xi32>, %y: memref<1xi32>)
              attributes {{fp.process, arg_names = ["x", "y"], itypes = "ss", directions = "ii"}} {{ func.return }}
          func.func @inner({scalars}) attributes {{fp.region, {attributes}, limits = {{a = "5..6", b = "5..6"}}}} {{
            func.call @p(%b, %a) {call.replace("NAME", "one")}
            func.return }}
          func.func @top({scalars}) attributes {{fp.region, {attributes}, limits = {{a = "1..9", b = "3..20"}}}} {{
            func.call @inner(%a, %b) {call.replace("NAME", "in")}
            func.call @p(%a, %a) {call.replace("NAME", "two")}
            func.return }} }}"""
    )
    assert process_limits(module)["p"] == {"x": (1, 20), "y": (1, 9)}


# bodies


def test_a_get_behind_a_put_starts_a_body(process: Any, apply: Any, ops: Any) -> None:
    text = apply(process(loop(get("g") + put("g") + get("h") + put("h")), X, Y), Flatten())
    assert names(ops, text) == ["i", "i_2"]


def test_a_second_get_of_a_stream_starts_a_body_and_the_first_value_is_kept(
    process: Any, apply: Any, lines: Any
) -> None:
    module = process(loop(get("g") + get("h") + "%s = arith.addi %g, %h : i8\n" + put("s")), X, Y)
    assert show(lines, apply, module)[2:-1] == [
        'pipe.body "i" {',
        "%g = fp.get %x : !fp.stream<i8, 2> -> i8",
        "pipe.store %g, %0[] : i8, memref<i8>",
        'pipe.body "i_2" {',
        "%g_1 = memref.load %0[] : memref<i8>",
        "%h = fp.get %x : !fp.stream<i8, 2> -> i8",
        "%s = arith.addi %g_1, %h : i8",
        "fp.put %y, %s : !fp.stream<i8, 2>, i8",
    ]


def test_gets_of_different_streams_share_a_body(process: Any, apply: Any, ops: Any) -> None:
    other = get("h").replace("%x", "%z")
    text = apply(process(loop(get("g") + other + put("g")), X, Y, "z: !fp.stream<i8, 2>"), Flatten())
    assert names(ops, text) == ["i"]


def chain(length: int) -> str:
    steps = ["%t0 = memref.load %n[%c0] : memref<1xi32>"]
    steps += [f"%t{k} = arith.addi %t{k - 1}, %t{k - 1} : i32" for k in range(1, length)]
    return "\n".join([*steps, f"%last = arith.trunci %t{length - 1} : i32 to i8"]) + "\n"


@pytest.mark.parametrize(("length", "variables"), [(3, 0), (20, 1)])
def test_cheap_stable_values_are_computed_again_others_are_kept(
    length: int, variables: int, process: Any, apply: Any, ops: Any
) -> None:
    text = apply(process(chain(length) + put("last") + loop(get("g") + put("last")), N, X, Y), Flatten())
    assert names(ops, text) == ["once", "i"]
    assert len(ops(text, memref.AllocOp)) == variables


def test_a_product_is_never_computed_again(process: Any, apply: Any, ops: Any) -> None:
    product = (
        "%m = memref.load %n[%c0] : memref<1xi32>\n%q = arith.muli %m, %m : i32\n"
        "%k = arith.trunci %q : i32 to i8\n"
    )
    text = apply(process(product + put("k") + loop(get("g") + put("k")), N, X, Y), Flatten())
    assert len(ops(text, memref.AllocOp)) == 1


def test_arrays_of_one_iteration_are_fresh(process: Any, apply: Any, ops: Any) -> None:
    inside = VARIABLE + get("g") + store("g") + "%o = memref.load %v[] : memref<i8>\n" + put("o")
    (alloc,) = ops(apply(process(loop(inside), X, Y), Flatten()), memref.AllocOp)
    assert "fresh" in alloc.attributes
    outside = VARIABLE + loop(inside.removeprefix(VARIABLE))
    (alloc,) = ops(apply(process(outside, X, Y), Flatten()), memref.AllocOp)
    assert "fresh" not in alloc.attributes


# while


def test_a_while_loop_leaves_from_its_first_body(process: Any, apply: Any, lines: Any) -> None:
    body = (
        "scf.while () : () -> () {\n%o = memref.load %v[] : memref<i8>\n%k = arith.cmpi ne, %o, %z : i8\n"
        f'scf.condition(%k)\n}} do {{\n{get("g")}{store("g")}scf.yield\n}} attributes {{loop_name = "while"}}'
    )
    assert show(lines, apply, process(VARIABLE + body, X, "z: i8"))[1:-1] == [
        "pipe.repeat {",
        'pipe.body "while" {',
        "%o = memref.load %v[] : memref<i8>",
        "%k = arith.cmpi ne, %o, %z : i8",
        "pipe.exit_unless %k",
        "%g = fp.get %x if %k : !fp.stream<i8, 2> -> i8",
        "pipe.store %g, %v[] if %k : i8, memref<i8>",
    ]


def test_a_condition_that_reads_a_stream_is_refused(process: Any, apply: Any) -> None:
    body = (
        f"scf.while () : () -> () {{\n{get('g')}%k = arith.cmpi ne, %g, %z : i8\nscf.condition(%k)\n}} do {{\n"
        'scf.yield\n} attributes {loop_name = "while", src = "k.py:3"}'
    )
    with pytest.raises(KernelError) as error:
        apply(process(body, X, "z: i8"), Flatten())
    assert str(error.value) == (
        "k.py:3: the condition of a while loop may not loop or touch a stream; compute it into a variable"
    )


# block streams


def test_a_process_has_one_window_for_the_buffers_it_holds(process: Any, apply: Any, ops: Any) -> None:
    hold = '%b = fp.acquire "write" %r {name = "out"} : !fp.blocks<memref<4xi8>, 2> -> memref<4xi8>\n'
    fill = loop(get("g") + store("g", "%b[%j] : memref<4xi8>"), "j")
    give = "fp.release %r, %b : !fp.blocks<memref<4xi8>, 2>, memref<4xi8>\n"
    twice = (
        hold + fill + give + (hold + fill + give).replace("%b", "%d").replace("%g", "%e").replace("%j", "%k")
    )
    text = apply(process(loop(twice), X, RING), Flatten())
    (window,) = ops(text, WindowOp)
    assert window.mode.data == "write"
    assert {op.memref for op in ops(text, StoreOp)} == {window.window}
    assert [op.predicate.owner.name for op in ops(text, AcquireOp)] == ["pipe.first"] * 2
    assert [op.predicate.owner.name for op in ops(text, ReleaseOp)] == ["pipe.last"] * 2
