"""Where the unit can run: the C simulation, a card behind XRT, a board under PYNQ. All have one method, `start`.

`start(scalars, inputs, counts)` runs the unit once: `scalars` as unsigned patterns, `inputs` the memory of each input
stream, `counts` the tokens of every stream, all by name. It returns the memory of each output stream. XRT and PYNQ were
NOT RUN where this was generated: there is no card there.
"""

import ctypes
import time
from pathlib import Path

TIMEOUT_S = 60


class Error(Exception):
    """It cannot run; the text says what to do."""


def open_device(name, design, folder, bitstream):
    """The device `name`, csim or card, with `bitstream` (None: the one that the project builds) loaded."""
    if name == "csim":
        return Csim(design, folder / "build" / "libcsim.so")
    bitstream = bitstream or folder.parent / "bitstream" / design["bitstream"]
    if not Path(bitstream).is_file():
        raise Error(
            f"there is no bitstream {bitstream}: build it in bitstream/, or name one with --bitstream"
        )
    return {"xrt": Xrt, "kria": Pynq}[design["device"]](design, bitstream)


class Csim:
    """The generated C++ of unit and movers, compiled for this machine."""

    def __init__(self, design, library):
        if not library.is_file():
            raise Error(f"there is no {library}: run `make csim` in host/")
        self.design, self.library = design, ctypes.CDLL(str(library))

    def start(self, scalars, inputs, counts):
        streams = self.design["streams"]
        memory = {}
        for stream in streams:
            size = max(1, counts[stream["name"]] * stream["stride"])
            # What was never written shows.
            content = inputs[stream["name"]] if stream["input"] else b"\xa5" * size
            memory[stream["name"]] = ctypes.create_string_buffer(content, size)
        problem = ctypes.create_string_buffer(256)
        status = self.library.csim_start(
            (ctypes.c_uint64 * max(1, len(scalars)))(
                *(scalars[one["name"]] for one in self.design["scalars"])
            ),
            (ctypes.c_void_p * len(streams))(*(ctypes.addressof(buffer) for buffer in memory.values())),
            (ctypes.c_uint32 * len(streams))(*(counts[stream["name"]] for stream in streams)),
            problem,
            len(problem),
        )
        if status:
            raise Error(problem.value.decode())
        return {
            stream["name"]: memory[stream["name"]].raw[: counts[stream["name"]] * stream["stride"]]
            for stream in streams
            if not stream["input"]
        }


class Xrt:
    """A card, through XRT's Python binding."""

    def __init__(self, design, bitstream):
        try:
            import pyxrt
        except ImportError:
            raise Error("there is no pyxrt: install XRT and source /opt/xilinx/xrt/setup.sh") from None
        self.xrt, self.design = pyxrt, design
        self.card = pyxrt.device(0)
        uuid = self.card.load_xclbin(pyxrt.xclbin(str(bitstream)))
        shared = pyxrt.kernel.shared
        self.unit = pyxrt.kernel(self.card, uuid, design["unit"], shared)
        self.movers = {
            stream["name"]: pyxrt.kernel(self.card, uuid, stream["mover"], shared)
            for stream in design["streams"]
        }

    def start(self, scalars, inputs, counts):
        xrt, buffers, runs = self.xrt, {}, {}
        for stream in self.design["streams"]:
            name = stream["name"]
            mover, size = self.movers[name], max(1, counts[name] * stream["stride"])
            buffers[name] = xrt.bo(self.card, size, xrt.bo.normal, mover.group_id(0))
            if stream["input"] and inputs[name]:
                buffers[name].write(inputs[name], 0)
                buffers[name].sync(xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE, size, 0)
            runs[stream["mover"]] = run = xrt.run(mover)
            run.set_arg(0, buffers[name])
            run.set_arg(1, counts[name])
        unit = xrt.run(self.unit)
        for index, scalar in enumerate(self.design["scalars"]):
            value = scalars[scalar["name"]]
            if scalar["bits"] > 32:
                raise Error(
                    f"pyxrt sets no scalar of {scalar['bits']} bits ({scalar['name']}): use the C++ program"
                )
            unit.set_arg(index, value - (1 << 32) if value >> 31 else value)  # it takes a C int
        unit.start()
        for run in runs.values():
            run.start()
        for name, run in {self.design["unit"]: unit, **runs}.items():
            if run.wait(1000 * TIMEOUT_S) != xrt.ert_cmd_state.ERT_CMD_STATE_COMPLETED:
                raise Error(f"{name} did not end within a minute: reset the card with `xbutil reset`")
        seen = {}
        for stream in self.design["streams"]:
            if not stream["input"]:
                name = stream["name"]
                size = counts[name] * stream["stride"]
                buffers[name].sync(xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_FROM_DEVICE, max(1, size), 0)
                seen[name] = bytes(buffers[name].read(size, 0)) if size else b""
        return seen


class Pynq:
    """A Zynq UltraScale+ board under PYNQ: registers of unit and movers, buffers both can see."""

    CONTROL, START, DONE = 0x00, 1, 2

    def __init__(self, design, bitstream):
        try:
            import pynq
        except ImportError:
            raise Error("there is no pynq: run this on the board, in PYNQ's environment") from None
        self.pynq, self.design = pynq, design
        self.overlay = pynq.Overlay(str(bitstream))  # reads the .hwh beside it, and sets the clock

    def start(self, scalars, inputs, counts):
        buffers, movers = {}, {}
        for stream in self.design["streams"]:
            name = stream["name"]
            buffers[name] = self.pynq.allocate((max(1, counts[name] * stream["stride"]),), dtype="u1")
            if stream["input"] and inputs[name]:
                buffers[name][:] = bytearray(inputs[name])
                buffers[name].flush()
            movers[stream["mover"]] = mover = getattr(self.overlay, stream["mover"])
            address = buffers[name].device_address
            mover.write(self.design["memory_register"], address & 0xFFFFFFFF)
            mover.write(self.design["memory_register"] + 4, address >> 32)
            mover.write(self.design["tokens_register"], counts[name])
        unit = getattr(self.overlay, self.design["unit"])
        for scalar in self.design["scalars"]:
            for word in range(-(-scalar["bits"] // 32)):
                unit.write(scalar["offset"] + 4 * word, scalars[scalar["name"]] >> 32 * word & 0xFFFFFFFF)
        parts = {self.design["unit"]: unit, **movers}
        for part in parts.values():
            part.write(self.CONTROL, self.START)
        end = time.monotonic() + TIMEOUT_S
        for name, part in parts.items():
            while not part.read(self.CONTROL) & self.DONE:
                if time.monotonic() > end:
                    raise Error(f"{name} did not end within a minute: load the bitstream again")
        seen = {}
        for stream in self.design["streams"]:
            if not stream["input"]:
                name = stream["name"]
                buffers[name].invalidate()
                seen[name] = bytes(buffers[name])[: counts[name] * stream["stride"]]
        return seen
