"""The testbench around a unit's top module: made, run and read back the same way for every RTL simulator."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from fastprefill import resources, tools
from fastprefill.errors import FastprefillError
from fastprefill.system.case import Case
from fastprefill.system.ports import Ports
from fastprefill.tools import tiers

Stall = int | tuple[int, int]

PATIENCE = 100_000
"""Cycles without a token after which a run counts as hung."""

IDLE_BOUND = 64
"""Cycles after power-up within which a unit has to be idle with nothing on offer, and for which it is watched."""

# How many cases are started several times in a row, how often, and the most tokens of such a case.
_REPEATED, _STARTS, _REPEATABLE = 4, 3, 20_000

_ASSERTION = re.compile(r"Assertion failed|^ERROR: ")


@dataclass(frozen=True)
class Build:
    """A compiled simulation.

    Attributes:
        simulator: ``"verilator"`` or ``"icarus"``.
        folder: where it was built; belongs to the cache, never written by a run.
        ports: of the unit.
        command: starts it; plusargs are appended.
        seconds: what the build took, 0 when it came from the cache.
        rtl: sources by file name, to build it again with waveforms.
    """

    simulator: str
    folder: Path
    ports: Ports
    command: tuple[str, ...]
    seconds: float
    rtl: Mapping[str, str] = field(repr=False)
    traces: bool = False


@dataclass(frozen=True)
class StepResult:
    """One start, or one reset under traffic.

    Attributes:
        case: the case's name.
        kind: ``"run"`` or ``"reset"``.
        stall: chance of a gap on each input stream and cycle, in 1/256.
        hold: chance that an output stream is not taken in a cycle, in 1/256.
        seed: of the gaps.
        cycles: from the cycle of start to that of done, both counted.
        difference: stream, index, expected (None beyond the last one), actual as a bit string, count.
        problems: anything else that was wrong, in words.
    """

    case: str
    kind: str
    stall: int
    hold: int
    seed: int
    cycles: int
    difference: tuple[str, int, int | None, str, int] | None
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every token and every check agreed."""
        return self.difference is None and not self.problems

    def describe(self) -> str:
        """The first thing that was wrong, as a sentence."""
        gaps = f"stall {self.stall}/256"
        if self.hold != self.stall:
            gaps = f"inputs stalled {self.stall}/256, outputs {self.hold}/256"
        where = f"case {self.case!r}, seed {self.seed}, {gaps}, {self.kind}"
        if self.difference is None:
            return f"{where}: {'; '.join(self.problems) or 'ok'}"
        stream, index, expected, bits, count = self.difference
        actual = f"{int(bits, 2):#x}" if set(bits) <= {"0", "1"} else bits
        wanted = "no further token" if expected is None else f"{expected:#x}"
        return (
            f"{where}: stream {stream!r} differs first at index {index}: expected {wanted}, got {actual} "
            + "; ".join([f"({count} tokens differ)", *self.problems])
        )


@dataclass(frozen=True)
class SimulationResult:
    """All steps up to the first that failed.

    Attributes:
        steps: in the order they ran.
        total_cycles: simulated.
        cycles_per_second: simulated cycles by wall time, without the start of the process.
        waveform: of the failing step, when one failed and the simulator can write it.
    """

    steps: tuple[StepResult, ...]
    total_cycles: int
    cycles_per_second: float
    waveform: Path | None = None

    @property
    def ok(self) -> bool:
        """Whether every step passed."""
        return all(step.ok for step in self.steps)

    @property
    def failure(self) -> StepResult | None:
        """The step that failed."""
        return next((step for step in self.steps if not step.ok), None)

    def cycles(self, case: str, stall: int = 0) -> int | None:
        """Cycles of the first run of `case` at `stall`, None when there was none."""
        return next(
            (
                step.cycles
                for step in self.steps
                if step.case == case and step.stall == step.hold == stall and step.kind == "run"
            ),
            None,
        )


def sources(ports: Ports) -> dict[str, str]:
    """The testbench: ``tb.sv`` for these ports and the source and sink it plays tokens with."""
    folder = resources.path("sim/tb")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    made = {"tb.sv": environment.get_template("tb.sv.j2").render(ports=ports)}
    for name in ("fp_source.sv", "fp_sink.sv"):
        made[name] = (folder / name).read_text()
    return made


def parts_folder() -> Path:
    """The hand-written SystemVerilog parts that generated units instantiate."""
    return resources.path("extern/sv")


