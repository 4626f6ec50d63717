"""FlexPrefill's selection against its authors' code, its errors and their correction, and laws of every selection."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastprefill.errors import FastprefillError
from fastprefill.golden import flexprefill, traces, xattention
from fastprefill.golden.float_attention import attention
from fastprefill.golden.selection import Selector

DATA = Path(__file__).parents[2] / "data"
RECORDED = sorted((DATA / "flexprefill").glob("*.npz"))
SHAPE = ("seed", "tokens", "heads", "kv_heads", "head_dim")


def read(file: Path) -> tuple[dict[str, np.ndarray], dict[str, Any], dict[str, Any]]:
    """A recorded selection (its mask unpacked), q, k and v, and the parameters of the selection."""
    with np.load(file) as stored:
        values = dict(stored)
    params = json.loads(str(values["params"]))
    q, k, v = traces.tensors(*(params.pop(name) for name in SHAPE))
    q *= np.float32(params.pop("scale", 1.0))
    shape = values["mask_shape"]
    values["mask"] = np.unpackbits(values["mask"])[: np.prod(shape)].reshape(shape).astype(bool)
    return values, {"q": q, "k": k, "v": v}, params


def jaccard(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Per head: blocks in both over blocks in either."""
    return (a & b).sum(axis=(1, 2)) / (a | b).sum(axis=(1, 2))


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_agrees_with_the_authors_code(file: Path) -> None:
    expected, inputs, params = read(file)
    chosen = flexprefill.select_blocks(inputs["q"], inputs["k"], **params)
    assert jaccard(chosen.mask, expected["mask"]).min() >= 0.995
    assert np.array_equal(chosen.query_aware, expected["sqrt_jsd"] < params["tau"])
    np.testing.assert_allclose(chosen.sqrt_jsd, expected["sqrt_jsd"], atol=1e-5)


@pytest.mark.parametrize(
    "file", [file for file in RECORDED if file.stem.startswith("flexprefill_")], ids=lambda file: file.stem
)
def test_attention_over_the_chosen_blocks(file: Path) -> None:
    expected, inputs, params = read(file)
    q, k, v = inputs["q"], inputs["k"], inputs["v"]
    digest = hashlib.sha256()
    for array in (q, k):
        digest.update(np.round(array * 1024).astype("<i4").tobytes())
    assert digest.hexdigest()[:16] == str(expected["digest"]), "the inputs are not those of the recording"
    chosen = flexprefill.select_blocks(q, k, **params)
    out = attention(q, k, v, chosen.mask, block=params["block"], rows=expected["rows"])
    np.testing.assert_allclose(
        out.transpose(1, 0, 2), expected["out"], rtol=0, atol=1e-4 * np.abs(expected["out"]).max()
    )


def test_both_kinds_of_head_were_recorded() -> None:
    aware = [np.load(file)["sqrt_jsd"] < json.loads(str(np.load(file)["params"]))["tau"] for file in RECORDED]
    assert np.concatenate(aware).any() and not np.concatenate(aware).all()


def test_a_probability_of_zero_and_its_correction() -> None:
    """The authors' distance is NaN, so no head is query-aware although tau allows every one."""
    expected, inputs, params = read(DATA / "flexprefill" / "underflow.npz")
    assert params["tau"] == 1.0 and np.isnan(expected["sqrt_jsd"]).all()
    same = flexprefill.select_blocks(inputs["q"], inputs["k"], **params)
    corrected = flexprefill.select_blocks(inputs["q"], inputs["k"], **params, compat=False)
    assert np.isnan(same.sqrt_jsd).all() and not same.query_aware.any()
    assert np.isfinite(corrected.sqrt_jsd).all() and corrected.query_aware.all()


def test_blocks_are_counted_in_128_tokens_and_the_correction() -> None:
    _, inputs, params = read(DATA / "flexprefill" / "block64.npz")
    same = flexprefill.select_blocks(inputs["q"], inputs["k"], **params)
    corrected = flexprefill.select_blocks(inputs["q"], inputs["k"], **params, compat=False)
    assert np.all(corrected.density > 1.2 * same.density)
    np.testing.assert_array_equal(corrected.sqrt_jsd, same.sqrt_jsd)


