"""Generated C++ as it runs: the outer product, cycles, deadlocks, block streams, control flow, constant arrays."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fastprefill import frontend
from fastprefill.errors import FastprefillError
from fastprefill.ir.text import parse
from fastprefill.system.build import build_unit
from fastprefill.system.case import Case
from fastprefill.targets import vitis_hls
from fastprefill.tools import csim

outer = frontend.load_module(Path(__file__).resolve().parents[2] / "contract" / "kernels" / "outer_product.py")

BOARD = SimpleNamespace(name="b", part="p", clock_mhz=200.0, tool_versions={"vitis": "2024.2"})

pytestmark = pytest.mark.skipif(csim.missing() is not None, reason=f"C simulation: {csim.missing()}")


def build(text: str, folder: Path) -> Path:
    """Emit and compile."""
    for path, content in vitis_hls.emit(parse(text), board=BOARD).items():
        (folder / path).write_text(content)
    return csim.build(folder)


def run(text: str, case: Case, widths: dict[str, int], folder: Path) -> dict[str, list[int]]:
    program = build(text, folder)
    case.save(folder / "case", widths)
    return csim.run(program, folder / "case")


@pytest.fixture(scope="module")
def outer_product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of a 4x4 outer product."""
    folder = tmp_path_factory.mktemp("outer")
    for path, content in vitis_hls.emit(build_unit(outer.unit(4, 4)), board=BOARD).items():
        (folder / path).write_text(content)
    return csim.build(folder)


def matrix_case(kind: str, tiles: int, k: int) -> Case:
    rng = np.random.default_rng(3)
    a = rng.integers(-128, 128, (tiles, 4, k), dtype=np.int8)
    b = rng.integers(-128, 128, (tiles, k, 4), dtype=np.int8)
    if kind == "lowest":
        a[:], b[:] = -128, -128
    return outer.case(f"{kind}_{tiles}x{k}", a, b)


@pytest.mark.parametrize(
    ("kind", "tiles", "k"),
    [("random", 5, 37), ("random", 3, 1), ("lowest", 2, 300), ("random", 0, 4), ("random", 2, 0)],
)
def test_the_outer_product_equals_its_golden_model(
    kind: str, tiles: int, k: int, outer_product: Path, tmp_path: Path
) -> None:
    case = matrix_case(kind, tiles, k)
    case.save(tmp_path, {"a": 32, "b": 32, "c": 128})
    assert csim.run(outer_product, tmp_path) == case.outputs


def test_a_wrong_expectation_is_reported_with_its_index(outer_product: Path, tmp_path: Path) -> None:
    case = matrix_case("random", 2, 3)
    right = case.outputs["c"][5]
    case.outputs["c"][5] ^= 1 << 77
    case.save(tmp_path, {"a": 32, "b": 32, "c": 128})
    answer = csim.tools.run([outer_product, tmp_path], timeout_s=20, check=False)
    assert answer.status == 1
    assert answer.output == f"c[5]: expected {case.outputs['c'][5]:032x}, got {right:032x}\n"
    assert csim.run(outer_product, tmp_path)["c"][5] == right


def test_a_missing_token_is_a_deadlock_that_names_the_waiting(outer_product: Path, tmp_path: Path) -> None:
    case = matrix_case("random", 2, 3)
    case.inputs["b"].pop()
    case.save(tmp_path, {"a": 32, "b": 32, "c": 128})
    message = (
        r"every process waits: array waits to read b \(empty\); drain waits to read finished\[0\] \(empty\)"
    )
    with pytest.raises(FastprefillError, match=message):
        csim.run(outer_product, tmp_path)


def test_a_token_too_many_is_an_error(outer_product: Path, tmp_path: Path) -> None:
    case = matrix_case("random", 2, 3)
    case.inputs["b"].append(1)
    case.save(tmp_path, {"a": 32, "b": 32, "c": 128})
    with pytest.raises(FastprefillError, match="1 token is left in input b"):
        csim.run(outer_product, tmp_path)


