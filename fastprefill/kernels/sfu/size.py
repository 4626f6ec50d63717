"""What the units of the SFU allow: lanes, words of a row, words of a run."""

from fastprefill.errors import FastprefillError

MOST_WORDS = 2**31 - 1
MOST_ROWS = 2**24 - 1
MOST_GROUPS = 256
"""Scales of a row."""
FRACTIONS = (0, 30)
"""Fraction bits of what a unit reads or writes, where they are a run-time scalar."""


def check_lanes(unit: str, lanes: int) -> None:
    """Refuse a number of lanes that is not a power of two from 1 to 64.

    Raises:
        FastprefillError: it is not.
    """
    if lanes not in (1, 2, 4, 8, 16, 32, 64):
        raise FastprefillError(f"{unit} with {lanes} lanes; choose a power of two from 1 to 64")


def check_row(unit: str, words: int) -> None:
    """Refuse a row buffer that is not 1 to 65,536 words.

    Raises:
        FastprefillError: it is not.
    """
    if not 1 <= words <= 1 << 16:
        raise FastprefillError(f"{unit} with rows of {words} words; choose 1 to 65536")


def check_bits(unit: str, bits: int) -> None:
    """Refuse elements that are neither the 24 bits of activations nor the 32 of the residual stream.

    Raises:
        FastprefillError: they are not.
    """
    if bits not in (24, 32):
        raise FastprefillError(f"{unit} with elements of {bits} bits; choose 24 or 32")
