"""The units of the SFU side by side in one system: nothing connects them, and a case is a run of each."""

from functools import cache
from pathlib import Path

import numpy as np

from fastprefill.golden import layer, sfu
from fastprefill.golden import sfu_streams as streams
from fastprefill.golden.fixed_point import Format
from fastprefill.golden.linear import linear
from fastprefill.golden.products import product
from fastprefill.golden.scale import Codes, Scales
from fastprefill.kernels.sfu import dequantise, quantise, residual, rms_norm, rope, silu_up
from fastprefill.models import load, read_prompt
from fastprefill.quantisation import quantise as quantise_model
from fastprefill.system.case import Case
from fastprefill.system.system import System

LANES = 4
HEAD = 16
TINY = Path(__file__).parents[3] / "examples" / "tiny-llama"
LOWEST, HIGHEST = -(1 << 31), (1 << 31) - 1


def system(lanes: int = LANES, head_dim: int = HEAD) -> System:
    units = {
        "residual": residual.unit(lanes),
        "silu_up": silu_up.unit(lanes),
        "quantise": quantise.unit(lanes, 32, 96),
        "dequantise": dequantise.unit(lanes, 24, 32),
        "rms_norm": rms_norm.unit(lanes, 32, 32),
        "rope": rope.unit(lanes, head_dim),
    }
    return System("sfu", units)


def together(name: str, cases: dict[str, Case]) -> Case:
    """One run of every unit."""

    def joined(of: str) -> dict[str, object]:
        return {f"{unit}_{key}": value for unit, case in cases.items() for key, value in getattr(case, of).items()}

    return Case(name, joined("scalars"), joined("inputs"), joined("outputs"))


def sizes(rng: np.random.Generator, shape: tuple[int, ...], bits: int) -> np.ndarray:
    """Integers whose size is different from row to row."""
    rows = rng.integers(0, bits, (shape[0],) + (1,) * (len(shape) - 1))
    return rng.integers(-(1 << bits - 1), 1 << bits - 1, shape) >> rows


def scales(rng: np.random.Generator, count: int, lowest: int = -20, highest: int = 4) -> Scales:
    return Scales(rng.integers(128, 256, count), rng.integers(lowest, highest, count))


