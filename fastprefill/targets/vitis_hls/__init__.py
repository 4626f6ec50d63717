"""Vitis HLS C++ from structured IR: validate, then emit. Needs no vendor tool; ``tools/csim.py`` runs the result."""

from fastprefill.targets.vitis_hls.emit import emit
from fastprefill.targets.vitis_hls.validate import validate

__all__ = ["emit", "validate"]
