"""Simulates a layer's attention with its movers against a memory: the module, the plan, the run."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastprefill import boards
from fastprefill.extern.axi import Port
from fastprefill.extern.memory_top import memory_top
from fastprefill.golden import attention_layer as golden
from fastprefill.golden.attention_layer import Size
from fastprefill.golden.attention_layer_cases import Played
from fastprefill.kernels import attention_layer
from fastprefill.system.limits import outside
from fastprefill.system.mover import prefix
from fastprefill.system.ports import ports, top_region
from fastprefill.system.system import System, link
from fastprefill.targets import rtl
from fastprefill.tools import testbench, verilator

HERE = Path(__file__).parent
TOP = "layer_in_memory"
ADDRESS_BITS = 40

SETTINGS = (((64, 64), False, 0.0), ((1, 90), True, 0.4))
"""Latency of a burst in cycles, whether IDs overtake each other, share of cycles in which memory does nothing."""


def powered(top: str) -> str:
    """The clock may start high, before the testbench is there: that edge resets."""
    logic = "logic powered = 0;\n  always_ff @(posedge clk) powered <= 1;"
    text = re.sub(r"(\.(?:bus_)?rst\()((?:bus_)?rst)\)", r"\1\2 || !powered)", top).replace(
        "<= rst ?", "<= rst || !powered ?"
    )
    return text.replace("\n);\n", f"\n);\n  {logic}\n", 1)


def case(run: Played, size: Size, folder: Path) -> dict[str, Any]:
    """One run of the plan, its memories as files."""
    prompt, played = run.prompt, run.in_memory(size)
    files = {"before": played.before, "after": played.after}
    for what, data in files.items():
        (folder / f"{run.name}.{what}").write_bytes(data)
    fault, *statistics = played.status
    read = golden.blocks_read(prompt, size, run.capacity, run.hot)
    return {
        "name": run.name,
        "scalars": played.scalars,
        **{what: str(folder / f"{run.name}.{what}") for what in files},
        "statistics": statistics,
        "fault": fault,
        "block_bytes": size.record.size * (statistics[-1] if run.changes else len(read)),
        "most_cycles": 40 * played.scalars["jobs"] * size.engine.job_cycles
        + 200 * prompt.mask.shape[0] * prompt.heads.tokens
        + 20_000,
    }


def simulated(
    system: System, size: Size, runs: Sequence[Played], port: Port, folder: Path, broken: tuple[str, str] | None = None,
    settings: Sequence[tuple[tuple[int, int], bool, float]] = SETTINGS, timeout_s: float = 3600, optimise: bool = True,
    resets: Sequence[int] = (), lint: bool = False, refused: Sequence[Mapping[str, int]] = (),
) -> tuple[str, dict[str, dict[str, int]]]:  # fmt: skip
    """The log of a simulation, and what it measured by run.

    Args:
        broken: a piece of the module of system and movers, and what takes its place.
        settings: of the memory; all runs are made with each.
        optimise: the simulation, which pays for long runs.
        lint: check the whole module with Verilator's linter first.
        resets: cycles after which a start of the first run is reset, followed by the last run.
        refused: scalars with which a start of the first run is refused, followed by the last run.
    """
    module = link(system)
    found, movers = ports(module), attention_layer.movers(size)
    cases = [case(run, size, folder) for run in runs]
    plan = {
        "port": asdict(port), "movers": [prefix(name, mover) for name, mover in movers.items()],
        "scalars": list(found.scalars), "cases": cases, "settings": settings,
        "resets": resets,
        "refused": [
            {"scalars": dict(one), "error": outside(top_region(module), {**cases[0]["scalars"], **one})}
            for one in refused
        ],
        "memory": max(Path(one["before"]).stat().st_size for one in cases),
    }  # fmt: skip
    (folder / "plan.json").write_text(json.dumps(plan))
    top = memory_top(TOP, found, movers, port, ADDRESS_BITS, "fault")
    files = rtl.emit(module, boards.load("u280"))
    if lint:
        verilator.lint({**files, f"{TOP}.sv": top}, TOP)
    top = powered(top)
    if broken:
        assert top.count(broken[0]) == 1, f"{broken[0]!r} is {top.count(broken[0])} times in the module"
        top = top.replace(*broken)
    executable, _ = verilator.compile_cocotb({**files, f"{TOP}.sv": top}, TOP, public_depth=1, optimise=optimise)
    done = testbench.run_cocotb(
        [executable, f"+plan={folder / 'plan.json'}", "+verilator+seed+5", "+verilator+rand+reset+2"],
        TOP, "cocotb_attention_layer", folder, paths=[HERE, HERE.parent / "extern"], timeout_s=timeout_s,
    )  # fmt: skip
    measured = {
        match[1]: {"cycles": int(match[2]), "block_bytes": int(match[3])}
        for match in re.finditer(r"MEASURED (\w+) cycles=(\d+) block_bytes=(\d+)", done.output)
    }
    return done.output, measured
