"""Stands in for XRT's Python binding: the part of it that the host program uses, on the C simulation."""

import enum
from pathlib import Path

import card


class xclBOSyncDirection(enum.Enum):
    XCL_BO_SYNC_BO_TO_DEVICE = 0
    XCL_BO_SYNC_BO_FROM_DEVICE = 1


class ert_cmd_state(enum.Enum):
    ERT_CMD_STATE_NEW = 1
    ERT_CMD_STATE_COMPLETED = 4


class xclbin:
    def __init__(self, file):
        assert Path(file).is_file()


class device:
    def __init__(self, index):
        assert index == 0
        self.card = card.Card()

    def load_xclbin(self, file):
        assert isinstance(file, xclbin)
        return "uuid"


class kernel:
    shared = "shared"

    def __init__(self, card_, uuid, name, mode):
        assert (uuid, mode) == ("uuid", "shared") and name in card.NAMES
        self.card, self.name = card_.card, name

    def group_id(self, argument):
        assert argument == 0 and self.name != card.DESIGN["unit"]
        return 7


class bo:
    normal = "normal"

    def __init__(self, card_, size, flags, group):
        assert (flags, group) == ("normal", 7) and size > 0
        self.buffer = card.Buffer(size)

    def write(self, content, offset):
        self.buffer.host[offset : offset + len(content)] = content

    def read(self, size, offset):
        return bytes(self.buffer.host[offset : offset + size])

    def sync(self, direction, size, offset):
        assert (size, offset) == (len(self.buffer.host), 0)
        if direction is xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE:
            self.buffer.to_device()
        else:
            self.buffer.from_device()


class run:
    def __init__(self, kernel_):
        self.kernel, self.arguments = kernel_, {}

    def set_arg(self, index, value):
        if isinstance(value, bo):
            value = value.buffer
        elif not -(1 << 31) <= value < 1 << 31:
            raise TypeError("the binding takes a C int")
        self.arguments[index] = value

    def start(self):
        self.kernel.card.start(self.kernel.name, [self.arguments[i] for i in range(len(self.arguments))])

    def wait(self, milliseconds):
        done = self.kernel.name not in self.kernel.card.started
        return ert_cmd_state.ERT_CMD_STATE_COMPLETED if done else ert_cmd_state.ERT_CMD_STATE_NEW
