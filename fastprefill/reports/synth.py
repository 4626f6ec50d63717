"""What ``fastprefill synth`` found: modules, parts, regions of the board, expected blocks, depth and loads."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from xdsl.dialects.builtin import ModuleOp

from fastprefill.boards import Resources, most_luts
from fastprefill.build.plan import Changes
from fastprefill.estimate.placement import placement, slr_of
from fastprefill.estimate.resources import LABELS
from fastprefill.estimate.unit import least
from fastprefill.reports.levels import changes_dict, changes_lines
from fastprefill.reports.tables import aligned
from fastprefill.tools import timing_proxy, yosys
from fastprefill.tools.fan_out import MOST_LOADS
from fastprefill.tools.primitives import Cells
from fastprefill.tools.yosys import Module

BLOCKS = ("dsp", "bram36", "uram")
"""What the compiler decides on and counts before synthesis."""


@dataclass(frozen=True)
class Part:
    """An instance right below the top, with all inside it, or the top's own logic: its SLR and what it takes."""

    instance: str
    module: str
    slr: int
    cells: Cells


@dataclass(frozen=True)
class Region:
    """A super logic region: what is placed in it, and what it offers."""

    slr: int
    used: Resources
    available: Resources


@dataclass(frozen=True)
class Place:
    """Where a unit goes: board, clock in MHz, and what each region of the board offers."""

    board: str
    clock_mhz: float
    regions: tuple[Resources, ...]


@dataclass(frozen=True)
class Synthesis:
    """Resources and depth of a unit on a board.

    Attributes:
        title: unit and parameters.
        board: name.
        clock_mhz: clock that the depth is judged for.
        found: by Yosys.
        parts: of the top, in the order of their names.
        regions: those of the board that something is placed in.
        expected: least DSP, BRAM and URAM that the compiler counted.
        changes: how a project's folder differs from what was written; None for a kernel.
        tiers: the line that says which tools ran.
    """

    title: str
    board: str
    clock_mhz: float
    found: yosys.Resources
    parts: tuple[Part, ...]
    regions: tuple[Region, ...]
    expected: Resources
    changes: Changes | None
    tiers: str

    @property
    def ok(self) -> bool:
        """A count is no check: always true."""
        return True

    @property
    def used(self) -> Resources:
        """The whole unit."""
        return in_blocks(self.found.total)

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``; the names are fixed."""
        available = sum((region.available for region in self.regions), Resources())
        depth, loads = self.found.depth, self.found.fan_out
        return {
            "ok": self.ok,
            "title": self.title,
            "board": self.board,
            "source": self.found.source,
            "seconds": self.found.seconds,
            "used": self.used.as_dict(),
            "available": available.as_dict(),
            "regions": [asdict(region) for region in self.regions],
            "parts": [asdict(part) for part in self.parts],
            "modules": [
                {"name": m.name, "instances": m.instances, "own": asdict(m.own), "depth": asdict(m.depth)}
                for m in self.found.modules
            ],
            "expected": {name: self.expected.as_dict()[name] for name in BLOCKS},
            "depth": {
                "proxy": "look-up tables and carry bits in a row; nothing is placed or routed",
                "clock_mhz": self.clock_mhz,
                "most_luts": most_luts(self.clock_mhz),
                "most_carry_bits": timing_proxy.CARRY_BITS,
                "within": depth.within(self.clock_mhz),
                **asdict(depth),
            },
            "fan_out": {
                "most": MOST_LOADS,
                "above": loads.above,
                "nets": [asdict(net) for net in loads.nets],
            },
            **(changes_dict(self.changes) if self.changes is not None else {}),
            "tiers": self.tiers,
        }

    def text(self) -> str:
        """For a terminal."""
        lines = [
            f"{self.title} on {self.board}, {self.clock_mhz:g} MHz, {self.found.source}",
            "",
            *self._modules(),
            "",
            *self._parts(),
            "",
            *self._regions(),
            "",
            *self._expected(),
            "",
            *self._depth(),
            "",
            *self._loads(),
            "",
            *(changes_lines(self.changes) if self.changes is not None else []),
            self.tiers,
        ]
        return "\n".join(lines)

    def _modules(self) -> list[str]:
        names = [f.name for f in fields(Cells)]
        rows = [["module", "count", *names, "LUTs deep", "carry bits"]]
        for module in self.found.modules:
            depth = (f"{module.depth.luts.luts}", f"{module.depth.carry_bits.carry_bits}")
            rows.append([module.name, f"{module.instances:,}", *_figures(module.own), *depth])
        depth = (f"{self.found.depth.luts.luts}", f"{self.found.depth.carry_bits.carry_bits}")
        rows.append([f"{self.found.top} (total)", "", *_figures(self.found.total), *depth])
        return aligned(rows)

    def _parts(self) -> list[str]:
        rows = [["part", "module", "SLR", *LABELS.values()]]
        for part in self.parts:
            counts = in_blocks(part.cells).as_dict()
            rows.append([part.instance, part.module, f"{part.slr}", *(f"{n:,}" for n in counts.values())])
        return aligned(rows, left=(0, 1))

    def _regions(self) -> list[str]:
        rows = [[f"of {self.board}", *LABELS.values()]]
        for region in self.regions:
            have = region.available.as_dict()
            shares = [
                f"{n:,} of {have[name]:,} ({n / have[name]:.1%})" if have[name] else f"{n:,} of 0"
                for name, n in region.used.as_dict().items()
            ]
            rows.append([f"SLR {region.slr}", *shares])
        return aligned(rows)

    def _expected(self) -> list[str]:
        found, expected = self.used.as_dict(), self.expected.as_dict()
        rows = [["block", "expected", "found", ""]]
        for name in BLOCKS:
            more = found[name] - expected[name]
            verdict = (
                ""
                if not more
                else f"{abs(more)} {'more' if more > 0 else 'fewer'} than the compiler expected"
            )
            rows.append([LABELS[name], f"{expected[name]:,}", f"{found[name]:,}", verdict])
        return aligned(rows, left=(0, 3))

    def _depth(self) -> list[str]:
        depth = self.found.depth
        luts = most_luts(self.clock_mhz)
        kept = "kept" if depth.within(self.clock_mhz) else "not kept"
        rule = f"at most {luts} LUTs and {timing_proxy.CARRY_BITS} carry bits at {self.clock_mhz:g} MHz: {kept}"
        return [
            "depth between registers, a proxy for timing: nothing is placed or routed",
            f"  {rule}",
            f"  most LUTs:    {depth.luts.describe()}",
            f"  most carry:   {depth.carry_bits.describe()}",
            f"  most chains:  {depth.chains.describe()}",
        ]

    def _loads(self) -> list[str]:
        loads = self.found.fan_out
        kept = f"{loads.above:,} net{'s' if loads.above > 1 else ''} above it" if loads.above else "kept"
        nets = [f"  {net.describe()}" for net in loads.nets]
        return [f"highest fan-out, without clock and reset; at most {MOST_LOADS} loads: {kept}", *nets]


def measure(title: str, sv_files: Sequence[Path], module: ModuleOp, top: str, place: Place) -> Synthesis:
    """Synthesise a unit and set what was found beside the board and the compiler's own counts.

    Args:
        title: unit and parameters, for people.
        sv_files: its SystemVerilog.
        module: its IR, for where its parts are placed and what the compiler expects.
        top: its top module.
        place: board and clock.

    Raises:
        FastprefillError: no Yosys, or RTL that it cannot read.
    """
    found = yosys.synthesise(sv_files, top, use_uram=any(region.uram for region in place.regions))
    placed = placement(module)
    return Synthesis(
        title,
        place.board,
        place.clock_mhz,
        found,
        parts_of(found, placed),
        regions_of(found, placed, place.regions),
        sum(least(module).values(), Resources()),
        None,
        "",
    )


def parts_of(found: yosys.Resources, placed: Mapping[str, int]) -> tuple[Part, ...]:
    """The instances right below the top, and the top's own logic first."""
    (top,) = (module for module in found.modules if module.name == found.top)
    inside = _inside(found.modules)
    rows = [Part("(own logic)", top.name, slr_of("", placed), top.own)]
    for instance, name in sorted(top.parts.items()):
        rows.append(Part(instance, name, slr_of(instance, placed), inside[name]))
    return tuple(rows)


