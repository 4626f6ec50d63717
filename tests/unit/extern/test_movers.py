"""The AXI movers in RTL: bytes, order, errors, resets and throughput against memories in cocotb; broken ones fail."""

import re
from pathlib import Path

import pytest

from fastprefill import resources, tools
from fastprefill.tools import testbench, tiers, verilator, yosys
from tests.unit.extern import movers

HERE = Path(__file__).parent
PARTS = resources.path("extern/sv")
needs_verilator = pytest.mark.skipif(verilator.missing() is not None, reason=str(verilator.missing()))
needs_yosys = pytest.mark.skipif(not tools.available("yosys"), reason="yosys (pyosys) is not installed")


def simulated(names: str, work: Path, broken: dict[str, str] | None = None) -> tools.Completed:
    executable, _ = verilator.compile_cocotb(
        {"movers.sv": movers.top(names), **(broken or {})}, "movers", public_depth=1
    )
    chosen = f"+movers={names.replace(' ', ',')}"
    return testbench.run_cocotb(
        [executable, chosen, "+verilator+seed+5", "+verilator+rand+reset+2"],
        "movers", "cocotb_movers", work, paths=[HERE], timeout_s=600,
    )  # fmt: skip


def outcome(done: tools.Completed) -> tuple[int, int]:
    """Tests that passed and failed."""
    found = re.search(r"TESTS=\d+ PASS=(\d+) FAIL=(\d+)", done.output)
    assert found is not None, done.output[-3000:]
    return int(found[1]), int(found[2])


@needs_verilator
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_movers_in_rtl(tmp_path: Path) -> None:
    pytest.importorskip("cocotbext.axi", reason="cocotbext-axi is not installed")
    done = simulated(movers.ALL, tmp_path)
    assert outcome(done) == (32, 0), done.output[-6000:]
    tiers.note("verilator")


READER, WRITER, SPLIT, KEEP = "fp_axi_reader.sv", "fp_axi_writer.sv", "fp_axi_split.sv", "fp_axi_keep.sv"
BROKEN = [
    (READER, "32'(room) >= 32'(burst_beats)", "1'b1"),
    (READER, "32'(room) >= 32'(burst_beats)", "32'(room) != 0"),
    (READER, "stop && order_credits != ALL", "1'b0"),
    (READER, " && out_room != '0;", ";"),
    (READER, "m_axi_rvalid && m_axi_rid == ID", "m_axi_rvalid"),
    (READER, "m_axi_rresp[1] && !stop && error == 2'b00", "m_axi_rresp[1] && !stop"),
    (READER, "m_axi_rresp[1] && !stop && error", "m_axi_rresp[1] && error"),
    (READER, "if (free) m_axi_arvalid <= issue;", "m_axi_arvalid <= issue;"),
    (READER, "read_last <= order_last && final_beat;", "read_last <= final_beat;"),
    (READER, "wire sent = take && !stop && !rst;", "wire sent = take && !rst;"),
    (WRITER, "32'(stored) >= 32'(burst_beats)", "stored != '0"),
    (WRITER, "write_at <= promise_at;", "write_at <= read_at;"),
    (WRITER, "room <= EMPTY - promised_next;", "room <= EMPTY;"),
    (WRITER, "stop && answer_credits != ALL", "1'b0"),
    (WRITER, "done <= pop && answer_last && !stop", "done <= pop && !stop"),
    (WRITER, "m_axi_bvalid && m_axi_bid == ID", "m_axi_bvalid"),
    (WRITER, "m_axi_bresp[1] && !stop && error", "m_axi_bresp[1] && error"),
    (WRITER, "read_last <= final_beat;", "read_last <= final_beat && order_valid && !m_axi_wvalid;"),
    (WRITER, ".rst(bus_rst), .put(read)", ".rst(rst), .put(read)"),
    (SPLIT, "wire ends = 64'(left) <= 64'(most);", "wire ends = 64'(left) < 64'(most);"),
    (SPLIT, "PAGE > 1 ? PAGE_BEATS - {1'b0, at[PW-1:0]} : PAGE_BEATS", "PAGE_BEATS"),
    (SPLIT, "reach[SW-1:0] != '0", "1'b0"),
    (SPLIT, "busy <= cmd_bytes != '0;", "busy <= 1'b1;"),
    (SPLIT, "        first_byte <= '0;\n", ""),
    (KEEP, "end_byte == '0 ? '0 :", ""),
]  # fmt: skip


@needs_verilator
@pytest.mark.mutants
@pytest.mark.parametrize(("file", "old", "new"), BROKEN)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_broken_mover_is_noticed(file: str, old: str, new: str, tmp_path: Path) -> None:
    text = (PARTS / file).read_text()
    assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {file}"
    names = {READER: "rb", WRITER: "wb"}.get(file, "rb wb")
    try:
        done = simulated(names, tmp_path, {file: text.replace(old, new)})
    except tools.FastprefillError as error:  # a hang: the time was over
        assert "did not finish" in str(error)
        return
    assert outcome(done)[1] > 0 or "ERROR" in done.output


def combinational(name: str, text: str, work: Path) -> None:
    """Ends with an error when cells that inputs lead into, up to registers and memories, drive an output."""
    for parameter, value in {"DATA_WIDTH": 32, "BURST": 4, "OUTSTANDING": 4, "BUFFER": 16}.items():
        text = re.sub(rf"(parameter int {parameter} = )\d+", rf"\g<1>{value}", text)
    (work / f"{name}.sv").write_text(text)
    others = sorted(path for path in PARTS.glob("fp_*.sv") if _part(path.stem) and path.stem != name)
    yosys.run_script(
        [*(f"read_verilog -sv -defer {path}" for path in (*others, f"{name}.sv")), f"hierarchy -check -top {name}",
         "proc", "flatten", "opt_clean", "memory -nomap", "opt_clean",
         "select -assert-none i:* i:clk %d %coe* o:* %i"],
        work, 120,
    )  # fmt: skip


@needs_yosys
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (READER, "assign m_axi_rready = 1'b1;", "assign m_axi_rready = out_ready;"),
        (WRITER, "assign in_ready = room != '0", "assign in_ready = (room != '0 || m_axi_wready)"),
    ],
)
def test_no_output_depends_on_an_input_of_the_same_cycle(
    file: str, old: str, new: str, tmp_path: Path
) -> None:
    text = (PARTS / file).read_text()
    assert text.count(old) == 1
    combinational(file.removesuffix(".sv"), text, tmp_path)
    with pytest.raises(tools.FastprefillError, match="selection is not empty"):
        combinational(file.removesuffix(".sv"), text.replace(old, new), tmp_path)


def _part(stem: str) -> bool:
    return stem.startswith("fp_axi") or stem in ("fp_fifo", "fp_credit", "fp_ram")
