"""Cycle-exact models of ``sv/fp_fifo.sv`` and ``sv/fp_wide_fifo.sv``."""

from __future__ import annotations

from collections import deque

from fastprefill.errors import FastprefillError


class Fifo:
    """First-word-fall-through FIFO whose producer counts credits.

    `valid`, `data` and `credit` are the outputs in the present cycle; `step` gives the inputs of that cycle and
    moves to the next.

    Args:
        depth: tokens it holds, at least 1.
        largest_lutram: deeper ones prefetch from block RAM: valid two cycles after the put instead of one.
    """

    def __init__(self, depth: int, largest_lutram: int = 512) -> None:
        if depth < 1:
            raise FastprefillError(f"FIFO depth is {depth}; at least 1 is needed")
        self.depth = depth
        self.prefetch = depth > max(largest_lutram, 1)
        self.tokens: deque[int] = deque()
        self.reset()

    def reset(self) -> None:
        """The clock edge with reset asserted."""
        self.tokens.clear()
        self.valid = False
        self.credit = False

    @property
    def data(self) -> int | None:
        """The token on offer, None while there is none."""
        return self.tokens[0] if self.valid else None

    def step(self, put: int | None = None, ready: bool = False) -> None:
        """One clock edge.

        Args:
            put: the token put in this cycle.
            ready: whether the consumer takes what is on offer.

        Raises:
            FastprefillError: put without a credit.
        """
        if put is not None and len(self.tokens) == self.depth:
            raise FastprefillError(f"put into a full FIFO of depth {self.depth}: the producer had no credit")
        self.credit = self.valid and ready
        if self.credit:
            self.tokens.popleft()
        stay = len(self.tokens)
        if put is not None:
            self.tokens.append(put)
        self.valid = stay > 0 or (put is not None and not self.prefetch)


class WideFifo(Fifo):
    """`Fifo` with a register in front, in which a token waits for a cycle; arguments are those of ``Fifo``."""

    def reset(self) -> None:
        """The clock edge with reset asserted."""
        super().reset()
        self.in_front: int | None = None

    def step(self, put: int | None = None, ready: bool = False) -> None:
        """One clock edge; arguments and errors as in ``Fifo``."""
        super().step(self.in_front, ready)
        self.in_front = put
