"""Index methods as the integer model calls them: from a layer's quantised heads, the blocks to compute."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fastprefill.golden.attention import Heads
from fastprefill.golden.model import SelectLayer
from fastprefill.golden.selection import Selector
from fastprefill.golden.sigu import Registers, select_codes
from fastprefill.golden.sigu.registers import LANES_DEFAULT


def streaming(
    *,
    gamma: float,
    tau: float,
    min_budget: int,
    max_budget: int | None = None,
    block: int = 128,
    compat: bool = True,
    lanes: int = LANES_DEFAULT,
) -> SelectLayer:
    """SIGU on the very codes that attention multiplies: what the hardware does. Parameters of its `select_blocks`."""

    def select(_: int, heads: Heads) -> NDArray[np.bool_]:
        registers = Registers.of(
            heads.tokens,
            gamma=gamma,
            tau=tau,
            min_budget=min_budget,
            max_budget=max_budget,
            block=block,
            compat=compat,
            lanes=lanes,
        )
        return select_codes(heads.q, heads.k, registers).mask

    return select


def in_float(
    selector: Selector,
    *,
    gamma: float,
    tau: float,
    min_budget: int,
    max_budget: int | None = None,
    block: int = 128,
    compat: bool = True,
) -> SelectLayer:
    """Any index method on the real values of the codes, to tell what a selection costs from what integers cost."""

    def select(_: int, heads: Heads) -> NDArray[np.bool_]:
        # queries carry log2(e) / sqrt(dim), which index methods put in themselves
        q = heads.q.real() * (math.sqrt(heads.q.values.shape[2]) / math.log2(math.e))
        chosen = selector(
            q.astype(np.float32),
            heads.k.real().astype(np.float32),
            gamma=gamma,
            tau=tau,
            min_budget=min_budget,
            max_budget=max_budget,
            block=block,
            compat=compat,
        )
        return chosen.mask

    return select
