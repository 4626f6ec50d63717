"""The text that is generated: what it holds, its length, the same bytes each time, what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from fastprefill import frontend
from fastprefill.errors import FastprefillError
from fastprefill.ir.text import parse
from fastprefill.system.build import build_unit
from fastprefill.targets import vitis_hls
from fastprefill.targets.vitis_hls.emit import tool_command
from fastprefill.targets.vitis_hls.pragmas import check_line

KERNELS = Path(__file__).resolve().parents[2] / "contract" / "kernels"
outer = frontend.load_module(KERNELS / "outer_product.py")


def board(version: str = "2024.2") -> SimpleNamespace:
    return SimpleNamespace(
        name="kv260", part="xck26-sfvc784-2LV-c", clock_mhz=200.0, tool_versions={"vitis": version}
    )


def outer_product(size: int) -> dict[str, str]:
    return vitis_hls.emit(build_unit(outer.unit(size, size)), board=board())


def test_a_16x16_outer_product_reads_like_a_person_wrote_it() -> None:
    text = outer_product(16)["outer.cpp"]
    assert len(text.splitlines()) < 150
    body = """
            ap_uint<128> aw = a.read();  // outer_product.py:39
            ap_uint<128> bw = b.read();  // outer_product.py:40"""
    assert body in text
    lane = """
                    ap_int<8> x = aw(r * 8 + 7, r * 8);  // outer_product.py:42
                    ap_int<8> y = bw(j * 8 + 7, j * 8);  // outer_product.py:43
                    ap_int<16> product = x * y;  // outer_product.py:44
#pragma HLS BIND_OP variable=product op=mul impl=dsp
                    acc[r][j] += product;  // outer_product.py:45
"""
    assert lane in text
    assert "// outer_product.py:34\nstatic void outer_array(" in text
    assert "step: for (int step = 0; step < lk; ++step) {  // outer_product.py:38\n#pragma HLS PIPELINE II=1\n" in text
    assert "    DATAFLOW_PROCESS(array, outer_array(k, tiles, a, b, finished));\n" in text


def test_a_4x4_outer_product_is_as_in_the_snapshot(snapshot: Callable[[str, str], None]) -> None:
    snapshot(outer_product(4)["outer.cpp"], "vitis_hls/outer_4x4.cpp")


def test_the_length_does_not_grow_with_the_array() -> None:
    assert len(outer_product(16)["outer.cpp"].splitlines()) == len(outer_product(32)["outer.cpp"].splitlines())


def test_the_same_input_gives_the_same_bytes() -> None:
    assert outer_product(8) == outer_product(8)


def test_a_tile_of_registers_crosses_in_streams_that_are_narrow_enough() -> None:
    """A tile of 16x16 int32 has 8,192 bits, more than the 4,096 of one stream: every row has a stream of its own."""
    text = outer_product(16)["outer.cpp"]
    streams = """
    hls::stream<ap_uint<512>> finished[16];
#pragma HLS STREAM variable=finished depth=1
#pragma HLS ARRAY_PARTITION variable=finished type=complete dim=0
    DATAFLOW_STREAMS(finished, 1);
"""
    assert streams in text
    widths = [int(width) for width in re.findall(r"ap_u?int<(\d+)>", outer_product(32)["outer.cpp"])]
    assert max(widths) == 1024


def test_every_pragma_is_in_the_table() -> None:
    lines = [line for line in outer_product(8)["outer.cpp"].splitlines() if line.startswith("#pragma")]
    assert len(lines) > 15
    for line in lines:
        check_line(line)


def test_ports_have_their_interfaces() -> None:
    text = outer_product(4)["outer.cpp"]
    for port in ("a", "b", "c"):
        assert f"#pragma HLS INTERFACE mode=axis port={port}\n" in text
    for port in ("k", "tiles", "return"):
        assert f"#pragma HLS INTERFACE mode=s_axilite port={port}\n" in text


