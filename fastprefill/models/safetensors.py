"""Reader of one ``.safetensors`` file by memory map.

The format: 8 bytes, the header's length (little-endian); the header, JSON: name -> {dtype, shape,
data_offsets}; the data, row-major, little-endian. https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprefill.errors import FastprefillError

_STORED: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}
Rows = NDArray[np.int64] | slice
_HEADER_LIMIT = 100_000_000  # the format's own limit; a larger length is a damaged file


@dataclass(frozen=True)
class Tensor:
    """Where a tensor lies: its dtype (``F32``, ``F16``, ``BF16``, ...), shape and first and last byte."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Safetensors:
    """The tensors of one file by name; data is read when asked for."""

    path: Path
    tensors: Mapping[str, Tensor]
    data: NDArray[np.uint8]

    @staticmethod
    def open(path: Path) -> Safetensors:
        """Map the file and check its header against its length.

        Raises:
            FastprefillError: the file is unreadable, truncated or not in this format.
        """
        try:
            size = path.stat().st_size
            content = np.memmap(path, dtype=np.uint8, mode="r") if size else np.zeros(0, np.uint8)
        except OSError as error:
            raise FastprefillError(f"{path} cannot be read: {error.strerror}") from None
        if size < 8:
            raise FastprefillError(
                f"{path} is truncated: it has {size} bytes, fewer than the 8 of its header length"
            )
        length = int.from_bytes(content[:8].tobytes(), "little")
        if length > _HEADER_LIMIT:
            raise FastprefillError(
                f"{path} is not a safetensors file: its header would be {length} bytes long"
            )
        if 8 + length > size:
            raise FastprefillError(
                f"{path} is truncated: its header needs {8 + length} bytes, the file has {size}"
            )
        try:
            header = json.loads(content[8 : 8 + length].tobytes())
            tensors = {
                name: Tensor(
                    str(entry["dtype"]),
                    tuple(int(n) for n in entry["shape"]),
                    int(entry["data_offsets"][0]),
                    int(entry["data_offsets"][1]),
                )
                for name, entry in header.items()
                if name != "__metadata__"
            }
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError):
            raise FastprefillError(
                f"{path} is not a safetensors file: its header cannot be understood"
            ) from None
        needed = 8 + length + max((tensor.end for tensor in tensors.values()), default=0)
        if needed > size:
            raise FastprefillError(
                f"{path} is truncated: its tensors need {needed} bytes, the file has {size}; copy or download it again"
            )
        _check_ranges(path, tensors)
        return Safetensors(path, tensors, content[8 + length :])

    def check(self, name: str, shape: tuple[int, ...]) -> None:
        """Check that a tensor is there, of a dtype that can be read, of this shape and in this file.

        Raises:
            FastprefillError: it is not.
        """
        tensor = self.tensors.get(name)
        if tensor is None:
            raise FastprefillError(f"{self.path} has no tensor '{name}', which config.json calls for")
        if tensor.shape != shape:
            raise FastprefillError(
                f"{self.path}: tensor '{name}' has shape {list(tensor.shape)}; config.json makes it {list(shape)}"
            )
        self._stored(name)

    def float32(self, name: str, rows: Rows | None = None) -> NDArray[np.float32]:
        """One tensor as float32 (a copy), in the shape of its header.

        Args:
            name: of the tensor.
            rows: read only these, in this order; all when None. Only what is asked for comes into memory.

        Raises:
            FastprefillError: no such tensor, a dtype other than F32, F16, BF16, a contradictory header, or
                a value that is not finite.
        """
        stored = self._stored(name)
        if rows is not None:
            stored = stored[rows]
        if self.tensors[name].dtype == "BF16":  # the upper half of a float32
            values = (stored.astype(np.uint32) << 16).view(np.float32)
        else:
            values = stored.astype(np.float32)
        # both extremes are NaN where a value is: no array of flags is needed
        if values.size and not np.isfinite([values.min(), values.max()]).all():
            bad = values[~np.isfinite(values)][0]
            raise FastprefillError(
                f"{self.path}: tensor '{name}' holds {bad}; weights must be finite: save or download it again"
            )
        return values

    def _stored(self, name: str) -> NDArray[Any]:
        """The tensor in the file, mapped."""
        tensor = self.tensors.get(name)
        if tensor is None:
            raise FastprefillError(f"{self.path} has no tensor '{name}'")
        if tensor.dtype not in _STORED:
            raise FastprefillError(
                f"{self.path}: tensor '{name}' is {tensor.dtype}; supported: {', '.join(_STORED)}"
            )
        needed = math.prod(tensor.shape) * _STORED[tensor.dtype].itemsize
        if tensor.start < 0 or tensor.end - tensor.start != needed:
            raise FastprefillError(
                f"{self.path}: tensor '{name}' of shape {list(tensor.shape)} needs {needed} bytes, "
                f"its header gives it {tensor.end - tensor.start}"
            )
        return self.data[tensor.start : tensor.end].view(_STORED[tensor.dtype]).reshape(tensor.shape)


def _check_ranges(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """The format wants each byte to belong to one tensor."""
    ordered = sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end))
    end, before = 0, ""
    for name, tensor in ordered:
        if tensor.start < 0 or tensor.end < tensor.start:
            raise FastprefillError(
                f"{path}: tensor '{name}' lies from byte {tensor.start} to {tensor.end}; the file is damaged"
            )
        if tensor.start < end:
            raise FastprefillError(
                f"{path}: tensors '{before}' and '{name}' overlap at byte {tensor.start}; the file is damaged"
            )
        end, before = tensor.end, name
