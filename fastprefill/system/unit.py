"""A unit: an Allo region with what Allo cannot say about it (stream ports, bindings, placement)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

from fastprefill.errors import FastprefillError


@dataclass(frozen=True)
class Unit:
    """One hardware unit.

    Attributes:
        name: prefix of every generated module: ``<name>_<kernel>``; a C and SystemVerilog identifier.
        region: the function decorated with ``df.region()``.
        inputs: streams of the region that nothing inside writes; they become input ports.
        outputs: streams of the region that nothing inside reads; they become output ports.
        schedule: called with the schedule of the region, as ``df.customize`` would give it.
        operators: ``"kernel:variable"`` -> ``"dsp"`` or ``"fabric"``: where the multiplications in the
            assignments to that variable are built; ``"dsp_cascade"``: with the additions that sum them, in a
            chain of DSP slices.
        limits: scalar -> lowest and highest legal value, both included; in place of the highest also the name of
            another scalar of the same type, ``{"query_blocks": (1, "jobs")}``. A start with a scalar outside is
            refused: it sets the status register ``first_error`` and does nothing, but for what `refused` says.
        refused: scalar -> its value with which the unit runs when a start is refused, of itself or of the system that
            it is part of; all scalars, or none when it does not run. It must not read a stream then.
        slr: super logic region, an index from 0.
        domain: clock domain.
        parameters: what the unit was generated from; goes into the manifest.

    Raises:
        FastprefillError: a field of another type.
    """

    name: str
    region: Callable[..., Any]
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    schedule: Callable[[Any], None] | None = None
    operators: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, tuple[int, int | str]] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    slr: int = 0
    domain: str = "kernel"
    parameters: Mapping[str, int | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise FastprefillError(f"a unit named {self.name!r}; give a string")
        for what, names in (("inputs", self.inputs), ("outputs", self.outputs)):
            if isinstance(names, str) or not all(isinstance(name, str) for name in names):
                raise FastprefillError(
                    f"{what} of unit '{self.name}' are {names!r}; give a tuple of names of streams"
                )
        if isinstance(self.slr, bool) or not isinstance(self.slr, int) or self.slr < 0:
            raise FastprefillError(f"the SLR of unit '{self.name}' is {self.slr!r}; give an index from 0")
        for scalar, ends in self.limits.items():
            pair = isinstance(ends, tuple) and len(ends) == 2
            if not pair or not isinstance(ends[0], Integral) or not isinstance(ends[1], Integral | str):
                raise FastprefillError(
                    f"limits of '{scalar}' of unit '{self.name}' are {ends!r}; give the lowest and the highest value, "
                    "or for the highest the name of another scalar"
                )
