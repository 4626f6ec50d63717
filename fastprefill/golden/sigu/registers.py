"""SIGU's run-time parameters, checked and turned into the integers that its registers hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastprefill.errors import FastprefillError
from fastprefill.golden.selection import check_inputs
from fastprefill.golden.sigu import divergence as jsd
from fastprefill.golden.sigu.histogram import GAMMA_FRACTION

LANES = (1, 2, 4, 8, 16, 32, 64, 128)
LANES_DEFAULT = 16  # columns of the matrix unit
#: Longest prompt that the accumulators' widths are made for.
LONGEST = 131_072
#: Token lines per block in the released code of FlexPrefill, whatever its block is.
FIXED_BLOCK = 128


@dataclass(frozen=True)
class Registers:
    """One start of the unit.

    Attributes:
        tokens: 1 to 131,072.
        block: tokens per block.
        lanes: keys that update a row together.
        gamma: 16 fraction bits, 1 to 65,536.
        divergence_threshold: 24 fraction bits.
        min_blocks: least number of vertical and of slash blocks.
        max_blocks: largest number of each.
        line_block: token lines that count as a block, a power of two.
        all_blocks: the prompt is so short that everything causal is kept.
    """

    tokens: int
    block: int
    lanes: int
    gamma: int
    divergence_threshold: int
    min_blocks: int
    max_blocks: int
    line_block: int
    all_blocks: bool

    @classmethod
    def of(
        cls,
        tokens: int,
        *,
        gamma: float,
        tau: float,
        min_budget: int,
        max_budget: int | None = None,
        block: int = 128,
        compat: bool = True,
        lanes: int = LANES_DEFAULT,
    ) -> Registers:
        """From FlexPrefill's parameters, as `select_blocks` describes them.

        Raises:
            FastprefillError: a parameter out of range, a prompt longer than `LONGEST`, lanes not in `LANES`.
        """
        one = np.ones((1, 1, 1))  # of the inputs only the parameters are to be checked here
        check_inputs(
            one, one, gamma=gamma, tau=tau, min_budget=min_budget, max_budget=max_budget, block=block
        )
        if not 1 <= tokens <= LONGEST:
            raise FastprefillError(
                f"the prompt has {tokens} tokens; streaming index generation takes 1 to {LONGEST}"
            )
        if lanes not in LANES:
            raise FastprefillError(f"lanes is {lanes}; allowed are {', '.join(map(str, LANES))}")
        blocks = -(-tokens // block)
        least = -(-min_budget // block)
        most = blocks if max_budget is None else min(-(-max_budget // block), blocks)
        return cls(
            tokens=tokens,
            block=block,
            lanes=lanes,
            gamma=max(round(gamma * (1 << GAMMA_FRACTION)), 1),
            divergence_threshold=jsd.threshold(tau),
            min_blocks=min(least, most),
            max_blocks=most,
            line_block=FIXED_BLOCK if compat else block,
            all_blocks=tokens <= max(2, least) * block,
        )

    @property
    def blocks(self) -> int:
        """Blocks of the prompt, the last one perhaps not full."""
        return -(-self.tokens // self.block)

    @property
    def last_block(self) -> int:
        """Tokens of the last block."""
        return self.tokens - (self.blocks - 1) * self.block

    def clamped(self, lines: int) -> int:
        """Blocks for a number of token lines, within the budgets."""
        return min(max(lines // self.line_block + 1, self.min_blocks), self.max_blocks)
