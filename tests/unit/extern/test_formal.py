"""The proofs of the parts hold, and fail for every broken copy: of the part, or of what its harness assumes."""

import pytest

from fastprefill import resources, tools
from fastprefill.tools import formal
from fastprefill.tools.formal import PROOFS, Proof

needs_yosys = pytest.mark.skipif(not tools.available("yosys"), reason="yosys (pyosys) is not installed")


def replaced(file: str, old: str, new: str) -> dict[str, str]:
    text = (resources.path("extern") / file).read_text()
    assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {file}"
    return {file.split("/")[1]: text.replace(old, new)}


SLOW = {"fp_dsp_cascade SLICES=8", "fp_packed_sum", "fp_packed_sum PRODUCTS=15"}
"""Half a minute each: only ``make formal`` and ``make test-long`` run them."""


@needs_yosys
@pytest.mark.formal
def test_all_proofs_hold(capsys: pytest.CaptureFixture[str]) -> None:
    assert formal.main([]) == 0
    assert f"{len(PROOFS)} of {len(PROOFS)} proofs hold" in capsys.readouterr().out


@needs_yosys
@pytest.mark.parametrize(
    "proof",
    [pytest.param(proof, marks=pytest.mark.formal if proof.name in SLOW else ()) for proof in PROOFS],
    ids=lambda proof: proof.name,
)
def test_proof_holds(proof: Proof) -> None:
    outcome = formal.prove(proof)
    assert outcome.proved, outcome.reason


FIFO = Proof("fp_fifo", {"DEPTH": 3})
BLOCK = Proof("fp_fifo", {"DEPTH": 3, "LARGEST_LUTRAM": 1})
ONE = Proof("fp_fifo", {"DEPTH": 1})
CREDIT = Proof("fp_credit", {"MAXIMUM": 5, "TAKE_WIDTH": 2, "BACK_WIDTH": 1})
WIDE = Proof("fp_wide_fifo", {"DEPTH": 3})
WIDE_BLOCK = Proof("fp_wide_fifo", {"DEPTH": 3, "LARGEST_LUTRAM": 1})
ONE_CREDIT = Proof("fp_credit", {"MAXIMUM": 5, "TAKE_WIDTH": 1, "BACK_WIDTH": 1})
TAKEN = Proof("fp_fifo", {"DEPTH": 3, "TAKEN": 1})
RELAY = Proof("fp_relay", {"HOPS": 2})
WIDE_RELAY = Proof("fp_wide_relay", {"HOPS": 2, "WIDTH": 5, "SLICE": 2}, harness="fp_relay_proof")
CASCADE = Proof("fp_dsp_cascade", {"SLICES": 2}, any_products=True)
PACKED = Proof("fp_packed_sum")
READER = Proof("fp_axi_reader")
WRITER = Proof("fp_axi_writer")
POLICY = Proof("kv_cache_policy", {"LINES": 3, "AHEAD": 2})
KEPT = "formal/kv_cache_policy_proof.sv"
LATER = pytest.mark.formal  # seconds each

