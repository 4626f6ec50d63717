"""The one parameter object: what is generated, for which model, on which board."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastprefill.boards import Board
from fastprefill.errors import FastprefillError
from fastprefill.estimate import resources
from fastprefill.models import ModelConfig

SMALLEST, LARGEST = 4, 32
# int32 accumulators hold K products of two int8 each, and -128 * -128 = 2^14
LONGEST_K = 2**31 // 2**14 - 1
_DEFAULT_SIZE = {"kv260": 16, "u280": 32}


@dataclass(frozen=True)
class Parameters:
    """Feeds HLS, RTL, host header, register map and golden model alike.

    Attributes:
        model: shape of the model.
        board: part, clock and resources.
        rows: outputs of the matrix unit down a tile (tokens).
        cols: outputs of the matrix unit across a tile (output channels).
        context: longest sequence, in tokens.
    """

    model: ModelConfig
    board: Board
    rows: int
    cols: int
    context: int

    def as_dict(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "rows": self.rows,
            "cols": self.cols,
            "context": self.context,
            "clock_mhz": self.board.clock_mhz,
        }


def resolve(
    model: ModelConfig,
    board: Board,
    *,
    rows: int | None = None,
    cols: int | None = None,
    context: int | None = None,
) -> Parameters:
    """Fill in defaults and check everything against everything.

    Args:
        rows: default by board.
        cols: default by board.
        context: default: the model's own.

    Raises:
        FastprefillError: a size out of range, a model the matrix unit cannot serve, a design larger than
            the board.
    """
    size = _DEFAULT_SIZE.get(board.name, 16)
    parameters = Parameters(
        model,
        board,
        size if rows is None else rows,
        size if cols is None else cols,
        model.context if context is None else context,
    )
    check_size(parameters.rows, parameters.cols)
    if model.hidden > LONGEST_K:
        raise FastprefillError(
            f"hidden_size is {model.hidden}; the matrix unit's int32 accumulators hold at most {LONGEST_K} "
            "products of int8"
        )
    if not 1 <= parameters.context <= model.context:
        raise FastprefillError(
            f"the context is {parameters.context} tokens; this model allows 1 to {model.context}"
        )
    resources.check_fits(
        f"a matrix unit of {parameters.rows} x {parameters.cols}",
        resources.matrix_unit(parameters.rows, parameters.cols),
        board,
    )
    return parameters


def check_size(rows: int, cols: int) -> None:
    """Refuse a matrix unit that cannot be built.

    Raises:
        FastprefillError: rows or columns outside `SMALLEST` to `LARGEST`.
    """
    for name, value in (("rows", rows), ("cols", cols)):
        if not SMALLEST <= value <= LARGEST:
            raise FastprefillError(
                f"{name} is {value}; a matrix unit has {SMALLEST} to {LARGEST} rows and {SMALLEST} to {LARGEST} cols"
            )
