"""2**x by a table of 256 entries and a shift."""

from allo.ir.types import UInt

from fastprefill.golden.functions.exp2 import TABLE


def exp2(fraction: UInt(8)) -> UInt(16):
    """The mantissa of 2**(x / 256), 15 fraction bits, from x's low 8 bits; its exponent is x >> 8."""
    exp2_table: UInt(16)[256] = TABLE
    return exp2_table[fraction]
