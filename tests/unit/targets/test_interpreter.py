"""Processes, streams, regions and what the interpreter reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fastprefill import frontend
from fastprefill.errors import FastprefillError
from fastprefill.ir.text import parse
from fastprefill.system.build import build_unit
from fastprefill.system.case import Case
from fastprefill.targets.interpreter import Program, Statistics, run

outer = frontend.load_module(Path(__file__).resolve().parents[2] / "contract" / "kernels" / "outer_product.py")

S8 = "!fp.stream<i8, 2>"
COPY = f"""
func.func @copy(%n: memref<1xi32>, %x: {S8}, %y: {S8}) attributes {{fp.process, arg_names = ["n", "x", "y"]}} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %nn = memref.load %n[%c0] : memref<1xi32>
  %ub = arith.index_cast %nn : i32 to index
  scf.for %i = %c0 to %ub step %c1 {{
    %v = fp.get %x {{src = "k.py:3"}} : {S8} -> i8
    %w = arith.addi %v, %v : i8
    fp.put %y, %w {{src = "k.py:4"}} : {S8}, i8
  }}
  func.return
}}
"""
PAIR = f"""
func.func @pair(%n: memref<1xi32>, %a: {S8}, %b: {S8}) attributes {{fp.region, arg_names = ["n", "a", "b"]}} {{
  %m = fp.create "m" : {S8}
  func.call @copy(%n, %a, %m) {{instance = "first"}} : (memref<1xi32>, {S8}, {S8}) -> ()
  func.call @copy(%n, %m, %b) {{instance = "second"}} : (memref<1xi32>, {S8}, {S8}) -> ()
  func.return
}}
"""
SYSTEM = f"""
func.func @system(%n: memref<1xi32>, %p: {S8}, %q: {S8}) attributes {{fp.region, arg_names = ["n", "p", "q"]}} {{
  %link = fp.create "link" : {S8}
  func.call @pair(%n, %p, %link) {{instance = "u0"}} : (memref<1xi32>, {S8}, {S8}) -> ()
  func.call @pair(%n, %link, %q) {{instance = "u1"}} : (memref<1xi32>, {S8}, {S8}) -> ()
  func.return
}}
"""


def table(numbers: str) -> str:
    """A constant array of four i16."""
    return (
        '"memref.global"() <{sym_name = "table", sym_visibility = "private", type = memref<4xi16>, '
        f"initial_value = dense<{numbers}> : tensor<4xi16>, constant}}> : () -> ()"
    )


def process(arguments: str, body: str) -> str:
    names = ", ".join(f'"{part.split(":")[0]}"' for part in arguments.split("%")[1:])
    return f"""
