"""Unrolled loops as vectors: the same results as lane after lane, or a refusal to vectorise."""

from __future__ import annotations

import random

import numpy as np
import pytest

from fastprefill.errors import FastprefillError
from fastprefill.ir.text import parse
from fastprefill.system.case import Case
from fastprefill.targets.interpreter import Program
from fastprefill.targets.interpreter.support import bit_lanes


def test_bits_of_an_element_of_an_array() -> None:
    """Elements of arrays are NumPy integers."""
    assert bit_lanes(np.int64(0b1011), np.arange(4), 1, 8).tolist() == [True, True, False, True]


N = 6
HEADER = f"""
%c0 = arith.constant 0 : index
%c1 = arith.constant 1 : index
%c2 = arith.constant 2 : index
%c3 = arith.constant 3 : index
%c8 = arith.constant 8 : index
%c12 = arith.constant 12 : index
%last = arith.constant {N - 1} : index
%n = arith.constant {N} : index
%zero = arith.constant 0 : i32
%s = memref.alloc() {{name = "s"}} : memref<i32>
memref.store %zero, %s[] : memref<i32>
%w = memref.alloc() {{name = "w"}} : memref<i96>
%zero96 = arith.constant 0 : i96
memref.store %zero96, %w[] : memref<i96>
%x = memref.alloc() {{name = "x"}} : memref<{N}xi32>
%y = memref.alloc() {{name = "y"}} : memref<{N}xi32>
%m = memref.alloc() {{name = "m"}} : memref<{N}x{N}xi32>
scf.for %i = %c0 to %n step %c1 {{
  %v = fp.get %in : !fp.stream<i32, 2> -> i32
  memref.store %v, %x[%i] : memref<{N}xi32>
  memref.store %zero, %y[%i] : memref<{N}xi32>
  scf.for %j = %c0 to %n step %c1 {{
    %jj = arith.index_cast %j : index to i32
    %p = arith.muli %v, %jj : i32
    memref.store %p, %m[%i, %j] : memref<{N}x{N}xi32>
  }}
}}
"""
FOOTER = f"""
scf.for %i = %c0 to %n step %c1 {{
  %v = memref.load %x[%i] : memref<{N}xi32>
  fp.put %out, %v : !fp.stream<i32, 2>, i32
  %u = memref.load %y[%i] : memref<{N}xi32>
  fp.put %out, %u : !fp.stream<i32, 2>, i32
  scf.for %j = %c0 to %n step %c1 {{
    %e = memref.load %m[%i, %j] : memref<{N}x{N}xi32>
    fp.put %out, %e : !fp.stream<i32, 2>, i32
  }}
}}
%sv = memref.load %s[] : memref<i32>
fp.put %out, %sv : !fp.stream<i32, 2>, i32
%wv = memref.load %w[] : memref<i96>
%w0 = fp.get_slice %wv[%c0] : i96 -> i32
%c32 = arith.constant 32 : index
%w1 = fp.get_slice %wv[%c32] : i96 -> i32
%c64 = arith.constant 64 : index
%w2 = fp.get_slice %wv[%c64] : i96 -> i32
fp.put %out, %w0 : !fp.stream<i32, 2>, i32
fp.put %out, %w1 : !fp.stream<i32, 2>, i32
fp.put %out, %w2 : !fp.stream<i32, 2>, i32
"""
X, M = f"memref<{N}xi32>", f"memref<{N}x{N}xi32>"
LOOP = "scf.for %i = %c0 to %n step %c1 {{ {0} }} {{unroll = 0 : i32}}"
NEST = (
    "scf.for %i = %c0 to %n step %c1 {{ scf.for %j = %c0 to %n step %c1 {{ {0} }} {{unroll = 0 : i32}} }} "
    "{{unroll = 0 : i32}}"
)
# %k: a row that the lowest bit of an input chooses. NumPy would take a bool there for a mask.
BIT = (
    f"%x0 = memref.load %x[%c0] : {X} %bit = arith.trunci %x0 : i32 to i1 "
    "%bit32 = arith.extui %bit : i1 to i32 %k = arith.index_cast %bit32 : i32 to index "
)