def test_wide_words_raise_the_limit_of_ap_int() -> None:
    assert "AP_INT_MAX_W" not in outer_product(16)["outer.h"]
    assert "#define AP_INT_MAX_W 4096\n" in outer_product(32)["outer.h"]


@pytest.mark.parametrize(
    ("version", "command"),
    [
        ("2023.2", "vitis_hls -f run.tcl"),
        ("2024.1", "vitis-run --mode hls --tcl run.tcl"),
        ("2025.1", "vitis-run --mode hls --tcl run.tcl"),
    ],
)
def test_tcl_is_started_as_the_version_wants(version: str, command: str) -> None:
    assert tool_command(version) == command
    text = vitis_hls.emit(build_unit(outer.unit(4, 4)), board=board(version))["run.tcl"]
    assert f"#     {command}\n" in text
    assert "set_part {xck26-sfvc784-2LV-c}\n" in text
    assert "create_clock -period 5.000 -name default\n" in text
    assert '"csim csynth cosim export"' in text
    assert "export_design -format ip_catalog -vendor fastprefill -library hls -ipname outer }\n" in text


def module(
    process: str, *, create: str = "", region: str = "", arguments: str = "%x: !fp.stream<i8, 2>"
) -> str:
    """A unit `u` of one process `u_p` with the given body and arguments."""
    names = ", ".join(f'"{name}"' for name in re.findall(r"%(\w+):", arguments))
    kinds = ", ".join(part.split(": ")[1] for part in re.split(r", (?=%)", arguments))
    values = ", ".join(re.findall(r"(%\w+):", arguments))
    call = region or f'func.call @u_p({values}) {{instance = "p"}} : ({kinds}) -> ()'
    letters = "s" * len(re.findall(r"%\w+:", arguments))
    return f"""
builtin.module attributes {{fp.unit = "u"}} {{
  func.func @u_p({arguments}) attributes {{fp.process, arg_names = [{names}], itypes = "{letters}"}} {{
    {process}
    func.return
  }}
  func.func @u({arguments}) attributes {{fp.region, arg_names = [{names}], itypes = "{letters}"}} {{
    {create}
    {call}
    func.return
  }}
}}"""


BLOCKS = "!fp.blocks<memref<4xi8>, 2>"
GET = "%v = fp.get %x : !fp.stream<i8, 2> -> i8"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            module("", arguments="%x: memref<4x4xi8>"),
            r"array argument x of u_p has shape 4x4: a unit takes streams and run-time scalars \(T\[1\]\)",
        ),
        (module(GET, arguments=f"%x: !fp.stream<i8, 2>, %b: {BLOCKS}"), "block stream b is a port of u: UG1399 allows"),
        (
            module(GET, arguments="%x: !fp.stream<i5000, 2>").replace("i8", "i5000"),
            "a token of 5000 bits is wider than the 4096 of a stream in Vitis HLS",
        ),
        (
            module(f"{GET}\n %w = arith.extsi %v {{src = \"k.py:6\"}} : i8 to i5000"),
            "k.py:6: an integer of 5000 bits is wider than the 4096 of ap_int",
        ),
        (
            module(f'{GET}\n %m = memref.alloc() {{name = "m", storage = "URAM", storage_type = "RAM_3P", '
                   'src = "k.py:7"} : memref<8xi8>'),
            "k.py:7: pragma HLS BIND_STORAGE type=ram_3p is not allowed",
        ),
        (
            module(f'{GET}\n %m = memref.alloc() {{name = "m", partition = ["cyclic 2", "none"], src = "k.py:8"}} '
                   ": memref<8xi8>"),
            "k.py:8: m has 1 dimensions and a partition of 2",
        ),
        (
            module(f"{GET}\n %d = arith.divui %v, %v {{src = \"k.py:9\"}} : i8\n"
                   "fp.put %y, %d : !fp.stream<i8, 2>, i8", arguments="%x: !fp.stream<i8, 2>, %y: !fp.stream<i8, 2>"),
            "k.py:9: a division needs a positive constant as its divisor",
        ),
        (
            module("%t = arith.constant true\n%v = fp.get %x if %t : !fp.stream<i8, 2> -> i8"),
            "fp.get with a predicate in u_p: HLS C\\+\\+ is made of the IR before 'flatten'",
        ),
        (
            module(
                GET,
                region='func.call @u_p(%x) {instance = "p"} : (!fp.stream<i8, 2>) -> ()\n'
                'func.call @u_p(%x) {instance = "q"} : (!fp.stream<i8, 2>) -> ()',
            ),
            "a stream of region u has two readers, u_p and u_p",
        ),
        (module(GET).replace('"x"', '"class"'), "'class' cannot be a C\\+\\+ name"),
    ],
)  # fmt: skip
def test_what_has_no_form_is_refused(text: str, message: str) -> None:
    with pytest.raises(FastprefillError, match=message):
        vitis_hls.emit(parse(text), board=board())


