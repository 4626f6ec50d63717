"""The KV cache's unit: its decisions alone, and in RTL behind the mover against memories of several latencies."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from fastprefill import boards, resources
from fastprefill.checks import contract
from fastprefill.checks.contract import Contract
from fastprefill.errors import FastprefillError
from fastprefill.extern.axi import Port
from fastprefill.frontend import load_module
from fastprefill.golden import jobs
from fastprefill.golden import kv_cache as policy
from fastprefill.golden import kv_cache_words as words
from fastprefill.kernels import kv_cache
from fastprefill.system.build import build_unit
from fastprefill.targets import rtl
from fastprefill.tools import testbench, tiers, verilator

HERE = Path(__file__).parent
PORT = Port(data_bits=64, ids=2, burst=4, outstanding=4, buffer=8)
SIZE = words.Size(lines=5, look_ahead=3, beats=9, beat_bits=64, stride=512)
BASE = 4096


def test_decisions_alone(tmp_path: Path) -> None:
    size = words.Size(lines=6, look_ahead=2)
    unit = Contract(
        "kv_decisions",
        lambda: build_unit(kv_cache.decisions(size.lines, size.look_ahead, size.stride)),
        lambda seed: words.cases(seed, size, stores=False),
    )
    assert contract.check(unit, "interpreter", seed=4, folder=tmp_path).tokens > 500


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kv_cache.unit(lines=0), "a cache of 0 lines that looks 4 requests ahead; 1 to 4096 lines"),
        (lambda: kv_cache.decisions(look_ahead=9), "looks 9 requests ahead"),
        (lambda: kv_cache.unit(stride=512), "blocks of 532 beats of 256 bits at a stride of 512 bytes"),
    ],
)
def test_bad_parameters_are_refused(call, message) -> None:
    with pytest.raises(FastprefillError, match=message):
        call()


SOURCE = resources.path("kernels") / "kv_cache.py"
BROKEN = [
    ("last_key > key", "last_key < key"),
    ("last_key > key", "last_key > 0"),
    ("elif k == FREE and free < 0:", "elif k == FREE:"),
    ("used > last_key", "used < last_key"),
    ("kind[where] = FREE", "kind[where] = COLD"),
    ("word[34] = kept", "word[34] = uses"),
    ("there[b] == 0 and r + 1 + b < ln[0]", "there[b] == 0"),
    ("if r + look_ahead < ln[0]:", "if r + look_ahead <= ln[0]:"),
    ("if where < 0:\n                    addresses", "if where < 0 or was == AHEAD:\n                    addresses"),
    ("if at != NO_LINE:", "if op == READ:"),
]  # fmt: skip


@pytest.mark.mutants
@pytest.mark.parametrize(("old", "new"), BROKEN)
def test_a_broken_kernel_is_noticed(old: str, new: str, tmp_path: Path) -> None:
    text = SOURCE.read_text()
    assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in the kernel"
    (tmp_path / "broken.py").write_text(text.replace(old, new))
    module = load_module(tmp_path / "broken.py")
    size = words.Size(lines=6, look_ahead=2)
    built = build_unit(module.unit(**asdict(size)))  # what does not compile shows nothing
    deciding = build_unit(module.decisions(size.lines, size.look_ahead, size.stride))
    whole = Contract("kv_cache", lambda: built, lambda seed: words.cases(seed, size))
    decisions = Contract("kv_decisions", lambda: deciding, lambda seed: words.cases(seed, size, stores=False))
    with pytest.raises((FastprefillError, AssertionError), match="level interpreter"):
        contract.check(decisions, "interpreter", seed=4, folder=tmp_path)
        contract.check(whole, "interpreter", seed=4, folder=tmp_path)


def cases() -> list[dict[str, object]]:
    """Job lists in windows, and what the policy says of them."""
    random = np.random.default_rng(3)
    mask = (random.random((2, 24, 24)) < 0.25) | np.eye(24, dtype=bool)
    order = jobs.requests(jobs.job_list(mask & np.tri(24, dtype=bool)), 4).tolist()
    found = []
    for name, requests, capacity, hot in (
        ("no_line", order[:40], 0, 0), ("one_line", order[:40], 1, 0), ("all", order, SIZE.lines, 2),
        ("one_block", [7] * 4, 3, 1),
    ):  # fmt: skip
        case = words.case(name, requests, capacity, hot, SIZE)
        decided = policy.liveness(requests, capacity, hot=hot, look_ahead=SIZE.look_ahead)
        found.append(
            {
                "name": name, "requests": requests, "capacity": capacity, "hot": hot,
                "words": case.inputs["requests"], "statistics": case.outputs["statistics"],
                "misses": sum(decision.found != "hit" for decision in decided),
            }
        )  # fmt: skip
    return found


def top() -> str:
    """``cache_system``: the unit, the mover, and wires between them."""
    parameters = ", ".join(f".{name}({value})" for name, value in PORT.reader().items())
    axi = [
        ("output", "arid", 1), ("output", "araddr", 40), ("output", "arlen", 8), ("output", "arsize", 3),
        ("output", "arburst", 2), ("output", "arvalid", 1), ("input", "arready", 1), ("input", "rid", 1),
        ("input", "rdata", 64), ("input", "rresp", 2), ("input", "rlast", 1), ("input", "rvalid", 1),
        ("output", "rready", 1),
    ]  # fmt: skip
    ports = ",\n  ".join(f"{way} wire [{bits - 1}:0] r_m_axi_{name}" for way, name, bits in axi)
    wires = ", ".join(f".m_axi_{name}(r_m_axi_{name})" for _, name, _ in axi)
    return f"""module cache_system (
  input wire clk, input wire rst, input wire start, output wire idle, output wire [31:0] error,
  input wire [31:0] n, input wire [31:0] capacity, input wire [31:0] hot, input wire [63:0] base,
  input wire requests_valid, input wire [47:0] requests_data, output wire requests_ready,
  output wire blocks_valid, output wire [63:0] blocks_data, input wire blocks_ready,
  output wire statistics_valid, output wire [31:0] statistics_data, input wire statistics_ready,
  {ports}
);
  // The clock may start high, before the testbench is there: that edge resets.
  logic powered = 0;
  always_ff @(posedge clk) powered <= 1;
  wire reset = rst || !powered;
  wire addresses_valid, addresses_ready, fetched_valid, fetched_ready;
  wire [63:0] addresses_data, fetched_data;
  kv_cache cache (.clk(clk), .rst(reset), .start(start), .n(n), .capacity(capacity), .hot(hot), .base(base),
      .requests_valid(requests_valid), .requests_data(requests_data), .requests_ready(requests_ready),
      .fetched_valid(fetched_valid), .fetched_data(fetched_data), .fetched_ready(fetched_ready),
      .addresses_valid(addresses_valid), .addresses_data(addresses_data), .addresses_ready(addresses_ready),
      .blocks_valid(blocks_valid), .blocks_data(blocks_data), .blocks_ready(blocks_ready),
      .statistics_valid(statistics_valid), .statistics_data(statistics_data), .statistics_ready(statistics_ready),
      .idle(idle), .done(), .starved(), .blocked(), .error(error));
  fp_axi_reader #({parameters}, .ADDRESS_WIDTH(40), .LENGTH_WIDTH(16)) mover (.clk(clk), .rst(reset), .bus_rst(reset),
      .cmd_valid(addresses_valid), .cmd_ready(addresses_ready), .cmd_address(addresses_data[39:0]),
      .cmd_bytes(16'd{SIZE.beats * 8}), .out_valid(fetched_valid), .out_ready(fetched_ready), .out_data(fetched_data),
      .out_keep(), .out_last(), .idle(), .clear_error(1'b0), .error(), .m_axi_arcache(), .m_axi_arprot(), {wires});
endmodule
"""


@pytest.mark.long
@pytest.mark.skipif(verilator.missing() is not None, reason=f"rtl NOT run: {verilator.missing()}")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_behind_the_mover(tmp_path: Path) -> None:
    pytest.importorskip("cocotbext.axi", reason="cocotbext-axi is not installed")
    files = rtl.emit(build_unit(kv_cache.unit(**asdict(SIZE))), boards.load("u280"))
    plan = {
        "port": asdict(PORT), "base": BASE, "stride": SIZE.stride, "beats": SIZE.beats, "cases": cases(),
    }  # fmt: skip
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    executable, _ = verilator.compile_cocotb(
        {**files, "cache_system.sv": top()}, "cache_system", public_depth=1
    )
    done = testbench.run_cocotb(
        [executable, f"+plan={tmp_path / 'plan.json'}", "+verilator+seed+5", "+verilator+rand+reset+2"],
        "cache_system", "cocotb_kv_cache", tmp_path, paths=[HERE, HERE.parent / "extern"], timeout_s=600,
    )  # fmt: skip
    assert "TESTS=3 PASS=3 FAIL=0" in done.output, done.output[-6000:]
    tiers.note("verilator")