# Bodies that must run as vectors.
VECTORS = {
    "elementwise": LOOP.format(
        f"%a = memref.load %x[%i] : {X} %b = arith.addi %a, %a : i32 memref.store %b, %y[%i] : {X}"
    ),
    "shift towards the start": "scf.for %i = %c0 to %last step %c1 { "
    f"%k = arith.addi %i, %c1 : index %a = memref.load %x[%k] : {X} "
    f"memref.store %a, %x[%i] : {X} }} {{unroll = 0 : i32}}",
    "transpose": NEST.format(
        f"%a = memref.load %m[%j, %i] : {M} %b = arith.addi %a, %a : i32 "
        f"memref.store %b, %m[%j, %i] : {M}"
    ),
    "diagonal": LOOP.format(f"%a = memref.load %x[%i] : {X} memref.store %a, %m[%i, %i] : {M}"),
    "chain of steps in each lane": LOOP.format(
        f"%a = memref.load %x[%i] : {X} %t = memref.alloc() {{name = \"t\"}} : memref<i32> "
        "memref.store %a, %t[] : memref<i32> scf.for %j = %c0 to %n step %c1 { "
        f"%b = memref.load %t[] : memref<i32> %e = memref.load %m[%i, %j] : {M} %o = memref.alloc() "
        f"{{name = \"o\"}} : memref<i32> memref.store %b, %o[] : memref<i32> "
        f"%c = arith.muli %b, %three : i32 %d = arith.xori %c, %e : i32 memref.store %d, %t[] : memref<i32> "
        f"%g = memref.load %o[] : memref<i32> memref.store %g, %m[%i, %j] : {M} }} {{unroll = 0 : i32}} "
        f"%f = memref.load %t[] : memref<i32> memref.store %f, %y[%i] : {X}"
    ),
    "outer product": NEST.format(
        f"%a = memref.load %x[%i] : {X} %b = memref.load %x[%j] : {X} %p = arith.muli %a, %b : i32 "
        f"memref.store %p, %m[%i, %j] : {M}"
    ),
    "sum": LOOP.format(
        f"%a = memref.load %x[%i] : {X} %b = memref.load %s[] : memref<i32> %e = arith.extsi %a : i32 to i33 "
        "%f = arith.extsi %b : i32 to i33 %g = arith.addi %e, %f : i33 %h = arith.trunci %g : i33 to i32 "
        "memref.store %h, %s[] : memref<i32>"
    ),
    "difference": LOOP.format(
        f"%a = memref.load %x[%i] : {X} %b = memref.load %s[] : memref<i32> %c = arith.subi %b, %a : i32 "
        "memref.store %c, %s[] : memref<i32>"
    ),
    "matrix times vector": NEST.format(
        f"%a = memref.load %m[%i, %j] : {M} %b = memref.load %x[%j] : {X} %p = arith.muli %a, %b : i32 "
        f"%o = memref.load %y[%i] : {X} %q = arith.addi %o, %p : i32 memref.store %q, %y[%i] : {X}"
    ),
    "vector times matrix": NEST.format(
        f"%a = memref.load %m[%i, %j] : {M} %b = memref.load %x[%i] : {X} %p = arith.muli %a, %b : i32 "
        f"%o = memref.load %y[%j] : {X} %q = arith.addi %o, %p : i32 memref.store %q, %y[%j] : {X}"
    ),
    "sum per lane": "scf.for %i = %c0 to %n step %c1 { %t = memref.alloc() {name = \"t\"} : memref<i32> "
    "memref.store %zero, %t[] : memref<i32> scf.for %j = %c0 to %n step %c1 { "
    f"%a = memref.load %m[%i, %j] : {M} %b = memref.load %t[] : memref<i32> %c = arith.addi %b, %a : i32 "
    "memref.store %c, %t[] : memref<i32> } {unroll = 0 : i32} %d = memref.load %t[] : memref<i32> "
    f"memref.store %d, %y[%i] : {X} }} {{unroll = 0 : i32}}",
    "sum under a condition": LOOP.format(
        f"%a = memref.load %x[%i] : {X} %p = arith.cmpi sgt, %a, %zero : i32 scf.if %p {{ "
        "%b = memref.load %s[] : memref<i32> %c = arith.addi %b, %a : i32 "
        "memref.store %c, %s[] : memref<i32> }"
    ),
    "word of bytes": LOOP.format(
        f"%a = memref.load %x[%i] : {X} %b = arith.trunci %a : i32 to i8 %l = arith.muli %i, %c8 : index "
        "%o = memref.load %w[] : memref<i96> %q = fp.set_slice %o[%l], %b : i96, i8 -> i96 "
        "memref.store %q, %w[] : memref<i96>"
    ),
    "word of 11-bit fields": LOOP.format(
        f"%a = memref.load %x[%i] : {X} %b = arith.trunci %a : i32 to i11 %l = arith.muli %i, %c12 : index "
        "%o = memref.load %w[] : memref<i96> %q = fp.set_slice %o[%l], %b : i96, i11 -> i96 "
        "memref.store %q, %w[] : memref<i96>"
    ),
    "if and else": LOOP.format(
        f"%a = memref.load %x[%i] : {X} %t = memref.alloc() {{name = \"t\"}} : memref<i32> "
        "%p = arith.cmpi slt, %a, %zero : i32 scf.if %p { %b = arith.subi %zero, %a : i32 "
        "memref.store %b, %t[] : memref<i32> } else { memref.store %a, %t[] : memref<i32> } "
        f"%d = memref.load %t[] : memref<i32> memref.store %d, %y[%i] : {X}"
    ),
    "store under a condition": LOOP.format(
        f"%a = memref.load %x[%i] : {X} %p = arith.cmpi slt, %a, %zero : i32 scf.if %p {{ "
        f"memref.store %a, %y[%i] : {X} }}"
    ),
    "known condition": NEST.format(
        f"%p = arith.cmpi ult, %i, %j : index scf.if %p {{ memref.store %zero, %m[%i, %j] : {M} }}"
    ),
    "one lane writes": LOOP.format(
        f"%a = memref.load %x[%i] : {X} %p = arith.cmpi eq, %i, %c3 : index scf.if %p {{ "
        f"memref.store %a, %y[%c2] : {X} }}"
    ),
    "one lane writes its own": NEST.format(
        f"%a = memref.load %x[%j] : {X} %p = arith.cmpi eq, %j, %c3 : index "
        f"scf.if %p {{ memref.store %a, %y[%i] : {X} }}"
    ),
    "gather": LOOP.format(
        f"%a = memref.load %x[%i] : {X} %b = arith.andi %a, %three : i32 "
        f"%k = arith.index_cast %b : i32 to index "
        f"%c = memref.load %x[%k] : {X} memref.store %c, %y[%i] : {X}"
    ),
    "row at run time": "scf.for %r = %c0 to %n step %c1 { "
    + LOOP.format(f"%a = memref.load %m[%r, %i] : {M} memref.store %a, %y[%i] : {X}")
    + " }",
    "strided": "scf.for %i = %c1 to %n step %c2 { "
    f"%a = memref.load %x[%i] : {X} memref.store %a, %y[%i] : {X} }} {{unroll = 0 : i32}}",
    "backwards": LOOP.format(
        f"%k = arith.subi %last, %i : index %a = memref.load %x[%k] : {X} memref.store %a, %y[%i] : {X}"
    ),
    "offset known at run time": "scf.for %r = %c0 to %c3 step %c1 { scf.for %i = %c0 to %c3 step %c1 { "
    f"%k = arith.addi %r, %i : index %a = memref.load %x[%k] : {X} "
    f"memref.store %a, %y[%k] : {X} }} {{unroll = 0 : i32}} }}",
    "row that one bit chooses": BIT
    + LOOP.format(f"%a = memref.load %m[%k, %i] : {M} memref.store %a, %y[%i] : {X}"),
    "row that one bit chooses, under a condition": BIT
    + LOOP.format(f"%p = arith.cmpi sgt, %i, %c2 : index scf.if %p {{ memref.store %bit32, %m[%k, %i] : {M} }}"),
    "element that one bit chooses": BIT
    + f"memref.store %three, %m[%k, %c2] : {M} "
    + NEST.format(
        f"%a = memref.load %m[%i, %j] : {M} %b = arith.addi %a, %a : i32 memref.store %b, %m[%i, %j] : {M}"
    ),
    "bits added as numbers": BIT
    + LOOP.format(
        f"%a = memref.load %x[%i] : {X} %p = arith.cmpi sgt, %a, %zero : i32 %q = arith.cmpi slt, %x0, %zero : i32 "
        "%b = arith.extui %q : i1 to i32 %c = arith.select %p, %bit32, %b : i32 %d = arith.addi %c, %c : i32 "
        f"memref.store %d, %y[%i] : {X}"
    ),
    "view that is still needed": LOOP.format(
        f"%a = memref.load %x[%i] : {X} %b = memref.load %y[%i] : {X} memref.store %b, %x[%i] : {X} "
        f"memref.store %a, %y[%i] : {X}"
    ),
}