def steps(
    build: Build, cases: Sequence[Case], *, seed: int, stall: Sequence[Stall], resets: int
) -> tuple[list[Case], list[dict[str, object]]]:
    """The plan, and the cases with those added that it needs.

    Every case runs at every stall setting. Then the same case is started several times in a row without a pause,
    for a few cases; last come resets in the middle, each followed by a complete run.
    """
    chance = random.Random(seed)
    played = list(cases)

    def step(index: int, chosen: Stall, starts: int = 1, reset_after: int | None = None) -> dict[str, object]:
        case, ports = played[index], build.ports
        gaps, hold = chosen if isinstance(chosen, tuple) else (chosen, chosen)
        return {
            "case": index, "stall": gaps, "hold": hold, "seed": chance.getrandbits(31), "starts": starts,
            "reset_after": reset_after,
            "scalars": {
                name: case.scalars[name] & ((1 << width) - 1) for name, width in ports.scalars.items()
            },
            "inputs": {name: len(case.inputs[name]) for name in ports.inputs},
            "outputs": {name: len(case.outputs[name]) for name in ports.outputs},
        }  # fmt: skip

    def size(case: Case) -> int:
        return sum(map(len, (*case.inputs.values(), *case.outputs.values())))

    plan = [step(i, chosen) for chosen in stall for i in range(len(cases))]
    for case in sorted((case for case in cases if size(case) <= _REPEATABLE), key=size)[:_REPEATED]:
        played.append(_repeated(case))
        plan += [
            step(len(played) - 1, chosen, starts=_STARTS) for chosen in dict.fromkeys((stall[0], stall[-1]))
        ]
    targets = _reset_targets(cases, size)
    for i in range(resets if cases else 0):
        index, chosen = targets[i % len(targets)], stall[-1] if i % 3 < 2 else stall[0]
        plan.append(step(index, chosen, reset_after=chance.randint(8, 40 + size(cases[index]))))
        plan.append(step(index, chosen))
    return played, plan


def _reset_targets(cases: Sequence[Case], size: Callable[[Case], int]) -> list[int]:
    """Cases to be broken off: the largest, and the one that writes most for what it reads."""

    def share(index: int) -> float:
        written = sum(map(len, cases[index].outputs.values()))
        return min(written, 20) * written / max(1, size(cases[index]))

    largest = max(range(len(cases)), key=lambda i: size(cases[i]), default=0)
    return list(dict.fromkeys((largest, max(range(len(cases)), key=share, default=0))))


def _repeated(case: Case) -> Case:
    def times(streams: Mapping[str, list[int]]) -> dict[str, list[int]]:
        return {name: tokens * _STARTS for name, tokens in streams.items()}

    return Case(f"{_STARTS} x {case.name}", case.scalars, times(case.inputs), times(case.outputs))


def run(
    build: Build,
    cases: Sequence[Case],
    *,
    seed: int = 1,
    stall: Sequence[Stall] = (0, 96),
    resets: int = 1,
    folder: Path | None = None,
    waveform: bool = True,
    patience: int = PATIENCE,
    timeout_s: float = 1800,
) -> SimulationResult:
    """Run every case at every stall setting, then starts in a row and resets under traffic; compare all tokens.

    Args:
        build: from a simulator's ``build``.
        cases: inputs and expected outputs.
        seed: of the gaps, of when the resets come and of the initial state.
        stall: chances of a gap in 1/256; 0 runs at full speed; of two, the first is for inputs, the second for outputs.
        resets: how many resets under traffic, each followed by a complete run.
        folder: for the tokens, the log and the waveform of a failure; a temporary one when None.
        waveform: run what fails a second time with tracing.
        patience: cycles without a token after which a run counts as hung.
        timeout_s: wall time for the whole simulation.

    Raises:
        FastprefillError: the simulator itself failed.
    """
    keep = folder is not None
    work = folder if folder is not None else Path(tempfile.mkdtemp(prefix="fastprefill-sim-"))
    work.mkdir(parents=True, exist_ok=True)
    played, plan = steps(build, cases, seed=seed, stall=stall, resets=resets)
    for index, case in enumerate(played):
        _save(case, work / "cases" / str(index), build.ports.widths)
    result = _execute(build, played, plan, work, seed, patience, timeout_s)
    traced = None
    if not result.ok and waveform:
        traced = _waveform(build, played, plan[: len(result.steps)], work, seed, patience, timeout_s)
    elif not keep:
        shutil.rmtree(work, ignore_errors=True)
    return SimulationResult(result.steps, result.total_cycles, result.cycles_per_second, traced)