CYCLE = """
builtin.module attributes {fp.unit = "ring"} {
  func.func @ring_left(%n: memref<1xi32>, %m: memref<1xi32>, %x: !fp.stream<i16, 2>, %back: !fp.stream<i16, 2>,
                       %to: !fp.stream<i16, 2>, %y: !fp.stream<i16, 2>) attributes {
      fp.process, arg_names = ["n", "m", "x", "back", "to", "y"], itypes = "ssssss", directions = "iiiioo"} {
    %zero = arith.constant 0 : index
    %one = arith.constant 1 : index
    %ahead32 = memref.load %m[%zero] : memref<1xi32>
    %ahead = arith.index_cast %ahead32 : i32 to index
    %count32 = memref.load %n[%zero] : memref<1xi32>
    %count = arith.index_cast %count32 : i32 to index
    scf.for %r = %zero to %count step %one {
      scf.for %i = %zero to %ahead step %one {
        %v = fp.get %x : !fp.stream<i16, 2> -> i16
        fp.put %to, %v : !fp.stream<i16, 2>, i16
      } {loop_name = "send"}
      scf.for %i = %zero to %ahead step %one {
        %v = fp.get %back : !fp.stream<i16, 2> -> i16
        fp.put %y, %v : !fp.stream<i16, 2>, i16
      } {loop_name = "receive"}
    } {loop_name = "round"}
    func.return
  }
  func.func @ring_right(%n: memref<1xi32>, %m: memref<1xi32>, %from: !fp.stream<i16, 2>, %to: !fp.stream<i16, 2>)
      attributes {fp.process, arg_names = ["n", "m", "from", "to"], itypes = "ssss", directions = "iiio"} {
    %zero = arith.constant 0 : index
    %one = arith.constant 1 : index
    %step = arith.constant 1 : i16
    %ahead32 = memref.load %m[%zero] : memref<1xi32>
    %ahead = arith.index_cast %ahead32 : i32 to index
    %count32 = memref.load %n[%zero] : memref<1xi32>
    %rounds = arith.index_cast %count32 : i32 to index
    %count = arith.muli %rounds, %ahead : index
    scf.for %i = %zero to %count step %one {
      %v = fp.get %from : !fp.stream<i16, 2> -> i16
      %w = arith.addi %v, %step : i16
      fp.put %to, %w : !fp.stream<i16, 2>, i16
    } {loop_name = "i", pipeline_ii = 1 : i32}
    func.return
  }
  func.func @ring(%n: memref<1xi32>, %m: memref<1xi32>, %x: !fp.stream<i16, 2>, %y: !fp.stream<i16, 2>) attributes {
      fp.region, arg_names = ["n", "m", "x", "y"], itypes = "ssss", directions = "iiio"} {
    %there = fp.create "there" : !fp.stream<i16, 2>
    %back = fp.create "back" : !fp.stream<i16, 2>
    func.call @ring_left(%n, %m, %x, %back, %there, %y) {instance = "left"} : (memref<1xi32>, memref<1xi32>,
      !fp.stream<i16, 2>, !fp.stream<i16, 2>, !fp.stream<i16, 2>, !fp.stream<i16, 2>) -> ()
    func.call @ring_right(%n, %m, %there, %back) {instance = "right"} : (memref<1xi32>, memref<1xi32>,
      !fp.stream<i16, 2>, !fp.stream<i16, 2>) -> ()
    func.return
  }
}"""
"""`left` sends m tokens of its input ahead to `right`, which adds one and sends them back, n times.

The loop of streams buffers four tokens and the processes hold one.
"""


def ring_case(ahead: int) -> Case:
    tokens = [7 * i - 20 for i in range(3 * ahead)]
    return Case("ring", {"n": 3, "m": ahead}, {"x": tokens}, {"y": [(t + 1) & 0xFFFF for t in tokens]})


