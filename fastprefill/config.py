"""The one parameter object: what is generated, for which model, on which board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fastprefill.boards import Board, Resources
from fastprefill.errors import FastprefillError
from fastprefill.estimate import resources
from fastprefill.golden.mpu import Size
from fastprefill.models import ModelConfig
from fastprefill.system.ports import WIDEST_WORD

# int32 accumulators hold K products of two int8 each, and -128 * -128 = 2^14
LONGEST_K = 2**31 // 2**14 - 1
MOST_ARRAYS = 8

DSP_SHARE, LUT_SHARE = 0.60, 0.45
"""Of a super logic region, what a matrix unit of default size takes at most."""


@dataclass(frozen=True)
class Parameters:
    """Feeds HLS, RTL, host header, register map and golden model alike.

    Attributes:
        model: shape of the model.
        board: part, clock and resources.
        size: of a matrix unit; a tile is `rows` tokens by `columns` output channels.
        context: longest sequence, in tokens.
        arrays: matrix units; unit n is in super logic region n modulo the number of regions.
    """

    model: ModelConfig
    board: Board
    size: Size
    context: int
    arrays: int = 1

    @property
    def title(self) -> str:
        """What is built, for people."""
        return f"mpu {self.size}" if self.arrays == 1 else f"{self.arrays} mpu of {self.size}"

    def as_dict(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "arrays": self.arrays,
            **asdict(self.size),
            "context": self.context,
            "clock_mhz": self.board.clock_mhz,
        }


def resolve(
    model: ModelConfig,
    board: Board,
    *,
    size: Mapping[str, int | None],
    context: int | None = None,
    arrays: int | None = None,
) -> Parameters:
    """Fill in defaults and check everything against everything.

    Args:
        size: parameters of the matrix unit (``golden.mpu.Size``); what is missing or None comes from the board.
        context: default: the model's own.
        arrays: matrix units; default: one for each super logic region of the board.

    Raises:
        FastprefillError: a size out of range, a model the matrix unit cannot serve, a design larger than
            the board.
    """
    regions = len(board.slrs)
    parameters = Parameters(
        model,
        board,
        unit_size(board, size),
        model.context if context is None else context,
        regions if arrays is None else arrays,
    )
    if not 1 <= parameters.arrays <= MOST_ARRAYS:
        raise FastprefillError(f"{parameters.arrays} matrix units; choose 1 to {MOST_ARRAYS}")
    if model.hidden > LONGEST_K:
        raise FastprefillError(
            f"hidden_size is {model.hidden}; the matrix unit's int32 accumulators hold at most {LONGEST_K} "
            "products of int8"
        )
    if not 1 <= parameters.context <= model.context:
        raise FastprefillError(
            f"the context is {parameters.context} tokens; this model allows 1 to {model.context}"
        )
    needed: dict[int, Resources] = {}
    for array in range(parameters.arrays):
        slr = array % regions
        needed[slr] = needed.get(slr, Resources()) + resources.matrix_unit(parameters.size)
    what = "a matrix unit" if parameters.arrays == 1 else f"a design of {parameters.arrays} matrix units"
    resources.refuse_excess(f"{what} of {parameters.size}", needed, board, at_least=False)
    _check_words(parameters.size)
    return parameters


def _check_words(size: Size) -> None:
    """Refuse tokens that AXI4-Stream and ap_int cannot hold."""
    row = 32 * size.columns
    if row * size.drain_rows > WIDEST_WORD:
        most = max(n for n in range(2, size.rows + 1, 2) if size.rows % n == 0 and row * n <= WIDEST_WORD)
        raise FastprefillError(
            f"drain_rows is {size.drain_rows}: words of {size.drain_rows} rows of {size.columns} int32 have "
            f"{row * size.drain_rows:,} bits, and a stream takes {WIDEST_WORD:,} (PG085, UG1399); choose at most {most}"
        )


def unit_size(board: Board, given: Mapping[str, int | None]) -> Size:
    """The board's default size with the given parameters in place.

    Without a `drain_rows` of their own, so many rows are drained that a tile of K = 64 hides it.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    whole = asdict(default_size(board)) | chosen
    if "drain_rows" not in chosen:
        whole["drain_rows"] = drain_rows(
            whole["rows"], whole["dsp_columns"] + whole["lut_columns"], whole["k_parallel"]
        )
    return Size(**whole)


def default_size(board: Board) -> Size:
    """The largest of a few arrays that takes at most 60 % of the DSPs and 45 % of the LUTs and FFs of any region.

    As many columns as the DSPs allow are DSP columns, the rest LUT columns. On a board of several regions each gets an
    array like it, so what counts is, for each resource, the region with the least.
    """
    have = {name: min(slr.as_dict()[name] for slr in board.slrs) for name in ("lut", "ff", "dsp")}
    for rows, columns in _ARRAYS:
        dsp_columns = min(columns, int(DSP_SHARE * have["dsp"] / (rows / 2 * 8)))
        size = Size(rows, dsp_columns, columns - dsp_columns, 8, drain_rows(rows, columns, 8))
        needed = resources.matrix_unit(size)
        if needed.lut <= LUT_SHARE * have["lut"] and needed.ff <= LUT_SHARE * have["ff"]:
            return size
    return Size(4, 4)


_ARRAYS = (*((24, columns) for columns in range(32, 15, -1)), (16, 16), (8, 8), (4, 4))
"""Rows and columns of arrays, the largest first."""


def drain_rows(rows: int, columns: int, k_parallel: int) -> int:
    """Rows drained in a cycle: an even divisor of `rows`, 2 where `rows` is none that a matrix unit can have.

    The fewest with which a tile of K = 64 is drained two steps before the next one is computed; fewer where a word of
    so many rows would be wider than `WIDEST_WORD`.
    """
    best = 2
    for candidate in range(2, rows + 1, 2):
        if rows % candidate == 0 and 32 * columns * candidate <= WIDEST_WORD:
            best = candidate
            if rows // candidate <= max(1, 64 // k_parallel - 2):
                break
    return best
