"""Questions that passes and targets ask of a module."""

from __future__ import annotations

import pytest
from xdsl.dialects import arith, memref, scf
from xdsl.dialects.builtin import IndexType, IntegerType, MemRefType, ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation

from fastprefill.ir import query
from fastprefill.ir.dialect import AcquireOp, BlocksType, CreateOp, StreamType
from fastprefill.ir.pipe import WindowOp
from fastprefill.ir.text import parse

TEXT = """
builtin.module {
  "memref.global"() <{sym_name = "table", sym_visibility = "private", type = memref<2xi8>,
    initial_value = dense<[1, -2]> : tensor<2xi8>, constant}> : () -> ()
  func.func @u_k(%n: memref<1xi32>, %s: !fp.stream<i7, 2>, %r: !fp.blocks<memref<2x3xi5>, 2>, %big: memref<4xi8>)
      attributes {fp.process, arg_names = ["ln", "s", "ring", "big"], itypes = "sssu", directions = "iioi"} {
    %c0 = arith.constant 0 : index
    %c3 = arith.constant 3 : index
    %c10 = arith.constant 10 : index
    %k = arith.constant -7 : i8
    %wide = arith.index_cast %k : i8 to index
    %there = arith.index_cast %c3 : index to i32
    %back = arith.index_cast %there : i32 to index
    %h = memref.alloc() {name = "hist", partition = ["cyclic 2"], asked = 4 : i32} : memref<8xi8>
    %unnamed = memref.alloc() : memref<i9>
    %t = memref.get_global @table : memref<2xi8>
    %b = fp.acquire "write" %r {name = "out"} : !fp.blocks<memref<2x3xi5>, 2> -> memref<2x3xi5>
    %w = pipe.window "write" %r : !fp.blocks<memref<2x3xi5>, 2> -> memref<2x3xi5>
    %load = memref.load %n[%c0] : memref<1xi32>
    %top = arith.index_cast %load : i32 to index
    scf.for %i = %c0 to %c10 step %c3 { } {loop_name = "whole", unroll = 0 : i32}
    scf.for %i = %c0 to %c10 step %c3 { } {unroll = 2 : i32}
    scf.for %i = %c10 to %c0 step %c3 { }
    scf.for %i = %c0 to %top step %c3 { }
    func.return
  }
  func.func @inner() attributes {fp.region} { func.return }
  func.func @u() attributes {fp.region} { %x = fp.create "x" : !fp.stream<i7, 2>
    func.return }
}
"""


@pytest.fixture(scope="module")
def module() -> ModuleOp:
    return parse(TEXT)


def all_of(module: ModuleOp, kind: type[Operation]) -> list[Operation]:
    return [op for op in module.walk() if isinstance(op, kind)]


def process(module: ModuleOp) -> FuncOp:
    (func,) = query.processes(module)
    return func


def test_processes_and_regions_in_order(module: ModuleOp) -> None:
    assert [f.sym_name.data for f in query.processes(module)] == ["u_k"]
    assert [f.sym_name.data for f in query.regions(module)] == ["inner", "u"]


def test_attributes_have_defaults(module: ModuleOp) -> None:
    first, second = all_of(module, memref.AllocOp)
    assert (query.text(first, "name"), query.text(second, "name"), query.text(second, "name", "?")) == (
        "hist",
        "",
        "?",
    )
    assert (query.number(first, "asked"), query.number(second, "asked"), query.number(first, "name")) == (
        4,
        None,
        None,
    )
    assert (query.strings(first, "partition"), query.strings(second, "partition")) == (["cyclic 2"], [])


def test_widths() -> None:
    assert (query.width(IntegerType(7)), query.width(IndexType())) == (7, 32)
    with pytest.raises(TypeError, match="has no width"):
        query.width(MemRefType(IntegerType(8), [4]))


def test_constants_are_signed_and_seen_through_casts(module: ModuleOp) -> None:
    numbers = [query.constant(op.results[0]) for op in all_of(module, arith.ConstantOp)]
    assert numbers == [0, 3, 10, -7]
    wide, there, back, top = (op.results[0] for op in all_of(module, arith.IndexCastOp))
    assert [query.constant(v) for v in (wide, there, back)] == [-7, 3, 3]
    assert query.constant(top) is None


def test_only_casts_that_change_nothing_are_stripped(module: ModuleOp) -> None:
    wide, _, back, _ = (op.results[0] for op in all_of(module, arith.IndexCastOp))
    assert query.strip_casts(wide) is wide
    assert query.constant(query.strip_casts(back)) == 3
    assert isinstance(query.strip_casts(back).owner, arith.ConstantOp)


def test_scalar_arguments(module: ModuleOp) -> None:
    arguments = process(module).body.block.args
    assert [query.is_scalar_argument(a) for a in arguments] == [True, False, False, False]
    assert not any(query.is_scalar_argument(op.results[0]) for op in all_of(module, memref.AllocOp))


def test_lane_loops_and_trip_counts(module: ModuleOp) -> None:
    loops = [op for op in module.walk() if isinstance(op, scf.ForOp)]
    assert [query.is_lane_loop(op) for op in loops] == [True, False, False, False]
    assert [query.trip_count(op) for op in loops] == [4, 4, 0, None]
    assert not query.is_lane_loop(None)
    assert not query.is_lane_loop(process(module))


def test_names_are_the_user_s(module: ModuleOp) -> None:
    assert [query.array_name(a) for a in process(module).body.block.args] == ["ln", "s", "ring", "big"]
    named, unnamed = all_of(module, memref.AllocOp)
    assert (query.array_name(named.results[0]), query.array_name(unnamed.results[0])) == ("hist", "unnamed")
    (table,) = all_of(module, memref.GetGlobalOp)
    (acquired,) = all_of(module, AcquireOp)
    (window,) = all_of(module, WindowOp)
    assert [query.array_name(op.results[0]) for op in (table, acquired, window)] == ["table", "out", "ring"]


def test_element_types() -> None:
    array = MemRefType(IntegerType(5), [2, 3])
    kinds = [StreamType(IntegerType(7), 2), BlocksType(array, 2), array]
    assert [query.element_type(kind).width.data for kind in kinds] == [7, 5, 5]


def test_a_created_stream_is_named_by_its_value(module: ModuleOp) -> None:
    (create,) = all_of(module, CreateOp)
    assert query.array_name(create.results[0]) == "x"
