"""Partial attention states: the merge is commutative, and order-independent within the stated bound."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fastprefill.golden.partial import EMPTY, Partial, merge, normalise


def states(seed: int, count: int, spread: int = 12, rows: int = 3, dim: int = 4) -> list[Partial]:
    """States as jobs give them: l below 2**21, |O| below 2**21, exponents `spread` apart at most."""
    g = np.random.default_rng(seed)
    return [
        Partial(
            g.integers(-spread, spread, rows),
            g.integers(1 << 13, 1 << 21, rows),
            g.integers(-spread, spread, rows),
            g.integers(-(1 << 21), 1 << 21, (rows, dim)),
        )
        for _ in range(count)
    ]


def chain(parts: list[Partial]) -> Partial:
    state = Partial.empty(*parts[0].o.shape)
    for part in parts:
        state = merge(state, part)
    return state


def tree(parts: list[Partial]) -> Partial:
    if len(parts) == 1:
        return parts[0]
    return merge(tree(parts[: len(parts) // 2]), tree(parts[len(parts) // 2 :]))


def exact(parts: list[Partial]) -> tuple[np.ndarray, np.ndarray]:
    """Sums of l and O in units of the final exponents, in float64: 53 bits hold these."""
    m, n = (np.max([getattr(p, name) for p in parts], axis=0) for name in "mn")
    return (
        sum(np.ldexp(p.l.astype(float), p.m - m) for p in parts),
        sum(np.ldexp(p.o.astype(float), (p.n - n)[:, None]) for p in parts),
    )


@given(st.integers(0, 10**6), st.integers(1, 40), st.randoms(use_true_random=False))
def test_any_order_is_within_the_bound(seed: int, count: int, random: object) -> None:
    parts = states(seed, count)
    shuffled = parts[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    weights, sums = exact(parts)
    for state in (chain(parts), chain(shuffled), tree(shuffled)):
        assert np.array_equal(state.m, np.max([p.m for p in parts], axis=0))
        assert np.abs(state.l - weights).max() <= (count - 1) / 2
        assert np.abs(state.o - sums).max() <= (count - 1) / 2


@given(st.integers(0, 10**6))
def test_merge_is_commutative_and_empty_is_neutral(seed: int) -> None:
    a, b = states(seed, 2, spread=60)
    none = Partial.empty(3, 4)
    for x, y in ((merge(a, b), merge(b, a)), (merge(a, none), a), (merge(none, a), a)):
        assert all(np.array_equal(getattr(x, name), getattr(y, name)) for name in "mlno")


def test_nothing_seen_gives_zero() -> None:
    empty = Partial.empty(2, 3)
    assert (empty.m == EMPTY).all()
    assert not normalise(merge(empty, empty), 16).any()


def test_normalise_against_float() -> None:
    (part,) = states(9, 1, rows=500)
    got = normalise(part, 12)
    values = np.ldexp(part.o.astype(float), (part.n - 7)[:, None])
    quotient = values / np.ldexp(part.l.astype(float), part.m - 14)[:, None]
    inside = np.abs(quotient) < 2**10
    assert np.abs(got / 2**12 - quotient)[inside].max() < 2**-12 + 4e-5 * 2**10


def test_normalise_shifts_left_where_the_result_has_many_fraction_bits() -> None:
    one = Partial(*(np.array([v]) for v in (0, 1 << 13, 0)), o=np.array([[3, -5, 100]]))
    assert normalise(one, 26).tolist() == [[3 << 20, -5 << 20, (1 << 23) - 1]]
