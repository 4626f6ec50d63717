"""A host runs the adder's shell: registers over AXI4-Lite, tokens over AXI4-Stream."""

import random
from itertools import cycle
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from host import AT, MAP, Host


class Adder(Host):
    def __init__(self, dut: Any) -> None:
        super().__init__(dut, ("x",), ("y",))
        self.x, self.y = self.sources["x"], self.sinks["y"]

    async def run(self, tokens: list[int], bias: int) -> list[int]:
        await self.write("count", len(tokens))
        await self.write("bias", bias & 0xFFFFFFFF)
        await self.bus.write_dword(AT["bias"] + 4, bias >> 32)
        await self.x.send(b"".join(token.to_bytes(2, "little") for token in tokens))
        await self.write("control", 1)
        await self.finished()
        return await self.received(len(tokens))

    async def received(self, count: int) -> list[int]:
        got = await self.words("y", 5)
        assert len(got) == count
        return got


def sums(tokens: list[int], bias: int) -> list[int]:
    return [(bias + sum(tokens[: i + 1])) % (1 << 36) for i in range(len(tokens))]


@cocotb.test()
async def registers_and_runs(dut: Any) -> None:
    host = Adder(dut)
    chance = random.Random(2)
    await host.reset()
    assert await host.read("control") == 4  # idle
    assert await host.read("version") == MAP["version"]
    assert await host.read("first_error") == 0

    await host.write("count", 0xFFFFFFFF)
    assert await host.read("count") == 0xFFFFFFFF
    await host.bus.write(AT["count"] + 1, b"\x12")  # a byte strobe
    assert await host.read("count") == 0xFFFF12FF
    reserved = AT["count"] + 4
    await host.bus.write_dword(reserved, 0xABCD)
    assert await host.bus.read_dword(reserved) == 0

    tokens = [chance.getrandbits(16) for _ in range(100)]
    assert await host.run(tokens, 0xF_FFFF_FFF0) == sums(tokens, 0xF_FFFF_FFF0)
    assert await host.read("control") == 4  # done and ready were cleared by the read in finished()
    busy = await host.read_long("busy_cycles")
    assert 100 <= busy < 140

    host.y.set_pause_generator(cycle([True, True, True, False]))
    assert await host.run(tokens, 3) == sums(tokens, 3)
    host.y.clear_pause_generator()
    assert await host.read_long("busy_cycles") > 3 * busy
    assert await host.read_long("blocked_cycles") > 100
    assert await host.read_long("starved_cycles") < 60


@cocotb.test()
async def counters_wait_for_a_starving_source(dut: Any) -> None:
    host = Adder(dut)
    await host.reset()
    await host.write("count", 1)
    await host.write("bias", 0)
    await host.write("control", 1)
    await ClockCycles(dut.ap_clk, 200)
    assert await host.read("control") == 1  # started, neither done nor idle
    assert int(dut.interrupt.value) == 0
    await host.x.send(b"\x07\x00")
    await host.finished()
    assert await host.received(1) == [7]
    assert await host.read_long("starved_cycles") >= 200


@cocotb.test()
async def interrupts_and_restart(dut: Any) -> None:
    host = Adder(dut)
    await host.reset()
    await host.write("gie", 1)
    await host.write("ier", 1)
    await host.write("count", 3)
    await host.write("control", 0x81)  # again and again
    for _ in range(2):
        await host.x.send(bytes(6))
        await with_timeout(RisingEdge(dut.interrupt), 10, "us")
        assert await host.read("isr") == 1
        await host.write("isr", 1)
        assert await host.read("isr") == 0
        assert int(dut.interrupt.value) == 0
        assert len(await host.received(3)) == 3
    await host.write("control", 0)
    await host.x.send(bytes(6))
    assert len(await host.received(3)) == 3
    assert await host.read("control") & 0x85 == 4  # idle, not started again


@cocotb.test()
async def the_first_error_stays_until_it_is_cleared(dut: Any) -> None:
    host = Adder(dut)
    await host.reset()
    await host.run([1, 2], 0)
    assert await host.read("first_error") == 0
    await host.run([0xDEAD, 5, 0xBEEF], 0)
    assert await host.read("first_error") == 0xDEAD
    await host.write("first_error", 0)
    assert await host.read("first_error") == 0
    await host.reset()
    assert await host.run([4], 1) == [5]
