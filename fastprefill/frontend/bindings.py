"""Operator bindings of a unit: where multiplications are built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastprefill.errors import KernelError
from fastprefill.frontend.process import Process

PLACES = ("dsp", "dsp_cascade", "fabric")


def split_operators(kernels: set[str], operators: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """``"kernel:variable" -> place`` as kernel -> variable -> place."""
    result: dict[str, dict[str, str]] = {}
    for target, where in operators.items():
        kernel, _, variable = target.partition(":")
        if kernel not in kernels or not variable:
            known = ", ".join(sorted(kernels))
            raise KernelError(
                f"operator binding '{target}'; write 'kernel:variable' with one of the kernels {known}"
            )
        if where not in PLACES:
            raise KernelError(
                f"operator binding of '{target}' to {where!r}; write one of {', '.join(PLACES)}"
            )
        result.setdefault(kernel, {})[variable] = where
    return result


def check_bound(bindings: Mapping[str, Mapping[str, str]], processes: Sequence[Process]) -> None:
    """Refuse a binding of a variable that its kernel never assigns."""
    for kernel, variables in bindings.items():
        bound = {name for process in processes if process.kernel == kernel for name in process.bound}
        for variable in variables:
            if variable not in bound:
                raise KernelError(
                    f"operator binding '{kernel}:{variable}': kernel '{kernel}' assigns no variable '{variable}'; "
                    f"name the variable that the product is assigned to"
                )
