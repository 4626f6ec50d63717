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

import numpy as np
from numpy.typing import NDArray

from fastprefill.errors import FastprefillError

_ITEM_BYTES = {"F32": 4, "F16": 2, "BF16": 2}
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
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            raise FastprefillError(
                f"{path} is not a safetensors file: its header cannot be understood"
            ) from None
        needed = 8 + length + max((tensor.end for tensor in tensors.values()), default=0)
        if needed > size:
            raise FastprefillError(
                f"{path} is truncated: its tensors need {needed} bytes, the file has {size}; copy or download it again"
            )
        return Safetensors(path, tensors, content[8 + length :])

    def float32(self, name: str) -> NDArray[np.float32]:
        """One tensor as float32 (a copy), in the shape of its header.

        Raises:
            FastprefillError: no such tensor, a dtype other than F32, F16, BF16, or a contradictory header.
        """
        tensor = self.tensors.get(name)
        if tensor is None:
            raise FastprefillError(f"{self.path} has no tensor '{name}'")
        if tensor.dtype not in _ITEM_BYTES:
            raise FastprefillError(
                f"{self.path}: tensor '{name}' is {tensor.dtype}; supported: {', '.join(_ITEM_BYTES)}"
            )
        needed = math.prod(tensor.shape) * _ITEM_BYTES[tensor.dtype]
        if tensor.start < 0 or tensor.end - tensor.start != needed:
            raise FastprefillError(
                f"{self.path}: tensor '{name}' of shape {list(tensor.shape)} needs {needed} bytes, "
                f"its header gives it {tensor.end - tensor.start}"
            )
        raw = self.data[tensor.start : tensor.end].tobytes()
        if tensor.dtype == "BF16":  # the upper half of a float32
            values = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            values = np.frombuffer(raw, "<f4" if tensor.dtype == "F32" else "<f2").astype(np.float32)
        return values.reshape(tensor.shape)
