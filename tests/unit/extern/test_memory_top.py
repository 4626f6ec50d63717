"""The module that puts a system and its movers together; what it does is simulated in unit/kernels."""

import pytest

from fastprefill.errors import FastprefillError
from fastprefill.extern.axi import Port
from fastprefill.extern.memory_top import memory_top
from fastprefill.system.mover import Mover
from fastprefill.system.ports import Ports

PORTS = Ports(
    "copy", {"n": 32}, {"in_beats": 64, "written": 1}, {"read": 96, "write": 64, "out_beats": 64, "sum": 8}
)
MOVERS = {
    "a": Mover("read", "in_beats"),
    "b": Mover("write", "out_beats", bytes=16, writes=True, done="written"),
}
PORT = Port(data_bits=64, ids=2, burst=4, outstanding=4, buffer=8)


def test_streams_of_movers_become_axi_ports() -> None:
    text = memory_top("copy_in_memory", PORTS, MOVERS, PORT)
    head = text[: text.index(");")]
    for there in ("r_a_m_axi_araddr", "w_b_m_axi_wstrb", "sum_valid", "[31:0] n"):
        assert there in head
    for inside in ("in_beats", "out_beats", "read_valid", "write_valid", "written"):
        assert inside not in head
    assert ".cmd_bytes(read_data[95:64])" in text and ".cmd_bytes(32'd16)" in text


def test_a_fault_is_shown_as_an_error() -> None:
    ports = Ports("copy", {}, PORTS.inputs, {**PORTS.outputs, "fault": 32})
    plain = memory_top("copy_in_memory", ports, MOVERS, PORT)
    assert "output wire fault_valid" in plain.replace("[0:0] ", "") and "assign error = system_error;" in plain
    shown = memory_top("copy_in_memory", ports, MOVERS, PORT, fault="fault")
    assert "fault" not in shown[: shown.index(");")]
    assert "assign error = system_error | (fault_valid ? fault_data : 32'd0);" in shown
    for wrong in ("faults", "sum"):
        with pytest.raises(FastprefillError, match=f"'copy' has no stream '{wrong}' that is an output of 32 bits"):
            memory_top("copy_in_memory", ports, MOVERS, PORT, fault=wrong)


@pytest.mark.parametrize(
    ("mover", "message"),
    [
        (Mover("reads", "in_beats"), "mover 'a': 'copy' has no stream 'reads' that is an output of 96 bits"),
        (Mover("write", "in_beats"), "no stream 'write' that is an output of 96 bits"),
        (Mover("read", "out_beats"), "no stream 'out_beats' that is an input of 64 bits"),
        (
            Mover("write", "out_beats", bytes=8, writes=True, done="sum"),
            "no stream 'sum' that is an input of 1 bits",
        ),
    ],
)
def test_streams_that_do_not_fit_are_refused(mover: Mover, message: str) -> None:
    with pytest.raises(FastprefillError, match=message):
        memory_top("copy_in_memory", PORTS, {"a": mover}, PORT)
