"""Model of the AXI4 movers ``sv/fp_axi_reader.sv`` and ``sv/fp_axi_writer.sv``: their bursts, beats and bytes.

What a mover does to memory and to its streams depends on its commands alone; when it happens does not, so the model
has no clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fastprefill.errors import FastprefillError

OKAY, SLVERR, DECERR = 0, 2, 3
_PAGE = 4096
_LONGEST = 256
_DATA_BITS = (32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True)
class Burst:
    """One AXI4 INCR burst of whole beats.

    Attributes:
        address: of its first beat, bytes.
        beats: 1 to the port's `burst`.
        first_byte: in its first beat, the first byte of the command.
        end_byte: in its last beat, the byte after the last one; 0 when that is all of the beat.
        last: of its command.
    """

    address: int
    beats: int
    first_byte: int
    end_byte: int
    last: bool


@dataclass(frozen=True)
class Beat:
    """One word of a stream, as it lies in memory.

    Attributes:
        data: byte 0 in the lowest bits.
        keep: a bit per byte: whether it belongs to the command.
        last: of the command.
    """

    data: int
    keep: int
    last: bool


@dataclass(frozen=True)
class Port:
    """Parameters of a mover's memory port; SystemVerilog, C++ pragmas and model take them from here.

    Attributes:
        data_bits: of a beat, a power of two from 32 to 1024.
        ids: that bursts take in turn.
        burst: most beats of a burst, 1 to 256.
        outstanding: most bursts that are issued and not finished.
        buffer: beats; of a reader, a power of two of at least `burst` for each ID; of a writer, one of all IDs.
        boundary: bytes; no burst crosses a multiple of it, a power of two from the beat to 4096.
    """

    data_bits: int = 256
    ids: int = 4
    burst: int = 16
    outstanding: int = 32
    buffer: int = 512
    boundary: int = _PAGE

    def __post_init__(self) -> None:
        if self.data_bits not in _DATA_BITS:
            raise FastprefillError(
                f"a mover's port of {self.data_bits} bits; {', '.join(map(str, _DATA_BITS))} are possible"
            )
        if not 1 <= self.burst <= _LONGEST:
            raise FastprefillError(f"bursts of {self.burst} beats; 1 to {_LONGEST} are possible")
        if self.ids < 1 or self.outstanding < 1:
            raise FastprefillError(
                f"{self.ids} IDs and {self.outstanding} outstanding bursts; a mover needs at least one of each"
            )
        if not self.beat_bytes <= self.boundary <= _PAGE or not _power(self.boundary):
            raise FastprefillError(
                f"bursts that end at multiples of {self.boundary} bytes; it must be a power of two from the "
                f"{self.beat_bytes} bytes of a beat to {_PAGE}"
            )

    @property
    def beat_bytes(self) -> int:
        """Bytes of a beat."""
        return self.data_bits // 8

    def reader(self) -> dict[str, int]:
        """Parameters of ``fp_axi_reader``.

        Raises:
            FastprefillError: a buffer that cannot be divided over the IDs, or has no room for a burst.
        """
        if (
            self.buffer % self.ids
            or not _power(self.buffer // self.ids)
            or self.buffer // self.ids < self.burst
        ):
            raise FastprefillError(
                f"a reader's buffer of {self.buffer} beats for {self.ids} IDs and bursts of {self.burst}: each ID "
                f"needs a power of two of at least {self.burst} beats"
            )
        return self._parameters()

    def writer(self) -> dict[str, int]:
        """Parameters of ``fp_axi_writer``.

        Raises:
            FastprefillError: a buffer that is no power of two, or has no room for a burst.
        """
        if not _power(self.buffer) or self.buffer < self.burst:
            raise FastprefillError(
                f"a writer's buffer of {self.buffer} beats for bursts of {self.burst}: it takes a power of two of at "
                f"least {self.burst} beats"
            )
        return self._parameters()

    def _parameters(self) -> dict[str, int]:
        return {
            "DATA_WIDTH": self.data_bits,
            "IDS": self.ids,
            "BURST": self.burst,
            "OUTSTANDING": self.outstanding,
            "BUFFER": self.buffer,
            "BOUNDARY": self.boundary,
        }

    def bursts(self, address: int, length: int) -> Iterator[Burst]:
        """The bursts of a command, in the order in which they are issued; burst n of a mover has ID n mod `ids`.

        Args:
            address: of the first byte.
            length: bytes, 0 and up.
        """
        end = address + length
        at = address - address % self.beat_bytes
        while length and at < end:
            stop = min(at + self.burst * self.beat_bytes, at - at % self.boundary + self.boundary)
            last = stop >= end
            beats = -(-(min(stop, end) - at) // self.beat_bytes)
            yield Burst(at, beats, max(address - at, 0), end % self.beat_bytes if last else 0, last)
            at = stop

    def read(self, memory: bytes | bytearray, address: int, length: int) -> list[Beat]:
        """What the reader delivers for a command: whole beats of `memory`, which begins at address 0."""
        size, beats = self.beat_bytes, []
        for burst in self.bursts(address, length):
            for n in range(burst.beats):
                final = n == burst.beats - 1
                first = burst.first_byte if n == 0 else 0
                end = burst.end_byte if final and burst.end_byte else size
                place = burst.address + n * size
                data = int.from_bytes(memory[place : place + size], "little")
                beats.append(Beat(data, (1 << end) - (1 << first), final and burst.last))
        return beats

    def write(self, memory: bytearray, address: int, length: int, data: Sequence[int]) -> None:
        """What the writer does to `memory` for a command and its beats; bytes around the command stay.

        Raises:
            FastprefillError: the command takes another number of beats.
        """
        beats = self.read(memory, address, length)
        if len(data) != len(beats):
            raise FastprefillError(
                f"{len(data)} beats for {length} bytes at address {address}, which take {len(beats)}"
            )
        place = address - address % self.beat_bytes
        for beat, word in zip(beats, data, strict=True):
            for byte in range(self.beat_bytes):
                if beat.keep >> byte & 1:
                    memory[place + byte] = word >> (8 * byte) & 0xFF
            place += self.beat_bytes


def _power(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0