def test_divergence_of_equal_distributions() -> None:
    """Rounding makes the divergence -6e-8, whose root is NaN in the authors' code."""
    p = np.array([0.1, 0.2, 0.7], np.float32)
    q = np.nextafter(p, np.float32(1))
    assert flexprefill.sqrt_js_divergence(p, p, compat=False) == 0
    assert flexprefill.sqrt_js_divergence(p, q, compat=False) < 1e-3
    half = np.array([1.0, 0.0], np.float32)
    assert np.isnan(flexprefill.sqrt_js_divergence(half, half[::-1], compat=True))
    assert flexprefill.sqrt_js_divergence(half, half[::-1], compat=False) == np.float32(np.sqrt(np.log(2)))


def test_strip_sums_by_definition() -> None:
    rng = np.random.default_rng(3)
    last, k = rng.standard_normal((20, 8), np.float32), rng.standard_normal((50, 8), np.float32)
    scores = (last @ k.T).astype(np.float64)
    scores[np.arange(50) > np.arange(30, 50)[:, None]] = -np.inf
    strip = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    vertical, slash = flexprefill.strip_sums(last, k)
    np.testing.assert_allclose(vertical, strip.mean(axis=0), atol=1e-7)
    diagonals = [
        sum(strip[row, j - (19 - row)] for row in range(20) if j >= 19 - row) / 20 for j in range(50)
    ]
    np.testing.assert_allclose(slash, diagonals, atol=1e-7)
    assert abs(vertical.sum() - 1) < 1e-6 and abs(slash.sum() - 1) < 1e-6


