"""The kernel language: Python source of an Allo dataflow program -> the IR of ``docs/ir.md``."""

from fastprefill.frontend.load import load_module
from fastprefill.frontend.region import lower

__all__ = ["load_module", "lower"]
