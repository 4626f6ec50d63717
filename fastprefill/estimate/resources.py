"""Resources before synthesis: modelled, to refuse early what cannot fit."""

from __future__ import annotations

from fastprefill.boards import Board, Resources
from fastprefill.errors import FastprefillError

LABELS = {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram36": "BRAM36", "uram": "URAM"}


def matrix_unit(rows: int, cols: int) -> Resources:
    """Modelled resources of the output-stationary matrix unit, plain DSP columns.

    Per output: one DSP48E2 for the product, 78 LUT (accumulator, its clearing, the finished tile's write and
    read select) and 82 FF (product, accumulator, finished tile). Fitted to Yosys' counts of sizes
    from 4 x 4 to 16 x 16; within 2 % of them.
    """
    outputs = rows * cols
    return Resources(lut=78 * outputs + 220, ff=82 * outputs + 256, dsp=outputs)


def excess(needed: Resources, available: Resources) -> dict[str, tuple[int, int]]:
    """What does not fit: resource -> (needed, available)."""
    have = available.as_dict()
    return {name: (count, have[name]) for name, count in needed.as_dict().items() if count > have[name]}


def check_fits(what: str, needed: Resources, board: Board, slr: int = 0) -> None:
    """Refuse a design larger than the region it is placed in.

    Raises:
        FastprefillError: says for each resource how many are missing.
    """
    refuse_excess(what, needed, board, slr, at_least=False)


def refuse_excess(what: str, needed: Resources, board: Board, slr: int, *, at_least: bool) -> None:
    """``check_fits``, for numbers that are a model's or, with `at_least`, a lower bound."""
    over = excess(needed, board.slrs[slr])
    if not over:
        return
    where = f"board '{board.name}'" if len(board.slrs) == 1 else f"SLR {slr} of board '{board.name}'"
    parts = [
        f"{count:,} {LABELS[name]} where there are {have:,} ({count - have:,} too many)"
        for name, (count, have) in over.items()
    ]
    need = "it needs at least" if at_least else "it needs"
    raise FastprefillError(
        f"{what} does not fit {where}: {need} {', '.join(parts)} (modelled); choose a smaller size or a larger board"
    )
