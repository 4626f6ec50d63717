"""Opening a generated project: its manifest, units and test vectors, with a sentence for what is missing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprefill.boards import Resources
from fastprefill.build.manifest import FORMAT
from fastprefill.build.plan import Changes, changes, read_manifest
from fastprefill.errors import FastprefillError
from fastprefill.golden.mpu import Size
from fastprefill.golden.projection import Shape
from fastprefill.system.case import Case
from fastprefill.system.ports import Ports

_FIELDS = ("title", "board", "targets", "vectors", "expected", "files")
_UNIT_FIELDS = (
    "name", "placement", "scalars", "inputs", "outputs", "signed", "limits", "at_most", "ir", "rtl_top",
)  # fmt: skip


@dataclass(frozen=True)
class Projection:
    """What is needed to judge the numerical error of a case that is a quantised projection.

    Attributes:
        shape: of the projection and its tiles.
        token_scales: float32 [tokens].
        channel_scales: float32 [channels].
        float32: the projection without quantisation, float32 [tokens, channels].
    """

    shape: Shape
    token_scales: NDArray[np.float32]
    channel_scales: NDArray[np.float32]
    float32: NDArray[np.float32]


@dataclass(frozen=True)
class Vectors:
    """A case of a project: its folder, inputs and stored outputs, and what it is a projection of, if it is one."""

    folder: Path
    case: Case
    projection: Projection | None = None


@dataclass(frozen=True)
class Project:
    """A folder that ``fastprefill generate`` or ``fastprefill compile --out`` wrote."""

    folder: Path
    manifest: dict[str, Any]

    @staticmethod
    def open(folder: Path) -> Project:
        """Read the manifest.

        Raises:
            FastprefillError: no such folder, not a project, or one in a form that this version does not read.
        """
        if not folder.is_dir():
            raise FastprefillError(
                f"there is no project folder '{folder}'; make one with 'fastprefill generate'"
            )
        manifest = read_manifest(folder)
        if manifest is None:
            raise FastprefillError(
                f"'{folder}' is not a fastprefill project (it has no manifest.json of ours); "
                "make one with 'fastprefill generate'"
            )
        if manifest.get("format") != FORMAT:
            raise FastprefillError(
                f"'{folder}' has a manifest of format {manifest.get('format')!r}; this version reads format {FORMAT}: "
                "generate the project again, or use the version that wrote it"
            )
        lacking = [name for name in _FIELDS if name not in manifest]
        units: Any = manifest.get("units") or [{}]
        lacking += [f"units[0].{name}" for name in _UNIT_FIELDS if name not in units[0]]
        if lacking:
            raise FastprefillError(
                f"the manifest.json of '{folder}' has no {', '.join(lacking)}; generate the project again"
            )
        return Project(folder, manifest)

    @cached_property
    def changes(self) -> Changes:
        """How the folder differs from what was written."""
        return changes(self.folder, self.manifest)

    def need(self, *folders: str) -> None:
        """Refuse to go on without files of the manifest in any of `folders` (all of the project, where none is named).

        Raises:
            FastprefillError: names the files.
        """
        lacking = [path for path in self.changes.missing if not folders or path.partition("/")[0] in folders]
        if lacking:
            more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
            raise FastprefillError(
                f"'{self.folder}' lacks files that it was written with: {', '.join(lacking[:3])}{more}; "
                "generate the project again"
            )

    def lacks(self, target: str) -> str:
        """Why there is nothing to run for a target, ``hls`` or ``rtl``; empty where there is."""
        if target in self.manifest["targets"]:
            return ""
        return f"the project has no {target}/: it was compiled for {', '.join(self.manifest['targets']) or 'mlir'} only"

    @property
    def unit(self) -> dict[str, Any]:
        """The manifest's entry of the project's unit."""
        entry: dict[str, Any] = self.manifest["units"][0]
        return entry

    @property
    def place(self) -> tuple[str, Resources]:
        """Name and resources of the regions of the board that the unit is placed in."""
        board = self.manifest["board"]
        regions = [Resources(**region) for region in board["resources"]]
        used = sorted({one["slr"] for one in self.unit["placement"]})
        where = board["name"] + (f" SLR {', '.join(map(str, used))}" if len(regions) > 1 else "")
        return where, sum((regions[slr] for slr in used), Resources())

    @property
    def ports(self) -> Ports:
        """Ports of the unit, from the manifest."""
        unit = self.unit
        limits = {name: (low, high) for name, (low, high) in unit["limits"].items()}
        return Ports(
            unit["name"], unit["scalars"], unit["inputs"], unit["outputs"], frozenset(unit["signed"]), limits,
            {name: tuple(others) for name, others in unit["at_most"].items()},
        )  # fmt: skip

    def ir(self) -> str:
        """MLIR text of the unit."""
        return self._read(self.folder / self.unit["ir"]).decode()

    def vectors(self) -> list[Vectors]:
        """All cases of the project."""
        self.need("vectors")
        return [self._case(self.folder / path) for path in self.manifest["vectors"]]

    def _case(self, folder: Path) -> Vectors:
        try:
            return Vectors(folder, Case.load(folder), _projection(folder))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FastprefillError(
                f"the test vectors in '{folder}' cannot be read ({type(error).__name__}: {error}); "
                "generate the project again"
            ) from None

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise FastprefillError(
                f"'{path}' cannot be read: {error.strerror}; generate the project again"
            ) from None


def _projection(folder: Path) -> Projection | None:
    shape = folder / "projection.json"
    if not shape.is_file():
        return None
    fields = json.loads(shape.read_text())
    return Projection(
        shape=Shape(**{**fields, "size": Size(**fields["size"])}),
        token_scales=np.load(folder / "token_scales.npy"),
        channel_scales=np.load(folder / "channel_scales.npy"),
        float32=np.load(folder / "float32.npy"),
    )
