"""What the units exchange in memory, as bytes: pack and unpack (``docs/layout.md`` is normative).

Everything is little-endian. A record has a fixed size and a stride, the next multiple of 512 bytes, so that
records can be numbered and spread over memory channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprefill.errors import FastprefillError
from fastprefill.golden.fixed_point import Int
from fastprefill.golden.linear import Linear
from fastprefill.golden.partial import Partial
from fastprefill.golden.scale import Codes, Scales

VERSION = 1
PAGE = 4096
RECORD = 512

_UNUSED = Scales(np.array(128), np.array(-128))  # of tokens beyond the last


def stride(size: int) -> int:
    """Distance of records of `size` bytes."""
    return -(-size // RECORD) * RECORD


@dataclass(frozen=True)
class Place:
    """Where a record lies: channel, and byte offset from the buffer's start in that channel."""

    channel: int
    offset: int


def place(number: int, size: int, channels: int) -> Place:
    """Records go round the channels: number 0 in channel 0, number 1 in channel 1."""
    return Place(number % channels, number // channels * stride(size))


@dataclass(frozen=True)
class KvBlock:
    """A block of keys and values of one KV head: codes of K, codes of V, scales of K, scales of V, sums of V.

    Attributes:
        block: tokens per block.
        dim: width of a head.
    """

    block: int
    dim: int

    @property
    def size(self) -> int:
        """Bytes: 17,024 for 128 tokens of 64."""
        return 2 * self.block * self.dim + 4 * self.block + 2 * self.dim

    def pack(self, k: Codes, v: Codes) -> bytes:
        """The record of up to `block` tokens: codes [tokens, dim] and scales [tokens] of both.

        Raises:
            FastprefillError: more tokens than a block has, another width, or K and V that differ.
        """
        tokens = _checked(k, self.block, self.dim)
        if _checked(v, self.block, self.dim) != tokens:
            raise FastprefillError(
                f"a block has {tokens} keys and {len(v.values)} values; it needs one of each"
            )
        sums = v.values.astype(np.int64).sum(axis=0).astype("<i2")
        return b"".join(
            (
                _filled(k.values, self.block).tobytes(),
                _filled(v.values, self.block).tobytes(),
                pack_scales(_filled_scales(k.scales, self.block)),
                pack_scales(_filled_scales(v.scales, self.block)),
                sums.tobytes(),
            )
        )

    def unpack(self, data: bytes) -> tuple[Codes, Codes, NDArray[np.int16]]:
        """Codes of K and of V, `block` tokens each, and the sums of V over its tokens, int16 [dim]."""
        _check_length(data, self.size, "a block of keys and values")
        parts = _cut(data, [self.block * self.dim] * 2 + [2 * self.block] * 2 + [2 * self.dim])
        k, v = (np.frombuffer(part, np.int8).reshape(self.block, self.dim) for part in parts[:2])
        return (
            Codes(k, unpack_scales(parts[2])),
            Codes(v, unpack_scales(parts[3])),
            np.frombuffer(parts[4], "<i2").astype(np.int16),
        )


@dataclass(frozen=True)
class QueryBlock:
    """A block of queries of one head: codes, then scales.

    Attributes:
        block: tokens per block.
        dim: width of a head.
    """

    block: int
    dim: int

    @property
    def size(self) -> int:
        """Bytes: 8,448 for 128 tokens of 64."""
        return self.block * self.dim + 2 * self.block

    def pack(self, q: Codes) -> bytes:
        """The record of up to `block` tokens: codes [tokens, dim], scales [tokens].

        Raises:
            FastprefillError: more tokens than a block has, or another width.
        """
        _checked(q, self.block, self.dim)
        return _filled(q.values, self.block).tobytes() + pack_scales(_filled_scales(q.scales, self.block))

    def unpack(self, data: bytes) -> Codes:
        """Codes [block, dim], scales [block]."""
        _check_length(data, self.size, "a block of queries")
        codes = np.frombuffer(data[: self.block * self.dim], np.int8).reshape(self.block, self.dim)
        return Codes(codes, unpack_scales(data[self.block * self.dim :]))


@dataclass(frozen=True)
class StateBlock:
    """Partial attention states of a block of rows: m int16, n int16, l uint32, O int32 [dim] for each row.

    Attributes:
        block: rows per block.
        dim: width of a head.
    """

    block: int
    dim: int

    @property
    def size(self) -> int:
        """Bytes: 33,792 for 128 rows of 64."""
        return self.block * self._row.itemsize

    def pack(self, state: Partial) -> bytes:
        """The record of up to `block` rows; the others are empty states."""
        if len(state.m) > self.block or state.o.shape[1] != self.dim:
            raise FastprefillError(
                f"states of {len(state.m)} rows of {state.o.shape[1]}; the block holds {self.block} of {self.dim}"
            )
        empty = Partial.empty(self.block - len(state.m), self.dim)
        rows = np.zeros(self.block, self._row)
        for name in ("m", "n", "l", "o"):
            rows[name] = np.concatenate([getattr(state, name), getattr(empty, name)])
        return rows.tobytes()

    def unpack(self, data: bytes) -> Partial:
        """States of `block` rows."""
        _check_length(data, self.size, "a block of partial states")
        rows = np.frombuffer(data, self._row)
        return Partial(*(rows[name].astype(np.int64) for name in ("m", "l", "n", "o")))

    @property
    def _row(self) -> np.dtype[np.void]:
        return np.dtype([("m", "<i2"), ("n", "<i2"), ("l", "<u4"), ("o", "<i4", (self.dim,))])


@dataclass(frozen=True)
class WeightMatrix:
    """Weights of a projection: codes in the order of the matrix unit's stream `b`, then scales, then biases.

    Each part starts on a page. Channels are filled up to a multiple of `cols` with zeros.

    Attributes:
        channels: outputs.
        k: inputs.
        groups: scales per channel.
        cols: columns of the matrix unit.
    """

    channels: int
    k: int
    groups: int
    cols: int

    @property
    def parts(self) -> tuple[int, int, int]:
        """Offsets of codes, scales and biases."""
        codes = self._filled * self.k
        scales = _page(codes)
        return 0, scales, scales + _page(2 * self.groups * self._filled)

    @property
    def size(self) -> int:
        """Bytes, whole pages."""
        return self.parts[2] + _page(4 * self._filled)

    def pack(self, weights: Linear) -> bytes:
        """The record; without a bias its part is zeros."""
        scales = weights.weights.scales
        if weights.weights.values.shape != (self.channels, self.k) or scales.mantissa.shape[1] != self.groups:
            raise FastprefillError(
                f"weights {weights.weights.values.shape} in {scales.mantissa.shape[1]} groups; the layout is for "
                f"{(self.channels, self.k)} in {self.groups}"
            )
        codes = (
            _filled(weights.weights.values, self._filled).reshape(-1, self.cols, self.k).transpose(0, 2, 1)
        )
        bias = np.zeros(self._filled, "<i4")
        if weights.bias is not None:
            bias[: self.channels] = weights.bias
        by_group = _filled_scales(scales, self._filled)
        data = (
            codes.tobytes(),
            pack_scales(Scales(by_group.mantissa.T, by_group.exponent.T)),
            bias.tobytes(),
        )
        return b"".join(part + bytes(_page(len(part)) - len(part)) for part in data)

    def unpack(self, data: bytes) -> tuple[Codes, Int]:
        """Codes [channels, k] with scales [channels, groups], and the biases [channels]."""
        _check_length(data, self.size, "a weight matrix")
        first, second, third = self.parts
        tiles = np.frombuffer(data[first : self._filled * self.k], np.int8).reshape(-1, self.k, self.cols)
        codes = tiles.transpose(0, 2, 1).reshape(self._filled, self.k)[: self.channels]
        scales = unpack_scales(data[second : second + 2 * self.groups * self._filled])
        by_channel = Scales(
            *(a.reshape(self.groups, -1).T[: self.channels] for a in (scales.mantissa, scales.exponent))
        )
        bias = np.frombuffer(data[third : third + 4 * self.channels], "<i4").astype(np.int64)
        return Codes(codes, by_channel), bias

    @property
    def _filled(self) -> int:
        return -(-self.channels // self.cols) * self.cols


@dataclass(frozen=True)
class CodedRows:
    """Quantised activations, a row per token: codes, then the scales of its groups, up to a multiple of 64 bytes.

    Attributes:
        k: codes per row.
        groups: scales per row.
    """

    k: int
    groups: int

    @property
    def stride(self) -> int:
        """Bytes per row."""
        return -(-(self.k + 2 * self.groups) // 64) * 64

    def pack(self, x: Codes) -> bytes:
        """Rows of codes [tokens, k] with scales [tokens, groups]."""
        if x.values.shape[1] != self.k or x.scales.mantissa.shape[1] != self.groups:
            raise FastprefillError(
                f"rows of {x.values.shape[1]} codes and {x.scales.mantissa.shape[1]} scales; the layout has "
                f"{self.k} and {self.groups}"
            )
        rows = np.zeros((len(x.values), self.stride), np.uint8)
        rows[:, : self.k] = x.values.view(np.uint8)
        scales = np.frombuffer(pack_scales(x.scales), np.uint8).reshape(len(rows), -1)
        rows[:, self.k : self.k + 2 * self.groups] = scales
        return rows.tobytes()

    def unpack(self, data: bytes) -> Codes:
        """Codes [tokens, k], scales [tokens, groups]."""
        if len(data) % self.stride:
            raise FastprefillError(f"{len(data)} bytes are no whole rows of {self.stride}")
        rows = np.frombuffer(data, np.uint8).reshape(-1, self.stride)
        scales = unpack_scales(rows[:, self.k : self.k + 2 * self.groups].tobytes())
        shaped = Scales(*(a.reshape(len(rows), self.groups) for a in (scales.mantissa, scales.exponent)))
        return Codes(rows[:, : self.k].view(np.int8), shaped)


def pack_scales(scales: Scales) -> bytes:
    """16 bits each: the mantissa in the low byte, the exponent, two's complement, in the high one."""
    pairs = np.stack(
        [scales.mantissa.astype(np.uint8), scales.exponent.astype(np.int8).view(np.uint8)], axis=-1
    )
    return pairs.tobytes()


def unpack_scales(data: bytes) -> Scales:
    """The scales of `pack_scales`, in one dimension."""
    pairs = np.frombuffer(data, np.uint8).reshape(-1, 2)
    return Scales(pairs[:, 0].astype(np.int64), pairs[:, 1].view(np.int8).astype(np.int64))


def pack_frequencies(frequencies: Int) -> bytes:
    """Turns per position with 40 fraction bits, 64 bits each: [dim / 2]."""
    return frequencies.astype("<u8").tobytes()


def unpack_frequencies(data: bytes) -> Int:
    """The frequencies of `pack_frequencies`."""
    if len(data) % 8:
        raise FastprefillError(f"{len(data)} bytes are no whole frequencies of 8")
    return np.frombuffer(data, "<u8").astype(np.int64)


def pack_words(values: NDArray[np.signedinteger]) -> bytes:
    """int32 [rows, n] row by row: residual stream, attention's output, gains of norms."""
    return values.astype("<i4").tobytes()


def unpack_words(data: bytes, n: int) -> NDArray[np.int32]:
    """int32 [tokens, n] from rows of n words."""
    if len(data) % (4 * n):
        raise FastprefillError(f"{len(data)} bytes are no whole rows of {n} words")
    return np.frombuffer(data, "<i4").reshape(-1, n).astype(np.int32)


def _checked(codes: Codes, block: int, dim: int) -> int:
    tokens, width = codes.values.shape
    if not 1 <= tokens <= block or width != dim:
        raise FastprefillError(f"codes of {tokens} tokens of {width}; the block holds 1 to {block} of {dim}")
    return int(tokens)


def _filled(codes: NDArray[np.int8], rows: int) -> NDArray[np.int8]:
    return np.pad(codes, ((0, rows - len(codes)), (0, 0)))


def _filled_scales(scales: Scales, rows: int) -> Scales:
    missing = (rows - len(scales.mantissa), *scales.mantissa.shape[1:])
    return Scales(
        np.concatenate([scales.mantissa, np.broadcast_to(_UNUSED.mantissa, missing)]),
        np.concatenate([scales.exponent, np.broadcast_to(_UNUSED.exponent, missing)]),
    )


def _cut(data: bytes, sizes: list[int]) -> list[bytes]:
    ends = np.cumsum(sizes)
    return [data[end - size : end] for size, end in zip(sizes, ends, strict=True)]


def _check_length(data: bytes, size: int, what: str) -> None:
    if len(data) != size:
        raise FastprefillError(f"{what} has {size} bytes, not {len(data)}")


def _page(size: int) -> int:
    return -(-size // PAGE) * PAGE
