"""From a unit to its module."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp

from fastprefill import frontend
from fastprefill.system.unit import Unit


def build_unit(unit: Unit) -> ModuleOp:
    """The IR of a unit: its processes and, last, its region with the stream ports as arguments.

    Raises:
        KernelError: the unit's kernels are outside the language.
    """
    return frontend.lower(
        unit.region,
        name=unit.name,
        inputs=unit.inputs,
        outputs=unit.outputs,
        schedule=unit.schedule,
        operators=unit.operators,
        slr=unit.slr,
        domain=unit.domain,
    )
