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
