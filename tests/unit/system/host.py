"""A host's view of a shell: registers over AXI4-Lite, tokens over AXI4-Stream, by the map in ``registers.json``."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamSink, AxiStreamSource

MAP = json.loads(Path(cocotb.plusargs["registers"]).read_text())
AT = {register["name"]: register["offset"] for register in MAP["registers"]}


class Host:
    """Drives the registers and streams of a shell ``dut``."""

    def __init__(self, dut: Any, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        self.dut = dut
        options = {"reset_active_level": False}
        self.bus = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi_control"), dut.ap_clk, dut.ap_rst_n, **options)
        self.sources = {
            name: AxiStreamSource(AxiStreamBus.from_prefix(dut, name), dut.ap_clk, dut.ap_rst_n, **options)
            for name in inputs
        }
        self.sinks = {
            name: AxiStreamSink(AxiStreamBus.from_prefix(dut, name), dut.ap_clk, dut.ap_rst_n, **options)
            for name in outputs
        }
        dut.ap_rst_n.value = 0
        cocotb.start_soon(Clock(dut.ap_clk, 10, unit="ns").start())

    async def reset(self) -> None:
        self.dut.ap_rst_n.value = 0
        await ClockCycles(self.dut.ap_clk, 5)
        self.dut.ap_rst_n.value = 1
        await ClockCycles(self.dut.ap_clk, 5)

    async def ready(self) -> None:
        """Reset, and let the unit interrupt when it is done."""
        await self.reset()
        await self.write("gie", 1)
        await self.write("ier", 1)

    async def interrupted(self, within_us: int = 100) -> None:
        if not int(self.dut.interrupt.value):
            await with_timeout(RisingEdge(self.dut.interrupt), within_us, "us")
        await self.write("isr", 1)
        assert await self.read("control") == 4 | 8 | 2  # idle, ready, done

    async def read(self, name: str) -> int:
        return await with_timeout(self.bus.read_dword(AT[name]), 10, "us")

    async def read_long(self, name: str) -> int:
        low = await self.read(name)
        return low | await self.bus.read_dword(AT[name] + 4) << 32

    async def write(self, name: str, value: int) -> None:
        await with_timeout(self.bus.write_dword(AT[name], value), 10, "us")

    async def finished(self) -> None:
        for _ in range(400):
            if await self.read("control") & 2:
                return
        raise AssertionError("ap_done was never seen")

    async def words(self, sink: str, size: int) -> list[int]:
        """What a sink has got by 100 cycles from now, in words of `size` bytes."""
        await ClockCycles(self.dut.ap_clk, 100)
        got = bytearray()
        while not self.sinks[sink].empty():
            got += self.sinks[sink].recv_nowait().tdata
        assert len(got) % size == 0
        return [int.from_bytes(got[i : i + size], "little") for i in range(0, len(got), size)]
