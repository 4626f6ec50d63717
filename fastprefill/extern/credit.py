"""Cycle-exact model of ``sv/fp_credit.sv``."""

from __future__ import annotations

from fastprefill.errors import FastprefillError


class Credit:
    """Credit counter: count' = count - take + back + credit.

    Args:
        initial: after reset.
        maximum: the most it may hold.
    """

    def __init__(self, initial: int, maximum: int) -> None:
        if not 0 <= initial <= maximum:
            raise FastprefillError(f"{initial} credits at reset; 0 to the maximum of {maximum} are possible")
        self.initial = initial
        self.maximum = maximum
        self.count = initial

    @property
    def some(self) -> bool:
        """Whether the count is not 0."""
        return self.count != 0

    def reset(self) -> None:
        """The clock edge with reset asserted."""
        self.count = self.initial

    def step(self, take: int = 0, back: int = 0, credit: bool = False) -> None:
        """One clock edge.

        Raises:
            FastprefillError: the count leaves 0 .. maximum.
        """
        count = self.count - take + back + credit
        if not 0 <= count <= self.maximum:
            raise FastprefillError(
                f"{self.count} credits - {take} + {back} + {int(credit)} is {count}, outside 0 .. {self.maximum}"
            )
        self.count = count
