"""Systems: units linked in the IR."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, StringAttr

from fastprefill.errors import FastprefillError
from fastprefill.frontend import load_module
from fastprefill.ir.dialect import CreateOp, StreamType
from fastprefill.ir.text import parse, to_text
from fastprefill.system import System, link
from fastprefill.system.limits import limits_of
from fastprefill.targets import interpreter

KERNELS = Path(__file__).parents[2] / "contract" / "kernels"


@pytest.fixture(scope="module")
def crossing() -> ModuleType:
    return load_module(KERNELS / "slr_crossing.py")


@pytest.fixture(scope="module")
def requant() -> ModuleType:
    return load_module(KERNELS / "requant.py")


def test_top_of_a_system(requant: ModuleType) -> None:
    module = link(requant.system())
    module.verify()
    assert to_text(parse(to_text(module))) == to_text(module)
    top = module.body.block.last_op
    assert isinstance(top, func.FuncOp)
    names = ["mpu_steps", "mpu_chain", "mpu_sums", "quant_scale", "quant_words", "mpu_a", "mpu_b", "quant_y"]
    assert top.attributes["arg_names"] == ArrayAttr([StringAttr(name) for name in names])
    assert top.attributes["directions"] == StringAttr("iiiiiiio")
    calls = [op for op in top.walk() if isinstance(op, func.CallOp)]
    assert [call.callee.root_reference.data for call in calls] == ["mpu", "requant"]
    assert [call.attributes["instance"] for call in calls] == [StringAttr("mpu"), StringAttr("quant")]
    (create,) = [op for op in top.walk() if isinstance(op, CreateOp)]
    assert create.stream_name.data == "mpu_c"


def test_depth_of_a_connection_reaches_both_ends(requant: ModuleType) -> None:
    system = requant.system()
    module = link(replace(system, connections=(("mpu.c", "quant.x", 9),)))
    depths = {
        arg.type.depth.data
        for op in module.body.block.ops
        if isinstance(op, func.FuncOp)
        for arg, name in zip(op.body.block.args, op.attributes["arg_names"], strict=True)
        if name.data in ("c", "x") and isinstance(arg.type, StreamType)
    }
    assert depths == {9}
    case = requant.cases(3)[0]
    assert interpreter.run(module, case) == case.outputs


def test_slr_of_units(crossing: ModuleType) -> None:
    top = link(crossing.system()).body.block.last_op
    assert top is not None
    slrs = [str(op.attributes["slr"]) for op in top.walk() if isinstance(op, func.CallOp)]
    assert slrs == ["0 : i32", "1 : i32", "0 : i32"]


def test_one_unit_twice(crossing: ModuleType) -> None:
    stage = crossing.stage("stage", 2, 1, 0)
    module = link(System("twice", {"first": stage, "second": stage}, (("first.y", "second.x", 2),)))
    assert [op.sym_name.data for op in module.body.block.ops] == ["stage_scale", "stage", "twice"]


@pytest.mark.parametrize(
    ("connections", "expected"),
    [
        ((("near.z", "far.x", 2),), "'near.z' is not an output port; output ports: near.y, far.y, back.y"),
        ((("near.y", "far.n", 2),), "'far.n' is not an input port; input ports: near.x, far.x, back.x"),
        ((("near.y", "far.x", 2), ("near.y", "back.x", 2)), "port 'near.y' is connected twice"),
        ((("near.y", "far.x", 0),), "with depth 0; the least is 1"),
    ],
)
def test_bad_connections(
    crossing: ModuleType, connections: tuple[tuple[str, str, int], ...], expected: str
) -> None:
    with pytest.raises(FastprefillError, match=expected):
        link(replace(crossing.system(), connections=connections))


def test_widths_must_agree(requant: ModuleType, crossing: ModuleType) -> None:
    units = {"mpu": requant.system().units["mpu"], "far": crossing.stage("far", 1, 1, 0)}
    with pytest.raises(FastprefillError, match="i256 into i32; the words must have the same width"):
        link(System("bad", units, (("mpu.c", "far.x", 2),)))


def test_two_units_of_one_name(crossing: ModuleType) -> None:
    units = {"one": crossing.stage("same", 1, 1, 0), "two": crossing.stage("same", 2, 2, 0)}
    with pytest.raises(FastprefillError, match="two different units named 'same'"):
        link(System("bad", units))


def test_names_are_checked(crossing: ModuleType) -> None:
    with pytest.raises(FastprefillError, match="instance 'wire' is a keyword"):
        link(System("bad", {"wire": crossing.stage("near", 1, 1, 0)}))
    with pytest.raises(FastprefillError, match="has no units; give at least one"):
        link(System("bad", {}))


def test_names_of_ports_and_shared_scalars(requant: ModuleType) -> None:
    system = replace(
        requant.system(), names={"mpu.sums": "count", "quant.words": "count", "quant.y": "bytes"}
    )
    top = link(system).body.block.last_op
    assert isinstance(top, func.FuncOp)
    names = ["mpu_steps", "mpu_chain", "count", "quant_scale", "mpu_a", "mpu_b", "bytes"]
    assert top.attributes["arg_names"] == ArrayAttr([StringAttr(name) for name in names])
    assert limits_of(top)["count"] == (1, 2**24 - 1)


def test_bad_names(requant: ModuleType) -> None:
    system = requant.system()
    with pytest.raises(
        FastprefillError, match=r"gives 'quant.z' a name; it has no such port, only mpu.steps"
    ):
        link(replace(system, names={"quant.z": "y"}))
    with pytest.raises(FastprefillError, match="gets two ports named 'x'"):
        link(replace(system, names={"mpu.a": "x", "mpu.b": "x"}))
