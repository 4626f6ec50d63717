"""What every index method offers: a choice of (query block, key block) pairs for each query head.

A method is a function `select_blocks` with the signature of `Selector`; `fastprefill.golden.flexprefill` and
`fastprefill.golden.xattention` have one each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastprefill.errors import FastprefillError
from fastprefill.golden.arguments import number, whole


@dataclass(frozen=True)
class Selection:
    """The blocks that attention computes.

    Attributes:
        mask: bool [heads, blocks, blocks], query block by key block; never above the diagonal.
        query_aware: bool [heads]; the head's blocks were chosen from pooled queries and keys.
        sqrt_jsd: float32 [heads]; distance by which the kind of a head was decided, NaN where there is none.
        block: tokens per block.
    """

    mask: NDArray[np.bool_]
    query_aware: NDArray[np.bool_]
    sqrt_jsd: NDArray[np.float32]
    block: int

    @property
    def density(self) -> NDArray[np.float64]:
        """float64 [heads]: blocks kept, of those on and below the diagonal."""
        blocks = self.mask.shape[-1]
        kept = self.mask.sum(axis=(1, 2), dtype=np.float64)
        return np.asarray(kept / (blocks * (blocks + 1) / 2))


class Selector(Protocol):
    """An index method."""

    def __call__(
        self,
        q: NDArray[np.floating],
        k: NDArray[np.floating],
        *,
        gamma: float,
        tau: float,
        min_budget: int,
        max_budget: int | None = None,
        block: int = 128,
        compat: bool = True,
    ) -> Selection:
        """Choose blocks.

        Args:
            q: [tokens, heads, dim], rotated, not scaled.
            k: [tokens, kv_heads, dim], rotated; query head h reads key head h * kv_heads / heads.
            gamma: share of the attention mass to keep, above 0 to 1.
            tau: heads with a distance below this are query-aware, 0 to 1.
            min_budget: least tokens to keep, at least 1.
            max_budget: most tokens to keep; None: all.
            block: tokens per block: 16, 32, 64 or 128.
            compat: do what the authors' code does, also where it errs.

        Raises:
            FastprefillError: a shape, a value or a parameter that is not as said here.
        """


BLOCKS = (16, 32, 64, 128)


def all_blocks(heads: int, tokens: int, block: int) -> Selection:
    """Every block on and below the diagonal: dense causal attention."""
    blocks = -(-tokens // block)
    return Selection(
        np.broadcast_to(np.tri(blocks, dtype=bool), (heads, blocks, blocks)).copy(),
        np.zeros(heads, bool),
        np.full(heads, np.nan, np.float32),
        block,
    )


def check_inputs(
    q: NDArray[np.floating],
    k: NDArray[np.floating],
    *,
    gamma: float,
    tau: float,
    min_budget: int,
    max_budget: int | None,
    block: int,
) -> tuple[int, int | None, int]:
    """Refuse what `Selector` does not allow, with one sentence.

    Returns:
        min_budget, max_budget and block as Python numbers.

    Raises:
        FastprefillError: see `Selector`.
    """
    check_heads(q, k)
    number("gamma", gamma)
    number("tau", tau)
    min_budget, block = whole("min_budget", min_budget), whole("block", block)
    max_budget = None if max_budget is None else whole("max_budget", max_budget)
    if not 0 < gamma <= 1:
        raise FastprefillError(
            f"gamma is {gamma}; it is a share of the attention mass, above 0 and at most 1"
        )
    if not 0 <= tau <= 1:
        raise FastprefillError(f"tau is {tau}; it is compared with a distance between 0 and 1")
    if block not in BLOCKS:
        raise FastprefillError(f"block is {block}; a block has {', '.join(map(str, BLOCKS))} tokens")
    if min_budget < 1:
        raise FastprefillError(f"min_budget is {min_budget}; at least 1 token is kept")
    if max_budget is not None and max_budget < min_budget:
        raise FastprefillError(f"max_budget is {max_budget}, below min_budget = {min_budget}")
    # the extremes are NaN or infinite when a value is, and need no array of flags
    for name, values in (("q", q), ("k", k)):
        if not (math.isfinite(values.min()) and math.isfinite(values.max())):
            raise FastprefillError(f"{name} holds a value that is not finite")
    most_q, most_k = (max(abs(float(values.min())), abs(float(values.max()))) for values in (q, k))
    largest = float(np.finfo(np.float32).max)
    if max(most_q * most_k, most_q, most_k) * q.shape[2] > largest:
        raise FastprefillError(
            f"q reaches {most_q:.3g} and k {most_k:.3g}; scores are float32 and must stay below {largest:.3g}"
        )
    return min_budget, max_budget, block


def check_heads(
    q: NDArray[np.floating], k: NDArray[np.floating], v: NDArray[np.floating] | None = None
) -> None:
    """Refuse queries, keys and values whose shapes do not belong together.

    Raises:
        FastprefillError: they are not [tokens, heads, dim] and [tokens, kv_heads, dim] with at least one of each.
    """
    given: dict[str, Any] = {"q": q, "k": k} if v is None else {"q": q, "k": k, "v": v}
    for name, array in given.items():
        if type(array) not in (np.ndarray, np.memmap) or array.dtype.kind not in "fiu":
            kind = f"an array of {array.dtype}" if type(array) is np.ndarray else type(array).__name__
            raise FastprefillError(f"{name} is {kind}; it must be a NumPy array of numbers")
        if array.ndim != 3:
            raise FastprefillError(f"{name} has shape {list(array.shape)}; it must be [tokens, heads, dim]")
    if 0 in q.shape or 0 in k.shape:
        raise FastprefillError(
            f"q has shape {list(q.shape)} and k {list(k.shape)}; at least one token, head and component is needed"
        )
    if q.shape[0] != k.shape[0] or q.shape[2] != k.shape[2] or q.shape[1] % k.shape[1]:
        raise FastprefillError(
            f"q has shape {list(q.shape)} and k {list(k.shape)}; both need the same tokens and dim, and the heads "
            "of k must divide those of q"
        )
    if v is not None and v.shape[:2] != k.shape[:2]:
        raise FastprefillError(
            f"k has shape {list(k.shape)} and v {list(v.shape)}; both need the same tokens and heads"
        )
