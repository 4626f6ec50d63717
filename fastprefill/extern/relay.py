"""Cycle-exact model of ``sv/fp_relay.sv``."""

from __future__ import annotations

from fastprefill.errors import FastprefillError
from fastprefill.extern.credit import Credit
from fastprefill.extern.fifo import Fifo


class Relay:
    """Valid/ready stream across `hops` register stages each way; delivers a token in every cycle.

    `in_ready`, `out_valid` and `out_data` are the outputs in the present cycle.
    """

    def __init__(self, hops: int) -> None:
        if hops < 1:
            raise FastprefillError(f"a relay of {hops} hops; at least 1 is needed")
        depth = 2 * hops + 3
        self.far = Fifo(depth)
        self.near = Credit(depth, depth)
        self.hops = hops
        self.reset()

    def reset(self) -> None:
        """The clock edge with reset asserted."""
        self.far.reset()
        self.near.reset()
        self.forth: list[int | None] = [None] * self.hops
        self.back = [False] * self.hops

    @property
    def in_ready(self) -> bool:
        """Whether a token is accepted."""
        return self.near.count > 0

    @property
    def out_valid(self) -> bool:
        """Whether a token is on offer."""
        return self.far.valid

    @property
    def out_data(self) -> int | None:
        """The token on offer, None while there is none."""
        return self.far.data

    def step(self, token: int | None = None, out_ready: bool = False) -> None:
        """One clock edge.

        Args:
            token: offered at the near end, None while nothing is; accepted when `in_ready`.
            out_ready: whether the consumer takes what is on offer.
        """
        accepted = token if self.in_ready else None
        arriving, returning, freed = self.forth[-1], self.back[-1], self.far.credit
        self.far.step(arriving, out_ready)
        self.near.step(take=int(accepted is not None), credit=returning)
        self.forth = [accepted, *self.forth[:-1]]
        self.back = [freed, *self.back[:-1]]