BROKEN = [
    (FIFO, "sv/fp_fifo.sv", "credit <= take && !rst;", "credit <= valid && !rst;"),
    (FIFO, "sv/fp_fifo.sv", "credit <= take && !rst;", "credit <= take;"),
    (FIFO, "sv/fp_fifo.sv", "held_taken = put ? held :", "held_taken = put ? held + ONE :"),
    (FIFO, "sv/fp_fifo.sv", "read_next = read_at == LAST ?", "read_next = &read_at ?"),
    (FIFO, "sv/fp_fifo.sv", "if (put) write_at <= write_next;", "if (put || take) write_at <= write_next;"),
    (BLOCK, "sv/fp_fifo.sv", "take ? read_next : read_at", "read_at"),
    (BLOCK, "sv/fp_fifo.sv", "filled = put && !PREFETCH;", "filled = put;"),
    (ONE, "sv/fp_fifo.sv", "if (put) word <= put_data;", "word <= put_data;"),
    (ONE, "sv/fp_fifo.sv", "(put || (valid && !take))", "(put || valid)"),
    (WIDE_RELAY, "sv/fp_wide_relay.sv", ".out_ready(out_valids[i] && out_ready)", ".out_ready(out_ready)"),
    (WIDE_RELAY, "sv/fp_wide_relay.sv", ".in_data(in_data[SLICE*i+:BITS])", ".in_data(in_data[0+:BITS])"),
    (WIDE_RELAY, "sv/fp_wide_relay.sv", ".in_valid(in_valid)", ".in_valid(in_valid && (i == 0 || out_ready))"),
    (WIDE, "sv/fp_wide_fifo.sv", "put_now <= put && !rst;", "put_now <= put;"),
    (WIDE, "sv/fp_wide_fifo.sv", "valids[i] && ready", "valids[i] && ready && (i != 1 || !put)"),
    (WIDE, "sv/fp_wide_fifo.sv", "word <= put_data[SLICE*i+:BITS];", "word <= put_data[BITS-1:0];"),
    (WIDE_BLOCK, "sv/fp_wide_fifo.sv", "(LARGEST_LUTRAM)", "(i == 1 ? 512 : LARGEST_LUTRAM)"),
    (CREDIT, "sv/fp_credit.sv", "count <= sum[CW-1:0];", "count <= take == 2'd3 ? count : sum[CW-1:0];"),
    (CREDIT, "sv/fp_credit.sv", "+ {{(SW - 1) {1'b0}}, credit};", ";"),
    (CREDIT, "sv/fp_credit.sv", "some <= any;", "some <= any && !credit;"),
    (ONE_CREDIT, "sv/fp_credit.sv", "left = kept - 1'b1;", "left = kept - !credit;"),
    (ONE_CREDIT, "sv/fp_credit.sv", "(take[0] ? count != 1 : some)", "some"),
    (TAKEN, "sv/fp_fifo.sv", "TAKEN != 0 ? ready :", "TAKEN != 0 ? ready || put :"),
    (RELAY, "sv/fp_relay.sv", "forth[i] <= !rst && (", "forth[i] <= ("),
    (RELAY, "sv/fp_relay.sv", ".INITIAL(DEPTH)", ".INITIAL(DEPTH - 1)"),
    (RELAY, "sv/fp_relay.sv", ".take(accept)", ".take(in_valid)"),
    (RELAY, "sv/fp_relay.sv", "word[i] <= i == 0 ? in_data", "if (accept) word[i] <= i == 0 ? in_data"),
    (CASCADE, "sv/fp_dsp48e2.sv", "m_reg + (FIRST ? c_reg : pcin)", "m_reg + (FIRST ? c : pcin)"),
    (CASCADE, "sv/fp_dsp48e2.sv", "m_reg + (FIRST ? c_reg : pcin)", "m_reg + c_reg"),
    (CASCADE, "sv/fp_dsp_cascade.sv", ".pcin (chain[48*i+:48])", ".pcin (chain[47:0])"),
    (PACKED, "formal/fp_packed_sum_proof.sv", "MIDDLE - (all_wide <<< 7)", "MIDDLE"),
    (PACKED, "formal/fp_packed_sum_proof.sv", "low >= -16256 &&", ""),
    pytest.param(READER, "sv/fp_axi_reader.sv", "32'(room) >= 32'(burst_beats)", "room != '0", marks=LATER),
    pytest.param(READER, "sv/fp_axi_reader.sv", "m_axi_rvalid && m_axi_rid == ID", "m_axi_rvalid", marks=LATER),
    pytest.param(READER, "sv/fp_axi_reader.sv", "if (free) m_axi_arvalid <=", "m_axi_arvalid <=", marks=LATER),
    pytest.param(READER, "sv/fp_axi_reader.sv", "order_credits != '0 &&", "", marks=LATER),
    pytest.param(READER, "sv/fp_axi_reader.sv", "end else if (take)", "end else if (take && !stop)", marks=LATER),
    pytest.param(READER, "sv/fp_axi_split.sv", "PAGE_BEATS - {1'b0, at[PW-1:0]}", "PAGE_BEATS", marks=LATER),
    pytest.param(WRITER, "sv/fp_axi_writer.sv", "32'(stored) >= 32'(burst_beats)", "stored != '0", marks=LATER),
    pytest.param(WRITER, "sv/fp_axi_writer.sv", "write_at <= promise_at;", "write_at <= read_at;", marks=LATER),
    pytest.param(WRITER, "sv/fp_axi_writer.sv", "room <= EMPTY - promised_next;", "room <= EMPTY;", marks=LATER),
    pytest.param(WRITER, "sv/fp_axi_writer.sv", ".rst(bus_rst), .put(read)", ".rst(rst), .put(read)", marks=LATER),
    pytest.param(WRITER, "sv/fp_axi_writer.sv", "m_axi_bvalid && m_axi_bid == ID", "m_axi_bvalid", marks=LATER),
    pytest.param(WRITER, "sv/fp_axi_writer.sv", "answer_credits == ALL", "1'b1", marks=LATER),
    (POLICY, KEPT, "has_last && last_key > key", "has_last"),
    pytest.param(POLICY, KEPT, "!found && !has_free && has_last", "!found && has_last", marks=LATER),
    pytest.param(POLICY, KEPT, "hots < hot ?", "hots <= hot ?", marks=LATER),
    pytest.param(POLICY, KEPT, "if (!found) next_content", "if (!found && !evicts) next_content", marks=LATER),
    pytest.param(POLICY, KEPT, "found && at == i) next_kind", "found && was != HOT && at == i) next_kind", marks=LATER),
    pytest.param(POLICY, KEPT, "&& !there[j] && valid", "&& valid", marks=LATER),
    pytest.param(POLICY, KEPT, "if (own && kept && !found && !evicts)", "if (own && kept && !found)", marks=LATER),
    pytest.param(POLICY, KEPT, "kept = uses && has_line;", "kept = has_line;", marks=LATER),
]  # fmt: skip


