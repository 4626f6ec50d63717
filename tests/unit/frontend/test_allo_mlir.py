"""MLIR in the form that Allo prints, read into the IR and run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from xdsl.dialects import arith, func, memref, scf
from xdsl.dialects.builtin import ArrayAttr, IntegerAttr, ModuleOp, StringAttr

from fastprefill.errors import KernelError
from fastprefill.frontend.allo_mlir import read
from fastprefill.ir.dialect import AcquireOp, CreateOp, FillOp, GetSliceOp
from fastprefill.ir.text import parse, to_text
from fastprefill.system.case import Case
from fastprefill.targets import interpreter

TEXT = (Path(__file__).parent / "allo" / "dot.mlir").read_text()


def module(text: str = TEXT, **changes: Any) -> ModuleOp:
    options: dict[str, Any] = {"name": "dot", "arguments": ["n"], "inputs": ("a", "b"), "outputs": ("y",)}
    built = read(text, **(options | changes))
    built.verify()
    assert to_text(parse(to_text(built))) == to_text(built)
    return built


def ops(built: ModuleOp, kind: type) -> list[Any]:
    return [op for op in built.walk() if isinstance(op, kind)]


def test_meaning() -> None:
    words = [(1, 2, 3, -4), (-5, 6, 7, 8), (100, -100, 127, -128)]
    packed = [sum((v & 255) << 8 * i for i, v in enumerate(word)) for word in words]
    totals = [sum(word[i] ** 2 for word in words) for i in range(4)]
    expected = [totals[3 - m] + ((1, -2, 3, -4)[m] if m >= 2 else 0) for m in range(4)]
    got = interpreter.run(module(), Case("dot", {"n": 3}, {"a": packed, "b": packed}))
    assert got == {"y": expected}


def test_structure() -> None:
    built = module(operators={"multiply:total": "dsp"})
    assert [op.sym_name.data for op in ops(built, func.FuncOp)] == ["dot_multiply", "dot_send", "dot"]
    assert [op.attributes["instance"].data for op in ops(built, func.CallOp)] == ["multiply", "send"]
    loops = {op.attributes["loop_name"].data: op.attributes for op in ops(built, scf.ForOp)}
    assert list(loops) == ["i", "j", "k", "m"]
    assert isinstance(loops["i"]["pipeline_ii"], IntegerAttr)
    assert loops["j"]["unroll"].value.data == 0
    total = next(op for op in ops(built, memref.AllocOp) if op.attributes["name"].data == "total")
    assert total.attributes["partition"] == ArrayAttr([StringAttr("complete")])
    assert [op.attributes["bind"].data for op in ops(built, arith.MuliOp) if "bind" in op.attributes] == [
        "dsp"
    ]
    assert [op.mode.data for op in ops(built, AcquireOp)] == ["write", "read"]
    assert len(ops(built, FillOp)) == 1 and len(ops(built, GetSliceOp)) == 2
    assert len(ops(built, scf.WhileOp)) == 1 and len(ops(built, scf.IfOp)) == 1
    region = ops(built, func.FuncOp)[-1]
    assert region.attributes["itypes"] == StringAttr("suus")


def test_our_schedule_applies_to_it() -> None:
    def schedule(s: Any) -> None:
        s.pipeline("send:m", initiation_interval=3)
        s.partition("send:block", dim=1)

    built = module(schedule=schedule)
    loops = {op.attributes["loop_name"].data: op.attributes for op in ops(built, scf.ForOp)}
    assert loops["m"]["pipeline_ii"].value.data == 3
    (create,) = ops(built, CreateOp)
    assert create.attributes["partition"] == ArrayAttr([StringAttr("complete")])


MESH = """
module {
  func.func @pe_0(%arg0: !allo.stream<i8, 4>, %arg1: !allo.stream<i8, 4>) attributes {df.kernel, itypes = "__"} {
    %0 = allo.stream_get(%arg0, []) : !allo.stream<i8, 4> -> i8
    allo.stream_put(%arg1, [], %0) : !allo.stream<i8, 4> contains i8
    return
  }
  func.func @pe_1(%arg0: !allo.stream<i8, 4>, %arg1: !allo.stream<i8, 4>) attributes {df.kernel, itypes = "__"} {
    %0 = allo.stream_get(%arg0, []) : !allo.stream<i8, 4> -> i8
    allo.stream_put(%arg1, [], %0) : !allo.stream<i8, 4> contains i8
    return
  }
  func.func @top() attributes {dataflow, itypes = ""} {
    %0 = allo.stream_construct() {name = "s_0"} : !allo.stream<i8, 4>
    %1 = allo.stream_construct() {name = "s_1"} : !allo.stream<i8, 4>
    %2 = allo.stream_construct() {name = "s_2"} : !allo.stream<i8, 4>
    call @pe_0(%0, %1) : (!allo.stream<i8, 4>, !allo.stream<i8, 4>) -> ()
    call @pe_1(%1, %2) : (!allo.stream<i8, 4>, !allo.stream<i8, 4>) -> ()
    return
  }
}
"""


def test_instances_of_a_mesh_share_a_body() -> None:
    built = module(MESH, name="mesh", arguments=[], inputs=("s_0",), outputs=("s_2",))
    assert [op.sym_name.data for op in ops(built, func.FuncOp)] == ["mesh_pe", "mesh"]
    assert [op.attributes["instance"].data for op in ops(built, func.CallOp)] == ["pe_0", "pe_1"]
    assert interpreter.run(built, Case("mesh", {}, {"s_0": [200]})) == {"s_2": [200]}


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("(d0, d1) -> (0, d1 mod 8, d0, d1 floordiv 8)", ["none", "cyclic 8"]),
        ("(d0, d1) -> (d0, 0, 0, d1)", ["complete", "none"]),
        ("(d0, d1) -> (d0 floordiv 4, d1, d0 mod 4, 0)", ["block 4", "complete"]),
    ],
)
def test_partitions_in_layout_maps(layout: str, expected: list[str]) -> None:
    array = f"memref<16x16xi8, affine_map<{layout}>, 34>"
    lines = [
        f'%m = memref.alloc() {{name = "m"}} : {array}',
        "%z = arith.constant 0 : i8",
        f"linalg.fill ins(%z : i8) outs(%m : {array})",
        "return",
    ]
    text = MESH.replace("    return", "\n".join(f"    {line}" for line in lines), 1)
    built = module(text, name="mesh", arguments=[], inputs=("s_0",), outputs=("s_2",))
    (alloc,) = ops(built, memref.AllocOp)
    assert [word.data for word in alloc.attributes["partition"]] == expected
    assert alloc.attributes["storage"] == StringAttr("URAM")
    assert alloc.attributes["storage_type"] == StringAttr("RAM_2P")


def test_unsigned_comparison_follows_the_declaration() -> None:
    text = MESH.replace(
        "    allo.stream_put(%arg1, [], %0)",
        """    %m = memref.alloc() {name = "u", unsigned} : memref<i8>
    affine.store %0, %m[] {to = "u", unsigned} : memref<i8>
    %u = affine.load %m[] {from = "u", unsigned} : memref<i8>
    %c = arith.cmpi sgt, %u, %u : i8
    %w = arith.select %c, %u, %0 : i8
    allo.stream_put(%arg1, [], %w)""",
    )
    built = module(text, name="mesh", arguments=[], inputs=("s_0",), outputs=("s_2",))
    (compare,) = ops(built, arith.CmpiOp)
    assert "ugt" in str(compare)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("allo.stream_get(%arg0, [])", "allo.stream_get(%arg0, [)", "cannot be read"),
        (
            "return\n  }\n  func.func @pe_1",
            '"math.exp"(%0) : (i8) -> ()\n    return\n  }\n  func.func @pe_1',
            "'math.exp' in Allo's MLIR is not built",
        ),
        ('name = "s_1"', 'name = "wire"', "stream 'wire' is a keyword"),
    ],
)
def test_bad_text(old: str, new: str, expected: str) -> None:
    with pytest.raises(KernelError, match=expected):
        module(MESH.replace(old, new, 1), name="mesh", arguments=[], inputs=("s_0",), outputs=("s_2",))


def test_no_region() -> None:
    with pytest.raises(KernelError, match=r"0 functions that call kernels and 0 functions marked df\.kernel"):
        module("module { }")
