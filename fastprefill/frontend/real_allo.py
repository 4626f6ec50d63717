"""Compiles a region with a real Allo, where one can be imported, and reads the MLIR that it hands on."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xdsl.dialects.builtin import ModuleOp

from fastprefill import standin
from fastprefill.errors import FastprefillError, KernelError
from fastprefill.frontend import allo_mlir
from fastprefill.frontend.source import function


def lower(
    region: Callable[..., Any],
    *,
    name: str,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    schedule: Callable[[Any], None] | None = None,
    operators: Mapping[str, str] | None = None,
    slr: int = 0,
    domain: str = "kernel",
) -> ModuleOp:
    """As ``fastprefill.frontend.lower``, through Allo.

    The schedule is applied to the MLIR afterwards, by the names that the kernel gives. Streams that are ports
    are constructed in Allo's region with one end open; the reader makes them ports.

    Raises:
        FastprefillError: Allo cannot be imported.
        KernelError: Allo refuses the program, or hands on something that is not built.
    """
    if not standin.real_allo():
        raise FastprefillError(
            "--frontend allo needs Allo, which cannot be imported; install it (it needs an LLVM build), or compile "
            "without --frontend"
        )
    source = function(region, "the region")
    where = f"{source.source.shown}:{source.node.lineno}"
    dataflow = importlib.import_module("allo.dataflow")
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            text = str(dataflow.customize(region).module)
    except SystemExit:  # Allo prints a message and ends the interpreter when it refuses a program
        lines = [line for line in said.getvalue().splitlines() if line.strip()]
        raise KernelError(
            f"Allo refuses the program: {lines[-1].strip() if lines else 'no reason'}", where
        ) from None
    except Exception as error:  # any failure inside Allo
        raise KernelError(f"Allo fails on the program: {type(error).__name__}: {error}", where) from error
    return allo_mlir.read(
        text,
        name=name,
        arguments=[argument.arg for argument in source.node.args.args],
        inputs=inputs,
        outputs=outputs,
        schedule=schedule,
        operators=operators,
        slr=slr,
        domain=domain,
        path=f"{source.source.short} (Allo's MLIR)",
    )
