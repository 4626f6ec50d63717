"""Runs the steps of a plan against the generated testbench ``tb``; the testbench itself moves the tokens.

``+plan=FILE`` names a JSON file:

    {"ports": {"scalars": [...], "inputs": [...], "outputs": [...]},
     "steps": [{"case": 0, "scalars": {...}, "inputs": {name: tokens}, "outputs": {name: tokens}, "starts": 1,
                "stall": 0, "hold": 0, "seed": 1, "reset_after": null}, ...],
     "patience": cycles without a token after which a run counts as hung,
     "idle_bound": cycles after power-up within which the unit must be idle and its outputs silent, and for which it
                   must stay so after a reset,
     "result": FILE}

A step with several ``starts`` gives the unit each as soon as it is idle after the one before. A step
with ``reset_after`` asserts reset that many cycles after its start and expects an idle, empty unit.
"""

import json
import time
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import First, Timer

PERIOD = 10


async def cycles(count: int) -> None:
    """Let `count` clock cycles pass; returns at a falling edge."""
    await Timer(PERIOD * count, unit="ns")


def number(handle: Any) -> int:
    """The value as an unsigned number; X and Z count as -1."""
    value = handle.value
    return int(value) if value.is_resolvable else -1


async def reset(dut: Any, length: int) -> None:
    dut.rst.value = 1
    await cycles(length)
    dut.rst.value = 0


async def begin(dut: Any, step: dict[str, Any]) -> None:
    dut.index.value = step["case"]
    dut.seed.value = step["seed"]
    dut.stall.value = step["stall"]
    dut.hold.value = step["hold"]
    dut.starts.value = step["starts"]
    for name, pattern in step["scalars"].items():
        getattr(dut, f"scalar_{name}").value = pattern
    dut.go.value = 1 - int(dut.go.value)


async def run_case(dut: Any, step: dict[str, Any], ports: dict[str, Any]) -> dict[str, Any]:
    """One start to its end: what went wrong, in words, and the cycles from start to done."""
    await begin(dut, step)
    await dut.finished.value_change
    await Timer(PERIOD // 2, unit="ns")
    found: dict[str, Any] = {"cycles": number(dut.cycles), "problems": [], "difference": None}
    problems = found["problems"]
    if number(dut.timed_out):
        problems.append("hung: no token moved and the run did not end")
    if number(dut.stray_done):
        problems.append("done was given outside a run")
    for name in ports["inputs"]:
        if number(getattr(dut, f"missing_{name}")):
            problems.append(f"stream {name!r}: the file of tokens is missing")
        taken, offered = number(getattr(dut, f"taken_{name}")), step["inputs"][name]
        if taken != offered:
            problems.append(f"stream {name!r}: {taken} of {offered} tokens were taken")
    for name in ports["outputs"]:
        if number(getattr(dut, f"missing_{name}")):
            problems.append(f"stream {name!r}: the file of expected tokens is missing")
        if number(getattr(dut, f"mismatches_{name}")):
            index = number(getattr(dut, f"first_{name}"))
            extra = index >= number(getattr(dut, f"wanted_{name}"))
            expected = None if extra else number(getattr(dut, f"expected_{name}"))
            actual = str(getattr(dut, f"actual_{name}").value)
            count = number(getattr(dut, f"mismatches_{name}"))
            found["difference"] = found["difference"] or [name, index, expected, actual, count]
        else:
            seen, wanted = number(getattr(dut, f"seen_{name}")), step["outputs"][name]
            if seen != wanted:
                problems.append(f"stream {name!r}: {seen} of {wanted} tokens came out")
        if number(getattr(dut, f"unstable_{name}")):
            problems.append(f"stream {name!r}: an offered token was withdrawn or changed")
        if number(getattr(dut, f"unknown_{name}")):
            problems.append(f"stream {name!r}: valid or a token was X or Z")
    return found


def silent(dut: Any, when: str) -> list[str]:
    """What an idle unit must not do."""
    problems = []
    if number(dut.idle) != 1:
        problems.append(f"not idle {when}")
    if number(dut.offering) != 0:
        problems.append(f"a token is on offer {when}")
    return problems


async def reset_under_traffic(dut: Any, step: dict[str, Any], bound: int) -> dict[str, Any]:
    """Start, reset in the middle, then expect an idle unit that offers nothing, at once and for `bound` cycles."""
    await begin(dut, step)
    await First(dut.finished.value_change, Timer(PERIOD * step["reset_after"], unit="ns"))
    await Timer(PERIOD - cocotb.simtime.get_sim_time("ns") % PERIOD, unit="ns")
    await reset(dut, 1)  # one cycle must do; a longer one would hide a register that clears itself later
    problems = silent(dut, "after a reset under traffic")
    for _ in range(bound):
        await cycles(1)
        problems = problems or silent(dut, f"within {bound} cycles of a reset under traffic")
    return {"cycles": 0, "problems": problems, "difference": None}


@cocotb.test()
async def plan(dut: Any) -> None:
    todo = json.loads(Path(cocotb.plusargs["plan"]).read_text())
    dut.patience.value = todo["patience"]
    results: list[dict[str, Any]] = []
    began = time.perf_counter()

    def save(complete: bool) -> None:
        spent = time.perf_counter() - began
        answer = {"seconds": spent, "total": number(dut.total), "complete": complete, "steps": results}
        Path(todo["result"]).write_text(json.dumps(answer))

    save(complete=False)
    await reset(dut, 3)
    await cycles(todo["idle_bound"])
    after_reset = silent(dut, f"{todo['idle_bound']} cycles after power-up")

    for step in todo["steps"]:
        # An assertion in the design ends the simulation: what was reached by then has to be on disk.
        save(complete=False)
        if step["reset_after"] is None:
            found = await run_case(dut, step, todo["ports"])
        else:
            found = await reset_under_traffic(dut, step, todo["idle_bound"])
        found["problems"] += after_reset
        results.append(found)
        if found["problems"] or found["difference"]:
            break
    save(complete=True)