def regions_of(
    found: yosys.Resources, placed: Mapping[str, int], available: Sequence[Resources]
) -> tuple[Region, ...]:
    """What is placed in each region of the board that something is placed in."""
    modules = {module.name: module for module in found.modules}
    inside = _inside(found.modules)
    totals: dict[int, Cells] = {}

    def visit(name: str, path: str) -> None:
        slr = slr_of(path, placed)
        around = f"{path}." if path else ""
        if {placed[process] for process in placed if process.startswith(around)} <= {slr}:
            totals[slr] = totals.get(slr, Cells()) + inside[name]
            return
        totals[slr] = totals.get(slr, Cells()) + modules[name].own
        for instance, part in modules[name].parts.items():
            visit(part, around + instance)

    visit(found.top, "")
    return tuple(Region(slr, in_blocks(cells), available[slr]) for slr, cells in sorted(totals.items()))


def in_blocks(cells: Cells) -> Resources:
    """Counts as a board gives them."""
    return Resources(cells.lut, cells.ff, cells.dsp, math.ceil(cells.bram36), cells.uram)


def _inside(modules: Sequence[Module]) -> dict[str, Cells]:
    """What one instance of each module takes with all that is inside it."""
    by_name = {module.name: module for module in modules}
    known: dict[str, Cells] = {}

    def visit(name: str) -> Cells:
        if name not in known:
            module = by_name[name]
            kinds = Counter(module.parts.values())
            known[name] = sum((visit(part) * count for part, count in kinds.items()), module.own)
        return known[name]

    return {module.name: visit(module.name) for module in modules}


def _figures(cells: Cells) -> list[str]:
    return [f"{value:,g}" if isinstance(value, float) else f"{value:,}" for value in asdict(cells).values()]
