"""simplify: folds as the ops mean, shares what is equal, keeps what has an effect."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from xdsl.dialects import arith, memref, scf

from fastprefill.ir import query
from fastprefill.ir.dialect import PutOp
from fastprefill.ir.pipe import BodyOp, StoreOp
from fastprefill.ir.text import parse, to_text
from fastprefill.passes.simplify import Simplify

Y = "y: !fp.stream<i8, 2>"


def body(text: str) -> str:
    return f'pipe.body "b" {{\n{text}\n}}\n'


def put(name: str) -> str:
    return f"fp.put %y, %{name} : !fp.stream<i8, 2>, i8\n"


def signed(pattern: int, bits: int) -> int:
    pattern &= (1 << bits) - 1
    return pattern - (1 << bits) if pattern >> (bits - 1) else pattern


FOLDED: dict[str, Callable[[int, int], int]] = {
    "addi": lambda a, b: a + b,
    "subi": lambda a, b: a - b,
    "muli": lambda a, b: a * b,
    "andi": lambda a, b: a & b,
    "ori": lambda a, b: a | b,
    "xori": lambda a, b: a ^ b,
}
COMPARED: dict[str, Callable[[int, int], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "slt": lambda a, b: a < b,
    "sle": lambda a, b: a <= b,
    "sgt": lambda a, b: a > b,
    "sge": lambda a, b: a >= b,
}


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("name", FOLDED)
def test_arithmetic_of_constants_wraps(name: str, width: int, process: Any, apply: Any, ops: Any) -> None:
    numbers = [signed(n, width) for n in range(1 << width)]
    pairs = list(product(numbers, repeat=2))
    constants = "".join(f"%k{n & 7} = arith.constant {n} : i{width}\n" for n in numbers)
    lines = [f"%v{n} = arith.{name} %k{a & 7}, %k{b & 7} : i{width}" for n, (a, b) in enumerate(pairs)]
    stores = [f"pipe.store %v{n}, %out[%c0] : i{width}, memref<1xi{width}>" for n in range(len(pairs))]
    text = body(constants + "\n".join(lines + stores))
    found = ops(apply(process(text, f"out: memref<1xi{width}>"), Simplify()), StoreOp)
    mask = (1 << width) - 1
    assert [query.constant(s.value) & mask for s in found] == [FOLDED[name](a, b) & mask for a, b in pairs]


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("name", [*COMPARED, "ult", "ule", "ugt", "uge"])
def test_comparisons_of_constants_follow_their_signedness(
    name: str, width: int, process: Any, apply: Any, ops: Any
) -> None:
    numbers = [signed(n, width) for n in range(1 << width)]
    pairs = list(product(numbers, repeat=2))
    constants = "".join(f"%k{n & 7} = arith.constant {n} : i{width}\n" for n in numbers)
    lines = [f"%v{n} = arith.cmpi {name}, %k{a & 7}, %k{b & 7} : i{width}" for n, (a, b) in enumerate(pairs)]
    stores = [f"pipe.store %v{n}, %out[%c0] : i1, memref<1xi1>" for n in range(len(pairs))]
    text = apply(process(body(constants + "\n".join(lines + stores)), "out: memref<1xi1>"), Simplify())
    mask = (1 << width) - 1
    rule = COMPARED[name.replace("u", "s", 1)] if name.startswith("u") else COMPARED[name]
    seen = [(a & mask, b & mask) if name.startswith("u") else (a, b) for a, b in pairs]
    found = [query.constant(store.value) for store in ops(text, StoreOp)]
    assert [bool(n) for n in found if n is not None] == [rule(a, b) for a, b in seen]


@pytest.mark.parametrize(
    ("line", "bits"),
    [
        ("%v = arith.extsi %bit : i1 to i8", 0xFF),
        ("%v = arith.extui %bit : i1 to i8", 0x01),
        ("%c = arith.cmpi eq, %m3, %m3 : i3\n%v = arith.extsi %c : i1 to i8", 0xFF),
        ("%c = arith.cmpi eq, %m3, %m3 : i3\n%v = arith.extui %c : i1 to i8", 0x01),
        ("%v = arith.extsi %m3 : i3 to i8", 0xFD),
        ("%v = arith.extui %m3 : i3 to i8", 0x05),
        ("%v = arith.trunci %wide : i12 to i8", 0xCD),
        ("%k = arith.index_cast %m3 : i3 to index\n%v = arith.index_cast %k : index to i8", 0xFD),
        ("%k = arith.index_cast %wide : i12 to index\n%v = arith.index_cast %k : index to i8", 0xCD),
    ],
)
def test_changes_of_width_of_constants(line: str, bits: int, process: Any, apply: Any, ops: Any) -> None:
    constants = "%bit = arith.constant true\n%m3 = arith.constant -3 : i3\n%wide = arith.constant 1485 : i12\n"  # 0x5CD
    text = apply(process(body(constants + line + "\n" + put("v")), Y), Simplify())
    (only,) = ops(text, PutOp)
    found = query.constant(only.value)
    assert found is not None and found & 0xFF == bits


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("arith.andi %p, %true : i1", "p"),
        ("arith.andi %true, %p : i1", "p"),
        ("arith.andi %p, %p : i1", "p"),
        ("arith.andi %p, %false : i1", "false"),
        ("arith.ori %p, %false : i1", "p"),
        ("arith.ori %p, %true : i1", "true"),
        ("arith.ori %p, %p : i1", "p"),
        ("arith.select %true, %p, %q : i1", "p"),
        ("arith.select %false, %p, %q : i1", "q"),
        ("arith.select %q, %p, %p : i1", "p"),
        ("arith.cmpi eq, %p, %true : i1", "p"),
        ("arith.cmpi ne, %p, %false : i1", "p"),
    ],
)
def test_predicates_fold(line: str, kept: str, process: Any, apply: Any, ops: Any) -> None:
    text = body(
        f"%true = arith.constant true\n%false = arith.constant false\n%v = {line}\n"
        "pipe.store %v, %out[%c0] : i1, memref<1xi1>"
    )
    (store,) = ops(apply(process(text, "out: memref<1xi1>", "p: i1", "q: i1"), Simplify()), StoreOp)
    if kept in ("true", "false"):
        assert bool(query.constant(store.value)) is (kept == "true")
    else:
        assert store.value.name_hint == kept


def test_all_ones_are_neutral_for_and_but_one_is_not(process: Any, apply: Any, ops: Any) -> None:
    text = body(
        "%ones = arith.constant -1 : i8\n%one = arith.constant 1 : i8\n"
        "%v = arith.andi %a, %ones : i8\n%w = arith.andi %a, %one : i8\n%u = arith.ori %a, %one : i8\n"
        + put("v") + put("w") + put("u")
    )  # fmt: skip
    first, second, third = ops(apply(process(text, Y, "a: i8"), Simplify()), PutOp)
    assert first.value.name_hint == "a"
    assert [op.value.owner.name for op in (second, third)] == ["arith.andi", "arith.ori"]


def test_equal_ops_are_shared_and_unequal_ones_are_not(process: Any, apply: Any, ops: Any) -> None:
    text = body(
        '%v = arith.addi %a, %b {src = "k.py:1"} : i8\n%w = arith.addi %a, %b {src = "k.py:2"} : i8\n'
        "%u = arith.addi %a, %a : i8\n%c = arith.cmpi slt, %a, %b : i8\n%d = arith.cmpi ult, %a, %b : i8\n"
        "%e = arith.select %c, %v, %w : i8\n%f = arith.select %d, %v, %u : i8\n%g = arith.select %c, %w, %u : i8\n"
        + put("e") + put("f") + put("g")
    )  # fmt: skip
    text = apply(process(text, Y, "a: i8", "b: i8"), Simplify())
    assert len(ops(text, arith.AddiOp)) == 2
    assert len(ops(text, arith.CmpiOp)) == 2
    assert [op.result.name_hint for op in ops(text, arith.SelectOp)] == ["f", "g"]  # %e had one value twice


def test_products_with_different_bindings_are_not_shared(process: Any, apply: Any, ops: Any) -> None:
    text = body(
        '%v = arith.muli %a, %b {bind = "dsp"} : i8\n%w = arith.muli %a, %b {bind = "fabric"} : i8\n'
        + put("v")
        + put("w")
    )
    text = apply(process(text, Y, "a: i8", "b: i8"), Simplify())
    assert [query.text(op, "bind") for op in ops(text, arith.MuliOp)] == ["dsp", "fabric"]


def test_bodies_share_nothing_with_each_other(process: Any, apply: Any, ops: Any) -> None:
    one = "%v = arith.addi %a, %a : i8\n" + put("v")
    text = apply(process(body(one) + body(one.replace("%v", "%w")), Y, "a: i8"), Simplify())
    assert [sum(op.name == "arith.addi" for op in b.body.block.ops) for b in ops(text, BodyOp)] == [1, 1]


def test_scalars_are_loaded_once_and_variables_as_often_as_they_are_read(
    process: Any, apply: Any, ops: Any
) -> None:
    text = body(
        "%n1 = memref.load %n[%c0] : memref<1xi8>\n%n2 = memref.load %n[%c0] : memref<1xi8>\n" + put("n1") + put("n2")
        + "%m1 = memref.load %m[%c0] : memref<4xi8>\npipe.store %n1, %m[%c0] : i8, memref<4xi8>\n"
        + "%m2 = memref.load %m[%c0] : memref<4xi8>\n" + put("m1") + put("m2")
    )  # fmt: skip
    text = apply(process(text, Y, "n: memref<1xi8>", "m: memref<4xi8>"), Simplify())
    names = [query.array_name(op.memref) for op in ops(text, memref.LoadOp)]
    assert names == ["n", "m", "m"]


def test_what_nobody_uses_goes_and_effects_stay(process: Any, apply: Any, ops: Any) -> None:
    text = body(
        "%g = fp.get %x : !fp.stream<i8, 2> -> i8\n%v = arith.addi %g, %g : i8\n%w = arith.muli %v, %v : i8\n"
        "%o = memref.load %m[%c0] : memref<4xi8>\npipe.store %a, %m[%c1] : i8, memref<4xi8>"
    )
    text = apply(process(text, "x: !fp.stream<i8, 2>", "a: i8", "m: memref<4xi8>"), Simplify())
    (only,) = ops(text, BodyOp)
    assert [op.name for op in only.body.block.ops] == ["fp.get", "arith.constant", "pipe.store"] or [
        op.name for op in only.body.block.ops
    ] == ["fp.get", "pipe.store"]


def test_arrays_that_are_only_written_go(process: Any, apply: Any, ops: Any) -> None:
    text = "%h = memref.alloc() : memref<4xi8>\n%k = memref.alloc() : memref<4xi8>\n" + body(
        "pipe.store %a, %h[%c0] : i8, memref<4xi8>\npipe.store %a, %k[%c0] : i8, memref<4xi8>\n"
        "%o = memref.load %k[%c0] : memref<4xi8>\n" + put("o")
    )
    text = apply(process(text, Y, "a: i8"), Simplify())
    assert len(ops(text, memref.AllocOp)) == len(ops(text, StoreOp)) == 1


REGISTERS = '%m = memref.alloc() {partition = ["complete"]} : memref<4xi8>\n'
LANES = "scf.for %r = %c0 to %c4 step %c1 {{\n{}\n}} {{unroll = 0 : i32}}\n"


def test_what_does_not_depend_on_the_lane_moves_out(process: Any, apply: Any, ops: Any) -> None:
    inner = (
        "%v = arith.addi %a, %a : i8\n%o = memref.load %m[%r] : memref<4xi8>\n%s = arith.addi %o, %v : i8\n"
        "pipe.store %s, %m[%r] : i8, memref<4xi8>"
    )
    text = apply(process(REGISTERS + body(LANES.format(inner)), "a: i8"), Simplify())
    outside, inside = ops(text, arith.AddiOp)
    assert isinstance(outside.parent_op(), BodyOp)
    assert isinstance(inside.parent_op(), scf.ForOp)


def test_a_conditional_sum_keeps_one_adder_and_takes_the_choice_off_its_path(
    process: Any, apply: Any, ops: Any
) -> None:
    text = body("%t = arith.addi %a, %b : i8\n%v = arith.select %p, %t, %a : i8\n" + put("v"))
    text = apply(process(text, Y, "a: i8", "b: i8", "p: i1"), Simplify())
    (total,) = ops(text, arith.AddiOp)
    (choice,) = ops(text, arith.SelectOp)
    (only,) = ops(text, PutOp)
    assert only.value is total.result
    assert total.lhs.name_hint == "a" and total.rhs is choice.result
    assert choice.lhs.name_hint == "b" and query.constant(choice.rhs) == 0


def test_twice_is_the_same_as_once(process: Any, apply: Any) -> None:
    text = body(
        "%k = arith.constant 3 : i8\n%t = arith.addi %a, %k : i8\n%v = arith.select %p, %t, %a : i8\n"
        + put("v")
    )
    module = process(text, Y, "a: i8", "p: i1")
    once = apply(module, Simplify())
    assert apply(module, Simplify()) == once


@pytest.mark.parametrize(("row", "column", "expected"), [(0, 0, 3), (1, 2, -56), (1, 3, None)])
def test_a_known_element_of_a_constant_array_is_a_constant(
    row: int, column: int, expected: int | None, process: Any, apply: Any, ops: Any
) -> None:
    table = (
        '"memref.global"() <{sym_name = "table", sym_visibility = "private", type = memref<2x3xi8>, '
        "constant, initial_value = dense<[[3, 1, 2], [4, 5, 200]]> : tensor<2x3xi8>}> : () -> ()\n"
    )
    inner = body(f"%v = memref.load %t[%c{row}, %c{column}] : memref<2x3xi8>\n" + put("v"))
    module = process("%t = memref.get_global @table : memref<2x3xi8>\n" + inner, Y)
    text = to_text(module).replace("builtin.module {", "builtin.module {\n" + table, 1)
    text = apply(parse(text), Simplify())
    (only,) = ops(text, PutOp)
    assert query.constant(only.value) == expected  # an element outside the array is left to the interpreter
    assert len(ops(text, memref.LoadOp)) == (expected is None)


@pytest.mark.parametrize(
    ("line", "folds"),
    [
        ("arith.cmpi eq, %w, %one : i8", True),
        ("arith.cmpi ne, %w, %zero : i8", True),
        ("arith.cmpi eq, %w, %zero : i8", False),
        ("arith.cmpi ne, %w, %one : i8", False),
        ("arith.cmpi eq, %w, %two : i8", False),
        ("arith.cmpi eq, %s, %one : i8", False),
        ("arith.cmpi ugt, %w, %zero : i8", False),
    ],
)
def test_a_bit_compared_after_extension(line: str, folds: bool, process: Any, apply: Any, ops: Any) -> None:
    text = body(
        "%zero = arith.constant 0 : i8\n%one = arith.constant 1 : i8\n%two = arith.constant 2 : i8\n"
        "%w = arith.extui %p : i1 to i8\n%s = arith.extsi %p : i1 to i8\n"
        f"%v = {line}\npipe.store %v, %out[%c0] : i1, memref<1xi1>"
    )
    (store,) = ops(apply(process(text, "out: memref<1xi1>", "p: i1"), Simplify()), StoreOp)
    assert (store.value.name_hint == "p") is folds