def _save(case: Case, folder: Path, widths: Mapping[str, int]) -> None:
    """One file per stream, tokens of whole bytes, most significant first: text would take most of the run."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, tokens in {**case.inputs, **case.outputs}.items():
        size, mask = (widths[name] + 7) // 8, (1 << widths[name]) - 1
        (folder / f"{name}.bin").write_bytes(
            b"".join((token & mask).to_bytes(size, "big") for token in tokens)
        )


def _waveform(
    build: Build,
    cases: Sequence[Case],
    plan: list[dict[str, object]],
    work: Path,
    seed: int,
    patience: int,
    timeout_s: float,
) -> Path | None:
    """Run what failed again with tracing: the failing step alone, or everything when it passes alone."""
    if build.simulator != "verilator":
        return None
    from fastprefill.tools import verilator

    traced = verilator.build(build.rtl, build.ports, trace=True)
    target = work / "failure.vcd"
    for attempt in (plan[-1:], plan):
        again = _execute(traced, cases, attempt, work, seed, min(patience, 5_000), timeout_s, waveform=target)
        if not again.ok:
            break
    return target if target.exists() else None


def _execute(
    build: Build,
    cases: Sequence[Case],
    plan: list[dict[str, object]],
    work: Path,
    seed: int,
    patience: int,
    timeout_s: float,
    waveform: Path | None = None,
) -> SimulationResult:
    answer = work / "result.json"
    answer.unlink(missing_ok=True)
    ports = {
        "scalars": list(build.ports.scalars),
        "inputs": list(build.ports.inputs),
        "outputs": list(build.ports.outputs),
    }
    request = {
        "ports": ports, "steps": plan, "patience": patience, "idle_bound": IDLE_BOUND, "result": str(answer),
    }  # fmt: skip
    (work / "plan.json").write_text(json.dumps(request, indent=1))
    plusargs = [f"+plan={work / 'plan.json'}", f"+cases={work / 'cases'}"]
    if build.simulator == "verilator":
        plusargs += [f"+verilator+seed+{seed % 0x7FFFFFFF or 1}", "+verilator+rand+reset+2"]
    if waveform is not None:
        plusargs += ["--trace", "--trace-file", str(waveform)]
    done = run_cocotb(
        [*build.command, *plusargs],
        "tb",
        "cocotb_unit",
        work,
        paths=[resources.path("sim")],
        timeout_s=timeout_s,
    )
    tiers.note(build.simulator)
    found: dict[str, Any] = json.loads(answer.read_text()) if answer.exists() else {"complete": False}
    failed = [line for line in done.output.splitlines() if _ASSERTION.search(line)]
    if failed and answer.exists():
        # Icarus goes on after a failed assertion: blame the last step when it ran to the end.
        if found["complete"]:
            found["steps"][-1]["problems"].append(failed[0].strip())
        else:
            found["steps"].append({"cycles": 0, "difference": None, "problems": [failed[0].strip()]})
    elif not found["complete"]:
        tail = "\n".join(done.output.splitlines()[-15:])
        raise FastprefillError(
            f"the simulation of {build.ports.name!r} ended without a result (exit status {done.status}, "
            f"{done.seconds:.1f} s); the end of {work / 'simulation.log'}:\n{tail}"
        )
    results = tuple(
        StepResult(
            case=cases[int(str(step["case"]))].name,
            kind="run" if step["reset_after"] is None else "reset",
            stall=int(str(step["stall"])),
            hold=int(str(step["hold"])),
            seed=int(str(step["seed"])),
            cycles=one["cycles"],
            difference=tuple(one["difference"]) if one["difference"] else None,
            problems=tuple(one["problems"]),
        )
        for step, one in zip(plan, found["steps"], strict=False)
    )
    return SimulationResult(results, found["total"], found["total"] / max(found["seconds"], 1e-9))


def run_cocotb(
    command: Sequence[str | Path],
    top: str,
    module: str,
    work: Path,
    *,
    paths: Sequence[Path] = (),
    timeout_s: float,
) -> tools.Completed:
    """Run a simulator with cocotb inside.

    Args:
        command: the simulator with its arguments.
        top: the top module.
        module: the Python module with the cocotb tests.
        work: folder to run in; ``simulation.log`` and cocotb's ``results.xml`` are left there.
        paths: folders to import from, before Python's own.
        timeout_s: wall time.
    """
    import cocotb_tools.config as cocotb_config
    import find_libpython

    libpython = find_libpython.find_libpython()
    if libpython is None:
        raise FastprefillError(
            "cocotb needs Python as a shared library (libpython) and found none; install python3-dev"
        )
    environment = {
        "PYTHONPATH": os.pathsep.join([*map(str, paths), *(path for path in sys.path if path)]),
        "PYGPI_PYTHON_BIN": sys.executable,
        "GPI_USERS": f"{libpython};{cocotb_config.pygpi_entry_point()}",
        "COCOTB_TOPLEVEL": top,
        "COCOTB_TEST_MODULES": module,
        "COCOTB_RESULTS_FILE": str(work / "results.xml"),
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
        "COCOTB_ANSI_OUTPUT": "0",
        "TOPLEVEL_LANG": "verilog",
    }
    done = tools.run(command, timeout_s=timeout_s, cwd=work, env=environment, check=False)
    (work / "simulation.log").write_text(done.output)
    return done
