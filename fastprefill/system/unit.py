"""A unit: an Allo region with what Allo cannot say about it (stream ports, bindings, placement)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


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
        limits: scalar -> lowest and highest legal value, both included. A start with a scalar outside does nothing
            and sets the status register ``first_error``.
        slr: super logic region, an index from 0.
        domain: clock domain.
        parameters: what the unit was generated from; goes into the manifest.
    """

    name: str
    region: Callable[..., Any]
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    schedule: Callable[[Any], None] | None = None
    operators: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    slr: int = 0
    domain: str = "kernel"
    parameters: Mapping[str, int | str] = field(default_factory=dict)
