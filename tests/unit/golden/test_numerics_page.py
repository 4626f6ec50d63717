"""docs/numerics.md once more, one number at a time in Python's unbounded integers: the models must agree with it."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from fastprefill.golden import sfu
from fastprefill.golden.attention import Heads, query_block
from fastprefill.golden.fixed_point import Format
from fastprefill.golden.functions import exp2, log2, reciprocal, rsqrt, sincos, sqrt
from fastprefill.golden.functions.exp2 import TABLE as EXP2
from fastprefill.golden.functions.log2 import TABLE as LOG2
from fastprefill.golden.functions.reciprocal import TABLE as RECIPROCAL
from fastprefill.golden.functions.rsqrt import TABLE as RSQRT
from fastprefill.golden.functions.sigmoid import TABLE as SIGMOID
from fastprefill.golden.functions.sincos import TABLE as SINE
from fastprefill.golden.functions.sqrt import TABLE as SQRT
from fastprefill.golden.linear import Linear, linear
from fastprefill.golden.partial import normalise
from fastprefill.golden.scale import Codes, Scales


def rounded(value: Fraction | int) -> int:
    return floor(Fraction(value) + Fraction(1, 2))


def power(exponent: int) -> Fraction:
    return Fraction(2) ** exponent


def limited(value: int, bits: int) -> int:
    return max(-(1 << bits - 1), min((1 << bits - 1) - 1, value))


def between(table: np.ndarray, position: int, bits: int) -> int:
    low, rest = divmod(position, 1 << bits)
    base = int(table[low])
    return base + (((int(table[low + 1]) - base) * rest + (1 << bits - 1)) >> bits if rest else 0)


def parts(n: int) -> tuple[int, int]:
    exponent = n.bit_length() - 1
    return floor(n * power(20 - exponent)) - (1 << 20), exponent


def one_reciprocal(n: int) -> tuple[int, int]:
    f, e = parts(max(n, 1))
    return between(RECIPROCAL, f, 12), e


def one_rsqrt(n: int, table: np.ndarray = RSQRT) -> tuple[int, int]:
    f, e = parts(max(n, 1))
    return between(table, e % 2 * 2**20 + f, 13), e // 2


def one_sine(p: int) -> int:
    quarter, place = divmod(p % 2**20, 2**18)
    value = between(SINE, 2**18 - 1 - place if quarter % 2 else place, 10)
    return -value if quarter >= 2 else value


def one_silu(x: int, fraction: int) -> int:
    argument = rounded(x * power(16 - fraction))
    right = between(SIGMOID, min(abs(argument), 2**20 - 1), 11)
    return rounded(x * (2**16 - right if argument < 0 else right) * power(-16))


def one_row(x: list[int]) -> tuple[list[int], int, int]:
    """Codes, mantissa and exponent of a row."""
    largest = max(abs(v) for v in x)
    if largest == 0:
        return [0] * len(x), 128, -15
    length = largest.bit_length()
    p = -floor(-largest * power(16 - length)) * 33026
    m, e = -floor(-p * power(-23)), length - 15
    if m > 255:
        m, e = -floor(-p * power(-24)), length - 14
    reciprocal_of_m = rounded(Fraction(2**23, m))
    codes = [(floor(v * power(8 - e)) * reciprocal_of_m + 2**30) >> 31 for v in x]
    return [max(-127, min(127, q)) for q in codes], m, e


def test_functions() -> None:
    generator = np.random.default_rng(1)
    for n in [1, 2, 3, 2**62, *(int(v) for v in np.exp2(generator.uniform(0, 62, 300)))]:
        array = np.array([n])
        f, e = parts(n)
        assert log2(array)[0] == e * 2**16 + between(LOG2, f, 12)
        assert tuple(int(v[0]) for v in reciprocal(array)) == one_reciprocal(n)
        assert tuple(int(v[0]) for v in rsqrt(array)) == one_rsqrt(n)
        assert tuple(int(v[0]) for v in sqrt(array)) == one_rsqrt(n, SQRT)
    for x in generator.integers(-(2**19), 2**19, 300):
        assert tuple(int(v[0]) for v in exp2(np.array([x]))) == (EXP2[x % 256], x // 256)
        assert [int(v[0]) for v in sincos(np.array([x]))] == [one_sine(int(x)), one_sine(int(x) + 2**18)]


def test_quantise() -> None:
    generator = np.random.default_rng(2)
    for _ in range(60):
        x = np.rint(generator.standard_normal(9) * 2 ** generator.uniform(0, 29)).astype(np.int64)
        coded = sfu.quantise(x[None], 5)
        codes, m, e = one_row(x.tolist())
        assert coded.values[0].tolist() == codes
        assert (coded.scales.mantissa[0], coded.scales.exponent[0]) == (m, e - 5)


def test_quantise_halfway_goes_up() -> None:
    """The scale of 16,250 is 128: 64 is half a step."""
    coded = sfu.quantise(np.array([[16_250, 64, -64, 192, -192]]), 0)
    assert (coded.scales.mantissa[0], coded.scales.exponent[0]) == (128, 0)
    assert coded.values[0].tolist() == one_row([16_250, 64, -64, 192, -192])[0] == [127, 1, 0, 2, -1]


def test_projection() -> None:
    g = np.random.default_rng(3)

    def coded(rows: int) -> Codes:
        scales = Scales(g.integers(128, 256, (rows, 2)), g.integers(-20, -10, (rows, 2)))
        return Codes(g.integers(-127, 128, (rows, 12)).astype(np.int8), scales)

    x, w, bias, out = coded(4), coded(5), g.integers(-(2**10), 2**10, 5), Format(14, 15)
    got = linear(x, Linear(w, bias, out))
    for t in range(4):
        for c in range(5):
            total = int(bias[c])
            for group in range(2):
                p = sum(int(x.values[t, i]) * int(w.values[c, i]) for i in range(6 * group, 6 * group + 6))
                m = int(x.scales.mantissa[t, group] * w.scales.mantissa[c, group])
                e = int(x.scales.exponent[t, group] + w.scales.exponent[c, group])
                total += rounded(p * m * power(e + out.fraction))
            assert got[t, c] == limited(total, out.bits)


@pytest.mark.parametrize("size", [2.0, 300.0, 2.0**20, 2.0**29])
def test_rms_norm(size: float) -> None:
    g = np.random.default_rng(4)
    norm = sfu.Norm.of(g.uniform(-2, 2, 10), 1e-5, 16, Format(24, 15))
    x = np.rint(g.standard_normal(10) * size).astype(np.int64)
    length = max(int(np.abs(x).max()).bit_length(), 12)
    z = [floor(int(v) * power(23 - length)) for v in x]
    total = sum(rounded(v * power(-8)) ** 2 for v in z) + floor(norm.epsilon * power(30 - 2 * length))
    r, h = one_rsqrt(total)
    expected = [
        limited(rounded(rounded(v * r * power(-16)) * int(c) * power(15 - 8 - h - norm.gain_fraction)), 24)
        for v, c in zip(z, norm.gain, strict=True)
    ]
    assert sfu.rms_norm(x[None], norm)[0].tolist() == expected


def test_rope() -> None:
    g = np.random.default_rng(5)
    x, positions = g.integers(-(2**23), 2**23, (3, 1, 4)), np.array([1, 777, 131_071])
    frequencies = sfu.phases(np.array([1.0, 0.0123]))
    got = sfu.rope(x, positions, frequencies)
    for t, position in enumerate(positions):
        for i in range(2):
            turn = rounded(int(position) * int(frequencies[i]) * power(-20))
            sine, cosine = one_sine(turn), one_sine(turn + 2**18)
            a, b = int(x[t, 0, i]), int(x[t, 0, i + 2])
            assert got[t, 0, i] == limited(rounded((a * cosine - b * sine) * power(-16)), 24)
            assert got[t, 0, i + 2] == limited(rounded((b * cosine + a * sine) * power(-16)), 24)


def test_silu_up() -> None:
    g = np.random.default_rng(6)
    gate, up = g.integers(-(2**20), 2**20, 50), g.integers(-(2**23), 2**23, 50)
    got = sfu.silu_up(gate, up, 17, 14, Format(32, 9))
    for y, a, b in zip(got, gate, up, strict=True):
        assert y == limited(rounded(one_silu(int(a), 17) * int(b) * power(9 - 17 - 14)), 32)


def job(q: Codes, k: Codes, v: Codes, rows: range, keys: range) -> list[tuple[int, int, int, list[int]]]:
    """M, l, N and O of each row against one key block."""
    states = []
    for i in rows:
        t, u, seen = {}, {}, [j for j in keys if j <= i]
        for j in seen:
            c = sum(int(a) * int(b) for a, b in zip(q.values[i], k.values[j], strict=True))
            m = int(q.scales.mantissa[i]) * int(k.scales.mantissa[j])
            e = int(q.scales.exponent[i] + k.scales.exponent[j])
            t[j] = limited(rounded(c * m * power(e + 8)), 20)
            mantissa = int(v.scales.mantissa[j])
            f, octave = parts(mantissa)
            of_scale = rounded((octave * 2**16 + between(LOG2, f, 12)) * power(-8)) + 256 * int(
                v.scales.exponent[j]
            )
            u[j] = t[j] + of_scale
        top_t, top_u = (1 + max(x[j] // 256 for j in seen) for x in (t, u))
        w = {
            j: min(rounded(int(EXP2[t[j] % 256]) * power(-(1 + top_t - t[j] // 256))), 2**14 - 1)
            for j in seen
        }
        p = {j: rounded(int(EXP2[u[j] % 256]) * power(-(7 + top_u - u[j] // 256))) for j in seen}
        assert max(p.values()) <= 255 and max(w.values()) < 2**14
        sums = [sum(p[j] * int(v.values[j, n]) for j in seen) for n in range(v.values.shape[1])]
        states.append((top_t, sum(w.values()), top_u, [rounded(Fraction(s, 2)) for s in sums]))
    return states


def merged(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    top = max(a[0], b[0])
    return top, rounded(a[1] * power(a[0] - top)) + rounded(b[1] * power(b[0] - top))


@pytest.mark.parametrize("size", [0.3, 3.0, 60.0])
def test_attention(size: float) -> None:
    """Two key blocks of 4 tokens for the second query block, the last token missing."""
    g = np.random.default_rng(7)

    def coded(scale: float) -> Codes:
        x = g.standard_normal((7, 1, 5)) * scale * np.exp2(g.uniform(-3, 3, (7, 1, 1)))
        return sfu.quantise(np.rint(x * 2**14).astype(np.int64), 14)

    operands = Heads(coded(size), coded(1.0), coded(1.0))
    state = query_block(operands, 0, 1, [0, 1], 4)
    got = normalise(state, 16)
    q, k, v = (getattr(operands, name)[:, 0] for name in "qkv")
    first, second = (job(q, k, v, range(4, 7), keys) for keys in (range(4), range(4, 7)))
    for i, (a, b) in enumerate(zip(first, second, strict=True)):
        m, weights = merged(a[:2], b[:2])
        sums = [merged((a[2], x), (b[2], y)) for x, y in zip(a[3], b[3], strict=True)]
        n = sums[0][0]
        assert (state.m[i], state.l[i], state.n[i], state.o[i].tolist()) == (
            m,
            weights,
            n,
            [s for _, s in sums],
        )
        r, e = one_reciprocal(weights)
        assert got[i].tolist() == [
            limited(rounded(s * r * power(-(9 + e + m - n - 16))), 24) for _, s in sums
        ]
