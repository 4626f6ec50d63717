"""Selections: against FlexPrefill in float on further heads, at the corners, and what is refused."""

import numpy as np
import pytest

from fastprefill.errors import FastprefillError
from fastprefill.golden import flexprefill, sigu, traces
from fastprefill.golden.scale import Codes, Scales
from fastprefill.golden.sigu import operands
from fastprefill.golden.sigu.strip import Strip

USUAL = {"gamma": 0.9, "tau": 0.15, "min_budget": 256}


def registers(tokens, **changes):
    settings = {"max_budget": None, "block": 128, "compat": True, "lanes": 16, **USUAL, **changes}
    return sigu.Registers.of(tokens, **settings)


@pytest.mark.parametrize("tokens", [1, 2, 127, 128, 129, 256])
def test_a_short_prompt_keeps_every_causal_block(tokens):
    made = traces.tensors(3, 300, 2, 1, 64)
    chosen = sigu.select_blocks(made.q[:tokens], made.k[:tokens], **USUAL)
    blocks = -(-tokens // 128)
    np.testing.assert_array_equal(
        chosen.mask, np.broadcast_to(np.tri(blocks, dtype=bool), (2, blocks, blocks))
    )
    assert not chosen.query_aware.any()


@pytest.mark.parametrize(
    ("seed", "tokens", "head_dim", "changes"),
    [
        (11, 2500, 64, {}),
        (12, 3001, 128, {"block": 64, "gamma": 0.95, "tau": 0.25}),
        (13, 4096, 64, {"block": 64, "compat": False, "gamma": 0.8}),
        (14, 1111, 64, {"block": 32, "min_budget": 96}),
        (15, 2000, 128, {"max_budget": 512, "tau": 0.0}),
        (16, 2304, 64, {"gamma": 1.0}),
    ],
)
def test_the_float_selection_is_kept(seed, tokens, head_dim, changes):
    made = traces.tensors(seed, tokens, 4, 2, head_dim)
    expected = flexprefill.select_blocks(made.q, made.k, **{**USUAL, **changes})
    chosen = sigu.select_blocks(made.q, made.k, **{**USUAL, **changes})
    np.testing.assert_allclose(chosen.sqrt_jsd, expected.sqrt_jsd, atol=0.002)
    np.testing.assert_array_equal(chosen.query_aware, expected.query_aware)
    for head in range(4):
        common = (chosen.mask[head] & expected.mask[head]).sum() / (
            chosen.mask[head] | expected.mask[head]
        ).sum()
        assert common > 0.97, head


def test_lines_are_those_of_the_float_softmax():
    """Column and diagonal mass per block, of a prompt whose last block is not full."""
    made = traces.tensors(21, 1500, 1, 1, 64)
    queries, keys = operands.queries(made.q[:, 0]), operands.keys(made.k[:, 0])
    strip = Strip(queries, keys, registers(1500))
    log_sum, means = strip.first_pass()
    mass = strip.second_pass(log_sum)
    q = queries.real()[-128:] / np.log2(np.e)
    expected = flexprefill.strip_sums(q.astype(np.float32), keys.real().astype(np.float32))
    for got, tokenwise in zip((mass.vertical, mass.slash), expected, strict=True):
        blockwise = np.add.reduceat(tokenwise, np.arange(0, 1500, 128))
        np.testing.assert_allclose(got / 2**31, blockwise, rtol=0.005, atol=1e-6)
    blockwise = [keys.real()[start : start + 128].mean(axis=0) for start in range(0, 1500, 128)]
    np.testing.assert_allclose(
        means / 256, np.array(blockwise) @ queries.real()[-128:].mean(axis=0), atol=0.01
    )


def test_the_model_does_not_depend_on_how_it_cuts_the_keys(monkeypatch):
    made = traces.tensors(22, 3000, 2, 1, 64)
    whole = sigu.select_blocks(made.q, made.k, **USUAL)
    monkeypatch.setattr("fastprefill.golden.sigu.strip._CHUNK", 256)
    monkeypatch.setattr("fastprefill.golden.sigu.query_aware._CHUNK", 5)
    pieces = sigu.select_blocks(made.q, made.k, **USUAL)
    np.testing.assert_array_equal(whole.mask, pieces.mask)
    np.testing.assert_array_equal(whole.sqrt_jsd, pieces.sqrt_jsd)


@pytest.mark.parametrize("lanes", [1, 8, 32, 128])
def test_lanes_change_next_to_nothing(lanes):
    made = traces.tensors(23, 2100, 2, 1, 64)
    usual = sigu.select_blocks(made.q, made.k, **USUAL)
    other = sigu.select_blocks(made.q, made.k, **USUAL, lanes=lanes)
    np.testing.assert_allclose(usual.sqrt_jsd, other.sqrt_jsd, atol=1e-4)
    assert (usual.mask != other.mask).mean() < 0.01


def test_uniform_scores_and_equal_keys():
    made = traces.tensors(24, 1024, 1, 1, 64)
    for q, k in ((0 * made.q, made.k), (made.q, np.repeat(made.k[:1], 1024, axis=0)), (made.q, 0 * made.k)):
        chosen = sigu.select_blocks(q, k, **USUAL)
        expected = flexprefill.select_blocks(q, k, **USUAL)
        assert chosen.query_aware.all()
        assert abs(int(chosen.mask.sum()) - int(expected.mask.sum())) <= 1


def test_one_key_takes_everything():
    q, k = np.ones((1000, 1, 64), np.float32), np.zeros((1000, 1, 64), np.float32)
    k[300] = 40
    chosen = sigu.select_blocks(q, k, gamma=0.9, tau=0.1, min_budget=128)
    # the sink block is forced, and a count of one line is one block: the sink; the diagonals still hold the key
    assert chosen.mask[0, :, 0].all()
    assert chosen.mask[0, np.arange(8), np.arange(8)].all()
    assert not chosen.query_aware[0]


@pytest.mark.parametrize("sign", [1, -1])
def test_scores_at_the_end_of_their_range_saturate(sign):
    q = np.full((700, 1, 128), 3e4, np.float32)
    k = np.full((700, 1, 128), 3e4 * sign, np.float32)
    k[::3] *= -1
    chosen = sigu.select_blocks(q, k, **USUAL)
    assert np.isfinite(chosen.sqrt_jsd).all()
    assert not np.triu(chosen.mask[0], 1).any()
    assert chosen.mask[0].diagonal().all()


def test_no_query_block_is_left_without_keys():
    made = traces.tensors(25, 1700, 4, 4, 64)
    chosen = sigu.select_blocks(made.q, made.k, gamma=0.3, tau=0.5, min_budget=1)
    assert chosen.mask[:, np.arange(14), np.arange(14)].all()
    assert chosen.mask[:, :, 0].all()
    assert not np.triu(chosen.mask, 1).any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gamma": 0}, "gamma is 0"),
        ({"gamma": 1.5}, "gamma is 1.5"),
        ({"tau": -0.1}, "tau is -0.1"),
        ({"min_budget": 0}, "min_budget is 0"),
        ({"max_budget": 100}, "max_budget is 100, below min_budget"),
        ({"block": 100}, "block is 100"),
        ({"lanes": 3}, "lanes is 3; allowed are 1, 2, 4"),
    ],
)
def test_parameters_out_of_range_are_refused(changes, message):
    made = traces.tensors(1, 300, 1, 1, 64)
    with pytest.raises(FastprefillError, match=message):
        sigu.select_blocks(made.q, made.k, **{**USUAL, **changes})
    with pytest.raises(FastprefillError, match=message):
        registers(300, **changes)


