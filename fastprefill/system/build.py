"""From a unit to its module."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp

from fastprefill import frontend as language
from fastprefill.errors import FastprefillError
from fastprefill.ir.query import regions
from fastprefill.system.limits import attach, attach_refused
from fastprefill.system.unit import Unit


def build_unit(unit: Unit, frontend: str = "embedded") -> ModuleOp:
    """The IR of a unit: its processes and, last, its region with the stream ports as arguments.

    Args:
        unit: what to build.
        frontend: ``embedded``, or ``allo`` to go through an installed Allo.

    Raises:
        KernelError: the unit's kernels are outside the language.
        FastprefillError: its limits do not fit its scalars.
    """
    if frontend == "embedded":
        lower = language.lower
    elif frontend == "allo":
        from fastprefill.frontend import real_allo  # reads more dialects, which take time to import

        lower = real_allo.lower
    else:
        raise FastprefillError(f"front end '{frontend}' does not exist; there are embedded, allo")
    module = lower(
        unit.region,
        name=unit.name,
        inputs=unit.inputs,
        outputs=unit.outputs,
        schedule=unit.schedule,
        operators=unit.operators,
        slr=unit.slr,
        domain=unit.domain,
    )
    attach(regions(module)[-1], unit.limits)
    attach_refused(regions(module)[-1], unit.refused)
    return module
