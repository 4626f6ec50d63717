"""What a stand-in for a driver needs: the C simulation of a project's unit and movers, started by parts.

As on a card, nothing runs before unit and movers have all been started, and a buffer of the host is not that of the
device: without a synchronisation the other side sees nothing.
"""

import ctypes
import json
import os
from pathlib import Path

HOST = Path(os.environ["STANDIN_HOST"])
DESIGN = json.loads((HOST / "design.json").read_text())
LIBRARY = ctypes.CDLL(str(HOST / "build" / "libcsim.so"))
NAMES = (DESIGN["unit"], *(stream["mover"] for stream in DESIGN["streams"]))


class Buffer:
    """Two copies of some bytes."""

    def __init__(self, size):
        self.host, self.device = bytearray(size), bytearray(b"\xee" * size)

    def to_device(self):
        self.device[:] = self.host

    def from_device(self):
        self.host[:] = self.device


class Card:
    """Collects what unit and movers were given and runs them once all are started."""

    def __init__(self):
        self.started = {}

    def start(self, name, arguments):
        """`arguments`: scalars for the unit, a `Buffer` and a number of tokens for a mover."""
        assert name in NAMES and name not in self.started, name
        self.started[name] = arguments
        if set(self.started) == set(NAMES):
            self._run()
            self.started = {}

    def _run(self):
        movers = [self.started[stream["mover"]] for stream in DESIGN["streams"]]
        memory = [(ctypes.c_char * len(buffer.device)).from_buffer(buffer.device) for buffer, _ in movers]
        scalars = [value & 0xFFFFFFFFFFFFFFFF for value in self.started[DESIGN["unit"]]]
        problem = ctypes.create_string_buffer(256)
        status = LIBRARY.csim_start(
            (ctypes.c_uint64 * max(1, len(scalars)))(*scalars),
            (ctypes.c_void_p * len(memory))(*(ctypes.addressof(part) for part in memory)),
            (ctypes.c_uint32 * len(memory))(*(tokens for _, tokens in movers)),
            problem,
            256,
        )
        assert status == 0, problem.value
