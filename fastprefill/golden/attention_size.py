"""Sizes of the attention engine: those of its matrix unit, and of the blocks that it works on."""

from __future__ import annotations

from dataclasses import dataclass

from fastprefill.errors import FastprefillError
from fastprefill.golden.mpu import Size as MatrixSize

MOST_BLOCK = 256
"""Tokens of a block, so that sums of its values have 16 bits."""


@dataclass(frozen=True)
class Size:
    """An attention engine.

    A job is worked on in row tiles: `rows` queries against all keys of the block.

    Attributes:
        rows, columns, k_parallel: of the matrix unit, as in ``golden.mpu.Size``; powers of two.
        drain_rows: rows of results in a word, a power of two: those that the matrix unit drains, or one of its pair.
        dim: width of a head, a multiple of `columns` and `k_parallel`.
        block: tokens of a block, a multiple of `dim`, `rows` and `columns`.

    Raises:
        FastprefillError: a size that the engine cannot serve.
    """

    rows: int
    columns: int
    k_parallel: int
    drain_rows: int
    dim: int
    block: int

    def __post_init__(self) -> None:
        MatrixSize(self.rows, 0, self.columns, self.k_parallel, self.drained)
        for name in ("rows", "columns", "k_parallel", "drain_rows", "dim", "block"):
            value = getattr(self, name)
            if value < 1 or value & (value - 1):
                raise FastprefillError(f"an attention engine with {name} = {value}; choose a power of two")
        if self.dim < self.columns or self.columns % self.k_parallel or self.dim > 256:
            raise FastprefillError(
                f"heads of {self.dim} on a matrix unit of {self.columns} columns and {self.k_parallel} products a "
                "cycle; columns must be a multiple of k_parallel, and dim one of columns, at most 256"
            )
        if self.block % self.dim or self.block < self.rows or self.block > MOST_BLOCK:
            raise FastprefillError(
                f"blocks of {self.block} tokens with heads of {self.dim} and {self.rows} rows; the block must be a "
                f"multiple of both, at most {MOST_BLOCK}, as sums of a block's values have 16 bits"
            )
        if self.steps < self.rows // self.drained:
            raise FastprefillError(
                f"a tile of the scores takes {self.steps} cycles and {self.rows // self.drained} to leave the matrix "
                "unit; choose more drain_rows or a smaller k_parallel"
            )

    @property
    def drained(self) -> int:
        """Rows in a word of the matrix unit, whose rows come in pairs."""
        return max(2, self.drain_rows)

    @property
    def halves(self) -> tuple[str, ...]:
        """Units that make words of one row of the matrix unit's pairs; none where its words are the engine's."""
        return ("score_rows", "product_rows") if self.drain_rows < self.drained else ()

    @property
    def groups(self) -> int:
        """Words of a tile's results: groups of `drain_rows` rows."""
        return self.rows // self.drain_rows

    @property
    def row_tiles(self) -> int:
        """Row tiles of a job."""
        return self.block // self.rows

    @property
    def key_tiles(self) -> int:
        """Tiles of a row tile's scores."""
        return self.block // self.columns

    @property
    def dim_tiles(self) -> int:
        """Tiles across a head."""
        return self.dim // self.columns

    @property
    def parts(self) -> int:
        """Tiles along the keys of a product with the values, which are as long as those of the scores."""
        return self.block // self.dim

    @property
    def steps(self) -> int:
        """Words of an operand for a tile of the matrix unit."""
        return self.dim // self.k_parallel

    @property
    def job_cycles(self) -> int:
        """Cycles of the matrix unit for a job."""
        return 2 * self.row_tiles * self.key_tiles * self.steps
