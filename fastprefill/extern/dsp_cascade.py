"""Cycle-exact model of ``sv/fp_dsp_cascade.sv``."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from fastprefill.errors import FastprefillError

_SUM_BITS = 48
_A_BITS, _B_BITS = 27, 18
_MOST_SLICES = 8


class DspCascade:
    """A chain of DSP slices that adds products to a start value.

    Slice i takes its operands i cycles after slice 0, the start value comes one cycle after the operands of slice 0,
    and the sum is there `slices` + 2 cycles after them. `p` is the output in the present cycle, a pattern of 48 bits;
    None until operands of this run have come through.
    """

    def __init__(self, slices: int) -> None:
        if not 1 <= slices <= _MOST_SLICES:
            raise FastprefillError(f"a DSP cascade of {slices} slices; 1 to {_MOST_SLICES} are allowed")
        self.slices = slices
        self.past: deque[tuple[tuple[int, ...], tuple[int, ...], int]] = deque(maxlen=slices + 2)

    @property
    def p(self) -> int | None:
        """The sum, modulo 2**48."""
        if len(self.past) < self.slices + 2:
            return None
        products = (self.past[i][0][i] * self.past[i][1][i] for i in range(self.slices))
        return (self.past[1][2] + sum(products)) & ((1 << _SUM_BITS) - 1)

    def step(self, a: Sequence[int], b: Sequence[int], c: int) -> None:
        """One clock edge.

        Args:
            a: an operand of 27 bits, signed, for each slice.
            b: an operand of 18 bits, signed, for each slice.
            c: the start value, 48 bits, signed.

        Raises:
            FastprefillError: an operand too many or too few, or one that its port does not hold.
        """
        if len(a) != self.slices or len(b) != self.slices:
            raise FastprefillError(
                f"{len(a)} and {len(b)} operands for a DSP cascade of {self.slices} slices; give one of each per slice"
            )
        for name, values, bits in (("a", a, _A_BITS), ("b", b, _B_BITS), ("c", (c,), _SUM_BITS)):
            for value in values:
                if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
                    raise FastprefillError(
                        f"{value} on port '{name}' of a DSP cascade, which has {bits} bits, signed"
                    )
        self.past.append((tuple(a), tuple(b), c))