def test_a_prompt_too_long_is_refused():
    with pytest.raises(FastprefillError, match="131073 tokens; streaming index generation takes 1 to 131072"):
        registers(131_073)


def test_values_that_are_not_finite_are_refused():
    made = traces.tensors(1, 300, 1, 1, 64)
    made.k[7] = np.nan
    with pytest.raises(FastprefillError, match="k holds a value that is not finite"):
        sigu.select_blocks(made.q, made.k, **USUAL)


def test_codes_give_what_tensors_give():
    made = traces.tensors(31, 1000, 4, 2, 64)
    q = [operands.queries(made.q[:, head]) for head in range(4)]
    k = [operands.keys(made.k[:, head]) for head in range(2)]
    joined = [
        Codes(
            np.stack([one.values for one in part], axis=1),
            Scales(
                *(
                    np.stack([getattr(one.scales, n) for one in part], axis=1)
                    for n in ("mantissa", "exponent")
                )
            ),
        )
        for part in (q, k)
    ]
    chosen = sigu.select_codes(*joined, sigu.Registers.of(1000, **USUAL))
    np.testing.assert_array_equal(chosen.mask, sigu.select_blocks(made.q, made.k, **USUAL).mask)
    with pytest.raises(
        FastprefillError, match=r"queries \(1000, 4, 64\) and keys \(1000, 2, 64\) for 999 tokens"
    ):
        sigu.select_codes(*joined, sigu.Registers.of(999, **USUAL))
