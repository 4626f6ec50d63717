"""One function for each distinct body among the instances of a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from xdsl.dialects import func
from xdsl.dialects.builtin import StringAttr
from xdsl.printer import Printer

from fastprefill.frontend.kernel import as_function
from fastprefill.frontend.process import Process


def share(unit: str, processes: Sequence[Process]) -> tuple[list[func.FuncOp], dict[str, str]]:
    """The functions of a unit and the symbol that each instance calls.

    A kernel whose instances all have the same body becomes ``<unit>_<kernel>``; otherwise each distinct body
    is named after its first instance.
    """
    bodies: dict[tuple[str, str], func.FuncOp] = {}
    first: dict[tuple[str, str], str] = {}
    of_instance: dict[str, tuple[str, str]] = {}
    for process in processes:
        if process.twin is not None:
            of_instance[process.instance] = of_instance[process.twin.instance]
            continue
        op = as_function(process, "body")
        key = (process.kernel, _text(op) if process.mesh else "")
        if key not in bodies:
            bodies[key], first[key] = op, process.instance
        of_instance[process.instance] = key
    symbols: dict[tuple[str, str], str] = {}
    for key, op in bodies.items():
        alone = sum(kernel == key[0] for kernel, _ in bodies) == 1
        symbols[key] = f"{unit}_{key[0] if alone else first[key]}"
        op.properties["sym_name"] = StringAttr(symbols[key])
    return list(bodies.values()), {instance: symbols[key] for instance, key in of_instance.items()}


def _text(op: func.FuncOp) -> str:
    out = StringIO()
    Printer(stream=out).print_op(op)
    return out.getvalue()
