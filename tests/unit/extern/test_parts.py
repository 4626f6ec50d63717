"""The SystemVerilog parts: equal to their models, clean in lint, and the memories that were asked for."""

from pathlib import Path

import pytest

from fastprefill import resources, tools
from fastprefill.errors import FastprefillError
from fastprefill.extern.credit import Credit
from fastprefill.extern.dsp_cascade import DspCascade
from fastprefill.extern.fifo import Fifo
from fastprefill.extern.relay import Relay
from fastprefill.tools import testbench, verilator, yosys

HERE = Path(__file__).parent
PARTS = resources.path("extern/sv")
needs_verilator = pytest.mark.skipif(verilator.missing() is not None, reason=str(verilator.missing()))
needs_yosys = pytest.mark.skipif(not tools.available("yosys"), reason="yosys (pyosys) is not installed")


def against_models(rtl: dict[str, str], work: Path) -> tools.Completed:
    sources = {"parts.sv": (HERE / "rtl/parts.sv").read_text(), **rtl}
    executable, _ = verilator.compile_cocotb(sources, "parts", public_depth=1)
    seed = ["+verilator+seed+5", "+verilator+rand+reset+2"]
    return testbench.run_cocotb(
        [executable, *seed], "parts", "cocotb_parts", work, paths=[HERE], timeout_s=120
    )


@needs_verilator
def test_parts_equal_their_models(tmp_path: Path) -> None:
    done = against_models({}, tmp_path)
    assert "PASS=2 FAIL=0" in done.output, done.output[-3000:]


@needs_verilator
def test_a_relay_that_loses_throughput_differs_from_its_model(tmp_path: Path) -> None:
    text = (PARTS / "fp_relay.sv").read_text()
    assert text.count("2 * HOPS + 3;") == 1
    done = against_models({"fp_relay.sv": text.replace("2 * HOPS + 3;", "2 * HOPS + 2;")}, tmp_path)
    assert "PASS=1 FAIL=1" in done.output


@needs_verilator
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("c_reg <= FIRST ? c : 48'h0;", "c_reg <= FIRST ? ~c : 48'h0;"),
        ("p_reg <= m_reg + (FIRST ? c_reg : pcin);", "p_reg <= m_reg + (FIRST ? c : pcin);"),
        ("{{21{a_reg[26]}}, a_reg}", "{{21{1'b0}}, a_reg}"),
        ("{{30{b_reg[17]}}, b_reg}", "{{30{1'b0}}, b_reg}"),
    ],
)
def test_a_broken_slice_differs_from_the_model(old: str, new: str, tmp_path: Path) -> None:
    text = (PARTS / "fp_dsp48e2.sv").read_text()
    assert text.count(old) == 1
    assert "PASS=1 FAIL=1" in against_models({"fp_dsp48e2.sv": text.replace(old, new)}, tmp_path).output


@pytest.mark.parametrize("hops", [1, 2, 5])
def test_a_relay_delivers_a_token_every_cycle(hops: int) -> None:
    relay = Relay(hops)
    first = None
    for cycle in range(100):
        if relay.out_valid and first is None:
            first = cycle
        assert relay.in_ready, f"not ready in cycle {cycle}"
        assert first is None or relay.out_data == cycle - first, f"cycle {cycle}"
        relay.step(cycle, out_ready=True)
    assert first == hops + 1


def test_models_refuse_what_the_hardware_must_not_see() -> None:
    fifo = Fifo(1)
    fifo.step(put=1)
    with pytest.raises(FastprefillError, match="full FIFO of depth 1"):
        fifo.step(put=2)
    with pytest.raises(FastprefillError, match=r"1 credits - 2 \+ 0 \+ 0 is -1, outside 0 .. 4"):
        Credit(1, 4).step(take=2)
    with pytest.raises(FastprefillError, match="FIFO depth is 0; at least 1"):
        Fifo(0)
    with pytest.raises(FastprefillError, match="a DSP cascade of 9 slices; 1 to 8 are allowed"):
        DspCascade(9)
    with pytest.raises(FastprefillError, match="131072 on port 'b' of a DSP cascade, which has 18 bits, signed"):
        DspCascade(1).step([0], [1 << 17], 0)
    with pytest.raises(FastprefillError, match="1 and 2 operands for a DSP cascade of 2 slices"):
        DspCascade(2).step([0], [0, 0], 0)


@needs_verilator
@pytest.mark.parametrize("name", sorted(path.stem for path in PARTS.glob("*.sv")))
def test_lint_is_clean(name: str) -> None:
    verilator.lint(PARTS, name)
    verilator.lint(PARTS, name, defines=["FP_CHECKS"])


def chain(slices: int) -> str:
    """A module ``chained`` with a chain of `slices` DSP slices."""
    return f"""module chained (
    input wire clk, input wire [{27 * slices - 1}:0] a, input wire [{18 * slices - 1}:0] b, input wire [47:0] c,
    output wire [47:0] p
);
  fp_dsp_cascade #(.SLICES({slices})) dut (.clk(clk), .a(a), .b(b), .c(c), .p(p));
endmodule
"""


TOO_LONG = "fp_dsp_cascade_takes_1_to_8_slices"
"""The module that a chain asks for when it has more products, packed or not, than may be added before they leave it."""


@needs_verilator
def test_verilator_elaborates_no_chain_of_nine_slices() -> None:
    verilator.lint({"chained.sv": chain(8)}, "chained")
    with pytest.raises(FastprefillError, match=TOO_LONG):
        verilator.lint({"chained.sv": chain(9)}, "chained")


@needs_yosys
def test_yosys_elaborates_no_chain_of_nine_slices(tmp_path: Path) -> None:
    parts = [PARTS / "fp_dsp_cascade.sv", PARTS / "fp_dsp48e2.sv"]
    top = tmp_path / "chained.sv"
    top.write_text(chain(8))
    assert yosys.synthesise([top, *parts], "chained").total.dsp == 8
    top.write_text(chain(9))
    with pytest.raises(FastprefillError, match=TOO_LONG):
        yosys.synthesise([top, *parts], "chained")


@needs_yosys
def test_yosys_infers_the_memories_asked_for(tmp_path: Path) -> None:
    rams = {"block": (1024, 32), "ultra": (4096, 72), "distributed": (64, 7)}
    ports = ["input wire clk, input wire we, input wire [11:0] waddr, input wire [11:0] raddr"]
    body = []
    for style, (depth, width) in rams.items():
        ports.append(f"input wire [{width - 1}:0] d_{style}, output wire [{width - 1}:0] q_{style}")
        body.append(
            f'fp_ram #(.WIDTH({width}), .DEPTH({depth}), .STYLE("{style}")) {style} (.clk(clk), .we(we), '
            f".waddr(waddr[{depth.bit_length() - 2}:0]), .wdata(d_{style}), "
            f".raddr(raddr[{depth.bit_length() - 2}:0]), .rdata(q_{style}));"
        )
    top = tmp_path / "rams.sv"
    top.write_text(f"module rams ({', '.join(ports)});\n" + "\n".join(body) + "\nendmodule\n")
    result = yosys.synthesise([top, PARTS / "fp_ram.sv"], "rams")
    found = [(m.own.bram36, m.own.uram, m.own.lutram) for m in result.modules if m.name.startswith("fp_ram")]
    assert sorted(found) == [(0.0, 0, 8), (0.0, 1, 0), (1.0, 0, 0)]
