"""Units, systems of units, and their modules."""

from fastprefill.system.build import build_unit
from fastprefill.system.case import Case
from fastprefill.system.system import System, link
from fastprefill.system.unit import Unit

__all__ = ["Case", "System", "Unit", "build_unit", "link"]