# Bodies in which lanes depend on each other.
SEQUENTIAL = {
    "shift towards the end": "scf.for %i = %c0 to %last step %c1 { "
    f"%k = arith.addi %i, %c1 : index %a = memref.load %x[%i] : {X} "
    f"memref.store %a, %x[%k] : {X} }} {{unroll = 0 : i32}}",
    "running sum": "scf.for %i = %c1 to %n step %c1 { %k = arith.subi %i, %c1 : index "
    f"%a = memref.load %x[%k] : {X} %b = memref.load %x[%i] : {X} %c = arith.addi %a, %b : i32 "
    f"memref.store %c, %x[%i] : {X} }} {{unroll = 0 : i32}}",
    "one element": LOOP.format(f"%a = memref.load %x[%i] : {X} memref.store %a, %y[%c2] : {X}"),
    "histogram": LOOP.format(
        f"%a = memref.load %x[%i] : {X} %b = arith.andi %a, %three : i32 "
        f"%k = arith.index_cast %b : i32 to index "
        f"%c = memref.load %y[%k] : {X} %d = arith.addi %c, %a : i32 memref.store %d, %y[%k] : {X}"
    ),
    "last lane wins": LOOP.format(f"%a = memref.load %x[%i] : {X} memref.store %a, %s[] : memref<i32>"),
    "maximum": LOOP.format(
        f"%a = memref.load %x[%i] : {X} %b = memref.load %s[] : memref<i32> "
        f"%p = arith.cmpi sgt, %a, %b : i32 "
        "%c = arith.select %p, %a, %b : i32 memref.store %c, %s[] : memref<i32>"
    ),
    "sum that is also used": LOOP.format(
        f"%a = memref.load %x[%i] : {X} %b = memref.load %s[] : memref<i32> %c = arith.addi %b, %a : i32 "
        f"memref.store %c, %s[] : memref<i32> memref.store %c, %y[%i] : {X}"
    ),
    "doubled by every lane": LOOP.format(
        "%a = memref.load %s[] : memref<i32> %b = memref.load %s[] : memref<i32> %c = arith.addi %a, %b : i32 "
        "memref.store %c, %s[] : memref<i32>"
    ),
    "slices that overlap": LOOP.format(
        f"%a = memref.load %x[%i] : {X} %b = arith.trunci %a : i32 to i9 %l = arith.muli %i, %c8 : index "
        "%o = memref.load %w[] : memref<i96> %q = fp.set_slice %o[%l], %b : i96, i9 -> i96 "
        "memref.store %q, %w[] : memref<i96>"
    ),
    "triangle": "scf.for %i = %c0 to %n step %c1 { scf.for %j = %c0 to %i step %c1 { "
    f"memref.store %zero, %m[%i, %j] : {M} }} {{unroll = 0 : i32}} }} {{unroll = 0 : i32}}",
    "column to row": NEST.format(f"%a = memref.load %m[%j, %i] : {M} memref.store %a, %m[%i, %j] : {M}"),
}


