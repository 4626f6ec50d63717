"""Every op and type of docs/ir.md prints as text that reads back as the same module."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from xdsl.ir import Attribute
from xdsl.utils.exceptions import ParseError

from fastprefill.ir.dialect import FP, BlocksType, StreamType
from fastprefill.ir.pipe import PIPE
from fastprefill.ir.text import context, parse, to_text

IR_PAGE = Path(__file__).parents[3] / "docs" / "ir.md"

ARGUMENTS = (
    "%s: !fp.stream<i8, 2>, %r: !fp.blocks<memref<4x3xi16>, 2>, %m: memref<4x3xi16>, %x: memref<i8>, "
    "%a: i8, %b: i8, %c: i16, %p: i1, %i: index, %j: index"
)

# One line, or a small block, for each op; what is printed must be what stands here.
OPS = {
    "arith.constant": [
        "%v = arith.constant -3 : i8",
        "%v = arith.constant 7 : index",
        "%v = arith.constant true",
    ],
    "arith.addi": ["%v = arith.addi %a, %b : i8", "%v = arith.addi %i, %j : index"],
    "arith.subi": ["%v = arith.subi %a, %b : i8"],
    "arith.muli": [
        '%v = arith.muli %a, %b {bind = "dsp", src = "k.py:4"} : i8',
        "%v = arith.muli %i, %j : index",
    ],
    "arith.andi": ["%v = arith.andi %a, %b : i8"],
    "arith.ori": ["%v = arith.ori %a, %b : i8"],
    "arith.xori": ["%v = arith.xori %a, %b : i8"],
    "arith.shli": ["%v = arith.shli %a, %b : i8"],
    "arith.shrsi": ["%v = arith.shrsi %a, %b : i8"],
    "arith.shrui": ["%v = arith.shrui %a, %b : i8"],
    "arith.divui": ["%v = arith.divui %a, %b : i8"],
    "arith.remui": ["%v = arith.remui %a, %b : i8"],
    "arith.cmpi": ["%v = arith.cmpi slt, %a, %b : i8", "%v = arith.cmpi uge, %a, %b : i8"],
    "arith.select": ["%v = arith.select %p, %a, %b : i8"],
    "arith.extsi": ["%v = arith.extsi %a : i8 to i129"],
    "arith.extui": ["%v = arith.extui %a : i8 to i9"],
    "arith.trunci": ["%v = arith.trunci %c : i16 to i1"],
    "arith.index_cast": ["%v = arith.index_cast %a : i8 to index", "%v = arith.index_cast %i : index to i32"],
    "memref.alloc": [
        '%v = memref.alloc() {name = "h", unsigned, partition = ["cyclic 2", "none"], storage = "BRAM", '
        'storage_type = "RAM_2P", src = "k.py:3"} : memref<4x3xi16>',
        "%v = memref.alloc() : memref<i5>",
    ],
    "memref.get_global": ["%v = memref.get_global @table : memref<2xi8>"],
    "memref.load": [
        '%v = memref.load %m[%i, %j] {src = "k.py:5"} : memref<4x3xi16>',
        "%v = memref.load %x[] : memref<i8>",
    ],
    "memref.store": ["memref.store %c, %m[%i, %j] : memref<4x3xi16>", "memref.store %a, %x[] : memref<i8>"],
    "scf.for": [
        "scf.for %k = %i to %j step %i {\n"
        "      memref.store %c, %m[%k, %j] : memref<4x3xi16>\n"
        '    } {loop_name = "k", pipeline_ii = 2 : i32, unroll = 0 : i32}'
    ],
    "scf.while": [
        "scf.while () : () -> () {\n      scf.condition(%p)\n    } do {\n      scf.yield\n"
        '    } attributes {loop_name = "w", pipeline_ii = 1 : i32}'
    ],
    "scf.if": [
        "scf.if %p {\n      memref.store %a, %x[] : memref<i8>\n    } else {\n"
        '      memref.store %b, %x[] : memref<i8>\n    }{src = "k.py:9"}'
    ],
    "fp.create": [
        '%v = fp.create "s" unsigned {src = "k.py:2"} : !fp.stream<i8, 2>',
        '%v = fp.create "ring" {partition = ["complete", "none"], storage = "URAM"} : !fp.blocks<memref<4x3xi16>, 2>',
    ],
    "fp.get": [
        '%v = fp.get %s {src = "k.py:5"} : !fp.stream<i8, 2> -> i8',
        "%v = fp.get %s if %p : !fp.stream<i8, 2> -> i8",
    ],
    "fp.put": [
        "fp.put %s, %a : !fp.stream<i8, 2>, i8",
        "fp.put %s, %a if %p {stage = 3 : i32} : !fp.stream<i8, 2>, i8",
    ],
    "fp.acquire": [
        '%v = fp.acquire "write" %r {name = "out"} : !fp.blocks<memref<4x3xi16>, 2> -> memref<4x3xi16>',
        '%v = fp.acquire "read" %r if %p : !fp.blocks<memref<4x3xi16>, 2> -> memref<4x3xi16>',
    ],
    "fp.release": [
        "fp.release %r, %m : !fp.blocks<memref<4x3xi16>, 2>, memref<4x3xi16>",
        "fp.release %r, %m if %p : !fp.blocks<memref<4x3xi16>, 2>, memref<4x3xi16>",
    ],
    "fp.get_slice": ["%v = fp.get_slice %c[%i] : i16 -> i3"],
    "fp.set_slice": ["%v = fp.set_slice %c[%i], %a : i16, i8 -> i16"],
    "fp.fill": ["fp.fill %m, %c : memref<4x3xi16>, i16"],
    "func.call": [
        'func.call @other(%s, %x) {instance = "pe_0_1", slr = 1 : i32, domain = "kernel"} : '
        "(!fp.stream<i8, 2>, memref<i8>) -> ()"
    ],
    "pipe.body": [
        'pipe.body "k" {\n      fp.put %s, %a if %p : !fp.stream<i8, 2>, i8\n    } {ii = 1 : i32, depth = 2 : i32}'
    ],
    "pipe.repeat": [
        'pipe.repeat {\n      pipe.body "w" {\n        pipe.exit_unless %p\n      }\n    } {loop_name = "w"}'
    ],
    "pipe.exit_unless": ["pipe.exit_unless %p"],
    "pipe.cascade": [
        "%v = pipe.cascade %c + %a * %b : i16, i8 * i8 -> i16",
        "%v = pipe.cascade %a + %a, %c * %b, %b : i8, i8, i16 * i8, i8 -> i32",
    ],
    "pipe.store": [
        "pipe.store %c, %m[%i, %j] if %p : i16, memref<4x3xi16>",
        "pipe.store %a, %x[] : i8, memref<i8>",
    ],
    "pipe.first": ["%v = pipe.first %i"],
    "pipe.last": ["%v = pipe.last %i"],
    "pipe.live": ["%v = pipe.live %i {stage = 0 : i32}"],
    "pipe.window": ['%v = pipe.window "read" %r : !fp.blocks<memref<4x3xi16>, 2> -> memref<4x3xi16>'],
}


def module_text(line: str) -> str:
    return (
        'builtin.module attributes {fp.unit = "u"} {\n'
        '  "memref.global"() <{sym_name = "table", sym_visibility = "private", type = memref<2xi8>, '
        "initial_value = dense<[1, -2]> : tensor<2xi8>, constant}> : () -> ()\n"
        "  func.func private @other(!fp.stream<i8, 2>, memref<i8>) -> () attributes {fp.process}\n"
        f'  func.func @f({ARGUMENTS}) attributes {{fp.process, arg_names = [], itypes = "s", directions = "i"}} {{\n'
        f"    {line}\n"
        "    func.return\n"
        "  }\n"
        "}\n"
    )


@pytest.mark.parametrize("line", [line for lines in OPS.values() for line in lines])
def test_an_op_prints_as_it_reads(line: str) -> None:
    module = parse(module_text(line))
    once = to_text(module)
    assert line in once
    assert to_text(parse(once)) == once


@pytest.mark.parametrize("name", OPS)
def test_a_line_of_the_table_holds_the_op_it_stands_for(name: str) -> None:
    for line in OPS[name]:
        assert name in {op.name for op in parse(module_text(line)).walk()}


def test_every_op_of_the_page_has_a_line() -> None:
    page = IR_PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"\b((?:arith|memref|scf|fp|pipe|func)\.[a-z_]+)", page))
    for group in re.findall(r"`(arith|memref|scf)\.((?:[a-z_]+ )+[a-z_]+)`", page):
        named |= {f"{group[0]}.{op}" for op in group[1].split()}
    for family in re.findall(r"`pipe\.((?:[a-z_]+ / )+[a-z_]+)", page):
        named |= {f"pipe.{op}" for op in family.split(" / ")}
    not_ops = {"fp.unit", "fp.process", "fp.region", "fp.stream", "fp.blocks"}  # attributes and types
    around = {"func.func", "func.return", "memref.global"}  # in every module of this test
    assert named - not_ops - around == set(OPS)


def test_every_op_of_our_dialects_has_a_line() -> None:
    assert {op.name for dialect in (FP, PIPE) for op in dialect.operations} <= set(OPS)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("!fp.stream<i1, 1>", StreamType),
        ("!fp.stream<i1024, 512>", StreamType),
        ("!fp.blocks<memref<4x4xi32>, 2>", BlocksType),
        ("!fp.blocks<memref<64xi3>, 1>", BlocksType),
    ],
)
def test_a_type_prints_as_it_reads(text: str, kind: type[Attribute]) -> None:
    from xdsl.parser import Parser

    found = Parser(context(), text).parse_type()
    assert isinstance(found, kind)
    assert str(found) == text


def test_parse_verifies() -> None:
    with pytest.raises(Exception, match="put of i9 into a stream of i8"):
        parse(
            "builtin.module { func.func @f(%s: !fp.stream<i8, 2>, %v: i9) {\n"
            "fp.put %s, %v : !fp.stream<i8, 2>, i9\nfunc.return } }"
        )


def test_an_unknown_op_is_an_error_that_names_the_file() -> None:
    with pytest.raises(ParseError, match=r"kernel\.mlir:.*\n(.*\n)*Operation fp.nothing is not registered"):
        parse("builtin.module {\n  fp.nothing\n}", "kernel.mlir")
