"""From a unit to its module."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp

from fastprefill import frontend as language
from fastprefill.errors import FastprefillError
from fastprefill.frontend import real_allo
from fastprefill.system.unit import Unit


def build_unit(unit: Unit, frontend: str = "embedded") -> ModuleOp:
    """The IR of a unit: its processes and, last, its region with the stream ports as arguments.

    Args:
        unit: what to build.
        frontend: ``embedded``, or ``allo`` to go through an installed Allo.

    Raises:
        KernelError: the unit's kernels are outside the language.
    """
    lowerings = {"embedded": language.lower, "allo": real_allo.lower}
    if frontend not in lowerings:
        raise FastprefillError(f"front end '{frontend}' does not exist; there are {', '.join(lowerings)}")
    return lowerings[frontend](
        unit.region,
        name=unit.name,
        inputs=unit.inputs,
        outputs=unit.outputs,
        schedule=unit.schedule,
        operators=unit.operators,
        slr=unit.slr,
        domain=unit.domain,
    )
