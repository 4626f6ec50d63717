"""Constructs of the language, run by the interpreter, and the shape of the IR that they become."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from xdsl.dialects import func, memref, scf
from xdsl.dialects.builtin import ArrayAttr, IntegerAttr, ModuleOp, StringAttr

from fastprefill.errors import KernelError
from fastprefill.frontend import region
from fastprefill.ir.dialect import AcquireOp, CreateOp, FillOp, ReleaseOp
from fastprefill.ir.text import parse, to_text
from fastprefill.system.build import build_unit
from fastprefill.system.case import Case
from fastprefill.system.load import load
from fastprefill.targets import interpreter

HEAD = """
import allo
import allo.dataflow as df
import numpy as np
from allo.customize import Partition
from allo.ir.types import ConstExpr, Int, Stream, UInt, int8, int16, int32, uint8
from allo.memory import Memory
from fastprefill.system.unit import Unit
"""


def module(folder: Path, text: str) -> ModuleOp:
    """Build the unit of a kernel file and check that its text can be read back."""
    path = folder / "kernel_file.py"
    path.write_text(HEAD + textwrap.dedent(text))
    (unit,) = load(path)
    built = build_unit(unit)
    built.verify()
    assert to_text(parse(to_text(built))) == to_text(built)
    return built


def simple(body: str, before: str = "", schedule: str = "None", top: str = "") -> str:
    """A kernel that reads x and writes y `n` times with `body` between."""
    return (
        textwrap.dedent(top)
        + """
@df.region()
def region(n: int32[1]):
    x: Stream[int32, 2]
    y: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[n])
    def work(ln: int32[1]):
"""
        + textwrap.indent(textwrap.dedent(before), " " * 8)
        + "\n        for i in range(ln[0]):\n            v: int32 = x.get()\n"
        + textwrap.indent(textwrap.dedent(body), " " * 12)
        + f"""

def unit():
    return Unit("test", region, inputs=("x",), outputs=("y",), schedule={schedule})