@pytest.fixture(scope="module")
def ring_unit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of the cycle."""
    return build(CYCLE, tmp_path_factory.mktemp("ring"))


def test_a_cycle_of_two_processes_runs(ring_unit: Path, tmp_path: Path) -> None:
    case = ring_case(5)
    case.save(tmp_path, {"x": 16, "y": 16})
    assert csim.run(ring_unit, tmp_path) == case.outputs


def test_a_cycle_that_needs_deeper_streams_is_a_deadlock(ring_unit: Path, tmp_path: Path) -> None:
    ring_case(6).save(tmp_path, {"x": 16, "y": 16})
    message = r"left waits to write there \(full, depth 2\); right waits to write back \(full, depth 2\)"
    with pytest.raises(FastprefillError, match=message):
        csim.run(ring_unit, tmp_path)


def blocks(depth: int, partition: str) -> str:
    """`fill` writes rows of 3x4 blocks, `sum` reads each block by columns, in place at both ends.

    A block's result is the sum of its elements and its first element, which is used after the release.
    """
    kind = f"!fp.blocks<memref<3x4xi16>, {depth}>"
    array = "memref<3x4xi16>"
    loops = """
      scf.for %r = %zero to %three step %one {
        scf.for %c = %zero to %four step %one {"""
    return f"""
builtin.module attributes {{fp.unit = "blocks"}} {{
  func.func @fill(%n: memref<1xi32>, %x: !fp.stream<i16, 2>, %to: {kind}) attributes {{
      fp.process, arg_names = ["n", "x", "to"], itypes = "sss", directions = "iio"}} {{
    %zero = arith.constant 0 : index
    %one = arith.constant 1 : index
    %three = arith.constant 3 : index
    %four = arith.constant 4 : index
    %n32 = memref.load %n[%zero] : memref<1xi32>
    %count = arith.index_cast %n32 : i32 to index
    scf.for %t = %zero to %count step %one {{
      %b = fp.acquire "write" %to {{name = "tile"}} : {kind} -> {array}{loops}
          %v = fp.get %x : !fp.stream<i16, 2> -> i16
          memref.store %v, %b[%r, %c] : {array}
        }} {{loop_name = "c"}}
      }} {{loop_name = "r"}}
      fp.release %to, %b : {kind}, {array}
    }} {{loop_name = "t"}}
    func.return
  }}
  func.func @sum(%n: memref<1xi32>, %from: {kind}, %y: !fp.stream<i16, 2>) attributes {{
      fp.process, arg_names = ["n", "from", "y"], itypes = "sss", directions = "iio"}} {{
    %zero = arith.constant 0 : index
    %one = arith.constant 1 : index
    %three = arith.constant 3 : index
    %four = arith.constant 4 : index
    %nothing = arith.constant 0 : i16
    %n32 = memref.load %n[%zero] : memref<1xi32>
    %count = arith.index_cast %n32 : i32 to index
    scf.for %t = %zero to %count step %one {{
      %total = memref.alloc() {{name = "total"}} : memref<i16>
      memref.store %nothing, %total[] : memref<i16>
      %b = fp.acquire "read" %from {{name = "tile"}} : {kind} -> {array}
      scf.for %c = %zero to %four step %one {{
        scf.for %r = %zero to %three step %one {{
          %v = memref.load %b[%r, %c] : {array}
          %s = memref.load %total[] : memref<i16>
          %s2 = arith.addi %s, %v : i16
          memref.store %s2, %total[] : memref<i16>
        }} {{loop_name = "r"}}
      }} {{loop_name = "c"}}
      %bare = memref.load %b[%zero, %zero] : {array}
      %three16 = arith.constant 3 : i16
      %tripled = arith.muli %bare, %three16 : i16
      %negated = arith.subi %nothing, %tripled : i16
      %first = arith.addi %tripled, %negated : i16
      %again = arith.addi %bare, %first : i16
      fp.release %from, %b : {kind}, {array}
      %elements = memref.load %total[] : memref<i16>
      %result = arith.addi %elements, %again : i16
      fp.put %y, %result : !fp.stream<i16, 2>, i16
    }} {{loop_name = "t"}}
    func.return
  }}
  func.func @blocks(%n: memref<1xi32>, %x: !fp.stream<i16, 2>, %y: !fp.stream<i16, 2>) attributes {{
      fp.region, arg_names = ["n", "x", "y"], itypes = "sss", directions = "iio"}} {{
    %ring = fp.create "ring" {{{partition}}} : {kind}
    func.call @fill(%n, %x, %ring) {{instance = "fill"}} : (memref<1xi32>, !fp.stream<i16, 2>, {kind}) -> ()
    func.call @sum(%n, %ring, %y) {{instance = "sum"}} : (memref<1xi32>, {kind}, !fp.stream<i16, 2>) -> ()
    func.return
  }}
}}"""


@pytest.fixture(scope="module")
def block_unit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of the block network with one block in memory."""
    return build(blocks(1, 'storage = "BRAM", storage_type = "RAM_2P"'), tmp_path_factory.mktemp("blocks"))


def block_case(rounds: int) -> Case:
    tokens = [i * i - 30 for i in range(rounds * 12)]
    sums = [(sum(tokens[12 * t : 12 * t + 12]) + tokens[12 * t]) & 0xFFFF for t in range(rounds)]
    return Case("blocks", {"n": rounds}, {"x": tokens}, {"y": sums})


