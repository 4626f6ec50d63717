"""Stands in for PYNQ: overlay, registers and buffers as the host program uses them, on the C simulation."""

from pathlib import Path

import card

_addresses = {}


class _Buffer:
    def __init__(self, size):
        self.parts = card.Buffer(size)
        self.device_address = 0x4_0000_0000 + 0x1000_0000 * len(
            _addresses
        )  # needs both words of the register
        _addresses[self.device_address] = self.parts

    def __setitem__(self, where, content):
        self.parts.host[where] = content

    def __bytes__(self):
        return bytes(self.parts.host)

    def flush(self):
        self.parts.to_device()

    def invalidate(self):
        self.parts.from_device()


def allocate(shape, dtype):
    (size,) = shape
    assert dtype == "u1" and size > 0
    return _Buffer(size)


class _Registers:
    def __init__(self, card_, name):
        self.card, self.name, self.words = card_, name, {}

    def write(self, offset, value):
        assert 0 <= value < 1 << 32 and offset % 4 == 0
        self.words[offset] = value
        if offset == 0:
            assert value == 1
            self.card.start(self.name, self._arguments())

    def read(self, offset):
        assert offset == 0
        return 0 if self.name in self.card.started else 2 | 4

    def _arguments(self):
        if self.name == card.DESIGN["unit"]:
            return [
                sum(self.words[scalar["offset"] + 4 * i] << 32 * i for i in range(-(-scalar["bits"] // 32)))
                for scalar in card.DESIGN["scalars"]
            ]
        address = self.words[0x10] | self.words[0x14] << 32
        return [_addresses[address], self.words[0x1C]]


class Overlay:
    def __init__(self, file):
        assert Path(file).is_file()
        both = card.Card()
        for name in card.NAMES:
            setattr(self, name, _Registers(both, name))
