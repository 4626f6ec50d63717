"""Resources before synthesis: modelled, to refuse early what cannot fit."""

from __future__ import annotations

from collections.abc import Mapping

from fastprefill.boards import Board, Resources
from fastprefill.errors import FastprefillError
from fastprefill.golden.mpu import Size
from fastprefill.passes.placement import WIDE
from fastprefill.passes.storage import fifo_storage

LABELS = {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram36": "BRAM36", "uram": "URAM"}


def matrix_unit(size: Size) -> Resources:
    """Modelled resources of a matrix unit: its elements, the finished tile and its way out, the edges, the control.

    Put together from Yosys' counts of the parts at 4 x 4 to 16 x 16.
    """
    k, pairs, columns = size.k_parallel, (size.k_parallel + 1) // 2, size.columns
    dsp_elements, lut_elements = size.rows // 2 * size.dsp_columns, size.rows * size.lut_columns
    operands, word = 8 * k * (size.rows + columns), 32 * columns * size.drain_rows
    many = max(dsp_elements, lut_elements) >= WIDE  # operands are delayed in flip-flops, elsewhere in LUTs
    way_out = word * -(-(size.rows // size.drain_rows) // 6)
    edges = 12 * k * columns + (9 * pairs * size.rows if lut_elements else 0)
    fifo = fifo_storage(word, 32)
    slices = -(-word // fifo.slice_bits) if fifo.slice_bits else 1
    memory = 0 if fifo.memory == "block" else 8 * -(-word // 14)
    return Resources(
        lut=66 * dsp_elements + (79 * pairs + 34) * lut_elements
        + way_out + edges + memory + 18 * slices + 120 + (0 if many else operands),
        ff=64 * dsp_elements + (52 * pairs + 30) * lut_elements + 64 * size.rows * columns
        + operands * (12 if many else 3) + (word if fifo.slice_bits else 0) + 20 * slices + 300,
        dsp=k * dsp_elements,
        bram36=-(-word // 72) if fifo.memory == "block" else 0,
    )  # fmt: skip


def excess(needed: Resources, available: Resources) -> dict[str, tuple[int, int]]:
    """What does not fit: resource -> (needed, available)."""
    have = available.as_dict()
    return {name: (count, have[name]) for name, count in needed.as_dict().items() if count > have[name]}


def check_fits(what: str, needed: Resources, board: Board, slr: int = 0) -> None:
    """Refuse a design larger than the region it is placed in.

    Raises:
        FastprefillError: says for each resource how many are missing.
    """
    refuse_excess(what, {slr: needed}, board, at_least=False)


def refuse_excess(what: str, needed: Mapping[int, Resources], board: Board, *, at_least: bool) -> None:
    """Refuse a design larger than the regions it is placed in.

    Args:
        what: the design, in words.
        needed: super logic region -> what is placed there.
        board: its regions.
        at_least: whether the numbers are lower bounds; otherwise they are a model's.

    Raises:
        FastprefillError: says for each region and resource how many are missing.
    """
    need, wheres, parts = "it needs at least" if at_least else "it needs", [], []
    for slr, here in sorted(needed.items()):
        over = excess(here, board.slrs[slr])
        if over:
            wheres.append(f"SLR {slr}")
            parts.append(
                ", ".join(
                    f"{count:,} {LABELS[name]} where there are {have:,} ({count - have:,} too many)"
                    for name, (count, have) in over.items()
                )
            )
    if not parts:
        return
    if len(parts) > 1:
        where = f"board '{board.name}'"
        told = "; ".join(f"in {slr} {need} {part}" for slr, part in zip(wheres, parts, strict=True))
    else:
        where = f"board '{board.name}'" if len(board.slrs) == 1 else f"{wheres[0]} of board '{board.name}'"
        told = f"{need} {parts[0]}"
    raise FastprefillError(
        f"{what} does not fit {where}: {told} (modelled); choose a smaller size or a larger board"
    )