@pytest.mark.parametrize(("tokens", "budget"), [(1, 1), (2, 1), (31, 1), (64, 1), (128, 128), (160, 129)])
def test_short_prompts_are_dense(tokens: int, budget: int) -> None:
    """At most two blocks, or the budget filled up to whole blocks."""
    q, k = np.ones((tokens, 2, 16), np.float32), np.ones((tokens, 1, 16), np.float32)
    chosen = flexprefill.select_blocks(q, k, gamma=0.5, tau=0.1, min_budget=budget, block=32)
    blocks = -(-tokens // 32)
    assert np.array_equal(chosen.mask, np.broadcast_to(np.tri(blocks, dtype=bool), (2, blocks, blocks)))
    assert not chosen.query_aware.any() and np.isnan(chosen.sqrt_jsd).all()
    assert chosen.density.tolist() == [1.0, 1.0]


def test_one_token_more_is_sparse() -> None:
    q, k, _ = traces.tensors(1, 161, 2, 1, 16)
    chosen = flexprefill.select_blocks(q, k, gamma=0.5, tau=0.1, min_budget=129, block=32)
    assert np.isfinite(chosen.sqrt_jsd).all()


@settings(max_examples=40, deadline=None)
@given(
    select=st.sampled_from([flexprefill.select_blocks, xattention.select_blocks]),
    seed=st.integers(0, 2**32 - 1),
    tokens=st.integers(4, 420),
    heads=st.sampled_from([(1, 1), (4, 2), (3, 3)]),
    gamma=st.floats(0.05, 1.0),
    tau=st.floats(0.0, 1.0),
    min_budget=st.integers(1, 128),
    more=st.none() | st.integers(0, 200),
    block=st.sampled_from([16, 32]),
    compat=st.booleans(),
)
def test_laws_of_a_selection(
    select: Selector,
    seed: int,
    tokens: int,
    heads: tuple[int, int],
    gamma: float,
    tau: float,
    min_budget: int,
    more: int | None,
    block: int,
    compat: bool,
) -> None:
    q, k, _ = traces.tensors(seed, tokens, *heads, 16)
    options = {"gamma": gamma, "tau": tau, "min_budget": min_budget, "block": block, "compat": compat}
    options["max_budget"] = None if more is None else min_budget + more
    chosen = select(q, k, **options)
    blocks = -(-tokens // block)
    assert chosen.mask.shape == (heads[0], blocks, blocks)
    assert not np.triu(chosen.mask, 1).any(), "a block above the diagonal"
    assert chosen.mask[:, np.arange(blocks), np.arange(blocks)].all(), "the diagonal is not kept"
    assert chosen.mask[:, :, 0].all(), "the first key block is not kept"
    # a head's choice depends on nothing but its own queries and keys
    group = heads[0] // heads[1]
    for head in range(heads[0]):
        alone = select(q[:, head : head + 1], k[:, head // group : head // group + 1], **options)
        assert np.array_equal(alone.mask[0], chosen.mask[head])


Q, K = np.zeros((8, 4, 2), np.float32), np.zeros((8, 2, 2), np.float32)
GOOD: dict[str, Any] = {"q": Q, "k": K, "gamma": 0.9, "tau": 0.1, "min_budget": 128}


@pytest.mark.parametrize("select", [flexprefill.select_blocks, xattention.select_blocks])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gamma": 0.0}, "gamma is 0.0; it is a share of the attention mass, above 0 and at most 1"),
        ({"gamma": 1.5}, "gamma is 1.5; it is a share of the attention mass, above 0 and at most 1"),
        ({"gamma": float("nan")}, "gamma is nan; it is a share of the attention mass, above 0 and at most 1"),
        ({"tau": -0.1}, "tau is -0.1; it is compared with a distance between 0 and 1"),
        ({"min_budget": 0}, "min_budget is 0; at least 1 token is kept"),
        ({"max_budget": 100}, "max_budget is 100, below min_budget = 128"),
        ({"block": 48}, "block is 48; a block has 16, 32, 64, 128 tokens"),
        ({"q": Q[0]}, "q has shape [4, 2]; it must be [tokens, heads, dim]"),
        (
            {"q": Q[:0], "k": K[:0]},
            "q has shape [0, 4, 2] and k [0, 2, 2]; at least one token, head and component is needed",
        ),
        (
            {"k": K[:7]},
            "q has shape [8, 4, 2] and k [7, 2, 2]; both need the same tokens and dim, and the heads of k must "
            "divide those of q",
        ),
        (
            {"q": Q[:, :3]},
            "q has shape [8, 3, 2] and k [8, 2, 2]; both need the same tokens and dim, and the heads of k must "
            "divide those of q",
        ),
        ({"gamma": "0.9"}, "gamma is '0.9'; it must be a number"),
        ({"tau": None}, "tau is None; it must be a number"),
        ({"min_budget": 128.5}, "min_budget is 128.5; it must be a whole number"),
        ({"min_budget": True}, "min_budget is True; it must be a whole number"),
        ({"max_budget": float("nan")}, "max_budget is nan; it must be a whole number"),
        ({"q": None}, "q is NoneType; it must be a NumPy array of numbers"),
        ({"q": np.ma.array(Q, mask=Q > 2)}, "q is MaskedArray; it must be a NumPy array of numbers"),
        ({"q": Q.tolist()}, "q is list; it must be a NumPy array of numbers"),
        ({"k": K > 0}, "k is an array of bool; it must be a NumPy array of numbers"),
        (
            {"q": np.full_like(Q, 1e20), "k": np.full_like(K, -3e19)},
            "q reaches 1e+20 and k 3e+19; scores are float32 and must stay below 3.4e+38",
        ),
        ({"k": np.full_like(K, np.inf)}, "k holds a value that is not finite"),
        ({"q": np.where(Q == 0, np.nan, Q)}, "q holds a value that is not finite"),
    ],
)
def test_bad_input(select: Selector, change: dict[str, Any], message: str) -> None:
    with pytest.raises(FastprefillError) as caught:
        select(**GOOD | change)
    assert str(caught.value) == message


def test_numpy_numbers_are_as_good_as_pythons() -> None:
    """Those of few bits wrap where they are negated."""
    rng = np.random.default_rng(0)
    q = rng.standard_normal((600, 4, 16)).astype(np.float32)
    given = {"gamma": 0.1, "tau": 1.0, "compat": False}
    for kind in (np.uint8, np.int16, np.uint64):
        expected = flexprefill.select_blocks(q, q[:, :2], min_budget=200, max_budget=250, block=64, **given)  # type: ignore[arg-type]
        found = flexprefill.select_blocks(
            q, q[:, :2], min_budget=kind(200), max_budget=kind(250), block=kind(64), **given  # type: ignore[arg-type]
        )
        assert (found.mask == expected.mask).all()
