"""What SIGU holds for one query head, array by array."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fastprefill.golden.attention import SCORE_BITS
from fastprefill.golden.functions.exp2 import TABLE as EXP2_TABLE
from fastprefill.golden.functions.log2 import TABLE as LOG2_TABLE
from fastprefill.golden.sigu.divergence import MASS_FRACTION
from fastprefill.golden.sigu.histogram import BINS
from fastprefill.golden.sigu.rows import SUM_FRACTION, WEIGHT_FRACTION


@dataclass(frozen=True)
class Array:
    """One memory or register file.

    Attributes:
        name: what it holds.
        entries: words.
        bits: bits of a word.
        kind: "state" on chip per query head; "table" on chip, constant; "pooled" and "operand" are operands of the
            matrix unit; "avoided" is what the streaming form does without.
    """

    name: str
    entries: int
    bits: int
    kind: str

    @property
    def bytes(self) -> int:
        """Bytes, rounded up, words not padded."""
        return -(-self.entries * self.bits // 8)


def arrays(tokens: int, head_dim: int, block: int = 128, lanes: int = 16) -> list[Array]:
    """Everything that `index_head` keeps for a prompt of `tokens`, with the widths that its values need."""
    blocks = -(-tokens // block)
    whole = SCORE_BITS - 8  # integer part of a score
    log_sum = SCORE_BITS + 1
    row_sum = SUM_FRACTION + _bits(tokens)
    line = WEIGHT_FRACTION + _bits(block)
    pairs = blocks * (blocks + 1) // 2
    count = max(_bits(tokens), _bits(pairs))
    mass = WEIGHT_FRACTION + max(_bits(block), _bits(blocks))
    return [
        Array("maximum of each row", block, whole + 1, "state"),
        Array("sum of each row", block, row_sum, "state"),
        Array("log2 of each row's sum", block, log_sum, "state"),
        Array("mean score of each key block, later log2 of each pooled row's sum", blocks, log_sum, "state"),
        Array("vertical mass of each key block", blocks, MASS_FRACTION + 1, "state"),
        Array("slash mass of each block of diagonals", blocks, MASS_FRACTION + 1, "state"),
        Array("open columns", lanes, line, "state"),
        Array("open diagonals", block - 1 + lanes, line, "state"),
        Array("histogram of columns, later of pooled weights: counts", BINS, count, "state"),
        Array("histogram of columns, later of pooled weights: sums", BINS, mass, "state"),
        Array("histogram of diagonals, later of the crossing bin: counts", BINS, count, "state"),
        Array("histogram of diagonals, later of the crossing bin: sums", BINS, mass, "state"),
        Array("digit counts of the heaviest blocks", BINS, _bits(blocks), "state"),
        Array("sums of the block that is being pooled", head_dim, 24 + _bits(block) - 1, "state"),
        Array("kept key blocks and distances", 2 * blocks, 1, "state"),
        Array("choices of a few query blocks, on the way to the job list", lanes * blocks, 1, "state"),
        Array("exp2", len(EXP2_TABLE), 16, "table"),
        Array("log2", len(LOG2_TABLE), 17, "table"),
        Array("pooled keys, per KV head", blocks * head_dim, 8, "pooled"),
        Array("pooled queries", blocks * head_dim, 8, "pooled"),
        Array("scales of both", 2 * blocks, 16, "pooled"),
        Array("last block of queries, in the matrix unit", block * head_dim, 8, "operand"),
        Array("the score strip, as float32", block * tokens, 32, "avoided"),
    ]


def state_bytes(tokens: int, head_dim: int, block: int = 128, lanes: int = 16) -> int:
    """On-chip bytes per query head, tables and operands of the matrix unit not counted."""
    return sum(array.bytes for array in arrays(tokens, head_dim, block, lanes) if array.kind == "state")


def report(tokens: int, head_dim: int, block: int = 128, lanes: int = 16) -> str:
    """The table as text."""
    lines = [f"SIGU, one query head: {tokens} tokens, head_dim {head_dim}, block {block}, {lanes} lanes", ""]
    for array in arrays(tokens, head_dim, block, lanes):
        lines.append(
            f"{array.bytes:>12,} B  {array.kind:<8} {array.entries:>10,} x {array.bits:<3} {array.name}"
        )
    total = state_bytes(tokens, head_dim, block, lanes)
    lines += ["", f"{total:>12,} B  state in all, {total / 1024:.1f} KiB"]
    return "\n".join(lines)


def _bits(largest: int) -> int:
    """Bits of an unsigned number up to `largest`, given as a power of two or less."""
    return max(math.ceil(math.log2(largest)), 0) + 1
