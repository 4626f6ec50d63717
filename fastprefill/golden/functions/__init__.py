"""Elementary functions on integers: a table, a shift, at most one multiplication (``docs/numerics.md``, section 2)."""

from __future__ import annotations

from fastprefill.golden.functions.exp2 import exp2
from fastprefill.golden.functions.log2 import log2
from fastprefill.golden.functions.reciprocal import reciprocal
from fastprefill.golden.functions.rsqrt import rsqrt
from fastprefill.golden.functions.sigmoid import sigmoid, silu
from fastprefill.golden.functions.sincos import sincos
from fastprefill.golden.functions.sqrt import sqrt

__all__ = ["exp2", "log2", "reciprocal", "rsqrt", "sigmoid", "silu", "sincos", "sqrt"]