COPY = """
    %zero = arith.constant 0 : index
    %a = fp.acquire "read" %i : BLOCKS -> memref<4xi8>
    %b = fp.acquire "write" %o {src = "k.py:5"} : BLOCKS -> memref<4xi8>
    %v = memref.load %a[%zero] : memref<4xi8>
    memref.store %v, %b[%zero] : memref<4xi8>
    fp.release %o, %b : BLOCKS, memref<4xi8>
    fp.release %i, %a : BLOCKS, memref<4xi8>"""


def network(partition: str, body: str = COPY) -> str:
    """One process between two block streams, the second with a partition."""
    ends = f"%i: {BLOCKS}, %o: {BLOCKS}"
    return f"""
builtin.module attributes {{fp.unit = "n"}} {{
  func.func @copy({ends}) attributes {{fp.process, arg_names = ["i", "o"], itypes = "ss"}} {{
    {body.replace("BLOCKS", BLOCKS)}
    func.return
  }}
  func.func @n() attributes {{fp.region, arg_names = [], itypes = ""}} {{
    %p = fp.create "p" : {BLOCKS}
    %q = fp.create "q" {{{partition}}} : {BLOCKS}
    func.call @copy(%p, %q) {{instance = "copy"}} : ({BLOCKS}, {BLOCKS}) -> ()
    func.return
  }}
}}"""


@pytest.mark.parametrize(
    ("body", "style"),
    [
        ("%v = fp.get %x : STREAM -> i8\nfp.put %y, %v : STREAM, i8", " style=flp"),
        ("%v = fp.get %x : STREAM -> i8\n%w = fp.get %y : STREAM -> i8", ""),
        ("%v = fp.get %x : STREAM -> i8", ""),
        ("%v = fp.get %x : STREAM -> i8\nscf.if %c {\n%w = fp.get %y : STREAM -> i8\n}", " style=flp"),
    ],
    ids=["get and put", "two gets", "one get", "a get under a condition"],
)
def test_a_pipeline_that_must_not_hold_back_tokens_is_flushed(body: str, style: str) -> None:
    stream = "!fp.stream<i8, 2>"
    loop = f"""%zero = arith.constant 0 : index
    %one = arith.constant 1 : index
    %c = arith.constant true
    scf.for %i = %zero to %one step %one {{
      {body.replace("STREAM", stream)}
    }} {{loop_name = "i", pipeline_ii = 1 : i32}}"""
    text = vitis_hls.emit(parse(module(loop, arguments=f"%x: {stream}, %y: {stream}")), board=board())[
        "u.cpp"
    ]
    assert f"#pragma HLS PIPELINE II=1{style}\n" in text


