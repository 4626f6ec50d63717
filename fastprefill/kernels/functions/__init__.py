"""Elementary functions on integers as helper functions of kernels, bit for bit those of ``golden.functions``.

What has one width is a helper function itself: ``exp2``, ``sine``, ``cosine``, ``sigmoid``. What depends on a width
is called with it beside the region and gives the helper function to call in a kernel:

    log2 = functions.log2(32)          # of 32-bit integers
    ...
    y: UInt(22) = log2(n)

A helper returns one integer, so a mantissa and its exponent come as one word, the mantissa in the low bits. Tables
are constant arrays in LUTs: every call has its own, so any number of lanes look up at once. Where a helper multiplies,
the product is assigned to a variable ``step`` (of ``interpolate``, ``product`` in ``silu``) for bindings.
"""

from fastprefill.kernels.functions.exp2 import exp2
from fastprefill.kernels.functions.fixed_point import bit_length, rescale, saturate, shift, shift_round
from fastprefill.kernels.functions.lanes import largest, total
from fastprefill.kernels.functions.log2 import log2
from fastprefill.kernels.functions.reciprocal import reciprocal
from fastprefill.kernels.functions.rsqrt import rsqrt
from fastprefill.kernels.functions.sigmoid import sigmoid, silu
from fastprefill.kernels.functions.sincos import cosine, sine
from fastprefill.kernels.functions.sqrt import sqrt
from fastprefill.kernels.functions.table import align, normalise

__all__ = [
    "align", "bit_length", "cosine", "exp2", "largest", "log2", "normalise", "reciprocal", "rescale", "rsqrt",
    "saturate", "shift", "shift_round", "sigmoid", "silu", "sine", "sqrt", "total",
]  # fmt: skip
