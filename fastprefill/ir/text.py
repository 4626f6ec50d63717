"""Reading and printing modules as MLIR text."""

from __future__ import annotations

from io import StringIO

from xdsl.context import Context
from xdsl.dialects.affine import Affine
from xdsl.dialects.arith import Arith
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.dialects.func import Func
from xdsl.dialects.memref import MemRef
from xdsl.dialects.scf import Scf
from xdsl.parser import Parser
from xdsl.printer import Printer

from fastprefill.ir.dialect import FP
from fastprefill.ir.pipe import PIPE


def context() -> Context:
    """An xDSL context with the dialects that modules of this project use."""
    ctx = Context()
    for dialect in (Builtin, Func, Scf, Affine, MemRef, Arith, FP, PIPE):
        ctx.load_dialect(dialect)
    return ctx


def parse(text: str, name: str = "<text>") -> ModuleOp:
    """Parse and verify a module from MLIR text."""
    module = Parser(context(), text, name).parse_module()
    module.verify()
    return module


def to_text(module: ModuleOp) -> str:
    """The module as MLIR text; ``parse`` reads it back."""
    out = StringIO()
    Printer(stream=out).print_op(module)
    return out.getvalue() + "\n"
