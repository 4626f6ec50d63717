"""A host starts index generation through its shell: good prompts, and scalars outside their limits."""

import json
from pathlib import Path
from typing import Any

import cocotb
from host import MAP, Host

GIVEN = json.loads(Path(cocotb.plusargs["cases"]).read_text())
GOOD, BAD = GIVEN["good"], GIVEN["bad"]
ERRORS = {error["name"]: error["value"] for error in MAP["errors"]}
INPUTS, OUTPUTS = tuple(GIVEN["inputs"]), tuple(GIVEN["outputs"])


class Sigu(Host):
    def __init__(self, dut: Any) -> None:
        super().__init__(dut, INPUTS, OUTPUTS)

    async def run(self, scalars: dict[str, int]) -> dict[str, list[int]]:
        """What came out by the interrupt."""
        for name, value in scalars.items():
            await self.write(name, value & 0xFFFFFFFF)
        await self.write("control", 1)
        await self.interrupted(within_us=1000)
        return {name: await self.words(name, 1 if name.startswith("aware") else 4) for name in OUTPUTS}


@cocotb.test()
async def a_scalar_outside_its_limits_gives_an_empty_list_and_is_reported(dut: Any) -> None:
    host = Sigu(dut)
    await host.ready()
    for case in GOOD:
        assert await host.run(case["scalars"]) == case["outputs"]
        assert await host.read("first_error") == 0
    for case in BAD:
        assert await host.run(case["scalars"]) == case["outputs"]
        wrong = next(name for name in case["scalars"] if case["name"].startswith(f"refused_{name}_"))
        assert await host.read("first_error") == ERRORS[f"{wrong}_outside"]
        await host.write("first_error", 0)
    assert await host.run(GOOD[-1]["scalars"]) == GOOD[-1]["outputs"]
    assert await host.read("first_error") == 0
