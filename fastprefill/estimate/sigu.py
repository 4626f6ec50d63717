"""Cycles of index generation: words of scores are counted, what comes after them is fitted to RTL simulations."""

from __future__ import annotations

from fastprefill.golden.sigu.histogram import BINS
from fastprefill.golden.sigu.size import Size
from fastprefill.golden.sigu.streams import SWEEPS

#: Cycles of what follows the second pass, for each head and for each block of a head: histograms are cut, heads
#: decided and blocks picked one head after the other. Fitted by ``python benchmarks/sigu_cycles.py`` on the KV260's
#: unit of 16 rows, 2 lanes and 4 heads, with up to 32 blocks of 128 tokens, none of whose heads is query-aware.
COEFFICIENTS = (1316.754, 12.413)


def score_words(tokens: int, size: Size) -> int:
    """Words of scores of both passes over the keys, one a cycle."""
    return 2 * -(-tokens // size.tile_keys) * size.group * size.row_tiles * size.key_groups


def scan_cycles(tokens: int, size: Size, entries: int = 0) -> int:
    """Cycles of the scan of the block mask, by query block and by key block: a word read in each, or an entry written.

    Args:
        tokens: of a prompt.
        size: of the unit.
        entries: of each half of the job list: pairs of a query block and a key block that any head keeps.
    """
    blocks = -(-tokens // size.block)
    tiles = -(-blocks // size.rows)
    by_query = sum(row // size.lanes + 1 for row in range(blocks))
    by_key = sum(tiles - column // size.rows for column in range(blocks))
    return max(by_query, entries) + max(by_key, entries)


def counted(tokens: int, size: Size, entries: int = 0) -> float:
    """Cycles that are counted: both passes, the second not before the histograms are cleared, and the scan."""
    each = score_words(tokens, size) / 2
    cleared = size.group * (2 * BINS + -(-tokens // size.block))
    return max(each, cleared) + each + scan_cycles(tokens, size, entries)


def features(tokens: int, size: Size) -> list[float]:
    """What `COEFFICIENTS` are multiplied by."""
    return [float(size.group), float(size.group * -(-tokens // size.block))]


def pooled_words(tokens: int, size: Size) -> int:
    """Words of scores of a sweep over pooled blocks, for one head."""
    blocks = -(-tokens // size.block)
    return sum(
        -(-min(row + size.rows, blocks) // size.tile_keys) * size.key_groups
        for row in range(0, blocks, size.rows)
    )


def cycles(tokens: int, size: Size, query_aware: int = 0, entries: int = 0) -> float:
    """Cycles of one KV head's group when scores are always there.

    Args:
        tokens: of a prompt that does not keep all blocks.
        size: of the unit.
        query_aware: heads that take the cut over pooled blocks: a sweep at the pace of scores, the others at that of
            their histograms (not fitted: counted).
        entries: of each half of the job list; below the words that are read for it they cost nothing.
    """
    rest = sum(c * f for c, f in zip(COEFFICIENTS, features(tokens, size), strict=True))
    slow = size.lanes * size.rows // size.choices
    sweeps = query_aware * pooled_words(tokens, size) * (1 + (SWEEPS - 1) * slow)
    return counted(tokens, size, entries) + rest + sweeps
