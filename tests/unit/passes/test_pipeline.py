"""The whole pipeline, pass by pass, on every unit of the contract; and that the same input gives the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue

from fastprefill import frontend, passes
from fastprefill.boards import load
from fastprefill.errors import FastprefillError
from fastprefill.ir.query import processes
from fastprefill.ir.text import context, parse, to_text
from fastprefill.kernels import mpu
from fastprefill.system.build import build_unit
from fastprefill.system.system import link
from fastprefill.targets import rtl

ROOT = Path(__file__).resolve().parents[3]
KERNELS = sorted((ROOT / "tests" / "contract" / "kernels").glob("*.py"))


def build(name: str) -> ModuleOp:
    if name == "mpu_4x4":
        return build_unit(mpu.unit(4, 4))
    module = frontend.load_module(ROOT / "tests" / "contract" / "kernels" / f"{name}.py")
    return link(module.system()) if hasattr(module, "system") else build_unit(module.unit())


UNITS = ["mpu_4x4", *(path.stem for path in KERNELS)]


def test_there_are_units() -> None:
    assert {"histogram", "pingpong", "requant", "mesh", "while_loop"} <= set(UNITS)


def test_the_documentation_says_what_each_pass_does() -> None:
    page = (ROOT / "docs" / "ir.md").read_text(encoding="utf-8")
    for step in passes.pipeline("kv260"):
        assert f"| `{step.name}` | {step.summary} |" in page
        with pytest.raises(FrozenInstanceError):
            step.merge = False  # type: ignore[attr-defined]


LARGE = {
    "attention", "attention_layer", "attention_layer_windows", "attention_shared", "attention_softmax",
    "attention_window", "requant", "sfu", "walker", "window_walker",
}  # fmt: skip
"""Units whose text after every pass takes a minute to read; their parts are in smaller ones."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if name in LARGE else ()) for name in UNITS]
)
def test_every_pass_leaves_a_valid_module_and_needs_no_more_than_its_text(name: str) -> None:
    module, reread, ctx = build(name), build(name), context()
    module.verify()
    for step in passes.pipeline("kv260"):
        step.apply(ctx, module)
        module.verify()
        values_are_defined_before_use(module)
        step.apply(ctx, reread)
        text = to_text(reread)
        reread = parse(text, f"{name} after {step.name}")
        assert to_text(reread) == text, f"text after {step.name} does not read back"
    assert shape(text) == shape(to_text(module))


@pytest.mark.parametrize("name", ["imperfect_nest", "mpu_4x4", "no_overlap", "while_loop"])
def test_loops_kept_apart_are_valid_after_every_pass(name: str) -> None:
    module, ctx = build(name), context()
    for step in passes.pipeline("kv260", merge=False):
        step.apply(ctx, module)
        module.verify()
        text = to_text(module)
        assert to_text(parse(text)) == text, f"text after {step.name} does not read back"


def values_are_defined_before_use(module: ModuleOp) -> None:
    """What xDSL's verifier leaves out; the scheduler relies on it."""
    seen: set[SSAValue] = set()

    def walk(block: Block) -> None:
        for op in block.ops:
            assert all(not isinstance(v.owner, Operation) or v in seen for v in op.operands), str(op)
            for region in op.regions:
                for inner in region.blocks:
                    walk(inner)
            seen.update(op.results)

    for func in processes(module):
        walk(func.body.block)