"""
    )


def outputs(built: ModuleOp, x: list[int]) -> list[int]:
    tokens = interpreter.run(built, Case("case", {"n": len(x)}, {"x": x}))["y"]
    return [token - 2**32 if token >> 31 else token for token in tokens]


def ops(built: ModuleOp, kind: type) -> list:
    return [op for op in built.walk() if isinstance(op, kind)]


@pytest.mark.parametrize(
    ("body", "before", "top", "function"),
    [
        (
            "if v > 3:\n    v = 1\nelif v == 3:\n    v = 2\nelse:\n    v = 3\ny.put(v)",
            "",
            "",
            lambda v: 1 if v > 3 else 2 if v == 3 else 3,
        ),
        ("w = v\nwhile w > 10:\n    w -= 7\ny.put(w)", "", "", lambda v: v if v <= 10 else (v - 11) % 7 + 4),
        ("for j, k in allo.grid(3, 4):\n    v += j * k\ny.put(v)", "", "", lambda v: v + 18),
        ("for j in range(2, 9, 3):\n    v += j\ny.put(v)", "", "", lambda v: v + 2 + 5 + 8),
        ("with allo.meta_for(1, 4) as j:\n    v += j * j\ny.put(v)", "", "", lambda v: v + 14),
        (
            "with allo.meta_if(SIZE > 4):\n    v += 1\nwith allo.meta_elif(SIZE > 2):\n    v += 2\n"
            "with allo.meta_else():\n    v += 3\ny.put(v)",
            "",
            "SIZE = 3\n",
            lambda v: v + 2,
        ),
        (  # a branch is no block: what it declares stays
            "with allo.meta_if(SIZE > 2):\n    w: int32 = v + 1\n"
            "    with allo.meta_if(SIZE > 1):\n        u: int32 = w * 2\n"
            "with allo.meta_else():\n    w: int32 = v\nwith allo.meta_if(SIZE > 2):\n    w += u\ny.put(w)",
            "",
            "SIZE = 3\n",
            lambda v: 3 * (v + 1),
        ),
        ("c: ConstExpr[int32] = max(3, len('abcde'))\ny.put(v + c)", "", "", lambda v: v + 5),
        (
            "y.put(scaled(v, FACTOR) + 1)",
            "",
            "FACTOR = 5\n\n"
            "def scaled(a: int32, f: int32) -> int32:\n    t: int32 = a * f\n    return t - 1\n",
            lambda v: v * 5,
        ),
        (
            "bump(memory, 2)\nmemory[0] = memory[0] + v\ny.put(memory[2])",
            "memory: int32[4] = 1",
            "def bump(m: int32[4], at: int32):\n    m[at] = m[at] * 2\n",
            None,
        ),
        ("low: int8 = v\ny.put(low)", "", "", lambda v: (v + 128) % 256 - 128),
        ("a: int32[2, 3] = [[1, 2, 3], [4, 5, 6]]\ny.put(a[1, 2] + a[0][1] + v)", "", "", lambda v: v + 8),
        ("a: int32[3] = [1, 2, 3]\na[1] = v\ny.put(a[0] + a[1] + a[2])", "", "", lambda v: v + 4),
        ("a: UInt(100)[2] = [2**80, 3]\na[1] = a[0] >> 70\ny.put(a[1] + v)", "", "", lambda v: v + 1024),
        ("a: int32[2] = 0\na[1][4:8] = v\na[1][0] = 1\ny.put(a[1])", "", "", lambda v: (v & 15) << 4 | 1),
        ("w: UInt(8) = v\nw[0:4] += 15\ny.put(w)", "", "", lambda v: (v & 0xF0) | (v + 15) & 15),
        ("big: UInt(40) = 0xFF00000000\ny.put(big[32:40] + v)", "", "", lambda v: v + 255),
        ("y.put(min(max(v, -5), 5))", "", "", lambda v: min(max(v, -5), 5)),
        (
            "f = v > 2\ng = not f\ny.put(v if f or (g and v == 0) else -v)",
            "",
            "",
            lambda v: v if v > 2 or v == 0 else -v,
        ),
        ("u: uint8 = v\ny.put((u % 3) * 100 + u // 3)", "", "", lambda v: v % 256 % 3 * 100 + v % 256 // 3),
    ],
)
def test_meaning(tmp_path: Path, body: str, before: str, top: str, function) -> None:
    built = module(tmp_path, simple(body, before, top=top))
    x = [0, 1, 2, 3, 4, 11, 100, 255, -1, -7, -300]
    if function is None:
        assert outputs(built, x) == [2**k for k in range(1, len(x) + 1)]
    else:
        assert outputs(built, x) == [function(v) for v in x]


def test_large_initialiser_that_is_written_is_copied_by_a_loop(tmp_path: Path) -> None:
    built = module(
        tmp_path,
        simple(
            "lut[0] = v\ny.put(lut[i + 1] + lut[0])",
            "lut: int16[64] = TABLE",
            top="TABLE = np.arange(64) * 3\n",
        ),
    )
    assert outputs(built, [5, 6]) == [5 + 3, 6 + 6]
    names = [op.attributes["loop_name"].data for op in ops(built, scf.ForOp)]
    assert names == ["lut_initial", "i"]


def test_constant_array_becomes_a_global_with_its_storage(tmp_path: Path) -> None:
    built = module(
        tmp_path,
        simple(
            "y.put(lut[i] + v)",
            'lut: uint8[4] @ Memory(resource="LUTRAM", storage_type="ROM_1P") = [1, 2, 3, 255]',
        ),
    )
    (table,) = ops(built, memref.GlobalOp)
    assert table.sym_name.data == "test_lut"
    assert table.attributes["storage"] == StringAttr("LUTRAM")
    assert table.attributes["storage_type"] == StringAttr("ROM_1P")
    assert "unsigned" in table.attributes
    assert not [op for op in ops(built, memref.AllocOp) if op.memref.type.get_shape()]
    assert outputs(built, [0, 0, 0, 0]) == [1, 2, 3, 255]


def test_scalar_initialiser_is_a_fill(tmp_path: Path) -> None:
    built = module(tmp_path, simple("memory[0] = v\ny.put(memory[1])", "memory: int8[4] = 7"))
    assert len(ops(built, FillOp)) == 1
    assert outputs(built, [1]) == [7]


def test_narrowing_leaves_no_wide_adder(tmp_path: Path) -> None:
    text = to_text(module(tmp_path, simple("total += v\ny.put(total)", "total: int32 = 0")))
    assert "arith.addi" in text
    assert "i33" not in text


def test_index_arithmetic_is_folded_and_shared(tmp_path: Path) -> None:
    built = module(
        tmp_path, simple("memory[2 * i + 3 - 1] = v\ny.put(memory[i + i + 2])", "memory: int32[64] = 0")
    )
    text = to_text(built)
    assert text.count("arith.muli") == 1
    assert text.count("arith.addi") == 1
    assert outputs(built, [4, 5]) == [4, 5]


def test_marks_of_loops(tmp_path: Path) -> None:
    body = """
    for j in range(4, pipeline=2):
        v += j
    for a, b in allo.grid(2, 4, pipeline=True, unroll=[False, 2]):
        v += a * b
    y.put(v)
    """
    built = module(tmp_path, simple(body, schedule='lambda s: s.unroll("work:j", factor=2)'))
    loops = {op.attributes["loop_name"].data: op.attributes for op in ops(built, scf.ForOp)}

    def number(loop: str, key: str) -> int | None:
        attribute = loops[loop].get(key)
        return attribute.value.data if isinstance(attribute, IntegerAttr) else None

    assert (number("j", "pipeline_ii"), number("j", "unroll")) == (2, 2)
    assert (number("a", "pipeline_ii"), number("a", "unroll")) == (None, None)
    assert (number("b", "pipeline_ii"), number("b", "unroll")) == (1, 2)
    assert outputs(built, [0]) == [6 + 6]


BLOCKS = """
@df.region()
def region(n: int32[1]):
    x: Stream[int32, 2]
    y: Stream[int32, 2]
    ring: Stream[int32[4, 2], 3]

    @df.kernel(mapping=[1], args=[n])
    def fill(ln: int32[1]):
        for i in range(ln[0]):
            block: int32[4, 2] @ Memory(resource="BRAM") = 0
            block[i, 1] = x.get()
            ring.put(block)

    @df.kernel(mapping=[1], args=[n])
    def empty(ln: int32[1]):
        for i in range(ln[0]):
            block: int32[4, 2] = ring.get()
            y.put(block[i, 1] + block[i, 0])

