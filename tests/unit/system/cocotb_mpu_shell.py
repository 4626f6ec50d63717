"""A host runs the matrix unit through its shell: good starts, bad parameters, counters."""

import json
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles
from host import MAP, Host

CASES = json.loads(Path(cocotb.plusargs["cases"]).read_text())
ERRORS = {error["name"]: error["value"] for error in MAP["errors"]}
ROWS, COLUMNS, K_PARALLEL, DRAIN_ROWS = 4, 4, 2, 2
C_BYTES = 4 * COLUMNS * DRAIN_ROWS
GOOD = {"steps": 2, "chain": 1, "sums": 1}


class Mpu(Host):
    def __init__(self, dut: Any) -> None:
        super().__init__(dut, ("a", "b"), ("c",))

    async def begin(self, **scalars: int) -> None:
        for name, value in scalars.items():
            await self.write(name, value & 0xFFFFFFFF)
        await self.write("control", 1)

    async def compute(self, case: dict[str, Any]) -> None:
        for name, lanes in (("a", ROWS * K_PARALLEL), ("b", COLUMNS * K_PARALLEL)):
            tokens = [token & ((1 << 8 * lanes) - 1) for token in case["inputs"][name]]
            await self.sources[name].send(b"".join(token.to_bytes(lanes, "little") for token in tokens))
        await self.begin(**case["scalars"])
        await self.interrupted()
        expected = [word & ((1 << 8 * C_BYTES) - 1) for word in case["outputs"]["c"]]
        assert await self.words("c", C_BYTES) == expected

    async def refused(self, **wrong: int) -> None:
        await self.begin(**{**GOOD, **wrong})
        await self.interrupted()
        assert await self.words("c", C_BYTES) == []
        assert 0 < await self.read_long("busy_cycles") < 8


@cocotb.test()
async def tiles_come_out_as_expected(dut: Any) -> None:
    host = Mpu(dut)
    await host.ready()
    for case in CASES:
        await host.compute(case)
        assert await host.read("first_error") == 0
    assert await host.read_long("busy_cycles") == CASES[-1]["cycles"]
    assert await host.read_long("blocked_cycles") == 0


@cocotb.test()
async def a_bad_parameter_runs_nothing_and_is_reported(dut: Any) -> None:
    host = Mpu(dut)
    await host.ready()
    await host.refused(sums=-1)
    assert await host.read("first_error") == ERRORS["sums_outside"]
    await host.refused(chain=0)
    assert await host.read("first_error") == ERRORS["sums_outside"]  # the first one stays
    await host.compute(CASES[0])
    assert await host.read("first_error") == ERRORS["sums_outside"]
    await host.write("first_error", 0)
    assert await host.read("first_error") == 0
    await host.refused(steps=1, sums=0)
    assert await host.read("first_error") == ERRORS["steps_outside"]
    await host.compute(CASES[-1])


@cocotb.test()
async def counters_tell_waiting_for_input_from_waiting_for_room(dut: Any) -> None:
    host = Mpu(dut)
    await host.ready()
    await host.begin(**GOOD)
    await ClockCycles(dut.ap_clk, 100)
    assert await host.read("control") == 1  # running: neither idle nor done
    for name in ("a", "b"):
        await host.sources[name].send(bytes(2 * 4 * K_PARALLEL))
    await host.interrupted()
    assert await host.words("c", C_BYTES) == [0] * (ROWS // DRAIN_ROWS)
    assert await host.read_long("starved_cycles") >= 100
    assert await host.read_long("blocked_cycles") == 0
    host.sinks["c"].set_pause_generator(chain([True] * 150, repeat(False)))
    await host.compute(CASES[-2])
    assert await host.read_long("blocked_cycles") > 20