def test_stores_that_were_joined_keep_their_order() -> None:
    """Three stores to one variable, a load between the second and the third."""
    text = """
      func.func @u_p(%x: !fp.stream<i8, 2>, %y: !fp.stream<i8, 2>, %n: memref<1xi32>) attributes {fp.process,
          arg_names = ["x", "y", "n"], itypes = "uus", directions = "ioi"} {
        %zero = arith.constant 0 : index
        %one = arith.constant 1 : index
        %limit = arith.constant 9 : i8
        %v = memref.alloc() {name = "v"} : memref<i8>
        memref.store %limit, %v[] : memref<i8>
        %count = memref.load %n[%zero] : memref<1xi32>
        %end = arith.index_cast %count : i32 to index
        scf.for %i = %zero to %end step %one {
          %a = fp.get %x : !fp.stream<i8, 2> -> i8
          %p = arith.cmpi ult, %a, %limit : i8
          %q = arith.cmpi eq, %a, %limit : i8
          scf.if %p { memref.store %a, %v[] : memref<i8> }
          scf.if %q { memref.store %limit, %v[] : memref<i8> }
          %b = memref.load %v[] : memref<i8>
          fp.put %y, %b : !fp.stream<i8, 2>, i8
          scf.if %p { memref.store %b, %v[] : memref<i8> }
        } {loop_name = "i"}
        func.return
      }"""
    module, ctx = parse(text), context()
    for step in passes.pipeline("kv260"):
        step.apply(ctx, module)
        values_are_defined_before_use(module)


def shape(text: str) -> list[list[str]]:
    """Text without the names of values, some of which numbers only tell apart."""
    return [[word for word in line.split() if not word.startswith("%")] for line in text.splitlines()]


def test_building_rtl_does_not_change_the_module() -> None:
    module = build("mpu_4x4")
    before = to_text(module)
    rtl.build(module, load("kv260"))
    assert to_text(module) == before


def digests(names: list[str]) -> dict[str, dict[str, str]]:
    """Per unit and stage or file, a digest of the text."""
    found: dict[str, dict[str, str]] = {}
    for name in names:
        texts = {"scheduled": to_text(passes.run(build(name), "kv260"))}
        texts |= rtl.build(build(name), load("kv260")).files
        found[name] = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in texts.items()}
    return found


HASHED = ["mpu_4x4", "histogram", "pingpong", "mesh", "conditional_get", "requant"]


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes_in_another_process() -> None:
    code = f"import json, runpy; print(json.dumps(runpy.run_path({__file__!r})['digests']({HASHED!r})))"
    here = digests(HASHED)
    assert all(len(files) >= 3 for files in here.values())
    assert digests(HASHED[:1]) == {HASHED[0]: here[HASHED[0]]}
    for seed in ("0", "12345"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout) == here, f"PYTHONHASHSEED={seed} gives other text"


# passes.run


def test_run_stops_after_the_last_pass_of_a_name() -> None:
    names = [step.name for step in passes.pipeline("kv260")]
    assert names.count("simplify") > 1
    stopped = to_text(passes.run(build("reduction"), "kv260", after="forward-stores"))
    module, ctx = build("reduction"), context()
    last = len(names) - 1 - names[::-1].index("forward-stores")
    for step in passes.pipeline("kv260")[: last + 1]:
        step.apply(ctx, module)
    assert stopped == to_text(module)
    assert "stage = " not in stopped


def test_run_to_the_end_schedules() -> None:
    assert "stage = " in to_text(passes.run(build("reduction"), "kv260"))


def test_an_unknown_pass_is_refused_with_the_known_ones() -> None:
    with pytest.raises(FastprefillError) as error:
        passes.run(build("reduction"), "kv260", after="vectorise")
    assert str(error.value) == (
        "there is no pass 'vectorise'; passes are lower-fill, unroll, flatten, simplify, fuse-lanes, forward-stores, "
        "bind-cascades, schedule"
    )


@pytest.mark.parametrize("step", passes.pipeline("kv260"), ids=lambda step: step.name)
def test_a_pass_is_a_frozen_dataclass_with_a_name_and_a_line_about_it(step: Callable[..., None]) -> None:
    kind = type(step)
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert kind.__doc__ and kind.__doc__.splitlines()[0].strip().endswith(".")
    file = Path(sys.modules[kind.__module__].__file__ or "")
    assert file.stem == kind.name.replace("-", "_")  # type: ignore[attr-defined]


def test_the_page_lists_the_passes_in_order() -> None:
    page = (ROOT / "docs" / "ir.md").read_text(encoding="utf-8")
    listed = [
        line.split("`")[1] for line in page.splitlines() if line.startswith("| `") and line.count("|") == 3
    ]
    names = list(dict.fromkeys(step.name for step in passes.pipeline("kv260")))
    assert [name for name in listed if name in names] == names
