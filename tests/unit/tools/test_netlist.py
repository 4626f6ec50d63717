"""Structural checks, with designs that have each fault and designs that only look as if they had."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastprefill import resources
from fastprefill.tools import netlist, yosys

pytest.importorskip("pyosys", reason="pyosys is not installed: pip install 'fastprefill[sim]'")


def check(tmp_path: Path, text: str, top: str = "top") -> netlist.Structure:
    file = tmp_path / "design.sv"
    file.write_text(text)
    return yosys.structure([file], top)


def test_sound_design_has_no_problems(tmp_path: Path) -> None:
    text = """
module stage(input clk, input rst, input a_valid, input [7:0] a_data, output a_ready,
             output reg b_valid, output reg [7:0] b_data, input b_ready);
  reg full; assign a_ready = !full;
  reg [7:0] memory[0:3]; reg [1:0] at;
  always_ff @(posedge clk) begin
    at <= at + 2'd1;
    if (a_valid) memory[at] <= a_data;
    b_data <= memory[at];
    if (rst) begin full <= 0; b_valid <= 0; end
    else begin full <= a_valid && !b_ready; b_valid <= a_valid; end
  end
endmodule
module top(input clk, input rst, input a_valid, input [7:0] a_data, output a_ready,
           output b_valid, output [7:0] b_data, input b_ready);
  wire v, r; wire [7:0] d;
  stage s0(clk, rst, a_valid, a_data, a_ready, v, d, r);
  stage s1(clk, rst, v, d, r, b_valid, b_data, b_ready);
endmodule"""
    assert check(tmp_path, text).problems() == []


def test_latch(tmp_path: Path) -> None:
    found = check(tmp_path, "module top(input e, input d, output reg q); always @* if (e) q = d; endmodule")
    assert len(found.latches) == 1
    assert found.latches[0].startswith("top.")


def test_loop_in_one_module(tmp_path: Path) -> None:
    text = "module top(input a, output y); wire p, q; assign p = a & q; assign q = ~p; assign y = p; endmodule"
    (loop,) = check(tmp_path, text).loops
    assert loop.startswith("top: ")
    assert {"p", "q"} & set(loop.removeprefix("top: ").replace(",", "").split())


def test_loop_through_two_modules(tmp_path: Path) -> None:
    text = """
module half(input a, output y); assign y = ~a; endmodule
module top(input a, output y); wire p, q; half h0(p, q); assign p = q & a; assign y = q; endmodule"""
    found = check(tmp_path, text)
    assert len(found.loops) == 1
    assert found.loops[0].startswith("top: ")


def test_word_that_feeds_its_own_upper_bits_is_no_loop(tmp_path: Path) -> None:
    text = """
module shift(input [3:0] a, output [3:0] y); assign y = ~a; endmodule
module top(input a, output [3:0] y); shift s({y[2:0], a}, y); endmodule"""
    assert check(tmp_path, text).problems() == []


def test_adder_that_feeds_itself_is_a_loop(tmp_path: Path) -> None:
    text = "module top(input [3:0] a, output [3:0] y); assign y = a + {y[2:0], 1'b0}; endmodule"
    assert len(check(tmp_path, text).loops) == 1


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ("assign a_ready = b_ready; assign b_valid = v;", "pipe: b_ready -> a_ready"),
        ("assign a_ready = v; assign b_valid = a_valid && b_ready;", "pipe: b_ready -> b_valid"),
    ],
)
def test_path_from_ready_is_found_below_the_top(tmp_path: Path, body: str, path: str) -> None:
    text = f"""
module pipe(input clk, input a_valid, output a_ready, output b_valid, input b_ready);
  reg v; always_ff @(posedge clk) v <= a_valid; {body}
endmodule
module top(input clk, input x_valid, output x_ready, output y_valid, input go);
  reg r; always_ff @(posedge clk) r <= go;
  pipe p(clk, x_valid, x_ready, y_valid, r);
endmodule"""
    assert check(tmp_path, text).ready_paths == (path,)


def test_path_from_ready_through_a_child(tmp_path: Path) -> None:
    text = """
module gate(input a, output y); assign y = ~a; endmodule
module top(input clk, output a_ready, input b_ready); gate g(b_ready, a_ready); endmodule"""
    assert check(tmp_path, text).ready_paths == ("top: b_ready -> a_ready",)


def test_unclocked_memory_read_is_combinational(tmp_path: Path) -> None:
    text = """
module top(input clk, input [1:0] w_ready, input d, output r_valid);
  reg m[0:3]; always_ff @(posedge clk) m[w_ready] <= d; assign r_valid = m[w_ready];
endmodule"""
    assert check(tmp_path, text).ready_paths == ("top: w_ready -> r_valid",)


@pytest.mark.parametrize("depth", [1, 2, 5, 1024])
def test_fifo_part_is_sound(depth: int) -> None:
    files = sorted(resources.path("extern/sv").glob("*.sv"))
    found = yosys.structure(files, "fp_fifo", parameters={"WIDTH": 8, "DEPTH": depth})
    assert found.problems() == []
