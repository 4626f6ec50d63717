"""Jobs as the attention engine sees them add up to what the golden model of attention computes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fastprefill.errors import FastprefillError
from fastprefill.golden import attention_streams as streams
from fastprefill.golden.attention import Heads, attend, query_block
from fastprefill.golden.attention_size import Size
from fastprefill.golden.attention_streams import Row
from fastprefill.golden.partial import normalise
from fastprefill.golden.scale import Codes, Scales


def operands(tokens: int) -> Heads:
    rng = np.random.default_rng(tokens)

    def codes(heads: int) -> Codes:
        values = rng.integers(-127, 128, (tokens, heads, 8)).astype(np.int8)
        return Codes(values, Scales(rng.integers(128, 256, (tokens, heads)), rng.integers(-12, -4, (tokens, heads))))

    return Heads(codes(2), codes(1), codes(1))


@pytest.mark.parametrize("tokens", [1, 15, 16, 17, 48, 53])
def test_states_are_those_of_the_golden_model(tokens: int) -> None:
    heads, block = operands(tokens), 16
    last = (tokens - 1) // block
    for head, key_blocks in ((0, range(last + 1)), (1, [last]), (1, range(last, -1, -2))):
        row = Row(head, last, tuple(key_blocks))
        state = streams.blocks(heads, [row], block)[0].state()
        wanted = query_block(heads, head, last, row.key_blocks, block)
        seen = slice(0, tokens - last * block)  # rows beyond the last token are dropped
        for name in ("m", "l", "n", "o"):
            assert np.array_equal(getattr(state, name)[seen], getattr(wanted, name)), name


def test_all_query_blocks_are_dense_attention() -> None:
    heads, block = operands(45), 16
    rows = [Row(head, r, tuple(range(r + 1))) for head in range(2) for r in range(3)]
    found = [normalise(part.state(), 12) for part in streams.blocks(heads, rows, block)]
    whole = np.concatenate([np.stack(found[3 * head : 3 * head + 3]).reshape(-1, 1, 8) for head in range(2)], axis=1)
    assert np.array_equal(whole[:45], attend(heads, 12, block=block))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Size(6, 4, 2, 2, 8, 16), "an attention engine with rows = 6; choose a power of two"),
        (lambda: Size(4, 4, 2, 0, 8, 16), "an attention engine with drain_rows = 0; choose a power of two"),
        (
            lambda: Size(16, 4, 2, 1, 8, 16),
            "a tile of the scores takes 4 cycles and 8 to leave the matrix unit; choose more drain_rows or a smaller "
            "k_parallel",
        ),
        (
            lambda: Size(4, 16, 2, 2, 8, 16),
            "heads of 8 on a matrix unit of 16 columns and 2 products a cycle; columns must be a multiple of "
            "k_parallel, and dim one of columns, at most 256",
        ),
        (
            lambda: Size(4, 4, 2, 2, 32, 16),
            "blocks of 16 tokens with heads of 32 and 4 rows; the block must be a multiple of both, at most 256, as "
            "sums of a block's values have 16 bits",
        ),
        (
            lambda: Size(16, 8, 8, 2, 32, 64),
            "a tile of the scores takes 4 cycles and 8 to leave the matrix unit; choose more drain_rows or a smaller "
            "k_parallel",
        ),
    ],
)
def test_sizes_that_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(FastprefillError) as caught:
        call()
    assert str(caught.value) == message
