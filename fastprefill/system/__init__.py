"""Units, systems of units, and their modules."""

from fastprefill.system.build import build_unit
from fastprefill.system.case import Case
from fastprefill.system.unit import Unit

__all__ = ["Case", "Unit", "build_unit"]