def program(body: str) -> str:
    three = "%three = arith.constant 3 : i32\n"
    return (
        'func.func @p(%in: !fp.stream<i32, 2>, %out: !fp.stream<i32, 2>)'
        ' attributes {fp.process, arg_names = ["in", "out"]} {\n'
        f"{HEADER}{three}{body}\n{FOOTER}func.return\n}}"
    )


@pytest.mark.parametrize("name", [*VECTORS, *SEQUENTIAL])
def test_same_result_as_lane_after_lane(name: str) -> None:
    body = VECTORS.get(name) or SEQUENTIAL[name]
    vectors = Program(parse(program(body)))
    lanes = Program(parse(program(body).replace("unroll = 0", "unroll = 2")))
    process = vectors.processes["p"]
    if name in VECTORS:
        assert process.vector_nests == 1, process.scalar_nests
    else:
        assert process.vector_nests == 0
        assert process.scalar_nests
    assert lanes.processes["p"].vector_nests == 0
    rng = random.Random(name)
    for number in range(3):
        tokens = [rng.getrandbits(32) if number else rng.randrange(-9, 9) for _ in range(N)]
        case = Case("case", {}, {"in": tokens})
        assert vectors.run(case) == lanes.run(case), process.source


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            LOOP.format(
                f"%k = arith.addi %i, %c1 : index %a = memref.load %x[%k] : {X} "
                f"memref.store %a, %y[%i] : {X}"
            ),
            r"uses 'x\[6\]', but the array is 6",
        ),
        (
            LOOP.format(f"%k = arith.subi %i, %c1 : index memref.store %zero, %x[%k] : {X}"),
            r"uses 'x\[-1\]', but the array is 6",
        ),
        (
            f"%z = memref.alloc() {{name = \"z\"}} : {X} memref.store %zero, %z[%c0] : {X} "
            + LOOP.format(
                f"%a = memref.load %z[%i] {{src = \"k.py:7\"}} : {X} "
                f"memref.store %a, %y[%i] : {X}"
            ),
            r"k\.py:7: process 'p' reads 'z\[1\]', which was never written",
        ),
        (
            f"%z = memref.alloc() {{name = \"z\"}} : {M} memref.store %zero, %z[%c0, %c0] : {M} "
            + NEST.format(f"%a = memref.load %z[%i, %j] : {M} memref.store %a, %m[%i, %j] : {M}"),
            r"reads 'z\[0, 1\]', which was never written",
        ),
        (
            LOOP.format(f"%a = memref.load %x[%i] : {X} %k = arith.index_cast %a : i32 to index "
            f"%c = memref.load %x[%k] : {X} memref.store %c, %y[%i] : {X}"),
            r"uses 'x\[\d+\]', but the array is 6",
        ),
    ],
)
def test_traps_in_lanes(body: str, message: str) -> None:
    built = Program(parse(program(body)))
    assert built.processes["p"].vector_nests == 1
    with pytest.raises(FastprefillError, match=message):
        built.run(Case("case", {}, {"in": [100] * N}))


