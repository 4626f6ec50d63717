"""The word that goes with every word of scores and says what it is."""

from __future__ import annotations

from dataclasses import dataclass

from fastprefill.golden.sigu.size import Size

STATISTICS, SUMS_OUT, LOGS_IN, WEIGHTS = range(4)
"""Kinds of words: scores for row statistics; send sums of rows; take their logarithms; scores for weights."""


@dataclass(frozen=True)
class Control:
    """Where the fields of a control word begin, and how wide they are.

    Attributes:
        more: 0 in the word that ends a start and holds nothing else.
        kind: `STATISTICS`, `SUMS_OUT`, `LOGS_IN`, `WEIGHTS`; 2 bits.
        pooled: the scores are those of pooled queries and keys.
        new_keys: scales of the keys arrive; otherwise they are held.
        new_queries: scales of the query rows arrive; otherwise they are held.
        first: the first keys of these rows.
        open_sum, close_sum: the first and last word of a tile and head whose scores are added up.
        group: which keys of the tile.
        slot: which row tile.
        first_row, end_row: rows of the word that exist.
        base: first key - first row, limited; row r sees key l when base + l - r is at most 0. Signed.
    """

    group_bits: int
    slot_bits: int
    row_bits: int
    base_bits: int

    @staticmethod
    def of(size: Size) -> Control:
        """The layout for a unit."""
        return Control(
            max((size.key_groups - 1).bit_length(), 1),
            max((size.slots - 1).bit_length(), 1),
            size.rows.bit_length(),
            (size.rows + size.lanes).bit_length() + 1,
        )

    more = 0
    kind = 1
    pooled = 3
    new_keys = 4
    new_queries = 5
    first = 6
    open_sum = 7
    close_sum = 8
    group = 9

    @property
    def slot(self) -> int:
        """First bit of the field."""
        return self.group + self.group_bits

    @property
    def first_row(self) -> int:
        """First bit of the field."""
        return self.slot + self.slot_bits

    @property
    def end_row(self) -> int:
        """First bit of the field."""
        return self.first_row + self.row_bits

    @property
    def base(self) -> int:
        """First bit of the field."""
        return self.end_row + self.row_bits

    @property
    def bits(self) -> int:
        """Width of the word."""
        return self.base + self.base_bits
