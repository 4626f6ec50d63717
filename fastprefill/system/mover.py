"""Which streams of a system go through a mover to memory."""

from __future__ import annotations

from dataclasses import dataclass

COMMAND_BITS = 96
"""Of a command: byte address, and above its 64 bits the number of bytes."""


@dataclass(frozen=True)
class Mover:
    """A mover and the streams of a system that it serves.

    Attributes:
        commands: an output of the system: words of `COMMAND_BITS`, or byte addresses of 64 bits where `bytes` is given.
        beats: of a reader an input of the system, of a writer an output.
        bytes: of every command, where commands are addresses alone.
        writes: whether it writes.
        done: an input of the system that takes a word of one bit, 0, for each command of a writer that is in memory;
            None where nobody waits for that.
    """

    commands: str
    beats: str
    bytes: int | None = None
    writes: bool = False
    done: str | None = None
