"""How what the attention engine reads and writes lies in the beats of movers' ports."""

from __future__ import annotations

from dataclasses import dataclass

from fastprefill.errors import FastprefillError
from fastprefill.golden.attention_size import Size


@dataclass(frozen=True)
class Packing:
    """Words in beats: several words in a beat, or a word in several beats.

    Attributes:
        word: bits.
        beat: bits; one divides the other.
    """

    word: int
    beat: int

    def __post_init__(self) -> None:
        if self.word % self.beat and self.beat % self.word:
            raise FastprefillError(
                f"words of {self.word} bits in beats of {self.beat}; one must be a multiple of the other"
            )

    @property
    def share(self) -> int:
        """Words in a beat, 1 where a word takes several."""
        return max(1, self.beat // self.word)

    @property
    def pieces(self) -> int:
        """Beats of a word, 1 where a beat holds several."""
        return max(1, self.word // self.beat)


def check(size: Size, beat_bits: int) -> None:
    """Refuse a port whose beats the engine's records do not fill.

    Raises:
        FastprefillError: it does not fit.
    """
    size_bytes = beat_bits // 8
    if (
        beat_bits not in (32, 64, 128, 256, 512, 1024)
        or size.columns > size_bytes
        or 2 * size.drain_rows > size_bytes
    ):
        raise FastprefillError(
            f"ports of {beat_bits} bits for an engine of {size.columns} columns that drains {size.drain_rows} rows; "
            "a beat, a power of two from 32 to 1024 bits, holds at least a code of each column and a scale of each row"
        )
    if 2 * size.dim % size_bytes or 2 * size.block % size_bytes:
        raise FastprefillError(
            f"ports of {beat_bits} bits with heads of {size.dim} and blocks of {size.block}; the sums of a block's "
            f"values and its scales take {2 * size.dim} and {2 * size.block} bytes and must be whole beats"
        )
