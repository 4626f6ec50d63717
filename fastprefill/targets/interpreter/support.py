"""Functions and classes that the generated Python code calls: arrays, slices, shifts, traps."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Trap(Exception):
    """An error of the running program: `message` continues "process 'p' ...", `src` is ``file:line``."""

    def __init__(self, message: str, src: str) -> None:
        super().__init__(message)
        self.message, self.src = message, src


class Array:
    """An array, a constant array or a buffer of a block stream, with what was written in it.

    Attributes:
        data: a NumPy array (int64, or bool for ``i1``) of the array's shape, or a flat list in which an
            element that was never written is None.
        valid: which elements of a NumPy array were written.
        full: True when all are known to be written; then `valid` need not be looked at.
    """

    __slots__ = ("data", "full", "name", "shape", "valid", "width")

    def __init__(self, name: str, shape: tuple[int, ...], width: int, *, lanes: bool) -> None:
        self.name, self.shape, self.width = name, shape, width
        self.data: Any = None
        self.valid: NDArray[np.bool_] = np.zeros(shape, dtype=bool)
        if lanes:
            self.data = np.zeros(shape, dtype=bool if width == 1 else np.int64)
        self.reset()

    def reset(self) -> None:
        """Forget all elements."""
        self.full = False
        if isinstance(self.data, np.ndarray):
            self.valid[...] = False
        else:
            self.data = [None] * self.valid.size

    def assign(self, numbers: list[int]) -> None:
        """Write all elements, in row-major order."""
        if isinstance(self.data, np.ndarray):
            self.data[...] = np.array(numbers, dtype=self.data.dtype).reshape(self.shape)
            self.valid[...] = True
            self.full = True
        else:
            self.data = list(numbers)

    def check(self, index: Any, src: str, mask: Any = None) -> None:
        """Trap when an element of ``data[index]`` (in lanes of `mask`) was never written."""
        if self.valid.all():
            self.full = True
            return
        missing = ~self.valid[index]
        if mask is not None:
            missing = missing & mask
        if missing.any():
            elements = np.broadcast_to(np.arange(self.valid.size).reshape(self.shape)[index], missing.shape)
            first = np.unravel_index(int(elements[missing].ravel()[0]), self.shape)
            self.unwritten(tuple(int(i) for i in first), src)

    def unwritten(self, index: tuple[int, ...], src: str) -> None:
        """Trap: this element was never written."""
        raise Trap(f"reads {_element(self.name, index)}, which was never written", src)

    def outside(self, index: tuple[int, ...], src: str) -> None:
        """Trap: this element does not exist."""
        shape = " x ".join(str(n) for n in self.shape)
        raise Trap(f"uses {_element(self.name, index)}, but the array is {shape}", src)

    def check_range(self, index: tuple[Any, ...], src: str, mask: Any = None) -> tuple[Any, ...]:
        """The lane indices, trapped when outside in a lane of `mask`; lanes not in it are moved inside."""
        arrays = list(np.broadcast_arrays(*index) if mask is None else np.broadcast_arrays(*index, mask))
        del arrays[len(index) :]
        wrong = np.zeros(arrays[0].shape, dtype=bool)
        for array, size in zip(arrays, self.shape, strict=True):
            wrong |= (array < 0) | (array >= size)
        if mask is not None:
            arrays = [np.where(mask, array, 0) for array in arrays]
            wrong &= mask
        if wrong.any():
            self.outside(tuple(int(array[wrong].ravel()[0]) for array in arrays), src)
        return tuple(arrays)

    def put_masked(self, index: Any, value: Any, mask: Any) -> None:
        """Store to a range of elements, in the lanes of `mask`."""
        np.copyto(self.data[index], value, where=mask)
        if not self.full:
            np.copyto(self.valid[index], True, where=mask)

    def scatter_masked(self, index: Any, value: Any, mask: Any) -> None:
        """Store to elements given by arrays of indices, in the lanes of `mask`."""
        index = index if isinstance(index, tuple) else (index,)
        *places, values, active = np.broadcast_arrays(*index, value, mask)
        chosen = tuple(place[active] for place in places)
        self.data[chosen] = values[active]
        self.valid[chosen] = True


def _element(name: str, index: tuple[int, ...]) -> str:
    return f"'{name}[{', '.join(map(str, index))}]'" if index else f"'{name}'"


def unwritten_variable(name: str, src: str) -> None:
    """Trap: the variable has no value yet."""
    raise Trap(f"reads {_element(name, ())}, which was never written", src)


class Fifo:
    """A stream: tokens in canonical form, oldest first; `depth` tokens at most."""

    __slots__ = ("depth", "items", "reader_waits", "writer_waits")

    def __init__(self, depth: int, items: deque[Any]) -> None:
        self.depth, self.items = depth, items
        self.reader_waits = self.writer_waits = False

    def has_room(self) -> bool:
        """Whether a token can be put."""
        return len(self.items) < self.depth


class Blocks:
    """A block stream: the buffers that are full, oldest first, and those that are free."""

    __slots__ = ("free", "items", "reader_waits", "writer_waits")

    def __init__(self, buffers: list[Array]) -> None:
        self.items: deque[Array] = deque()
        self.free = deque(buffers)
        self.reader_waits = self.writer_waits = False

    def has_room(self) -> bool:
        """Whether a buffer can be acquired for writing."""
        return bool(self.free)


def wrap64(number: int) -> int:
    """The signed number of the 64 low bits."""
    return ((number + (1 << 63)) & ((1 << 64) - 1)) - (1 << 63)


def shift_left(value: Any, amount: Any, width: int) -> Any:
    """``arith.shli``: 0 for an amount of `width` or more; not yet wrapped."""
    if isinstance(value, np.ndarray) or isinstance(amount, np.ndarray):
        shifted = np.left_shift(value, np.minimum(amount, 63), dtype=np.int64)
        return np.where(np.less(amount, width), shifted, 0)
    return value << amount if amount < width else 0


def shift_right(value: Any, amount: Any, width: int) -> Any:
    """``arith.shrsi`` of a signed, ``arith.shrui`` of an unsigned operand: the sign or 0 for large amounts."""
    if isinstance(value, np.ndarray) or isinstance(amount, np.ndarray):
        return np.right_shift(value, np.minimum(amount, 63), dtype=np.int64)
    return value >> min(amount, width)


def get_slice(pattern: int, lo: int, width: int) -> int:
    """Bits ``lo .. lo + width`` of an unsigned pattern; 0 outside it."""
    return ((pattern >> lo) if lo >= 0 else (pattern << min(-lo, width))) & ((1 << width) - 1)


def set_slice(value: int, lo: int, part: int, part_width: int, width: int) -> int:
    """`value` with the bits ``lo .. lo + part_width`` replaced; bits from `width` on are to be dropped."""
    if lo >= width or lo <= -part_width:
        return value
    mask = (1 << part_width) - 1
    if lo < 0:
        return (value & ~(mask >> -lo)) | (part >> -lo)
    return (value & ~(mask << lo)) | (part << lo)


def bit_lanes(pattern: int, lo: NDArray[np.int64], width: int, bits: int) -> NDArray[Any]:
    """Slices of at most 57 bits of one word: the canonical values, of the shape of `lo`.

    Args:
        pattern: the word, an unsigned number of `bits` bits.
        lo: positions, none negative.
        width: bits of each slice.
        bits: width of the word.
    """
    size = (bits + 7) // 8
    data = int(pattern).to_bytes(size, "little") + bytes(16)  # an element of an array is a NumPy integer
    position = np.minimum(lo, 8 * size)
    words: NDArray[np.uint64] = np.ndarray((size + 9,), dtype="<u8", buffer=data, strides=(1,))
    slices = (words[position >> 3] >> (position & 7).astype(np.uint64)).astype(np.int64) & ((1 << width) - 1)
    half = 1 << (width - 1)
    lanes: NDArray[Any] = slices != 0 if width == 1 else (slices ^ half) - half
    return lanes


def insert_elements(word: int, size: int, dtype: str, places: NDArray[np.int64], parts: NDArray[Any]) -> int:
    """`word` of `size` bytes with the elements at `places` replaced; sign-extended beyond its width."""
    data = bytearray(word.to_bytes(size, "little", signed=True))
    np.frombuffer(data, dtype)[places] = parts
    return int.from_bytes(data, "little", signed=True)


def insert_bits(word: int, positions: list[int], width: int, parts: NDArray[Any]) -> int:
    """`word` with slices of `width` bits replaced by unsigned patterns, at positions that do not overlap."""
    mask, clear, bits = (1 << width) - 1, 0, 0
    for lo, part in zip(positions, parts.tolist(), strict=True):
        clear |= mask << lo
        bits |= part << lo
    return (word & ~clear) | bits


RUNTIME: dict[str, Any] = {
    "Array": Array,
    "bit_lanes": bit_lanes,
    "get_slice": get_slice,
    "insert_bits": insert_bits,
    "insert_elements": insert_elements,
    "set_slice": set_slice,
    "shift_left": shift_left,
    "shift_right": shift_right,
    "unwritten_variable": unwritten_variable,
    "where": np.where,
    "wrap64": wrap64,
    "int8": np.int8,
    "int16": np.int16,
    "int32": np.int32,
    "int64": np.int64,
    "frombuffer": np.frombuffer,
    "np": np,
}
"""Names that generated code uses."""
