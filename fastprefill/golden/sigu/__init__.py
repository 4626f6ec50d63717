"""Streaming index generation (SIGU): block selection of sparse attention in integers.

The NumPy model that the hardware is compared with, bit for bit; `docs/sigu.md` has the numerics.
"""

from __future__ import annotations

from fastprefill.golden.sigu.operands import keys, pooled, queries
from fastprefill.golden.sigu.registers import Registers
from fastprefill.golden.sigu.select import HeadIndex, index_head, select_blocks, select_codes

__all__ = [
    "HeadIndex",
    "Registers",
    "index_head",
    "keys",
    "pooled",
    "queries",
    "select_blocks",
    "select_codes",
]