def schedule(s):
    s.partition("fill:block", partition_type=Partition.Cyclic, dim=1, factor=2)
    s.partition("empty:block", dim=2)

def unit():
    return Unit("test", region, inputs=("x",), outputs=("y",), schedule=schedule)
"""


def test_block_stream(tmp_path: Path) -> None:
    built = module(tmp_path, BLOCKS)
    (create,) = ops(built, CreateOp)
    assert create.attributes["partition"] == ArrayAttr([StringAttr("cyclic 2"), StringAttr("complete")])
    assert create.attributes["storage"] == StringAttr("BRAM")
    assert [op.mode.data for op in ops(built, AcquireOp)] == ["write", "read"]
    assert len(ops(built, ReleaseOp)) == 2
    assert outputs(built, [7, 8, 9]) == [7, 8, 9]


def test_partition_conflict_is_refused(tmp_path: Path) -> None:
    text = BLOCKS.replace('"empty:block", dim=2', '"empty:block", dim=1')
    with pytest.raises(KernelError, match=r"partitioned 'cyclic 2' and 'complete' along dimension 1"):
        module(tmp_path, text)


MESH = """
@df.region()
def region(n: int32[1]):
    x: Stream[int32, 2]
    y: Stream[int32, 2]
    pipe: Stream[int32, 2][3]

    @df.kernel(mapping=[4], args=[n])
    def stage(ln: int32[1]):
        p = df.get_pid()
        for i in range(ln[0]):
            v: int32 = 0
            with allo.meta_if(p == 0):
                v = x.get()
            with allo.meta_else():
                v = pipe[p - 1].get()
            v += NUMBER
            with allo.meta_if(p == 3):
                y.put(v)
            with allo.meta_else():
                pipe[p].put(v)

def unit():
    return Unit("test", region, inputs=("x",), outputs=("y",))
