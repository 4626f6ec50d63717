"""The parameters of the hardware unit, fixed when it is generated."""

from __future__ import annotations

from dataclasses import dataclass

from fastprefill.errors import FastprefillError
from fastprefill.golden.jobs import LARGEST_GROUP
from fastprefill.golden.selection import BLOCKS
from fastprefill.golden.sigu.registers import LANES, LONGEST
from fastprefill.system.ports import WIDEST_WORD

#: Blocks that the widths of counts and sums in the histograms are made for.
MOST_BLOCKS = 2048


@dataclass(frozen=True)
class Size:
    """A unit for streaming index generation.

    Keys are the rows of the matrix unit's tiles and queries their columns, so a word of its stream ``c`` holds the
    scores of `lanes` keys and `columns` query rows.

    Attributes:
        rows: query rows whose scores are processed in a cycle, a multiple of `lanes`; at most `block`.
        lanes: keys whose scores are processed in a cycle, the matrix unit's `drain_rows`. Up to 120 scores in all, as
            words have at most 4,096 bits.
        tile_keys: keys of a tile, the matrix unit's `rows`; a power of two.
        block: tokens per block.
        group: query heads that share a KV head, 1 to 16.
        longest: most tokens, a multiple of `block`.
        columns: columns of the matrix unit, at least `rows`; 0: as many.
        choices: pooled weights that are entered into histograms in a cycle, a divisor of `rows`; 0: `lanes`.

    Raises:
        FastprefillError: a combination that the unit is not made for.
    """

    rows: int
    lanes: int
    tile_keys: int
    block: int = 128
    group: int = 4
    longest: int = LONGEST
    columns: int = 0
    choices: int = 0

    def __post_init__(self) -> None:
        if self.columns == 0:
            object.__setattr__(self, "columns", self.rows)
        if self.choices == 0:
            object.__setattr__(self, "choices", self.lanes)
        if self.block not in BLOCKS:
            raise FastprefillError(f"block is {self.block}; a block has {', '.join(map(str, BLOCKS))} tokens")
        if self.lanes not in LANES[1:]:
            raise FastprefillError(
                f"lanes is {self.lanes}; index generation takes {', '.join(map(str, LANES[1:]))} keys in a cycle"
            )
        if self.tile_keys & (self.tile_keys - 1) or not self.lanes <= self.tile_keys <= self.block:
            raise FastprefillError(
                f"tiles of {self.tile_keys} keys; choose a power of two from lanes = {self.lanes} to "
                f"block = {self.block}"
            )
        if self.rows % self.lanes or not 2 <= self.rows <= min(self.columns, self.block):
            raise FastprefillError(
                f"{self.rows} query rows in a cycle; choose a multiple of lanes = {self.lanes}, at most the "
                f"{self.columns} columns of the matrix unit and block = {self.block}"
            )
        if self.choices < 1 or self.rows % self.choices:
            raise FastprefillError(
                f"{self.choices} pooled weights in a cycle; choose a divisor of rows = {self.rows}"
            )
        if not 1 <= self.group <= LARGEST_GROUP:
            raise FastprefillError(f"a group of {self.group} query heads; it has 1 to {LARGEST_GROUP}")
        if self.blocks > MOST_BLOCKS:
            raise FastprefillError(
                f"{self.blocks} blocks of {self.block} tokens; index generation counts up to {MOST_BLOCKS} blocks"
            )
        if self.longest % self.block or not 2 * self.block < self.longest <= LONGEST:
            raise FastprefillError(
                f"a longest prompt of {self.longest} tokens; choose a multiple of block = {self.block} above "
                f"{2 * self.block}, at most {LONGEST}"
            )
        widest, what = max(self.widest_words)
        if widest > WIDEST_WORD:
            raise FastprefillError(
                f"{self.rows} query rows by {self.lanes} keys in a cycle, behind {self.columns} columns, make {what} "
                f"of {widest} bits; a word has at most {WIDEST_WORD}: choose fewer"
            )

    @property
    def widest_words(self) -> list[tuple[int, str]]:
        """Bits of the words that grow with rows, lanes and columns, and what they hold."""
        return [
            (32 * self.lanes * self.columns, "words of products"),
            (34 * self.lanes * self.rows, "words of pooled weights"),
            (61 * self.rows + 1, "words of maxima and sums of rows"),
        ]

    @property
    def row_tiles(self) -> int:
        """Words of query rows in a block."""
        return -(-self.block // self.rows)

    @property
    def padding(self) -> int:
        """Rows in front of the block's first one that fill up its first word."""
        return self.row_tiles * self.rows - self.block

    @property
    def key_groups(self) -> int:
        """Words of keys in a tile."""
        return self.tile_keys // self.lanes

    @property
    def blocks(self) -> int:
        """Blocks of the longest prompt."""
        return self.longest // self.block

    @property
    def slots(self) -> int:
        """Row tiles whose statistics are held: those of the last block in every head, or those of all pooled rows."""
        return max(self.group * self.row_tiles, -(-self.blocks // self.rows))
