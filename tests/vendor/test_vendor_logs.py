"""Logs in the vendor's form: the message that matters is found, quoted with its line, and explained."""

from pathlib import Path

import pytest

from fastprefill.tools import vendor_log

LOGS = Path(__file__).parent / "logs"


@pytest.mark.parametrize(
    ("log", "line", "quote", "meaning"),
    [
        ("license", 11, "ERROR: [Common 17-345] A valid license was not found", "XILINXD_LICENSE_FILE"),
        ("platform", 10, "ERROR: [v++ 60-705] No platform was found that matches", "PLATFORM_REPO_PATHS"),
        (
            "too_large",
            3,
            "ERROR: [VPL 30-640] Place Check : This design requires more LUT",
            "generate a smaller one",
        ),
        ("timing", 3, "ERROR: [VPL 101-2] design did not meet timing", "lower clock_mhz"),
        ("own_timing", 3, "ERROR: timing is not met: the worst slack is -0.412 ns", "lower clock_mhz"),
        ("part", 3, "ERROR: [Coretcl 2-106] Specified part could not be found.", "does not know the part"),
        ("connectivity", 3, "ERROR: [CFGEN 83-2229] Argument mm2s_a.memory not found", "bitstream/link.cfg"),
        ("memory", 3, "/tools/Xilinx/Vivado/2023.2/bin/loader: line 312: 41220 Killed", "ran out of memory"),
        ("disk", 2, "cp: error writing 'build/link/int/dr.bd.tcl': No space left", "the disk is full"),
    ],
)
def test_the_error_that_matters(log: str, line: int, quote: str, meaning: str) -> None:
    found = vendor_log.first_error([LOGS / f"{log}.log"])
    assert found is not None
    assert (found.file, found.line) == (f"{log}.log", line)
    assert found.quote.startswith(quote)
    assert meaning in found.meaning
    assert found.text() == f"{log}.log:{line} says “{found.quote}”: {found.meaning}"


def test_an_unknown_error_is_quoted_without_an_explanation() -> None:
    found = vendor_log.first_error([LOGS / "unknown.log"])
    assert found is not None
    assert found.text() == (
        "unknown.log:2 says “ERROR: [v++ 98-7654] Something that nobody has written down yet” "
        "(a message that fastprefill has no explanation for)"
    )


def test_no_error_in_a_clean_log() -> None:
    assert vendor_log.first_error([LOGS / "clean.log", LOGS / "missing.log"]) is None
    assert vendor_log.slower_clock(LOGS / "clean.log") is None


def test_a_known_error_of_a_later_log_explains_an_unknown_one() -> None:
    found = vendor_log.first_error([LOGS / "unknown.log", LOGS / "license.log"])
    assert found is not None and found.file == "license.log"


def test_a_clock_that_was_lowered() -> None:
    assert vendor_log.slower_clock(LOGS / "slower.log") == 231.4


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("ERROR: [Synth 8-439] module 'fp_fifo' not found [/p/rtl/mpu.sv:41]", "Vivado refused the RTL"),
        (
            "ERROR: [HLS 207-3337] unknown type name 'ap_uint' (../movers.h:9:12)",
            "Vitis HLS refused the movers",
        ),
        (
            "ERROR: [DRC UTLZ-1] Resource utilization: DSP over-utilized in Top Level Design",
            "generate a smaller one",
        ),
        (
            "ERROR: [Route 35-162] 214 signals failed to route due to routing congestion.",
            "the wires do not fit",
        ),
        (
            "ERROR: [BD 5-216] VLNV <xilinx.com:ip:smartconnect:1.0> is not supported for the current part.",
            "an IP that",
        ),
        (
            "ERROR: [IP_Flow 19-3153] Bus Interface 's_axi_control': FREQ_HZ is missing",
            "could not be packaged",
        ),
        ("terminate called after throwing an instance of 'std::bad_alloc'", "ran out of memory"),
    ],
)
def test_errors_in_one_line(tmp_path: Path, line: str, meaning: str) -> None:
    log = tmp_path / "step.log"
    log.write_text(f"INFO: [v++ 60-586] before\n{line}\nERROR: [v++ 60-703] Failed to finish linking\n")
    found = vendor_log.first_error([log])
    assert found is not None
    assert (found.line, found.quote) == (2, line)
    assert meaning in found.meaning


def test_warnings_and_words_are_no_errors(tmp_path: Path) -> None:
    log = tmp_path / "step.log"
    log.write_text(
        "WARNING: [Synth 8-7129] Port x is unconnected\nINFO: errors: 0\n  CRITICAL WARNING: [Timing 38-282] slack\n"
    )
    assert vendor_log.first_error([log]) is None
