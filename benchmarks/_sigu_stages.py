"""Stages of index generation by Yosys: wide ones at small widths, from which others are interpolated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

PROBES = ((4, 2), (8, 2), (4, 4))
"""Query rows and keys in a cycle at which wide stages are synthesised."""

TWICE = ("column_tally", "column_cut", "vertical")
"""Stages that are there for diagonals too."""


def interpolated(probes: Sequence[dict[str, Any]], cell: str, rows: int, lanes: int) -> float:
    """Cells of a wide stage as constant + rows + rows x lanes, from those at `PROBES`."""
    terms = np.array([[1, r, r * n] for r, n in PROBES], float)
    fit = np.linalg.solve(terms, np.array([probe[cell] for probe in probes], float))
    return float(fit @ [1, rows, rows * lanes])


def whole(stages: Mapping[str, dict[str, Any]], cell: str, rows: int, lanes: int) -> float:
    """Cells of a unit of this width: all stages, those `TWICE` twice, wide ones from their probes.

    Block RAM and UltraRAM of all widths are those of the default's: at the probes' an array may be in another memory.
    """
    probed = cell not in ("bram36", "uram")
    return sum(
        (
            max(0.0, interpolated(stage["probes"], cell, rows, lanes))
            if probed and "probes" in stage
            else float(stage[cell])
        )
        * (1 + (name in TWICE))
        for name, stage in stages.items()
    )