func.func @p({arguments}) attributes {{fp.process, arg_names = [{names}]}} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  {body}
  func.return
}}"""


@pytest.mark.parametrize(("rows", "cols"), [(4, 4), (4, 7), (16, 8)])
def test_outer_product_equals_golden(rows: int, cols: int) -> None:
    rng = np.random.default_rng(rows)
    program = Program(build_unit(outer.unit(rows, cols)))
    for count, k in ((1, 1), (3, 9), (0, 5), (2, 0)):
        a = rng.integers(-128, 128, (count, rows, k), dtype=np.int8)
        b = rng.integers(-128, 128, (count, k, cols), dtype=np.int8)
        case = outer.case("random", a, b)
        assert program.run(case) == case.outputs
    assert sum(process.vector_nests for process in program.processes.values()) == 4
    assert not any(process.scalar_nests for process in program.processes.values())


def test_accumulators_wrap() -> None:
    """int8 sums in four lanes, each of which passes 127."""
    body = """
  %n = arith.constant 4 : index
  %acc = memref.alloc() {name = "acc"} : memref<4xi8>
  %v = fp.get %s : !fp.stream<i8, 2> -> i8
  fp.fill %acc, %v : memref<4xi8>, i8
  scf.for %t = %c0 to %c2 step %c1 {
    scf.for %i = %c0 to %n step %c1 {
      %a = memref.load %acc[%i] : memref<4xi8>
      %b = arith.addi %a, %v : i8
      memref.store %b, %acc[%i] : memref<4xi8>
    } {unroll = 0 : i32}
  }
  %r = memref.load %acc[%c3] : memref<4xi8>
  fp.put %o, %r : !fp.stream<i8, 2>, i8"""
    program = Program(parse(process("%s: !fp.stream<i8, 2>, %o: !fp.stream<i8, 2>", body)))
    assert program.processes["p"].vector_nests == 1
    assert program.run(Case("case", {}, {"s": [100]})) == {"o": [300 - 256]}
    assert program.run(Case("case", {}, {"s": [-100]})) == {"o": [512 - 300]}


def test_regions_of_regions() -> None:
    statistics, trace = Statistics(), dict[str, list[int]]()
    case = Case("case", {"n": 3}, {"p": [1, 100, -1]})
    out = run(parse(COPY + PAIR + SYSTEM), case, statistics=statistics, trace=trace)
    assert out == {"q": [16, 1600 & 0xFF, 240]}
    assert trace["u0.m"] == [2, 200, 254]
    assert trace["link"] == [4, 144, 252]
    assert trace["p"] == [1, 100, 255]
    assert statistics.tokens == {"u0.m": 3, "link": 3, "u1.m": 3, "q": 3}
    assert statistics.operations == 4 * (1 + 3)  # a load of n, then three additions, in four processes
    assert set(statistics.processes) == {"u0_first", "u0_second", "u1_first", "u1_second"}


def test_tokens_left_in_an_input() -> None:
    with pytest.raises(FastprefillError, match=r"2 tokens are left in input stream 'a'.*'pair_first' reads fewer"):
        run(parse(COPY + PAIR), Case("case", {"n": 1}, {"a": [1, 2, 3]}))


def test_too_few_tokens_is_a_deadlock() -> None:
    with pytest.raises(
        FastprefillError,
        match=r"deadlock: 'pair_first' waits for a token on 'a' \(the case has no more tokens\) at k\.py:3; "
        r"'pair_second' waits for a token on 'm' \(empty\) at k\.py:3",
    ):
        run(parse(COPY + PAIR), Case("case", {"n": 4}, {"a": [1, 2, 3]}))


def test_more_tokens_than_asked_for() -> None:
    with pytest.raises(FastprefillError, match="stream 'b' got more than 2 tokens"):
        run(parse(COPY + PAIR), Case("case", {"n": 3}, {"a": [1, 2, 3]}), max_tokens=2)


@pytest.mark.parametrize(("depth", "works"), [(3, True), (2, False)])
def test_streams_hold_exactly_their_depth(depth: int, works: bool) -> None:
    """The reader wants stream y first; the writer puts three tokens into x before."""
    x = f"!fp.stream<i8, {depth}>"
    text = f"""
func.func @w(%x: {x}, %y: {S8}) attributes {{fp.process, arg_names = ["x", "y"]}} {{
  %v = arith.constant 7 : i8
  {f'fp.put %x, %v {{src = "k.py:1"}} : {x}, i8 ' * 3}
  fp.put %y, %v : {S8}, i8
  func.return
}}
func.func @r(%x: {x}, %y: {S8}, %o: {S8}) attributes {{fp.process, arg_names = ["x", "y", "o"]}} {{
  %a = fp.get %y {{src = "k.py:2"}} : {S8} -> i8
  %b = fp.get %x : {x} -> i8
  %c = fp.get %x : {x} -> i8
  %d = fp.get %x : {x} -> i8
  fp.put %o, %d : {S8}, i8
  func.return
}}
func.func @top(%o: {S8}) attributes {{fp.region, arg_names = ["o"]}} {{
  %x = fp.create "x" : {x}
  %y = fp.create "y" : {S8}
  func.call @w(%x, %y) {{instance = "w"}} : ({x}, {S8}) -> ()
  func.call @r(%x, %y, %o) {{instance = "r"}} : ({x}, {S8}, {S8}) -> ()
  func.return
}}"""
    if works:
        assert run(parse(text), Case("case")) == {"o": [7]}
        return
    with pytest.raises(
        FastprefillError,
        match=r"deadlock: 'top_w' waits for room in 'x' \(full, depth 2\) at k\.py:1; "
        r"'top_r' waits for a token on 'y' \(empty\) at k\.py:2",
    ):
        run(parse(text), Case("case"))


def test_a_cycle_of_two_processes() -> None:
    text = f"""
