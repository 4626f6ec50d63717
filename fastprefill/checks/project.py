"""Opening a generated project: its manifest, units and test vectors, with a sentence for what is missing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprefill.build.plan import read_manifest
from fastprefill.errors import FastprefillError
from fastprefill.golden.projection import Shape
from fastprefill.system.case import Case
from fastprefill.system.ports import Ports


@dataclass(frozen=True)
class Vectors:
    """A case of a project with what is needed to judge its numerical error.

    Attributes:
        folder: where the case lies.
        case: inputs and stored outputs.
        shape: of the projection and its tiles.
        token_scales: float32 [tokens].
        channel_scales: float32 [channels].
        float32: the projection without quantisation, float32 [tokens, channels].
    """

    folder: Path
    case: Case
    shape: Shape
    token_scales: NDArray[np.float32]
    channel_scales: NDArray[np.float32]
    float32: NDArray[np.float32]


@dataclass(frozen=True)
class Project:
    """A folder that ``fastprefill generate`` wrote."""

    folder: Path
    manifest: dict[str, Any]

    @staticmethod
    def open(folder: Path) -> Project:
        """Read the manifest.

        Raises:
            FastprefillError: no such folder, or not a project.
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
        return Project(folder, manifest)

    @property
    def unit(self) -> dict[str, Any]:
        """The manifest's entry of the project's unit."""
        entry: dict[str, Any] = self.manifest["units"][0]
        return entry

    @property
    def ports(self) -> Ports:
        """Ports of the unit, from the manifest."""
        unit = self.unit
        return Ports(
            unit["name"], unit["scalars"], unit["inputs"], unit["outputs"], frozenset(unit["signed"])
        )

    def ir(self) -> str:
        """MLIR text of the unit."""
        return self._read(self.folder / self.unit["ir"]).decode()

    def vectors(self) -> list[Vectors]:
        """All cases of the project."""
        return [self._case(self.folder / path) for path in self.manifest["vectors"]]

    def _case(self, folder: Path) -> Vectors:
        try:
            return Vectors(
                folder=folder,
                case=Case.load(folder),
                shape=Shape(**json.loads((folder / "projection.json").read_text())),
                token_scales=np.load(folder / "token_scales.npy"),
                channel_scales=np.load(folder / "channel_scales.npy"),
                float32=np.load(folder / "float32.npy"),
            )
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
