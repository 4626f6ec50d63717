"""Kernel files, the stand-ins for Allo, and where source text comes from."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fastprefill import standin
from fastprefill.errors import FastprefillError
from fastprefill.frontend import load_module
from fastprefill.frontend.names import problem
from fastprefill.system.build import build_unit
from fastprefill.system.load import load

KERNEL = """
import allo.dataflow as df
from allo.ir.types import Stream, int32
from fastprefill.system.unit import Unit

def make(depth):
    factor = 3

    @df.region()
    def region(n: int32[1]):
        x: Stream[int32, depth]
        y: Stream[int32, depth]

        @df.kernel(mapping=[1], args=[n])
        def work(ln: int32[1]):
            for i in range(ln[0]):
                y.put(x.get() * factor)

    return region

def unit(depth: int = 2):
    return Unit("test", make(depth), inputs=("x",), outputs=("y",))
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "user_kernel.py"
    path.write_text(text)
    return path


def test_parameters_reach_the_unit(tmp_path: Path) -> None:
    (unit,) = load(write(tmp_path, KERNEL), {"depth": 7})
    region = build_unit(unit).body.block.last_op
    assert region is not None
    assert "i32, 7" in str(region)


def test_a_file_that_ends_python(tmp_path: Path) -> None:
    file = write(tmp_path, "import sys\nsys.exit(3)\n")
    with pytest.raises(FastprefillError, match=r"user_kernel.py:2: the kernel file ends Python \(SystemExit: 3\)"):
        load(file)


def test_an_edited_file_is_read_again(tmp_path: Path) -> None:
    (unit,) = load(write(tmp_path, KERNEL))
    assert "arith.constant 3 : i32" in str(build_unit(unit))
    (unit,) = load(write(tmp_path, KERNEL.replace("factor = 3", "factor = 1234")))
    assert "arith.constant 1234 : i32" in str(build_unit(unit))


def test_a_region_alone_is_a_unit(tmp_path: Path) -> None:
    text = """
import allo.dataflow as df
from allo.ir.types import Stream, int32

@df.region()
def closed():
    s: Stream[int32, 2]

    @df.kernel(mapping=[1])
    def source():
        s.put(1)

    @df.kernel(mapping=[1])
    def sink():
        v: int32 = s.get()
"""
    (unit,) = load(write(tmp_path, text))
    assert unit.name == "closed"
    assert "@closed_source" in str(build_unit(unit))


@pytest.mark.parametrize(
    ("text", "parameters", "expected"),
    [
        ("x = 1\n", {}, "has no function unit"),
        ("def unit(:\n", {}, "user_kernel.py:1:10: Python cannot read the file"),
        ("import nowhere_to_be_found\n", {}, "user_kernel.py:1: ModuleNotFoundError in the kernel file"),
        ("def unit():\n    return 1 // 0\n", {}, "user_kernel.py:2: ZeroDivisionError in unit()"),
        ("def unit():\n    return 5\n", {}, "returned int; return a Unit"),
        (KERNEL, {"width": 3}, "it takes: depth: int = 2"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, parameters: dict[str, int], expected: str) -> None:
    with pytest.raises(FastprefillError, match=expected.replace("(", r"\(").replace(")", r"\)")):
        load(write(tmp_path, text), parameters)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FastprefillError, match="does not exist; give the path of a Python file"):
        load_module(tmp_path / "none.py")


def test_a_function_without_source_is_refused() -> None:
    standin.install()
    space: dict[str, object] = {}
    exec("def region(): pass", space)
    from fastprefill.frontend import lower

    with pytest.raises(
        FastprefillError, match=r"the region 'region' has no source text; put it in a \.py file"
    ):
        lower(space["region"], name="test")  # type: ignore[arg-type]


def test_standins_evaluate_what_python_evaluates() -> None:
    standin.install()
    if standin.real_allo():
        pytest.skip("Allo itself is installed; its own types are used")
    from allo.customize import Partition
    from allo.ir.types import Stream, UInt, int8
    from allo.memory import Memory

    assert UInt(1024).bits == 1024
    assert (int8[4, 4] @ Memory(resource="URAM")).shape == (4, 4)
    assert Stream[int8, 2][3, 3].shape == (3, 3)
    assert Partition.Cyclic.name == "Cyclic"
    with pytest.raises(FastprefillError, match="an integer type needs a width of 1 or more"):
        UInt(0)
    allo = sys.modules["allo"]
    with pytest.raises(FastprefillError, match="it has a meaning only inside a kernel"):
        allo.grid(4)
    with pytest.raises(FastprefillError, match="needs the real Allo"):
        allo.customize(None)


@pytest.mark.parametrize("name", ["wire", "logic", "while", "double", "a__b", "_a", "clk"])
def test_names_that_are_refused(name: str) -> None:
    assert problem(name, "port", port=True)


@pytest.mark.parametrize("name", ["a", "word", "aw2", "acc_0", "clock"])
def test_names_that_are_fine(name: str) -> None:
    assert problem(name, "port", port=True) is None