func.func @ping(%in: {S8}, %back: {S8}, %forth: {S8}, %out: {S8})
    attributes {{fp.process, arg_names = ["in", "back", "forth", "out"]}} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = arith.constant 5 : index
  %x = fp.get %in : {S8} -> i8
  fp.put %forth, %x : {S8}, i8
  scf.for %i = %c0 to %n step %c1 {{
    %y = fp.get %back : {S8} -> i8
    fp.put %out, %y : {S8}, i8
    fp.put %forth, %y : {S8}, i8
  }}
  %z = fp.get %back : {S8} -> i8
  func.return
}}
func.func @pong(%forth: {S8}, %back: {S8}) attributes {{fp.process, arg_names = ["forth", "back"]}} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = arith.constant 6 : index
  %one = arith.constant 1 : i8
  scf.for %i = %c0 to %n step %c1 {{
    %x = fp.get %forth : {S8} -> i8
    %y = arith.addi %x, %one : i8
    fp.put %back, %y : {S8}, i8
  }}
  func.return
}}
func.func @top(%in: {S8}, %out: {S8}) attributes {{fp.region, arg_names = ["in", "out"]}} {{
  %forth = fp.create "forth" : {S8}
  %back = fp.create "back" : {S8}
  func.call @ping(%in, %back, %forth, %out) {{instance = "ping"}} : ({S8}, {S8}, {S8}, {S8}) -> ()
  func.call @pong(%forth, %back) {{instance = "pong"}} : ({S8}, {S8}) -> ()
  func.return
}}"""
    assert run(parse(text), Case("case", {}, {"in": [253]})) == {"out": [254, 255, 0, 1, 2]}


BLOCKS = "!fp.blocks<memref<2xi8>, 2>"


def block_program(second_store: str) -> str:
    """Two blocks through a ring of two; the writer's last store is in `second_store`."""
    return f"""
func.func @w(%x: {S8}, %b: {BLOCKS}) attributes {{fp.process, arg_names = ["x", "b"]}} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = arith.constant 4 : index
  scf.for %i = %c0 to %n step %c1 {{
    %m = fp.acquire "write" %b : {BLOCKS} -> memref<2xi8>
    %v = fp.get %x : {S8} -> i8
    memref.store %v, %m[%c0] : memref<2xi8>
    {second_store}
    fp.release %b, %m : {BLOCKS}, memref<2xi8>
  }}
  func.return
}}
func.func @r(%b: {BLOCKS}, %o: {S8}) attributes {{fp.process, arg_names = ["b", "o"]}} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = arith.constant 4 : index
  scf.for %i = %c0 to %n step %c1 {{
    %m = fp.acquire "read" %b {{name = "block"}} : {BLOCKS} -> memref<2xi8>
    %v = memref.load %m[%c0] : memref<2xi8>
    %w = memref.load %m[%c1] {{src = "k.py:9"}} : memref<2xi8>
    %s = arith.subi %v, %w : i8
    memref.store %s, %m[%c1] : memref<2xi8>
    %t = memref.load %m[%c1] : memref<2xi8>
    fp.put %o, %t : {S8}, i8
    fp.release %b, %m : {BLOCKS}, memref<2xi8>
  }}
  func.return
}}
func.func @top(%x: {S8}, %o: {S8}) attributes {{fp.region, arg_names = ["x", "o"]}} {{
  %b = fp.create "b" : {BLOCKS}
  func.call @w(%x, %b) {{instance = "w"}} : ({S8}, {BLOCKS}) -> ()
  func.call @r(%b, %o) {{instance = "r"}} : ({BLOCKS}, {S8}) -> ()
  func.return
}}"""


def test_block_stream() -> None:
    text = block_program("%i8 = arith.index_cast %i : index to i8 memref.store %i8, %m[%c1] : memref<2xi8>")
    assert run(parse(text), Case("case", {}, {"x": [10, 20, 30, 40]})) == {"o": [10, 19, 28, 37]}