def test_simple_expressions_read_simply() -> None:
    """Down-counting subscripts, conditions of one bit, and a bound product of its own width."""
    body = """%zero = arith.constant 0 : index
    %one = arith.constant 1 : index
    %four = arith.constant 4 : index
    %minus = arith.constant -1 : index
    %seven = arith.constant 7 : index
    %false = arith.constant false
    %table = memref.alloc() {name = "table"} : memref<8xi32>
    scf.for %i = %zero to %four step %one {
      %v = fp.get %x : !fp.stream<i8, 2> -> i8
      %down = arith.muli %i, %minus : index
      %place = arith.addi %down, %seven : index
      %wide = arith.extsi %v : i8 to i32
      %square = arith.muli %wide, %wide {bind = "fabric"} : i32
      %more = arith.addi %square, %wide : i32
      memref.store %more, %table[%place] : memref<8xi32>
      %sign = fp.get_slice %v[%zero] : i8 -> i1
      %even = arith.cmpi eq, %sign, %false : i1
      scf.if %even {
        fp.put %y, %v : !fp.stream<i8, 2>, i8
      }
    } {loop_name = "i"}"""
    arguments = "%x: !fp.stream<i8, 2>, %y: !fp.stream<i8, 2>"
    text = vitis_hls.emit(parse(module(body, arguments=arguments)), board=board())["u.cpp"]
    assert "table[7 - i] = " in text
    assert "if (!v[0]) {" in text
    assert "const ap_int<16> square = v * v;\n#pragma HLS BIND_OP variable=square op=mul impl=fabric" in text


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("", ""), (', storage_type = "RAM_1P"', "#pragma HLS BIND_STORAGE variable=m type=ram_1p\n")],
)
def test_the_tool_chooses_a_memory_where_the_kernel_says_auto(kind: str, expected: str) -> None:
    body = f"""{GET}
    %m = memref.alloc() {{name = "m", storage = "AUTO"{kind}}} : memref<8xi8>
    %z = arith.constant 0 : index
    memref.store %v, %m[%z] : memref<8xi8>"""
    text = vitis_hls.emit(parse(module(body)), board=board())["u.cpp"]
    assert "".join(line for line in text.splitlines(keepends=True) if "BIND_STORAGE" in line) == expected


def test_locks_of_two_streams_nest() -> None:
    text = vitis_hls.emit(parse(network("")), board=board())["n.cpp"]
    assert text.index("hls::read_lock<p_t> a(i);") < text.index("hls::write_lock<p_t> b(o);")


def test_a_block_of_registers_takes_no_lock() -> None:
    text = vitis_hls.emit(parse(network('partition = ["complete"]')), board=board())["n.cpp"]
    assert "hls::read_lock<p_t> a(i);" in text and "write_lock" not in text
    assert 'hls::stream<ap_uint<32>, 2> q("q");' in text
    crossing = """
    ap_uint<32> word;
    put_b: for (int column = 0; column < 4; ++column) {
#pragma HLS UNROLL
        word(8 * column + 7, 8 * column) = b[column];
    }
    o.write(word);
"""
    assert crossing in text


def test_locks_that_do_not_nest_are_refused_unless_one_block_is_registers() -> None:
    first, *_, second, third = COPY.splitlines()
    crossed = COPY.replace(second, "").replace(third, f"{third}\n{second}")
    with pytest.raises(
        FastprefillError, match=r"k\.py:5: this block is still held when the one taken before it ends"
    ):
        vitis_hls.emit(parse(network("", crossed)), board=board())
    with pytest.raises(FastprefillError, match=r"k\.py:5: this block is still held"):
        vitis_hls.emit(parse(network('partition = ["complete"]', crossed)), board=board())


def test_a_block_stream_has_one_lock_at_a_time() -> None:
    twice = (
        COPY.replace('"write" %o', '"read" %i').replace("%o, %b", "%i, %b").replace("memref.store %v", "// ")
    )
    with pytest.raises(
        FastprefillError, match=r"k\.py:5: a block stream is acquired again before its block is"
    ):
        vitis_hls.emit(parse(network("", twice)), board=board())
