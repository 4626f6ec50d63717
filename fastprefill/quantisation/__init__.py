"""Checkpoint -> integer model: transformations that leave the function alone, then int8 weights and formats."""

from __future__ import annotations

from fastprefill.quantisation.fold import FoldedModel, FoldedWeights, Transform, fold
from fastprefill.quantisation.integer import QuantisedModel, quantise
from fastprefill.quantisation.statistics import Statistics, collect

__all__ = [
    "FoldedModel",
    "FoldedWeights",
    "QuantisedModel",
    "Statistics",
    "Transform",
    "collect",
    "fold",
    "quantise",
]