def test_a_buffer_that_comes_round_again_is_unwritten() -> None:
    """The third block is in the buffer of the first, whose element 1 was written then."""
    text = block_program(
        "%p = arith.cmpi slt, %i, %c1_ : index scf.if %p { memref.store %v, %m[%c1] : memref<2xi8> }"
    ).replace("%n = arith.constant 4", "%c1_ = arith.constant 2 : index %n = arith.constant 4", 1)
    with pytest.raises(FastprefillError, match=r"k\.py:9: process 'top_r' reads 'block\[1\]', which was never written"):
        run(parse(text), Case("case", {}, {"x": [10, 20, 30, 40]}))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("%v = memref.alloc() {name = \"v\"} : memref<i8> %r = memref.load %v[] : memref<i8>", "reads 'v', which"),
        (
            '%v = memref.alloc() {name = "v"} : memref<2x3xi8> %x = fp.get %s : !fp.stream<i8, 2> -> i8 '
            "memref.store %x, %v[%c1, %c1] : memref<2x3xi8> %r = memref.load %v[%c1, %c2] : memref<2x3xi8>",
            r"reads 'v\[1, 2\]', which was never written",
        ),
        (
            '%v = memref.alloc() {name = "v"} : memref<2x3xi8> %x = fp.get %s : !fp.stream<i8, 2> -> i8 '
            "%i = arith.index_cast %x : i8 to index memref.store %x, %v[%c1, %i] : memref<2x3xi8>",
            r"uses 'v\[1, -1\]', but the array is 2 x 3",
        ),
        (
            '%v = memref.alloc() {name = "v"} : memref<i8> %x = fp.get %s : !fp.stream<i8, 2> -> i8 '
            "%p = arith.cmpi eq, %x, %x : i8 scf.if %p { } else { memref.store %x, %v[] : memref<i8> } "
            "%r = memref.load %v[] : memref<i8>",
            "reads 'v', which was never written",
        ),
    ],
)
def test_traps(body: str, message: str) -> None:
    text = process("%s: !fp.stream<i8, 2>", body)
    if "fp.get" not in body:
        text = process("%s: !fp.stream<i8, 2>", f"{body} %x = fp.get %s : !fp.stream<i8, 2> -> i8")
    with pytest.raises(FastprefillError, match=message):
        run(parse(text), Case("case", {}, {"s": [-1]}))


def test_variables_declared_in_a_loop_are_new_each_time() -> None:
    body = """
  scf.for %i = %c0 to %c3 step %c1 {
    %v = memref.alloc() {name = "v"} : memref<i8>
    %x = fp.get %s : !fp.stream<i8, 2> -> i8
    %p = arith.cmpi eq, %i, %c0 : index
    scf.if %p { memref.store %x, %v[] : memref<i8> }
    %r = memref.load %v[] {src = "k.py:5"} : memref<i8>
  }"""
    with pytest.raises(FastprefillError, match=r"k\.py:5: process 'p' reads 'v', which was never written"):
        run(parse(process("%s: !fp.stream<i8, 2>", body)), Case("case", {}, {"s": [1, 2, 3]}))