@needs_yosys
@pytest.mark.parametrize(("proof", "file", "old", "new"), BROKEN)
def test_a_broken_part_is_not_proved(proof: Proof, file: str, old: str, new: str) -> None:
    outcome = formal.prove(proof, replaced=replaced(file, old, new))
    assert not outcome.proved
    assert outcome.reason in (
        "a counterexample starts at reset",
        "no proof with 12 steps of induction, and no counterexample that long",
    )


@needs_yosys
@pytest.mark.parametrize(
    ("proof", "never"),
    [
        (FIFO, "!(probe_held == DEPTH)"),
        (FIFO, "!(tracked && ahead == DEPTH - 1)"),
        (FIFO, "!(stalled && put && ready)"),
        (BLOCK, "!(tracked && ahead == 0 && valid && ready)"),
        (WIDE, "!(tracked && !in_front && ahead == DEPTH - 1)"),
        (WIDE_BLOCK, "!(tracked && !in_front && ahead == 0 && valid && ready && probe_put[0])"),
        (CREDIT, "!(take == 3 && back == 1)"),
        (CREDIT, "!(out == MAXIMUM)"),
        (RELAY, "!(tracked && age == HOPS && ahead == 2)"),
        (RELAY, "!(probe_count == 0)"),
        (WIDE_RELAY, "!(tracked && age == HOPS && ahead == 2)"),
        pytest.param(READER, "!(tracked && ahead == 1 && probe_have[0] && owed[1] != 0)", marks=LATER),
        pytest.param(READER, "!(seen && older == 1 && probe_take && rst)", marks=LATER),
        pytest.param(WRITER, "!(tracked && !in_order && ahead_answer == 1 && probe_pop)", marks=LATER),
        pytest.param(WRITER, "!(seen && rst && older >= probe_promised && probe_promised != 0)", marks=LATER),
        (POLICY, "!(own && evicts && last_at == 2 && own_block == x && x_live)"),
        pytest.param(POLICY, "!(used == 3 && hot_lines == 2 && own && found && was == READ)", marks=LATER),
        (PACKED, "!(slice == 1 && rest == 0 && lows > 16000)"),
        (PACKED, "!(slice == 2 && lows < -30000 && highs > 30000)"),
    ],
)
def test_the_assumptions_leave_interesting_states_reachable(proof: Proof, never: str) -> None:
    """A proof under assumptions that exclude everything would hold as well: claim the opposite of what happens."""
    file = f"formal/{proof.top}.sv"
    reset = "bus_rst" if proof.part.startswith("fp_axi") else "rst"
    start = f"if (!{reset}) begin\n      ass"
    claim = f"if (!{reset}) begin\n      assert ({never});\n      ass"
    outcome = formal.prove(proof, replaced=replaced(file, start, claim))
    assert outcome.reason == "a counterexample starts at reset"


@needs_yosys
def test_a_taker_of_no_token_breaks_the_fifo() -> None:
    relaxed = replaced("formal/fp_fifo_proof.sv", "      assume (TAKEN == 0 || !ready || valid);\n", "")
    assert not formal.prove(TAKEN, replaced=relaxed).proved


@needs_yosys
def test_a_producer_without_credits_overflows_the_fifo() -> None:
    relaxed = replaced("formal/fp_fifo_proof.sv", "      assume (!put || credits != 0);\n", "")
    assert not formal.prove(FIFO, replaced=relaxed).proved
