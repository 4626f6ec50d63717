"""Partial states (M, l, N, O) as words, and their merge: what the units that hold or join states share.

The head of a state's row is a word of 64 bits, as in memory: M in bits 0 to 15, N in bits 16 to 31, l in bits 32 to 63.
"""

from allo.ir.types import Int, UInt

from fastprefill.golden.partial import EMPTY

EMPTY_HEAD = EMPTY % 65536 | EMPTY % 65536 << 16
"""No key seen: M = N = -32,768, l = 0."""

MOST = 33
"""Places by which l or O is shifted: 33 and more leave nothing of 32 bits, rounding included."""

Head = UInt(64)


def places_of(larger: Int(16), smaller: Int(16)) -> UInt(6):
    """The difference of two exponents, as places to shift."""
    apart: UInt(17) = larger - smaller
    return min(apart, MOST)


def shifted_weight(weight: UInt(32), places: UInt(6)) -> UInt(32):
    """A sum of weights * 2**-places, rounded half up."""
    wide: UInt(33) = weight
    wide = (wide << 1) >> places
    rounded: UInt(34) = wide + 1
    return rounded >> 1


def shifted_sum(x: Int(32), places: UInt(6)) -> Int(32):
    """An element of O * 2**-places, rounded half up."""
    wide: Int(33) = x
    wide = (wide << 1) >> places
    rounded: Int(34) = wide + 1
    return rounded >> 1


def merged_head(left: Head, right: Head) -> Head:
    """The head of the state of both."""
    m_left: Int(16) = left[0:16]
    m_right: Int(16) = right[0:16]
    n_left: Int(16) = left[16:32]
    n_right: Int(16) = right[16:32]
    m: Int(16) = max(m_left, m_right)
    n: Int(16) = max(n_left, n_right)
    l_left: UInt(32) = shifted_weight(left[32:64], places_of(m, m_left))
    l_right: UInt(32) = shifted_weight(right[32:64], places_of(m, m_right))
    both: UInt(32) = l_left + l_right
    result: Head = 0
    result[0:16] = m
    result[16:32] = n
    result[32:64] = both
    return result


def sum_shifts(left: Head, right: Head) -> UInt(12):
    """By how much the O of the left state (low 6 bits) and of the right one are shifted."""
    n_left: Int(16) = left[16:32]
    n_right: Int(16) = right[16:32]
    n: Int(16) = max(n_left, n_right)
    result: UInt(12) = 0
    result[0:6] = places_of(n, n_left)
    result[6:12] = places_of(n, n_right)
    return result