def test_lanes_that_are_not_active_trap_nothing() -> None:
    """The last lane would read outside the array and an element that was never written."""
    body = f'%z = memref.alloc() {{name = "z"}} : {X} ' + LOOP.format(
        f"%p = arith.cmpi slt, %i, %last : index scf.if %p {{ %k = arith.addi %i, %c1 : index "
        f"%a = memref.load %x[%i] : {X} memref.store %a, %z[%k] : {X} "
        f"%b = memref.load %z[%k] : {X} memref.store %b, %y[%i] : {X} }}"
    )
    dynamic = f'%z = memref.alloc() {{name = "z"}} : {X} ' + LOOP.format(
        f"%a = memref.load %x[%i] : {X} %p = arith.cmpi slt, %a, %three : i32 scf.if %p {{ "
        f"memref.store %a, %z[%i] : {X} %b = memref.load %z[%i] : {X} memref.store %b, %y[%i] : {X} "
        f"%k = arith.index_cast %a : i32 to index %c = memref.load %x[%k] : {X} "
        f"memref.store %c, %m[%i, %c0] : {M} }}"
    )
    for text in (body, dynamic):
        vectors = Program(parse(program(text)))
        lanes = Program(parse(program(text).replace("unroll = 0", "unroll = 2")))
        case = Case("case", {}, {"in": [0, 1, 2, 3, 1000, 2]})
        assert vectors.run(case) == lanes.run(case), vectors.processes["p"].source


def test_what_follows_a_loop_that_is_refused_inside_a_block_stays_where_it_is() -> None:
    """The condition of the inner loop differs from lane to lane, which shows only when the outer one is begun."""
    text = """
      func.func @p(%out: !fp.stream<i32, 2>) attributes {fp.process, arg_names = ["out"]} {
        %c0 = arith.constant 0 : index
        %c1 = arith.constant 1 : index
        %c3 = arith.constant 3 : index
        %zero = arith.constant 0 : i32
        %one = arith.constant 1 : i32
        %s = memref.alloc() {name = "s"} : memref<i32>
        memref.store %one, %s[] : memref<i32>
        scf.for %i = %c0 to %c1 step %c1 {
          scf.for %j = %c0 to %c3 step %c1 {
            %k = memref.alloc() {name = "k"} : memref<i32>
            %start = memref.load %s[] : memref<i32>
            memref.store %start, %k[] : memref<i32>
            scf.while () : () -> () {
              %a = memref.load %k[] : memref<i32>
              %more = arith.cmpi ne, %a, %zero : i32
              scf.condition(%more)
            } do {
              %q = memref.alloc() {name = "q"} : memref<i32>
              %jj = arith.index_cast %j : index to i32
              memref.store %jj, %q[] : memref<i32>
              scf.while () : () -> () {
                %b = memref.load %q[] : memref<i32>
                %again = arith.cmpi ne, %b, %zero : i32
                scf.condition(%again)
              } do {
                %c = memref.load %q[] : memref<i32>
                %less = arith.subi %c, %one : i32
                memref.store %less, %q[] : memref<i32>
                scf.yield
              }
              %d = memref.load %k[] : memref<i32>
              %fewer = arith.subi %d, %one : i32
              memref.store %fewer, %k[] : memref<i32>
              scf.yield
            }
          } {unroll = 0 : i32}
        }
        %last = memref.load %s[] : memref<i32>
        fp.put %out, %last : !fp.stream<i32, 2>, i32
        func.return
      }"""
    program = Program(parse(text))
    (process,) = program.processes.values()
    assert process.scalar_nests
    assert program.run(Case("case", {}, {})) == {"out": [1]}
