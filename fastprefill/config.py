"""The one parameter object: what is generated, for which model, on which board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fastprefill.boards import Board
from fastprefill.errors import FastprefillError
from fastprefill.estimate import resources
from fastprefill.golden.mpu import Size
from fastprefill.models import ModelConfig

# int32 accumulators hold K products of two int8 each, and -128 * -128 = 2^14
LONGEST_K = 2**31 // 2**14 - 1
DSP_SHARE, LUT_SHARE = 0.60, 0.45
"""Of a super logic region, what a matrix unit of default size takes at most."""


@dataclass(frozen=True)
class Parameters:
    """Feeds HLS, RTL, host header, register map and golden model alike.

    Attributes:
        model: shape of the model.
        board: part, clock and resources.
        size: of the matrix unit; a tile is `rows` tokens by `columns` output channels.
        context: longest sequence, in tokens.
    """

    model: ModelConfig
    board: Board
    size: Size
    context: int

    def as_dict(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            **asdict(self.size),
            "context": self.context,
            "clock_mhz": self.board.clock_mhz,
        }


def resolve(
    model: ModelConfig, board: Board, *, size: Mapping[str, int | None], context: int | None = None
) -> Parameters:
    """Fill in defaults and check everything against everything.

    Args:
        size: parameters of the matrix unit (``golden.mpu.Size``); what is missing or None comes from the board.
        context: default: the model's own.

    Raises:
        FastprefillError: a size out of range, a model the matrix unit cannot serve, a design larger than
            the board.
    """
    parameters = Parameters(
        model, board, unit_size(board, size), model.context if context is None else context
    )
    if model.hidden > LONGEST_K:
        raise FastprefillError(
            f"hidden_size is {model.hidden}; the matrix unit's int32 accumulators hold at most {LONGEST_K} "
            "products of int8"
        )
    if not 1 <= parameters.context <= model.context:
        raise FastprefillError(
            f"the context is {parameters.context} tokens; this model allows 1 to {model.context}"
        )
    resources.check_fits(f"a matrix unit of {parameters.size}", resources.matrix_unit(parameters.size), board)
    return parameters


def unit_size(board: Board, given: Mapping[str, int | None]) -> Size:
    """The board's default size with the given parameters in place.

    Without a `drain_rows` of their own, other rows are drained so that a tile of K = 64 hides the draining.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    whole = asdict(default_size(board)) | chosen
    if "drain_rows" not in chosen:
        whole["drain_rows"] = drain_rows(whole["rows"], whole["k_parallel"])
    return Size(**whole)


def default_size(board: Board) -> Size:
    """The largest of a few arrays that takes at most 60 % of the DSPs and 45 % of the LUTs and FFs of any region.

    As many columns as the DSPs allow are DSP columns, the rest LUT columns. On a board of several regions each gets an
    array like it, so what counts is, for each resource, the region with the least.
    """
    have = {name: min(slr.as_dict()[name] for slr in board.slrs) for name in ("lut", "ff", "dsp")}
    for rows, columns in _ARRAYS:
        dsp_columns = min(columns, int(DSP_SHARE * have["dsp"] / (rows / 2 * 8)))
        size = Size(rows, dsp_columns, columns - dsp_columns, 8, drain_rows(rows, 8))
        needed = resources.matrix_unit(size)
        if needed.lut <= LUT_SHARE * have["lut"] and needed.ff <= LUT_SHARE * have["ff"]:
            return size
    return Size(4, 4)


_ARRAYS = (*((24, columns) for columns in range(32, 15, -1)), (16, 16), (8, 8), (4, 4))
"""Rows and columns of arrays, the largest first."""


def drain_rows(rows: int, k_parallel: int) -> int:
    """Rows drained in a cycle: the least with which a tile of K = 64 is drained two steps before it is computed.

    An even divisor of `rows`; 2 where `rows` is none that a matrix unit can have.
    """
    for candidate in range(2, max(rows, 2) + 1, 2):
        if rows % candidate == 0 and rows // candidate <= max(1, 64 // k_parallel - 2):
            return candidate
    return 2
