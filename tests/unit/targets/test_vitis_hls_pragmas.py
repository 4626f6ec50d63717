"""The table of pragmas refuses what UG1399 does not have."""

from __future__ import annotations

import pytest

from fastprefill.errors import FastprefillError
from fastprefill.targets.vitis_hls.pragmas import check_line, pragma


def test_pragmas_are_printed_in_the_order_given() -> None:
    assert pragma("PIPELINE", II=2) == "#pragma HLS PIPELINE II=2"
    assert pragma("UNROLL") == "#pragma HLS UNROLL"
    assert (
        pragma("DATAFLOW", disable_start_propagation=True) == "#pragma HLS DATAFLOW disable_start_propagation"
    )
    assert pragma("PIPELINE", II=1, style="flp") == "#pragma HLS PIPELINE II=1 style=flp"
    line = pragma("ARRAY_PARTITION", variable="tile.at", type="cyclic", factor=4, dim=2)
    assert line == "#pragma HLS ARRAY_PARTITION variable=tile.at type=cyclic factor=4 dim=2"
    check_line(line)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("PIPELIN", {}, "pragma HLS PIPELIN is not in UG1399; known are ARRAY_PARTITION, BIND_OP"),
        (
            "PIPELINE",
            {"ii": 1},
            r"PIPELINE has no option 'ii' \(UG1399, pragma HLS pipeline\); it has II, off, rewind, style",
        ),
        ("PIPELINE", {"II": 0}, "PIPELINE II=0 is not allowed: a number from 1 is needed"),
        ("PIPELINE", {"rewind": 1}, "PIPELINE rewind takes no value, but '1' was given"),
        ("ARRAY_PARTITION", {"type": "complete"}, "ARRAY_PARTITION needs the option 'variable'"),
        (
            "ARRAY_PARTITION",
            {"variable": "a", "type": "cylic"},
            "type=cylic is not allowed: it is one of cyclic, block, complete",
        ),
        (
            "ARRAY_PARTITION",
            {"variable": "a b", "type": "block"},
            "variable=a b is not the name of a variable",
        ),
        (
            "BIND_OP",
            {"variable": "p", "op": "mul", "impl": "lut"},
            "impl=lut is not allowed: it is one of dsp, fabric",
        ),
        (
            "BIND_STORAGE",
            {"variable": "rom", "type": "rom_1p", "impl": "uram"},
            "type rom_1p cannot be built as uram .*; it can be bram, lutram",
        ),
    ],
)
def test_what_ug1399_lacks_is_refused(name: str, options: dict[str, int | str], message: str) -> None:
    with pytest.raises(FastprefillError, match=message):
        pragma(name, **options)


@pytest.mark.parametrize(
    "line", ["#pragma once", "#pragma HLS", "#pragma HLS UNROLL factor", "#pragma HLS STREAM depth=2"]
)
def test_lines_of_other_forms_are_refused(line: str) -> None:
    with pytest.raises(FastprefillError):
        check_line(line)