def test_while_constant_array_fill_and_predicates() -> None:
    """Powers from a table until the sum passes 20, then a get and a put under predicates."""
    text = table("[1, 3, 9, 27]") + process(
        "%x: !fp.stream<i16, 2>, %o: !fp.stream<i16, 2>",
        """
  %t = memref.get_global @table : memref<4xi16>
  %zero = arith.constant 0 : i16
  %limit = arith.constant 20 : i16
  %yes = arith.constant true
  %no = arith.constant false
  %sum = memref.alloc() {name = "sum"} : memref<i16>
  fp.fill %sum, %zero : memref<i16>, i16
  %at = memref.alloc() {name = "at"} : memref<i16>
  memref.store %zero, %at[] : memref<i16>
  %list = memref.alloc() {name = "list"} : memref<2x2xi16>
  fp.fill %list, %limit : memref<2x2xi16>, i16
  scf.while () : () -> () {
    %s = memref.load %sum[] : memref<i16>
    %c = arith.cmpi slt, %s, %limit : i16
    scf.condition(%c)
  } do {
    %a = memref.load %at[] : memref<i16>
    %i = arith.index_cast %a : i16 to index
    %v = memref.load %t[%i] : memref<4xi16>
    %s = memref.load %sum[] : memref<i16>
    %n = arith.addi %s, %v : i16
    memref.store %n, %sum[] : memref<i16>
    %one = arith.constant 1 : i16
    %b = arith.addi %a, %one : i16
    memref.store %b, %at[] : memref<i16>
    scf.yield
  }
  %r = memref.load %sum[] : memref<i16>
  fp.put %o, %r : !fp.stream<i16, 2>, i16
  %f = memref.load %list[%c1, %c0] : memref<2x2xi16>
  fp.put %o, %f : !fp.stream<i16, 2>, i16
  %g = fp.get %x if %yes : !fp.stream<i16, 2> -> i16
  %h = fp.get %x if %no : !fp.stream<i16, 2> -> i16
  fp.put %o, %g if %yes : !fp.stream<i16, 2>, i16
  fp.put %o, %h if %no : !fp.stream<i16, 2>, i16""",
    )
    assert run(parse(text), Case("case", {}, {"x": [-5]})) == {"o": [40, 20, 0xFFFB]}


def test_constant_arrays_cannot_be_written() -> None:
    text = table("1") + process(
        "%o: !fp.stream<i16, 2>",
        "%t = memref.get_global @table : memref<4xi16> %v = memref.load %t[%c0] : memref<4xi16> "
        'memref.store %v, %t[%c1] {src = "k.py:2"} : memref<4xi16>',
    )
    with pytest.raises(FastprefillError, match=r"k\.py:2: 'table' is a constant array; it cannot be written"):
        Program(parse(text))


@pytest.mark.parametrize("width", [8, 128])
def test_array_arguments_change_in_place(width: int) -> None:
    kind = f"memref<3xi{width}>"
    text = process(
        f"%n: memref<1xi{width}>, %x: {kind}, %y: {kind}",
        f"""
  %k = memref.load %n[%c0] : memref<1xi{width}>
  scf.for %i = %c0 to %c3 step %c1 {{
    %v = memref.load %x[%i] : {kind}
    %w = arith.subi %v, %k : i{width}
    memref.store %w, %y[%i] : {kind}
  }}""",
    )
    dtype = np.uint8 if width == 8 else object
    x, y = np.array([5, 6, 7], dtype=dtype), np.array([0, 0, 0], dtype=dtype)
    assert run(parse(text), Case("case", {"n": 6}), arrays={"x": x, "y": y}) == {}
    assert y.tolist() == [(1 << width) - 1, 0, 1]
    signed = np.array([0, 0, 0], dtype=np.int64)
    run(parse(text), Case("case", {"n": 6}), arrays={"x": x, "y": signed})
    assert signed.tolist() == [-1, 0, 1]


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (Case("c", {"n": 1}, {"a": [1], "z": [2]}), "case 'c': 'z' is not an input stream of 'pair'; it has a"),
        (Case("c", {"n": 1}, {}), "case 'c': no tokens for the input stream 'a'"),
        (Case("c", {}, {"a": [1]}), "case 'c': no value for the argument 'n'"),
        (Case("c", {"n": 1, "m": 2}, {"a": [1]}), "'m' is not a scalar of 'pair'; it has n"),
        (Case("c", {"n": 1}, {"a": [256]}), r"case 'c': 256 for 'a' does not fit 8 bits \(-128 to 255\)"),
    ],
)
def test_cases_that_do_not_fit(case: Case, message: str) -> None:
    with pytest.raises(FastprefillError, match=message):
        run(parse(COPY + PAIR), case)


def test_two_readers_of_one_stream() -> None:
    text = COPY + PAIR.replace("func.call @copy(%n, %m, %b)", "func.call @copy(%n, %a, %b)")
    with pytest.raises(FastprefillError, match="'pair_first' and 'pair_second' both read stream 'a'"):
        Program(parse(text))
