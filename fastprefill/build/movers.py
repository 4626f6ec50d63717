"""The movers of a unit: small kernels between memory and its streams, one for each, and how tokens lie in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastprefill.boards import Board
from fastprefill.errors import FastprefillError
from fastprefill.extern.axi import Port
from fastprefill.system.ports import Ports

UNIT_ADDRESS = 0xA000_0000
"""Of the unit's registers where the processor maps them (HPM0 of a Zynq UltraScale+, UG1085); movers follow."""

ADDRESS_STEP = 0x1_0000

MEMORY_REGISTER, TOKENS_REGISTER = 0x10, 0x1C
"""Registers of a mover: address of the buffer in two words, number of tokens."""

WIDEST_STREAM = 4096
"""Bits of an AXI4-Stream that the vendor's infrastructure takes (PG085) and of an ap_uint (UG1399)."""

BURST, OUTSTANDING = 16, 16
"""Beats of a burst and outstanding bursts of a mover's port: 256 beats cover the latency of HBM and DDR."""

_NARROWEST_WORD = 32


@dataclass(frozen=True)
class Mover:
    """Between the memory and one stream.

    Attributes:
        stream: of the unit.
        reads: from memory into the unit; otherwise out of the unit into memory.
        bits: of a token.
        word_bits: width of its memory port, a power of two.
        memory: the port it uses, such as ``HBM[3]``.
        port: number of that port.
        slr: super logic region of the part of the unit that the stream leads to.
        address: of its registers, where the processor maps them.
    """

    stream: str
    reads: bool
    bits: int
    word_bits: int
    memory: str
    port: int
    slr: int
    address: int

    @property
    def name(self) -> str:
        """Of the kernel: ``mm2s_a``, memory-mapped to stream, or ``s2mm_c``."""
        return f"{'mm2s' if self.reads else 's2mm'}_{self.stream}"

    @property
    def axi(self) -> Port:
        """Its memory port; the one that Vitis HLS makes has one ID."""
        return Port(self.word_bits, 1, BURST, OUTSTANDING, BURST * OUTSTANDING)

    @property
    def pragma(self) -> str:
        """Options of its m_axi pragma (UG1399) that say the same."""
        way, port = "read" if self.reads else "write", self.axi
        return f"max_{way}_burst_length={port.burst} num_{way}_outstanding={port.outstanding}"

    @property
    def data_bits(self) -> int:
        """Width of TDATA: whole bytes."""
        return (self.bits + 7) // 8 * 8

    @property
    def words(self) -> int:
        """Words of memory that a token takes."""
        return -(-self.data_bits // self.word_bits)

    @property
    def stride(self) -> int:
        """Bytes from a token to the next."""
        return self.words * self.word_bits // 8

    def as_dict(self) -> dict[str, Any]:
        """For ``design.json``."""
        return {
            "name": self.stream,
            "mover": self.name,
            "input": self.reads,
            "bits": self.bits,
            "stride": self.stride,
            "memory": self.memory,
            "address": self.address,
        }


def movers(ports: Ports, board: Board, slrs: Mapping[str, int] | None = None) -> list[Mover]:
    """A mover for each stream, inputs first; each gets the next port of the board's first memory.

    Args:
        ports: of the unit.
        board: names the memory.
        slrs: stream -> super logic region of its end in the unit; 0 where nothing is said.

    Raises:
        FastprefillError: the board has no memory, or a stream is wider than AXI4-Stream allows.
    """
    if not board.memories:
        raise FastprefillError(
            f"board '{board.name}' has no [[memory]]: its bitstream needs one that the host and the unit share"
        )
    memory = board.memories[0]
    found: list[Mover] = []
    streams: list[tuple[Mapping[str, int], bool]] = [(ports.inputs, True), (ports.outputs, False)]
    for group, reads in streams:
        for stream, bits in group.items():
            if bits > WIDEST_STREAM:
                raise FastprefillError(
                    f"stream '{stream}' of '{ports.name}' has tokens of {bits} bits; an AXI4-Stream takes at most "
                    f"{WIDEST_STREAM}: make the unit smaller or split the stream"
                )
            wanted = max(_NARROWEST_WORD, 1 << (bits - 1).bit_length())
            port = len(found) % memory.ports
            found.append(
                Mover(
                    stream, reads, bits, min(memory.mover_bits, wanted), f"{memory.name}[{port}]", port,
                    (slrs or {}).get(stream, 0), UNIT_ADDRESS + ADDRESS_STEP * (1 + len(found)),
                )
            )  # fmt: skip
    return found
