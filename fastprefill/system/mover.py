"""Which streams of a system go through a mover to memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

COMMAND_BITS = 96
"""Of a command: byte address, and above its 64 bits the number of bytes."""


@dataclass(frozen=True)
class Mover:
    """A mover and the streams of a system that it serves.

    Attributes:
        commands: an output of the system: words of `COMMAND_BITS`, or byte addresses of 64 bits where `bytes` is given.
        beats: of a reader an input of the system, of a writer an output.
        buffer: the scalar with the byte address of the buffer in memory that it works on.
        bytes: of every command, where commands are addresses alone.
        writes: whether it writes.
        done: an input of the system that takes a word of one bit, 0, for each command of a writer that is in memory;
            None where nobody waits for that.
    """

    commands: str
    beats: str
    buffer: str = ""
    bytes: int | None = None
    writes: bool = False
    done: str | None = None


@dataclass(frozen=True)
class Memory:
    """The memory side of a system.

    Attributes:
        movers: by name; each has a memory port of its own.
        buffers: what the movers work on: the scalar with the byte address -> how large it grows beside the others
            (bytes for each element of a token's keys, say); 0 for a buffer that is small beside them.
        status: outputs of the system that no mover serves -> words of at most 32 bits on it in each run.
    """

    movers: Mapping[str, Mover]
    buffers: Mapping[str, int]
    status: Mapping[str, int] = field(default_factory=dict)

    def ports_of(self, buffer: str) -> list[str]:
        """Names of the memory ports that reach a buffer."""
        return [prefix(name, mover) for name, mover in self.movers.items() if mover.buffer == buffer]


def prefix(name: str, mover: Mover) -> str:
    """Of a mover's memory port: ``r_lists``, as in the AXI signal ``r_lists_m_axi_araddr``."""
    return f"{'w' if mover.writes else 'r'}_{name}"


@dataclass(frozen=True)
class MemoryCase:
    """One start of a system with its movers: what the memory holds before and after.

    Attributes:
        name: an identifier.
        scalars: by name; byte addresses count from the beginning of `before`.
        before, after: the memory, from address 0 on.
        status: words of all outputs in `Memory.status`, in that order.
    """

    name: str
    scalars: Mapping[str, int]
    before: bytes
    after: bytes
    status: tuple[int, ...]

    def files(self) -> dict[str, bytes]:
        """The case as a folder: ``case.json``, ``before.bin``, ``after.bin``, ``status.hex`` with a word a line."""
        given = {"name": self.name, "scalars": dict(self.scalars)}
        return {
            "case.json": (json.dumps(given, indent=1) + "\n").encode(),
            "before.bin": self.before,
            "after.bin": self.after,
            "status.hex": "".join(f"{word:08x}\n" for word in self.status).encode(),
        }