def test_blocks_pass_in_order_and_in_place(block_unit: Path, tmp_path: Path) -> None:
    case = block_case(5)
    case.save(tmp_path, {"x": 16, "y": 16})
    assert csim.run(block_unit, tmp_path) == case.outputs
    text = (block_unit.parent.parent / "blocks.cpp").read_text()
    assert "hls::stream_of_blocks<ring_t, 1> ring;" in text
    assert "        hls::write_lock<ring_t> tile(to);" in text
    assert "#pragma HLS BIND_STORAGE variable=ring type=ram_2p impl=bram" in text


@pytest.mark.parametrize(
    ("widest", "streams"),
    [(4096, "hls::stream<ap_uint<64>> ring[3];"), (63, "hls::stream<ap_int<16>> ring[3][4];")],
)
def test_blocks_of_registers_cross_by_rows_or_by_elements(
    widest: int, streams: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastprefill.targets.vitis_hls.channels.STREAM_WIDTH", widest)
    case = block_case(5)
    registers = blocks(2, 'partition = ["complete", "complete"]')
    assert run(registers, case, {"x": 16, "y": 16}, tmp_path) == case.outputs
    assert (
        f"    {streams}\n#pragma HLS STREAM variable=ring depth=2\n" in (tmp_path / "blocks.cpp").read_text()
    )


def test_a_block_that_never_comes_is_a_deadlock(block_unit: Path, tmp_path: Path) -> None:
    case = block_case(2)
    del case.inputs["x"][20:]
    case.save(tmp_path, {"x": 16, "y": 16})
    message = r"fill waits to read x \(empty\); sum waits for a block of ring \(empty\)"
    with pytest.raises(FastprefillError, match=message):
        csim.run(block_unit, tmp_path)


def test_a_system_of_a_cyclic_and_a_block_unit_runs(tmp_path: Path) -> None:
    stream = "!fp.stream<i16, 2>"
    ring = CYCLE.replace("func.return\n  }\n}", "func.return\n  }\n")
    unit = blocks(2, 'partition = ["complete", "complete"]').replace(
        "func.return\n  }\n}", "func.return\n  }\n"
    )
    text = f"""
builtin.module attributes {{fp.unit = "pair"}} {{
  {ring[ring.index("func.func") :]}
  {unit[unit.index("func.func") :]}
  func.func @pair(%ring_n: memref<1xi32>, %ring_m: memref<1xi32>, %blocks_n: memref<1xi32>,
                  %x: {stream}, %y: {stream}) attributes {{
      fp.region, arg_names = ["ring_n", "ring_m", "blocks_n", "x", "y"], itypes = "sssss", directions = "iiiio"}} {{
    %link = fp.create "link" : {stream}
    func.call @blocks(%blocks_n, %link, %y) {{instance = "second"}} : (memref<1xi32>, {stream}, {stream}) -> ()
    func.call @ring(%ring_n, %ring_m, %x, %link) {{instance = "first"}} :
      (memref<1xi32>, memref<1xi32>, {stream}, {stream}) -> ()
    func.return
  }}
}}"""
    plain = block_case(3)
    sums = [(total + 13) & 0xFFFF for total in plain.outputs["y"]]
    case = Case("pair", {"ring_n": 9, "ring_m": 4, "blocks_n": 3}, plain.inputs, {"y": sums})
    assert run(text, case, {"x": 16, "y": 16}, tmp_path) == case.outputs
    emitted = (tmp_path / "pair.cpp").read_text()
    # Producers come before consumers; a block of registers has a stream for each row; the cycle starts all at once.
    assert emitted.index("DATAFLOW_PROCESS(first, ring(") < emitted.index("DATAFLOW_PROCESS(second, blocks(")
    assert "hls::stream<ap_uint<64>> ring_2[3];" in emitted
    assert emitted.count("#pragma HLS DATAFLOW disable_start_propagation") == 1
    assert "csynth export" in (tmp_path / "run.tcl").read_text()


def test_a_block_that_nobody_takes_is_an_error(tmp_path: Path) -> None:
    fewer = blocks(2, "").replace(
        "%count = arith.index_cast %n32 : i32 to index\n    scf.for %t = %zero to %count step %one {\n      %total",
        "scf.for %t = %zero to %one step %one {\n      %total",
    )
    case = block_case(2)
    del case.outputs["y"][1:]
    with pytest.raises(FastprefillError, match="1 block is left in block stream ring at the end of the run"):
        run(fewer, case, {"x": 16, "y": 16}, tmp_path)


CONTROL = """
builtin.module attributes {fp.unit = "control"} {
  "memref.global"() <{sym_name = "weights", type = memref<2x3xi8>, sym_visibility = "private", constant,
    initial_value = dense<[[1, -2, 3], [-128, 127, 0]]> : tensor<2x3xi8>}> : () -> ()
  func.func @control_walk(%x: !fp.stream<i8, 2>, %y: !fp.stream<i32, 2>) attributes {
      fp.process, arg_names = ["x", "y"], itypes = "ss", directions = "io"} {
    %zero = arith.constant 0 : index
    %one = arith.constant 1 : index
    %two = arith.constant 2 : index
    %three = arith.constant 3 : index
    %nothing = arith.constant 0 : i8
    %unit = arith.constant 1 : i8
    %start = arith.constant 5 : i32
    %table = memref.get_global @weights : memref<2x3xi8>
    %seen = memref.alloc() {name = "seen", partition = ["none", "complete"]} : memref<2x3xi32>
    fp.fill %seen, %start : memref<2x3xi32>, i32
    %v = memref.alloc() {name = "v"} : memref<i8>
    %first = fp.get %x : !fp.stream<i8, 2> -> i8
    memref.store %first, %v[] : memref<i8>
    scf.while () : () -> () {
      %old = memref.load %v[] : memref<i8>
      %more = arith.cmpi ne, %old, %nothing : i8
      scf.condition(%more)
    } do {
      %now = memref.load %v[] : memref<i8>
      %negative = arith.cmpi slt, %now, %nothing : i8
      scf.if %negative {
        %wide = arith.extsi %now : i8 to i32
        fp.put %y, %wide : !fp.stream<i32, 2>, i32
      } else {
        %is_one = arith.cmpi eq, %now, %unit : i8
        scf.if %is_one {
          scf.for %i = %zero to %two step %one {
            scf.for %j = %zero to %three step %two {
              %w = memref.load %table[%i, %j] : memref<2x3xi8>
              %w32 = arith.extsi %w : i8 to i32
              %s = memref.load %seen[%i, %j] : memref<2x3xi32>
              %sum = arith.addi %s, %w32 : i32
              memref.store %sum, %seen[%i, %j] : memref<2x3xi32>
              fp.put %y, %sum : !fp.stream<i32, 2>, i32
            } {loop_name = "j"}
          } {loop_name = "i"}
        } else {
          %index = arith.index_cast %now : i8 to index
          scf.for %i = %one to %index step %one {
            %i32 = arith.index_cast %i : index to i32
            fp.put %y, %i32 : !fp.stream<i32, 2>, i32
          } {loop_name = "i"}
        }
      }
      %before = memref.load %v[] : memref<i8>
      %next = fp.get %x : !fp.stream<i8, 2> -> i8
      memref.store %next, %v[] : memref<i8>
      %before32 = arith.extsi %before : i8 to i32
      fp.put %y, %before32 : !fp.stream<i32, 2>, i32
      scf.yield
    } attributes {loop_name = "walk"}
    func.return
  }
  func.func @control(%x: !fp.stream<i8, 2>, %y: !fp.stream<i32, 2>) attributes {
      fp.region, arg_names = ["x", "y"], itypes = "ss", directions = "io"} {
    func.call @control_walk(%x, %y) {instance = "walk"} : (!fp.stream<i8, 2>, !fp.stream<i32, 2>) -> ()
    func.return
  }
}"""


def test_loops_branches_and_constant_arrays(tmp_path: Path) -> None:
    """0 ends; a negative token is echoed; 1 adds the even columns of the weights to what was seen; n counts."""
    expected = [-3, -3, 6, 8, -123, 5, 1, 1, 2, 3, 4, 7, 11, -251, 5, 1]
    case = Case("walk", {}, {"x": [-3, 1, 4, 1, 0]}, {"y": [e & 0xFFFFFFFF for e in expected]})
    assert run(CONTROL, case, {"x": 8, "y": 32}, tmp_path) == case.outputs
    text = (tmp_path / "control.cpp").read_text()
    assert "static const ap_int<8> weights[2][3] = {\n    {1, -2, 3}, {-128, 127, 0},\n};" in text
    assert "walk: while (v != 0) {" in text
    assert "} else if (now == 1) {" in text or "} else if (v == 1) {" in text
    assert "const ap_int<8> before = v;" in text  # v changes before its last use
