"""Resource counts: what Yosys infers from the forms that the generator writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fastprefill import resources
from fastprefill.errors import FastprefillError
from fastprefill.tools import yosys
from fastprefill.tools.primitives import Cells
from fastprefill.tools.timing_proxy import Depth

SLICE = """
module slice(input clk, input [26:0] a, input [17:0] b, output [47:0] p);
`ifdef SYNTHESIS
  DSP48E2 #(.AREG(1), .BREG(1), .MREG(1), .PREG(1)) dsp(.CLK(clk), .A({3'b0, a}), .B(b), .P(p));
`else
  reg [47:0] r; always_ff @(posedge clk) r <= a * b; assign p = r;
`endif
endmodule
module behind_slice(input clk, input [26:0] a, input [17:0] b, output reg [47:0] y);
  wire [47:0] p;
  slice part(clk, a, b, p);
  always_ff @(posedge clk) y <= p ^ {p[0], p[47:1]};
endmodule
"""
MUXES = """
module mux_left(input clk, input s, input [7:0] x, input [7:0] y, input [7:0] z, output reg [7:0] q);
  always_ff @(posedge clk) q <= (s ? x : y) + z;
endmodule
module mux_right(input clk, input s, input [7:0] x, input [7:0] y, input [7:0] z, output reg [7:0] q);
  always_ff @(posedge clk) q <= z + (s ? x : y);
endmodule
"""
SUMMING = """// summing: process u.part, kernels/u.py:3-9.
module summing(
  input clk, input [7:0] x,
  output [7:0] y
);
  reg [7:0] sum;  // kernels/u.py:7
  always_ff @(posedge clk) sum <= sum + x;
  assign y = ~sum;
endmodule
"""

# One module per form, so that one synthesis counts them all.
FORMS = """
module mul_dsp(input clk, input [7:0] a, input [7:0] b, output reg [15:0] p);
  always_ff @(posedge clk) p <= {{8{a[7]}}, a} * {{8{b[7]}}, b};
endmodule
module mul_wire(input clk, input [7:0] a, input [7:0] b, output reg [15:0] p);
  (* use_dsp = "no" *) wire [15:0] product = {{8{a[7]}}, a} * {{8{b[7]}}, b};
  always_ff @(posedge clk) p <= product;
endmodule
module mul_reg(input clk, input [7:0] a, input [7:0] b, output [15:0] p);
  (* use_dsp = "no" *) reg [15:0] product;
  always_ff @(posedge clk) product <= {{8{a[7]}}, a} * {{8{b[7]}}, b};
  assign p = product;
endmodule
module rom_block(input clk, input [8:0] at, output reg [15:0] q);
  (* rom_style = "block" *) reg [15:0] words[0:511];
  integer i;
  initial for (i = 0; i < 512; i = i + 1) words[i] = i * i;
  always_ff @(posedge clk) q <= words[at];
endmodule
module top(input clk, input we, input [11:0] wa, input [11:0] ra, input [71:0] d,
           output [15:0] p0, output [15:0] p1, output [15:0] p2, output [15:0] p3, output [15:0] q,
           output [35:0] block, output [71:0] ultra, output [31:0] distributed,
           output [47:0] sliced, output [7:0] summed, output [7:0] left, output [7:0] right);
  behind_slice m4(clk, d[26:0], d[17:0], sliced);
  summing m5(clk, d[7:0], summed);
  mux_left m6(clk, we, d[7:0], d[15:8], d[23:16], left);
  mux_right m7(clk, we, d[7:0], d[15:8], d[23:16], right);
  mul_dsp m0(clk, d[7:0], d[15:8], p0);
  mul_dsp m1(clk, d[15:8], d[23:16], p1);
  mul_wire m2(clk, d[7:0], d[15:8], p2);
  mul_reg m3(clk, d[7:0], d[15:8], p3);
  rom_block rom(clk, ra[8:0], q);
  fp_ram #(.WIDTH(36), .DEPTH(1024), .STYLE("block")) r0(clk, we, wa[9:0], d[35:0], ra[9:0], block);
  fp_ram #(.WIDTH(72), .DEPTH(4096), .STYLE("ultra")) r1(clk, we, wa, d, ra, ultra);
  fp_ram #(.WIDTH(32), .DEPTH(16), .STYLE("distributed")) r2(clk, we, wa[3:0], d[31:0], ra[3:0], distributed);
endmodule
"""


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> yosys.Resources:
    pytest.importorskip("pyosys", reason="pyosys is not installed: pip install 'fastprefill[sim]'")
    files = []
    for name, text in {"forms": FORMS, "muxes": MUXES, "slice": SLICE, "summing": SUMMING}.items():
        files.append(tmp_path_factory.mktemp("forms") / f"{name}.sv")
        files[-1].write_text(text)
    return yosys.synthesise([*files, resources.path("extern/sv") / "fp_ram.sv"], "top")


def own(design: yosys.Resources, name: str) -> Cells:
    (found,) = (module.own for module in design.modules if module.name == name)
    return found


def depth(design: yosys.Resources, name: str) -> Depth:
    (found,) = (module.depth for module in design.modules if module.name == name)
    return found


def test_multiplication_takes_one_dsp(forms: yosys.Resources) -> None:
    assert own(forms, "mul_dsp") == Cells(ff=16, dsp=1)


@pytest.mark.parametrize("name", ["mul_wire", "mul_reg"])
def test_use_dsp_no_keeps_a_multiplication_in_fabric(forms: yosys.Resources, name: str) -> None:
    cells = own(forms, name)
    assert (cells.dsp, cells.ff) == (0, 16)
    assert 60 <= cells.lut <= 110


def test_memories_are_inferred_as_asked(forms: yosys.Resources) -> None:
    rams = [module.own for module in forms.modules if module.name.startswith("fp_ram")]
    assert sorted(rams, key=str) == sorted(
        [Cells(bram36=1.0), Cells(uram=1), Cells(lut=24, lutram=24)], key=str
    )
    assert own(forms, "rom_block") == Cells(bram36=0.5)


def test_total_multiplies_modules_by_instances(forms: yosys.Resources) -> None:
    counts = {module.name: module.instances for module in forms.modules}
    assert counts["mul_dsp"] == 2
    assert counts["top"] == 1
    assert (forms.total.dsp, forms.total.ff, forms.total.bram36, forms.total.uram) == (3, 136, 1.5, 1)


def test_longest_path_is_the_multiplier_in_fabric(forms: yosys.Resources) -> None:
    path = forms.depth.luts
    assert 3 <= path.luts <= 8
    assert path.start.startswith("d[")
    assert path.end.startswith(("m2.", "m3."))
    assert [m.name for m in forms.modules if m.depth.luts.luts == path.luts] != []


def test_loads_without_clock(forms: yosys.Resources) -> None:
    assert "clk" not in [net.name for net in forms.fan_out.nets]
    # Eight sign bits of one operand in a DSP's A, m0's and m1's, and the two multipliers in fabric.
    assert forms.fan_out.nets[0].loads > 20
    assert (forms.fan_out.nets[0].module, forms.fan_out.nets[0].instances) == ("top", 1)


def test_primitive_is_counted_and_its_model_is_not(forms: yosys.Resources) -> None:
    """Synthesis sees the primitive that a part instantiates, whose registers begin the path behind it."""
    assert own(forms, "slice") == Cells(dsp=1)
    path = depth(forms, "behind_slice").luts
    assert (path.luts, path.dsps, path.start[:7]) == (1, 0, "part.p[")


def test_lines_of_the_kernel(forms: yosys.Resources) -> None:
    """A net's own line, or that of its module."""
    path = depth(forms, "summing").carry_bits
    assert (path.luts, path.carry_bits, path.chains) == (1, 8, 1)
    assert (path.start_line, path.end, path.end_line) == ("kernels/u.py:3-9", "sum[7]", "kernels/u.py:7")


def test_structural_checks_see_the_model(tmp_path: Path, tool: Callable[[str], Path]) -> None:
    tool("yosys")
    file = tmp_path / "slice.sv"
    file.write_text(SLICE)
    assert yosys.structure([file], "behind_slice").problems() == []


def test_fabric_multiplier_is_right(tmp_path: Path, tool: Callable[[str], Path]) -> None:
    """The Booth multiplier that replaces a marked multiplication equals it for all operands."""
    tool("yosys")
    file = tmp_path / "mul.sv"
    file.write_text(
        'module mul(input signed [4:0] a, input signed [4:0] b, output signed [9:0] p);\n'
        '  (* use_dsp = "no" *) wire signed [9:0] product = a * b;\n  assign p = product;\nendmodule\n'
    )
    script = [
        *yosys.read_commands([file], "mul"),
        "proc", "copy mul gold", *yosys.MARK_FABRIC, "booth mul/t:$mul", "rename mul gate",
        "select -assert-none gate/t:$mul", "select -assert-count 1 gold/t:$mul",
        "miter -equiv -flatten gold gate miter", "sat -verify -prove trigger 0 miter",
    ]  # fmt: skip
    yosys.run_script(script, tmp_path, timeout_s=60)


ADDITIONS = """
module add(input s, input [2:0] x, input [2:0] y, input [3:0] z, input signed [2:0] i, input signed [2:0] j,
           input signed [4:0] k, output [4:0] a, output [4:0] b, output signed [5:0] c, output signed [5:0] d,
           output signed [5:0] e, output [3:0] f);
  assign a = (s ? x : y) + z;
  assign b = z + (s ? x : y);
  assign c = (s ? i : j) + k;
  assign d = k + (s ? i : j);
  assign e = k - (s ? i : j);
  assign f = (s ? x : y) + 4'd3;
endmodule
"""


def test_ordered_additions_are_right(tmp_path: Path, tool: Callable[[str], Path]) -> None:
    """Narrower, signed and unsigned operands, a multiplexer before either: equal sums; a constant is left alone."""
    tool("yosys")
    file = tmp_path / "add.sv"
    file.write_text(ADDITIONS)
    script = [
        *yosys.read_commands([file], "add"), "proc", "opt_clean", "select -assert-count 5 t:$add", "design -save plain",
        *yosys.ORDER_ADDITIONS, "select -assert-count 1 t:$add", "select -assert-count 4 t:$alu",
        "select -assert-count 1 t:$sub", "rename add gate", "design -stash ordered",
        "design -load plain", "rename add gold", "design -copy-from ordered gate",
        "miter -equiv -flatten gold gate miter", "techmap miter", "sat -verify -prove trigger 0 miter",
    ]  # fmt: skip
    yosys.run_script(script, tmp_path, timeout_s=60)


def test_multiplexer_before_an_addition_costs_no_look_up_tables(forms: yosys.Resources) -> None:
    """Eight bits, a LUT each, whichever operand the multiplexer is before."""
    assert own(forms, "mux_left").lut == own(forms, "mux_right").lut == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("module top(input a; endmodule", r"bad\.sv:1: syntax error"),
        ("module top(input a); missing m(a); endmodule", r"Module `\\missing' .* is not part of the design"),
        (
            'module top(input c, input [9:0] a, input [31:0] d, output [31:0] q);\n'
            '(* ram_style = "block" *) reg [31:0] m[0:1023];\n'
            "always @(posedge c) m[a] <= d; assign q = m[a]; endmodule",
            "no valid mapping found for memory top.m",
        ),
    ],
)
def test_bad_designs_are_errors(
    tmp_path: Path, tool: Callable[[str], Path], text: str, message: str
) -> None:
    tool("yosys")
    file = tmp_path / "bad.sv"
    file.write_text(text)
    with pytest.raises(FastprefillError, match=message):
        yosys.synthesise([file], "top")


def test_missing_file_and_strange_top(tmp_path: Path) -> None:
    with pytest.raises(FastprefillError, match=r"there is no SystemVerilog file .*/none\.sv"):
        yosys.read_commands([tmp_path / "none.sv"], "top")
    with pytest.raises(FastprefillError, match=r"top module 'a; shell rm' is not an identifier"):
        yosys.read_commands([], "a; shell rm")
