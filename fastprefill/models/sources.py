"""Where tensors come from: one ``.safetensors`` file, several with an index, or a random generator."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fastprefill.errors import FastprefillError
from fastprefill.models.fields import read_json
from fastprefill.models.safetensors import Rows, Safetensors

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
_DRAWN_ROWS = 64  # drawn at once


class Source(Protocol):
    """Tensors by name, read when asked for."""

    def check(self, name: str, shape: tuple[int, ...]) -> None:
        """Raise `FastprefillError` unless a tensor of this name and shape can be read."""

    def float32(self, name: str, rows: Rows | None = None) -> NDArray[np.float32]:
        """A tensor as float32 (a copy), or only some of its rows."""


def open_source(folder: Path) -> Source:
    """The tensors of a checkpoint folder: ``model.safetensors``, or the files that its index names.

    Raises:
        FastprefillError: neither is there, or a file is missing, truncated or not in the format.
    """
    if (folder / SINGLE).exists():
        return Safetensors.open(folder / SINGLE)
    if (folder / INDEX).exists():
        return Shards.open(folder / INDEX)
    raise FastprefillError(f"'{folder}' has no weights: neither {SINGLE} nor {INDEX}; download them too")


@dataclass(frozen=True)
class Shards:
    """A checkpoint in several files. `files` has the open file of each tensor, by the tensor's name."""

    index: Path
    files: Mapping[str, Safetensors]

    @staticmethod
    def open(index: Path) -> Shards:
        """Open every file that the index names.

        Raises:
            FastprefillError: the index is damaged, or a file is missing, truncated or not in the format.
        """
        fields = read_json(index)
        names = fields.values.get("weight_map")
        if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
            fields.refuse("it has no weight_map from tensor to file name")
        files = {}
        for name in sorted(set(names.values())):
            if Path(name).name != name:
                fields.refuse(f"weight_map names the file '{name}'; it must lie beside the index")
            if not (index.parent / name).is_file():
                fields.refuse(f"weight_map names the file '{name}', which is missing; download it too")
            files[name] = Safetensors.open(index.parent / name)
        return Shards(index, {tensor: files[name] for tensor, name in names.items()})

    def check(self, name: str, shape: tuple[int, ...]) -> None:
        """See `Source`."""
        self._file(name).check(name, shape)

    def float32(self, name: str, rows: Rows | None = None) -> NDArray[np.float32]:
        """See `Source`."""
        return self._file(name).float32(name, rows)

    def _file(self, name: str) -> Safetensors:
        if name not in self.files:
            raise FastprefillError(f"{self.index} has no tensor '{name}', which config.json calls for")
        return self.files[name]


@dataclass(frozen=True)
class RandomTensors:
    """Weights for a shape that has none: norms of 1, everything else normal with deviation 0.02.

    A row depends on `seed`, its tensor's name and its number alone, so that some rows of a large table are drawn
    without most of the others.
    """

    shapes: Mapping[str, tuple[int, ...]]
    seed: int

    def check(self, name: str, shape: tuple[int, ...]) -> None:
        """See `Source`: every tensor of the shape is there."""

    def float32(self, name: str, rows: Rows | None = None) -> NDArray[np.float32]:
        """See `Source`."""
        shape = self.shapes[name]
        if name.endswith("norm.weight"):
            return np.ones(shape, np.float32)
        numbers = np.arange(shape[0])[slice(None) if rows is None else rows]
        values = np.empty((len(numbers), *shape[1:]), np.float32)
        salt = zlib.crc32(name.encode())
        for block in np.unique(numbers // _DRAWN_ROWS):
            generator = np.random.default_rng([self.seed, salt, block])
            drawn = generator.standard_normal((_DRAWN_ROWS, *shape[1:]), np.float32)
            here = numbers // _DRAWN_ROWS == block
            values[here] = drawn[numbers[here] % _DRAWN_ROWS]
        values *= np.float32(0.02)
        return values
