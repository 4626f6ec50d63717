"""``manifest.json``: what a generated project is, what it was made from, and the digest of every file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fastprefill.boards import Board
from fastprefill.build.plan import GENERATOR, BuildPlan
from fastprefill.system.ports import Ports
from fastprefill.system.system import System
from fastprefill.system.unit import Unit

FORMAT = 2
"""Raised when a reader of the older form would misunderstand the newer one."""

GOLDEN, INTERPRETER = "golden model", "interpreter"
"""Where the expected outputs of test vectors come from."""


@dataclass(frozen=True)
class UnitEntry:
    """A unit, or a system of several, that the project holds, with its ports."""

    unit: Unit | System
    ports: Ports

    def as_dict(self) -> dict[str, Any]:
        """For the manifest."""
        name, unit = self.unit.name, self.unit
        placed = {"": unit} if isinstance(unit, Unit) else dict(unit.units)
        return {
            "name": name,
            "parameters": dict(unit.parameters),
            "placement": [
                {"instance": instance or name, "unit": one.name, "slr": one.slr, "domain": one.domain}
                for instance, one in placed.items()
            ],
            "scalars": dict(self.ports.scalars),
            "inputs": dict(self.ports.inputs),
            "outputs": dict(self.ports.outputs),
            "signed": sorted(self.ports.signed),
            "limits": {name: list(pair) for name, pair in self.ports.limits.items()},
            "at_most": {name: list(others) for name, others in self.ports.at_most.items()},
            "ir": f"ir/{name}.mlir",
            "rtl_top": name,
        }


@dataclass(frozen=True)
class Source:
    """What a project was made from.

    Attributes:
        title: one line for people.
        details: goes into the manifest under its kind: ``{"model": {...}}`` or ``{"kernel": {...}}``.
        parameters: sizes.
    """

    title: str
    details: Mapping[str, Any]
    parameters: Mapping[str, Any]


def manifest(
    source: Source,
    board: Board,
    unit: UnitEntry,
    targets: Sequence[str],
    vectors: Sequence[str],
    expected: str,
    files: Mapping[str, bytes],
) -> bytes:
    """The manifest of a project. No path of the machine is in it: the same input gives the same bytes.

    Args:
        source: what everything was generated from.
        board: part, clock and resources.
        unit: the unit that exists.
        targets: ``hls``, ``rtl``: the folders that hold what was emitted.
        vectors: folders of test vectors, relative to the project.
        expected: where their outputs come from, `GOLDEN` or `INTERPRETER`.
        files: every other file of the project; their digests are recorded.
    """
    plan = BuildPlan(files)
    content = {
        "generator": GENERATOR,
        "format": FORMAT,
        "title": source.title,
        **source.details,
        "board": {
            "name": board.name,
            "title": board.title,
            "part": board.part,
            "speed_grade": board.speed_grade,
            "clock_mhz": board.clock_mhz,
            "platform": board.platform,
            "tool_versions": dict(board.tool_versions),
            "tool_ranges": {tool: asdict(found) for tool, found in board.tool_ranges.items()},
            "tool_note": board.tool_note,
            "resources": [slr.as_dict() for slr in board.slrs],
        },
        "parameters": dict(source.parameters),
        "units": [unit.as_dict()],
        "targets": list(targets),
        "vectors": list(vectors),
        "expected": expected,
        "digest": plan.digest(),
        "files": plan.file_digests(),
    }
    return (json.dumps(content, indent=1) + "\n").encode()