def run(
    name: str, seed: int, rows: int, width: int, x: np.ndarray | None = None, *, eps: float = 1e-5, first: int = 0,
    fractions: tuple[int, int, int] = (18, 17, 20), lanes: int = LANES, exponents: tuple[int, int] = (-20, 4),
) -> Case:  # fmt: skip
    """All units on rows of 32 bits [rows, width], or on random ones; heads are `HEAD` wide."""
    rng = np.random.default_rng(seed)
    x = sizes(rng, (rows, width), 32) if x is None else x
    small = x >> 8
    heads = small.reshape(-1)[: small.size // HEAD * HEAD].reshape(-1, 1, HEAD) if width >= HEAD else None
    if heads is None:
        heads = sizes(rng, (1, 1, HEAD), 24)
    gate, up, out = fractions
    weight = rng.normal(1, 0.5, width)
    other = rng.permutation(x.reshape(-1)).reshape(x.shape)
    group = HEAD if width % HEAD == 0 and rows % 2 else None
    frequencies = sfu.phases(10000.0 ** -(np.arange(HEAD // 2) / (HEAD // 2)))
    left, right = scales(rng, rows, *exponents), scales(rng, width)
    passes = 1 if rows % 2 else 2
    norm = sfu.Norm.of(weight, eps, 16, Format(24, 20 - int(np.log2(width)) // 2))
    return together(name, {
        "residual": streams.residual(name, x, other, lanes),
        "silu_up": streams.silu_up(name, small, other >> 8, (gate, up), Format(32, out), lanes),
        "quantise": streams.quantise(name, x, 16, group, lanes, 32),
        "dequantise": streams.dequantise(name, x, left, right, Format(24, 12), lanes, rows=rows // passes),
        "rms_norm": streams.rms_norm(name, x, norm, lanes, 32),
        "rope": streams.rope(name, heads, first, frequencies, lanes),
    })  # fmt: skip


@cache
def real(tokens: int) -> Case:
    """Layer 1 of the tiny checkpoint on its prompt: every unit on what the layer gives it."""
    model = load(TINY)
    integer = quantise_model(model)
    weights = integer.layer(1)
    ids = read_prompt(model.config, TINY)[:64]
    x = layer.layer(integer.embedded(ids), integer.layer(0))[-tokens:]
    norm = weights.input_norm
    normal = sfu.rms_norm(x, norm)
    codes = sfu.quantise(normal, norm.out.fraction)
    left = Codes(codes.values, Scales(codes.scales.mantissa[:, None], codes.scales.exponent[:, None]))
    query, gate, up = (linear(left, part).astype(np.int64) for part in (weights.query, weights.gate, weights.up))
    right = Scales(weights.query.weights.scales.mantissa[:, 0], weights.query.weights.scales.exponent[:, 0])
    # a head of 64 as four of 16: the unit's heads are shorter, the pairs and frequencies are real ones
    parts = query.reshape(tokens, -1, 2, 32)[:, :, :, : HEAD // 2].reshape(tokens, -1, HEAD)
    fractions = weights.gate.out.fraction, weights.up.out.fraction
    activated = sfu.silu_up(gate, up, *fractions, weights.activated)
    branch = linear(Codes(sfu.quantise(activated, 0).values, left.scales), weights.down)
    name = "real"
    return together(name, {
        "residual": streams.residual(name, x.astype(np.int64), branch, LANES),
        "silu_up": streams.silu_up(name, gate, up, fractions, weights.activated, LANES),
        "quantise": streams.quantise(name, activated, 20, None, LANES, 32),
        "dequantise": streams.dequantise(
            name, product(codes.values, weights.query.weights.values.T), codes.scales, right, weights.query.out, LANES
        ),
        "rms_norm": streams.rms_norm(name, x.astype(np.int64), norm, LANES, 32),
        "rope": streams.rope(name, parts, 63 - tokens, weights.frequencies[: HEAD // 2], LANES),
    })  # fmt: skip


def corners() -> np.ndarray:
    """Rows that are hard to scale: zeros, ends of the format, powers of two, one element alone."""
    powers = np.int64(1) << np.arange(0, 31, 3)
    rows = [np.full(HEAD, value) for value in (0, 1, -1, LOWEST, HIGHEST)]
    rows += [np.resize([LOWEST, HIGHEST], HEAD), np.resize([0, 0, 0, LOWEST], HEAD)]
    for top in (*powers, *powers - 1, *-powers):
        rows.append(np.resize([top, 0, -(top >> 1), top // 3], HEAD))
    rows.append(np.resize([255, -127, 128, 127 << 24], HEAD))
    # the lowest bit of the largest element decides the mantissa of the scale
    rows += [np.resize([sign * ((33020 << 15) + 1), 5, 0, -7], HEAD) for sign in (1, -1)]
    return np.array(rows, np.int64)


def cases(seed: int) -> list[Case]:
    rows = corners()
    good = run("one_word", seed, 1, LANES)
    refused = {
        "residual_words": 0, "quantise_words": 97, "quantise_groups": 257, "dequantise_fraction": 31,
        "rms_norm_gain_shift": -9, "rope_first": 1 << 20, "silu_up_shift": 48,
    }  # fmt: skip
    nothing = {stream: [] for stream in good.inputs}, {stream: [] for stream in good.outputs}
    return [
        run("random", seed, 14, 32),
        run("odd_rows", seed + 1, 7, 48, fractions=(0, 0, 0), first=131_000),
        run("corners", seed, *rows.shape, rows, fractions=(30, 30, 13), exponents=(-128, 127)),
        run("zero", seed, 2, HEAD, np.zeros((2, HEAD), np.int64), eps=0.0, first=(1 << 20) - 1),
        run("widest", seed, 3, 128, eps=2.0**20),
        good,
        real(3),
        *[Case(f"refused_{name}", {**good.scalars, name: value}, *nothing) for name, value in refused.items()],
    ]
