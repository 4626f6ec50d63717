"""A layer's attention behind its movers: what is in memory afterwards, in every byte, and what was read from it."""

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
WordBus, _, _, WordSink, _ = define_stream("Word", signals=["valid", "ready", "data"])


async def start(dut: Any, case: dict[str, Any], memory: bytearray) -> None:
    """Fill the memory, set the scalars, and pulse `start`."""
    memory[:] = Path(case["before"]).read_bytes()
    for name, value in case["scalars"].items():
        getattr(dut, name).value = value
    await ClockCycles(dut.clk, 2)
    dut.start.value = 1
    await ClockCycles(dut.clk, 1)
    dut.start.value = 0


async def run(
    dut: Any, case: dict[str, Any], fars: dict[str, Far], memory: bytearray, statistics: Any
) -> None:
    """One start, from the memory of the case to its end, checked."""
    before = {name: len(far.bursts) for name, far in fars.items()}
    await start(dut, case, memory)
    await ClockCycles(dut.clk, 1)
    cycles = error = 0
    while not int(dut.idle.value):
        await RisingEdge(dut.clk)
        cycles += 1
        error = error or int(dut.error.value)
        assert cycles < case["most_cycles"], f"{case['name']} is not done after {cycles} cycles"
    found = [int((await with_timeout(statistics.recv(), 1, "us")).data) for _ in range(4)]
    assert found == case["statistics"], case["name"]
    assert error == case["fault"], f"{case['name']}: error {error:#x}, not {case['fault']:#x}"
    assert int(dut.error.value) == 0 and int(dut.errors.value) == 0
    expected = Path(case["after"]).read_bytes()
    wrong = [at for at in range(len(expected)) if memory[at] != expected[at]]
    assert not wrong, (
        f"{case['name']}: {len(wrong)} bytes differ, the first at {wrong[0]:#x}: "
        f"{memory[wrong[0]]:#x} instead of {expected[wrong[0]]:#x}"
    )
    read = (
        sum(beats for _, beats in fars["r_blocks"].bursts[before["r_blocks"] :])
        * fars["r_blocks"].port.beat_bytes
    )
    assert read == case["block_bytes"], (
        f"{case['name']}: {read} bytes of blocks read, not {case['block_bytes']}"
    )
    dut._log.info(f"MEASURED {case['name']} cycles={cycles} block_bytes={read}")


async def abort(dut: Any, case: dict[str, Any], memory: bytearray, after: int) -> None:
    """A start that is reset after some cycles; the memory goes on, and what was issued is completed."""
    await start(dut, case, memory)
    await ClockCycles(dut.clk, after)
    assert not int(dut.idle.value), f"{case['name']} is done before {after} cycles"
    dut.rst.value = 1
    await ClockCycles(dut.clk, 1)
    dut.rst.value = 0
    cycles = 0
    while not int(dut.idle.value):
        await RisingEdge(dut.clk)
        cycles += 1
        assert cycles < 5000, "not idle after a reset"


async def refuse(
    dut: Any, case: dict[str, Any], wrong: dict[str, Any], fars: dict[str, Far], memory: bytearray
) -> None:
    """A start that does nothing but to say why."""
    before = {name: len(far.bursts) for name, far in fars.items()}
    await start(dut, {**case, "scalars": {**case["scalars"], **wrong["scalars"]}}, memory)
    found = {int(dut.error.value)}
    for _ in range(100):
        await RisingEdge(dut.clk)
        found.add(int(dut.error.value))
        assert not int(dut.statistics_valid.value)
    assert found == {0, wrong["error"]} and wrong["error"], f"{wrong['scalars']}: errors {found}, not {wrong['error']}"
    assert int(dut.idle.value), f"{wrong['scalars']}: not done"
    assert before == {name: len(far.bursts) for name, far in fars.items()}
    assert memory == Path(case["before"]).read_bytes()


@cocotb.test()
async def layers(dut: Any) -> None:
    port = Port(**PLAN["port"])
    memory = bytearray(PLAN["memory"])
    chance = random.Random(11)
    for name in [*PLAN["scalars"], "start", "statistics_ready"]:
        getattr(dut, name).value = 0
    for prefix in PLAN["movers"]:
        quiet = ("arready", "rvalid") if prefix[0] == "r" else ("awready", "wready", "bvalid")
        for signal in quiet:
            getattr(dut, f"{prefix}_m_axi_{signal}").value = 0
    dut.rst.value = dut.bus_rst.value = 1
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    await ClockCycles(dut.clk, 4)
    dut.rst.value = dut.bus_rst.value = 0
    fars = {prefix: Far(dut, prefix, port, memory, chance) for prefix in PLAN["movers"]}
    statistics = WordSink(WordBus.from_prefix(dut, "statistics"), dut.clk)
    for latency, shuffled, gap in PLAN["settings"]:
        for far in fars.values():
            far.latency, far.shuffled, far.gap = tuple(latency), shuffled, gap
        for case in PLAN["cases"]:
            await run(dut, case, fars, memory, statistics)
    for after in PLAN["resets"]:
        await abort(dut, PLAN["cases"][0], memory, after)
        statistics.clear()  # they may have been out before the reset
        await run(dut, PLAN["cases"][-1], fars, memory, statistics)
    for wrong in PLAN["refused"]:
        await refuse(dut, PLAN["cases"][0], wrong, fars, memory)
    if PLAN["refused"]:
        await run(dut, PLAN["cases"][-1], fars, memory, statistics)
