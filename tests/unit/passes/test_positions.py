"""Comparisons of a loop variable with the ends of its loop become facts of the sequencer, and no others do."""

from typing import Any

import pytest
from xdsl.dialects import arith

from fastprefill.ir.pipe import FirstOp, LastOp, StoreOp
from fastprefill.passes.simplify import Simplify


def loop(lines: str, *, low: str = "%c2", high: str = "%high", step: str = "%c1") -> str:
    return f"""
%n = memref.load %count[%c0] : memref<1xi32>
%m = memref.load %other[%c0] : memref<1xi32>
%high = arith.index_cast %n : i32 to index
scf.for %i = {low} to {high} step {step} {{
  pipe.body "b" {{
    %one = arith.constant 1 : i33
    %two = arith.constant 2 : i32
    %three = arith.constant 3 : i32
    %i32 = arith.index_cast %i : index to i32
    %i33 = arith.index_cast %i : index to i33
    %i8 = arith.index_cast %i : index to i8
    %n33 = arith.extsi %n : i32 to i33
    %m33 = arith.extsi %m : i32 to i33
    {lines}
    pipe.store %v, %out[%c0] : i1, memref<1xi1>
  }}
}} {{loop_name = "i"}}
"""


ARGUMENTS = ("count: memref<1xi32>", "other: memref<1xi32>", "out: memref<1xi1>")
LAST = "%less = arith.subi %n33, %one : i33\n%v = arith.cmpi eq, %i33, %less : i33"


@pytest.mark.parametrize(
    ("lines", "fact", "inverted"),
    [
        ("%v = arith.cmpi eq, %i32, %two : i32", FirstOp, False),
        ("%v = arith.cmpi ne, %i32, %two : i32", FirstOp, True),
        ("%v = arith.cmpi sgt, %i32, %two : i32", FirstOp, True),
        (LAST, LastOp, False),
        (LAST.replace(" eq,", " ne,"), LastOp, True),
    ],
)
def test_ends_become_facts(lines: str, fact: type, inverted: bool, process: Any, apply: Any, ops: Any) -> None:
    text = apply(process(loop(lines), *ARGUMENTS), Simplify())
    assert not ops(text, arith.CmpiOp)
    (found,) = ops(text, fact)
    (store,) = ops(text, StoreOp)
    opposite = ops(text, arith.XOrIOp)
    assert len(opposite) == inverted
    assert store.value is (opposite[0].result if inverted else found.result)


@pytest.mark.parametrize(
    ("lines", "bounds"),
    [
        ("%v = arith.cmpi eq, %i32, %three : i32", {}),
        ("%v = arith.cmpi slt, %i32, %two : i32", {}),
        ("%v = arith.cmpi sge, %i32, %two : i32", {}),
        ("%v = arith.cmpi ult, %i32, %two : i32", {}),
        ("%v = arith.cmpi eq, %i32, %two : i32", {"low": "%high", "high": "%c8"}),
        ("%v = arith.cmpi eq, %i32, %two : i32", {"high": "%c8"}),  # few iterations: a LUT does it
        (LAST.replace("%n33", "%m33"), {}),  # another scalar
        (LAST, {"step": "%c2"}),
        (LAST.replace("%one", "%n33"), {}),
        ("%k = arith.constant 1 : i32\n%less = arith.subi %n, %k : i32\n%v = arith.cmpi eq, %i32, %less : i32", {}),
        ("%k = arith.constant 2 : i8\n%v = arith.cmpi eq, %i8, %k : i8", {}),  # bits are lost
    ],
)
def test_others_stay(lines: str, bounds: dict[str, str], process: Any, apply: Any, ops: Any) -> None:
    text = apply(process(loop(lines, **bounds), *ARGUMENTS), Simplify())
    assert len(ops(text, arith.CmpiOp)) == 1
    assert not ops(text, FirstOp) and not ops(text, LastOp)
