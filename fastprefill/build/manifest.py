"""``manifest.json``: what a generated project is, what it was made from, and the digest of every file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fastprefill.build.plan import GENERATOR, BuildPlan
from fastprefill.config import Parameters
from fastprefill.system.ports import Ports
from fastprefill.system.unit import Unit

FORMAT = 1


@dataclass(frozen=True)
class UnitEntry:
    """A unit that the project holds, with its ports."""

    unit: Unit
    ports: Ports

    def as_dict(self) -> dict[str, Any]:
        """For the manifest."""
        name = self.unit.name
        return {
            "name": name,
            "parameters": dict(self.unit.parameters),
            "slr": self.unit.slr,
            "domain": self.unit.domain,
            "scalars": dict(self.ports.scalars),
            "inputs": dict(self.ports.inputs),
            "outputs": dict(self.ports.outputs),
            "signed": sorted(self.ports.signed),
            "ir": f"ir/{name}.mlir",
            "rtl_top": name,
        }


def manifest(
    parameters: Parameters,
    model_name: str,
    units: Sequence[UnitEntry],
    vectors: Sequence[str],
    files: Mapping[str, bytes],
) -> bytes:
    """The manifest of a project.

    Args:
        parameters: what everything was generated from.
        model_name: folder name of the checkpoint (no path: the same input gives the same bytes).
        units: the units that exist.
        vectors: folders of test vectors, relative to the project.
        files: every other file of the project; their digests are recorded.
    """
    plan = BuildPlan(files)
    board = parameters.board
    content = {
        "generator": GENERATOR,
        "format": FORMAT,
        "model": {"name": model_name, **asdict(parameters.model)},
        "board": {
            "name": board.name,
            "part": board.part,
            "speed_grade": board.speed_grade,
            "clock_mhz": board.clock_mhz,
            "tool_versions": dict(board.tool_versions),
            "resources": [slr.as_dict() for slr in board.slrs],
        },
        "parameters": parameters.as_dict(),
        "units": [unit.as_dict() for unit in units],
        "vectors": list(vectors),
        "digest": plan.digest(),
        "files": plan.file_digests(),
    }
    return (json.dumps(content, indent=1) + "\n").encode()
