"""The KV cache behind the mover, against memories of several latencies: every block, statistics, bytes."""

import json
import random
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotbext.axi.stream import define_stream
from far import Far

from fastprefill.extern.axi import Port

PLAN = json.loads(Path(cocotb.plusargs["plan"]).read_text())
RequestBus, Request, RequestSource, _, _ = define_stream("Request", signals=["valid", "ready", "data"])
WordBus, _, _, WordSink, _ = define_stream("Word", signals=["valid", "ready", "data"])

# latency of a burst in cycles, whether IDs overtake each other, gaps of memory, gaps of the consumer
SETTINGS = [((1, 1), False, 0.0, 0.0), ((5, 90), True, 0.3, 0.0), ((64, 64), False, 0.0, 0.5)]


def gaps(chance: random.Random, share: float) -> Any:
    while True:
        yield chance.random() < share


@cocotb.parametrize(setting=range(len(SETTINGS)))
@cocotb.test()
async def blocks_statistics_and_bytes(dut: Any, setting: int) -> None:
    chance = random.Random(9)
    port = Port(**PLAN["port"])
    memory = bytearray(chance.randbytes(PLAN["base"] + 64 * PLAN["stride"]))
    for name in (
        "start",
        "requests_valid",
        "blocks_ready",
        "statistics_ready",
        "r_m_axi_arready",
        "r_m_axi_rvalid",
    ):
        getattr(dut, name).value = 0
    dut.rst.value = 1
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    latency, shuffled, gap, hold = SETTINGS[setting]
    far = Far(dut, "r", port, memory, chance)
    far.latency, far.shuffled, far.gap = latency, shuffled, gap
    requests = RequestSource(RequestBus.from_prefix(dut, "requests"), dut.clk)
    blocks = WordSink(WordBus.from_prefix(dut, "blocks"), dut.clk)
    statistics = WordSink(WordBus.from_prefix(dut, "statistics"), dut.clk)
    blocks.set_pause_generator(gaps(chance, hold))
    size = port.beat_bytes
    for case in PLAN["cases"]:
        dut.n.value, dut.base.value = len(case["requests"]), PLAN["base"]
        dut.capacity.value, dut.hot.value = case["capacity"], case["hot"]
        earlier = len(far.bursts)
        await ClockCycles(dut.clk, 2)
        dut.start.value = 1
        await ClockCycles(dut.clk, 1)
        dut.start.value = 0
        for word in case["words"]:
            requests.send_nowait(Request(data=word))
        for number, block in enumerate(case["requests"]):
            first = PLAN["base"] + block * PLAN["stride"]
            for beat in range(PLAN["beats"]):
                got = await with_timeout(blocks.recv(), 60, "us")
                place = first + beat * size
                expected = int.from_bytes(memory[place : place + size], "little")
                assert int(got.data) == expected, (
                    f"{case['name']}, request {number}, block {block}, beat {beat}"
                )
        found = [int((await with_timeout(statistics.recv(), 60, "us")).data) for _ in range(4)]
        assert found == case["statistics"], case["name"]
        for _ in range(200):
            await RisingEdge(dut.clk)
            if int(dut.idle.value):
                break
        assert int(dut.idle.value) and blocks.empty() and statistics.empty()
        assert int(dut.error.value) == 0
        beats = sum(beats for _, beats in far.bursts[earlier:])
        assert beats == case["misses"] * PLAN["beats"], f"{case['name']}: {beats} beats from memory"
