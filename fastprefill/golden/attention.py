"""Block-sparse attention: jobs of one query block and one key block, in integers (``docs/numerics.md``, section 5).

Queries carry log2(e) / sqrt(dim) in their weights, so scores are exponents of two. A job turns a tile of
scores into one partial state per row; the engine merges a query block's states in list order and normalises.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastprefill.errors import FastprefillError
from fastprefill.golden.fixed_point import shift_round
from fastprefill.golden.functions.exp2 import TABLE
from fastprefill.golden.partial import CODE_FRACTION, EMPTY, WEIGHT_FRACTION, Partial, merge, normalise
from fastprefill.golden.products import product
from fastprefill.golden.scale import Codes

SCORE_BITS = 20
SCORE_FRACTION = 8
BLOCK = 128
CODE_BITS = 8  # of the attention weights that multiply the values, unsigned
HIDDEN = -(1 << 26)  # exponent of what a query does not see

_MANTISSAS = TABLE.astype(np.int32)
_TOGETHER = 8  # key blocks computed in one go; of no influence on the result


@dataclass(frozen=True)
class Heads:
    """Quantised operands of one layer's attention.

    Attributes:
        q: codes [tokens, heads, dim], scales [tokens, heads]; log2(e) / sqrt(dim) is part of the queries.
        k: codes [tokens, kv_heads, dim], scales [tokens, kv_heads].
        v: as k.
    """

    q: Codes
    k: Codes
    v: Codes

    def __post_init__(self) -> None:
        (tokens, heads, dim), keys = self.q.values.shape, self.k.values.shape
        if keys != self.v.values.shape or keys[0] != tokens or keys[2] != dim or heads % keys[1]:
            raise FastprefillError(
                f"queries {self.q.values.shape}, keys {keys} and values {self.v.values.shape} do not belong "
                "together; [tokens, heads, dim] and twice [tokens, kv_heads, dim] are needed, kv_heads dividing heads"
            )

    @property
    def tokens(self) -> int:
        """Length of the prompt."""
        return int(self.q.values.shape[0])

    @property
    def group(self) -> int:
        """Query heads that share a key/value head."""
        return int(self.q.values.shape[1] // self.k.values.shape[1])


def scores(q: Codes, k: Codes) -> NDArray[np.int32]:
    """q . k in log2 units: product of codes * product of scales, rounded half up to 8 fraction bits, 20 bits.

    In hardware an int32 product times a 16-bit product of mantissas, shifted by the exponents. Here one float64
    matrix product, which is exact: within a row and column all terms are multiples of one mantissa product, their
    sums below 2**38 times it, and powers of two change nothing.

    Args:
        q: codes [rows, dim], scales [rows].
        k: codes [keys, dim], scales [keys].

    Returns:
        int32 [rows, keys].
    """
    real = q.real() @ (k.real() * 2.0**SCORE_FRACTION).T
    limit = 1 << SCORE_BITS - 1
    return np.clip(np.floor(real + 0.5), -limit, limit - 1).astype(np.int32)


def weights(exponents: NDArray[np.int32], fraction: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Powers of two relative to each row's largest.

    Args:
        exponents: [..., keys] with 8 fraction bits; `HIDDEN` gives weight 0.
        fraction: fraction bits of the weights, 8 to 14: none rounds up to 2**fraction, the largest mantissa being
            2**16 - 178.

    Returns:
        Weights [..., keys] below 2**fraction, and the exponent of each row: the integer above its largest one,
        or `EMPTY` where nothing is visible.
    """
    whole = exponents >> SCORE_FRACTION
    top = np.maximum(whole.max(axis=-1) + 1, EMPTY)
    # 2**(whole - top) is at most a half, so the largest weight has `fraction` bits. The shift is one short, and
    # the last bit is dropped after adding one: half up. 31 is as good as any larger shift of 16 bits.
    amount = np.minimum(top[..., None] - whole + (14 - fraction), 31)
    return (_MANTISSAS[exponents & 255] >> amount) + 1 >> 1, top


def query_block(heads: Heads, head: int, row: int, key_blocks: Iterable[int], block: int = BLOCK) -> Partial:
    """The states of one query block after its jobs, merged in the order of `key_blocks`.

    Args:
        heads: operands.
        head: query head.
        row: number of the query block.
        key_blocks: numbers of key blocks, at most `row`, each once.
        block: tokens per block.
    """
    rows = np.arange(row * block, min((row + 1) * block, heads.tokens))
    kv = head // heads.group
    q = heads.q[rows, head]
    state = Partial.empty(len(rows), q.values.shape[1])
    pending = np.fromiter(key_blocks, np.int64)
    for start in range(0, len(pending), _TOGETHER):
        keys = pending[start : start + _TOGETHER, None] * block + np.arange(block)
        stored = np.minimum(keys, heads.tokens - 1).ravel()
        hidden = keys > rows[:, None, None]  # also what lies beyond the last token
        for one in _jobs(q, heads.k[stored, kv], heads.v[stored, kv], hidden):
            state = merge(state, one)
    return state


def attend(
    heads: Heads, fraction: int, mask: NDArray[np.bool_] | None = None, block: int = BLOCK
) -> NDArray[np.int32]:
    """Causal attention over the kept blocks, key blocks in ascending order.

    Args:
        heads: operands.
        fraction: fraction bits of the result.
        mask: bool [heads, blocks, blocks], kept (query block, key block); what lies above the diagonal is ignored.
            None keeps all.
        block: tokens per block.

    Returns:
        int32 [tokens, heads, dim] of 24 bits. A query block that keeps nothing gives 0.

    Raises:
        FastprefillError: a mask of another shape.
    """
    count, blocks = heads.q.values.shape[1], -(-heads.tokens // block)
    if mask is not None and mask.shape != (count, blocks, blocks):
        raise FastprefillError(
            f"the mask has shape {list(mask.shape)}; {count} heads of {blocks} blocks need {[count, blocks, blocks]}"
        )
    result = np.zeros(heads.q.values.shape, np.int32)
    for head in range(count):
        for row in range(blocks):
            kept = range(row + 1) if mask is None else np.flatnonzero(mask[head, row, : row + 1])
            state = query_block(heads, head, row, kept, block)
            result[row * block : (row + 1) * block, head] = normalise(state, fraction)
    return result


def _jobs(q: Codes, k: Codes, v: Codes, hidden: NDArray[np.bool_]) -> Iterable[Partial]:
    """The jobs of one query block against several key blocks; hidden is [rows, blocks, keys]."""
    rows, blocks, keys = hidden.shape
    t = scores(q, k).reshape(rows, blocks, keys)
    # a value's scale enters as an addition in the exponent
    u = t + v.scales.log2().astype(np.int32).reshape(blocks, keys)
    if hidden.any():
        t[hidden] = u[hidden] = HIDDEN
    masses, m = weights(t, WEIGHT_FRACTION)
    codes, n = weights(u, CODE_BITS)
    values = v.values.reshape(blocks, keys, -1)
    # the matrix unit is signed: codes go in less 128, and 128 times the sum of the values comes on top
    shifted = (codes - 128).astype(np.int8).transpose(1, 0, 2)
    sums = product(shifted, values) + 128 * values.sum(axis=1, keepdims=True, dtype=np.int64)
    halved = shift_round(sums, CODE_BITS - CODE_FRACTION)
    for i in range(blocks):
        yield Partial(
            m[:, i].astype(np.int64), masses[:, i].sum(axis=-1), n[:, i].astype(np.int64), halved[i]
        )