"""


def symbols(built: ModuleOp) -> list[str]:
    return [op.sym_name.data for op in ops(built, func.FuncOp)]


def test_instances_with_equal_bodies_share_one(tmp_path: Path) -> None:
    built = module(tmp_path, MESH.replace("NUMBER", "1"))
    assert symbols(built) == ["test_stage_0", "test_stage_1", "test_stage_3", "test"]
    calls = {op.attributes["instance"].data: op.callee.root_reference.data for op in ops(built, func.CallOp)}
    assert calls["stage_2"] == "test_stage_1"
    assert outputs(built, [5]) == [9]


def test_position_as_a_number_makes_bodies_differ(tmp_path: Path) -> None:
    built = module(tmp_path, MESH.replace("NUMBER", "p"))
    assert symbols(built) == [f"test_stage_{i}" for i in range(4)] + ["test"]
    assert outputs(built, [5]) == [11]


def test_twins_are_what_lowering_each_instance_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instances known to be equal are not lowered again; that must not show."""
    text = MESH.replace("NUMBER", "1")
    quick = to_text(module(tmp_path, text))
    monkeypatch.setattr(region, "position_names", lambda node, streams: None)
    assert to_text(module(tmp_path, text)) == quick


def test_attributes_of_functions_and_calls(tmp_path: Path) -> None:
    built = module(tmp_path, simple("y.put(v)"))
    work, region = ops(built, func.FuncOp)
    assert "fp.process" in work.attributes and "fp.region" in region.attributes
    assert work.attributes["directions"] == StringAttr("iio")
    assert work.attributes["arg_names"] == ArrayAttr([StringAttr(name) for name in ("ln", "x", "y")])
    assert region.attributes["arg_names"] == ArrayAttr([StringAttr(name) for name in ("n", "x", "y")])
    assert built.attributes["fp.unit"] == StringAttr("test")
    (call,) = ops(built, func.CallOp)
    assert call.attributes["instance"] == StringAttr("work")
    assert call.attributes["domain"] == StringAttr("kernel")


def test_the_same_input_gives_the_same_text(tmp_path: Path) -> None:
    text = MESH.replace("NUMBER", "p")
    assert to_text(module(tmp_path, text)) == to_text(module(tmp_path, text))


LOCAL_HELPER = """
SHAPE = [2]

@df.region()
def region(n: int32[1]):
    x: Stream[int32, 2]
    y: Stream[int32, 2]
    between: Stream[int32, 2]

    def send(value: int32):
        between.put(value + 1)

    @df.kernel(mapping=SHAPE, args=[n])
    def work(ln: int32[1]):
        p = df.get_pid()
        with allo.meta_if(p == 0):
            for i in range(ln[0]):
                send(x.get())
        with allo.meta_else():
            for i in range(ln[0]):
                y.put(between.get() * 2)

def unit():
    return Unit("test", region, inputs=("x",), outputs=("y",))
"""


def test_helper_in_a_region_sees_its_streams(tmp_path: Path) -> None:
    built = module(tmp_path, LOCAL_HELPER)
    assert outputs(built, [1, 5]) == [4, 12]


BRANCHES = """
@df.region()
def region(n: int32[1]):
    x: Stream[int32, 8]
    y: Stream[int32, 8]
    between: Stream[int32, 8]
    first: Stream[int32[2], 2]
    second: Stream[int32[2], 2]

    @df.kernel(mapping=[2], args=[n])
    def write(ln: int32[1]):
        p = df.get_pid()
        for i in range(ln[0]):
            block: int32[2]
            v: int32 = 0
            with allo.meta_if(p == 0):
                v = x.get()
                between.put(v)
            with allo.meta_else():
                v = between.get()
            block[0] = v
            block[1] = 10 * v
            with allo.meta_if(p == 1):
                second.put(block)
            with allo.meta_else():
                first.put(block)

    @df.kernel(mapping=[1], args=[n])
    def read(ln: int32[1]):
        for i in range(ln[0]):
            one: int32[2] = first.get()
            other: int32[2] = second.get()
            y.put(one[0] + other[1])

def unit():
    return Unit("test", region, inputs=("x",), outputs=("y",))
"""


def test_a_block_is_put_into_the_stream_of_the_branch_that_stays(tmp_path: Path) -> None:
    assert outputs(module(tmp_path, BRANCHES), [3, 4]) == [33, 44]


def test_an_expression_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    deep = MESH.replace("v += NUMBER", "v = " + " + ".join(["v"] * 400))
    with pytest.raises(KernelError, match=r":\d+:\d+: an expression nested too deeply to be read; compute parts"):
        module(tmp_path, deep)
