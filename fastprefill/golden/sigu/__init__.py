"""Streaming index generation (SIGU): block selection of sparse attention in integers.

The NumPy model that the hardware is compared with, bit for bit; `docs/sigu.md` has the numerics.
"""

from __future__ import annotations

from fastprefill.golden.sigu.operands import Operand, keys, queries
from fastprefill.golden.sigu.registers import Registers
from fastprefill.golden.sigu.select import HeadIndex, index_head, select_blocks

__all__ = [
    "HeadIndex",
    "Operand",
    "Registers",
    "index_head",
    "keys",
    "queries",
    "select_blocks",
]
