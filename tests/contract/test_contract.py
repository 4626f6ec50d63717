"""Every unit that declares itself here equals its golden model at every level.

A kernel takes part by lying in ``kernels/`` with ``unit()`` or ``system()`` and ``cases(seed)``.
"""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp

from fastprefill.checks import contract
from fastprefill.checks.contract import Contract
from fastprefill.frontend import load_module
from fastprefill.golden import kv_cache_words
from fastprefill.golden import mpu as golden
from fastprefill.golden import pool as golden_pool
from fastprefill.kernels import kv_cache, pool
from fastprefill.kernels import mpu as matrix_unit
from fastprefill.system.build import build_unit
from fastprefill.system.case import Case
from fastprefill.system.system import link

SEED = 20


def kernel(path: Path) -> Contract:
    module = load_module(path)

    def build() -> ModuleOp:
        return link(module.system()) if hasattr(module, "system") else build_unit(module.unit())

    return Contract(path.stem, build, module.cases, board=getattr(module, "BOARD", "kv260"))


def outer_cycles(rows: int) -> Callable[[Case], int]:
    """A product a cycle; a tile is drained, in rows + 3 cycles, while the next one is computed."""

    def cycles(case: Case) -> int:
        k, tiles = max(1, case.scalars["k"]), case.scalars["tiles"]
        if min(case.scalars.values()) < 0:
            return 3
        if tiles == 0:
            return 6
        return k + (tiles - 1) * max(k, rows + 3) + rows + 5

    return cycles


def mpu(*size: int, board: str = "kv260") -> Contract:
    """The matrix unit of a size: rows, DSP columns, LUT columns, products a cycle, rows drained in a cycle."""
    return Contract(
        "mpu_" + "_".join(map(str, size)),
        lambda: build_unit(matrix_unit.unit(*size)),
        lambda seed: golden.cases(seed, *size),
        board,
    )


def cache(size: kv_cache_words.Size) -> Contract:
    """The KV cache with its store; gaps on `fetched` are the memory's."""

    def cases(seed: int) -> list[Case]:
        none, no_line, *others = kv_cache_words.cases(seed, size)
        return [none, no_line.refused("hot_above_capacity", hot=1), no_line, *others]

    return Contract(
        f"kv_cache_{size.lines}_{size.look_ahead}", lambda: build_unit(kv_cache.unit(**asdict(size))), cases
    )


def pooling(*size: int) -> Contract:
    """Pooled rows of a size: elements of a row, tokens of a block, elements in a cycle."""
    return Contract(
        "pool_" + "_".join(map(str, size)),
        lambda: link(pool.system(*size)),
        lambda seed: golden_pool.cases(seed, *size),
    )


def wrapping_cases(seed: int) -> list[Case]:
    """2**31 / (128 * 128) products of -128 by -128 wrap to the lowest int32; one less does not."""
    wraps = (1 << 31) // (128 * 128)
    size = golden.Size(*WRAPPING)
    a = np.full((3, 4, wraps // 2), -128, np.int8)
    b = np.full((3, wraps // 2, 4), -128, np.int8)
    a[2, :, 1:] = 0
    case = golden.case("wraps", a, b, size, chain=3)
    words = [word & 0xFFFFFFFF for word in case.outputs["c"]]
    assert words == [1 << 30] * 2 + [1 << 31] * 2 + [(1 << 31) + (1 << 14)] * 2
    return [case]


def windows(window: int) -> Contract:
    """The attention engine with a window of open query blocks."""
    return Contract(
        f"attention_window_{window}",
        lambda: link(WINDOWS.system(window)),
        lambda seed: WINDOWS.cases(seed, window),
    )


ATTENTION = load_module(Path(__file__).parent / "kernels" / "attention.py")
WINDOWS = load_module(Path(__file__).parent / "kernels" / "attention_window.py")
REFUSED = load_module(Path(__file__).parent / "kernels" / "refused_starts.py")
OUTER = load_module(Path(__file__).parent / "kernels" / "outer_product.py")
WRAPPING = (4, 2, 2, 8, 2)
MATRIX_UNITS = [
    mpu(4, 2, 2, 2, 2), mpu(4, 2, 2, 1, 4),
    mpu(4, 0, 4, 8, 4, board="u280"), mpu(8, 4, 2, 8, 4), mpu(4, 2, 2, 4, 2), mpu(4, 4, 0, 1, 2),
]  # fmt: skip
CONTRACTS = {
    **{
        path.stem: kernel(path) for path in sorted((Path(__file__).parent / "kernels").glob("*.py"))
    },
    "outer_product": Contract(
        "outer_product", lambda: build_unit(OUTER.unit(4, 4)), OUTER.cases, cycles=outer_cycles(4)
    ),
    "outer_5x8": Contract(
        "outer_5x8", lambda: build_unit(OUTER.unit(5, 8)), lambda seed: OUTER.cases(seed, 5, 8), "u280", outer_cycles(5)
    ),
    **{unit.name: unit for unit in MATRIX_UNITS},
    "kv_cache_8_4": cache(kv_cache_words.Size()),
    "attention_rows": Contract(
        "attention_rows", lambda: link(ATTENTION.system(1)), lambda seed: ATTENTION.cases(seed, drain_rows=1)
    ),
    "attention_window_2": windows(2),
    "refused_alone": Contract("refused_alone", lambda: build_unit(REFUSED.reporter()), REFUSED.alone),
}  # fmt: skip
FEWER_LEVELS = {"kv_cache_8_4", "attention_rows", "attention_window_2", "refused_alone"}
"""What is checked on these in the interpreter, C++ and RTL alone, to save time."""
ONLY_LONG = {
    "functions": {"csim", "rtl", "structure"},  # most are parts of the SFU and of the engine
    "fixed_point": {"csim", "rtl", "structure"},
    "attention_softmax": {"csim", "rtl", "structure"},
    "sfu": {"csim", "structure"},
    "attention": {"csim", "rtl", "structure"},  # in RTL inside a layer: tests/unit/kernels
    "attention_rows": {"interpreter", "csim", "rtl"},
    "attention_shared": {"csim", "rtl", "four_state", "structure"},
    "attention_states": {"csim", "structure"},
    "attention_window": {"csim", "rtl", "four_state", "structure"},
    "attention_window_2": {"interpreter", "csim", "rtl"},
    "refused_starts": {"four_state", "structure"},
    "refused_alone": {"rtl"},
    "pool": {"csim", "rtl", "four_state", "structure"},
    "walker": {"csim", "rtl", "four_state", "structure"},
    "window_walker": {"csim", "rtl", "four_state", "structure"},
    **{unit.name: {"four_state", "structure"} for unit in MATRIX_UNITS[2:]},
    "mpu_8_4_2_8_4": {"rtl", "four_state", "structure"},  # its chains of eight also in the unit that wraps, below
    "mpu_4_4_0_1_2": set(contract.LEVELS),
    "attention_layer": {"csim", "rtl", "four_state", "structure"},  # in RTL behind its movers: tests/unit/kernels
    "attention_layer_windows": {"csim", "rtl", "four_state", "structure"},
}
"""Levels that only ``make test-long`` runs."""


@pytest.mark.parametrize(
    ("name", "level"),
    [
        pytest.param(name, level, marks=[pytest.mark.long] if level in ONLY_LONG.get(name, ()) else [])
        for name in CONTRACTS
        for level in contract.LEVELS
        if name not in FEWER_LEVELS or level not in ("four_state", "structure")
    ],
)
def test_contract(name: str, level: str, tmp_path: Path) -> None:
    lacking = contract.missing(level)
    if lacking is not None:
        pytest.skip(f"{level} NOT run: {lacking}")
    passed = contract.check(CONTRACTS[name], level, seed=SEED, folder=tmp_path)
    assert level == "structure" or passed.tokens > 0


@pytest.mark.parametrize("name", ["outer_product", "outer_5x8", "mpu_4_2_2_2_2"])
def test_cycles_snapshot(name: str, snapshot: Callable[[str, str], None], tmp_path: Path) -> None:
    """How long each case takes with the same gaps: hardware that is slower or buffers less fails here."""
    lacking = contract.missing("rtl")
    if lacking is not None:
        pytest.skip(f"rtl NOT run: {lacking}")
    passed = contract.check(CONTRACTS[name], "rtl", seed=SEED, folder=tmp_path)
    lines = [
        f"{cycles:8} {gaps_in:4} {gaps_out:4}  {case}\n" for case, gaps_in, gaps_out, cycles in passed.timing
    ]
    snapshot("  cycles   in  out  case (gaps in and out, of 256)\n" + "".join(lines), f"cycles/{name}.txt")


@pytest.mark.slow
@pytest.mark.parametrize("level", [pytest.param("interpreter", marks=pytest.mark.long), "csim", "rtl"])
def test_accumulators_wrap(level: str, tmp_path: Path) -> None:
    lacking = contract.missing(level)
    if lacking is not None:
        pytest.skip(f"{level} NOT run: {lacking}")
    wraps = replace(mpu(*WRAPPING), cases=wrapping_cases)
    passed = contract.check(wraps, level, seed=SEED, folder=tmp_path)
    assert passed.tokens >= 6


@pytest.mark.long
@pytest.mark.parametrize("level", ["interpreter", "csim", "rtl", "structure"])
@pytest.mark.parametrize("size", [(16, 11, 5, 8, 4), (24, 17, 15, 8, 4), (16, 16, 0, 1, 2)])
def test_matrix_unit_at_full_size(size: tuple[int, ...], level: str, tmp_path: Path) -> None:
    lacking = contract.missing(level)
    if lacking is not None:
        pytest.skip(f"{level} NOT run: {lacking}")
    passed = contract.check(mpu(*size), level, seed=SEED, folder=tmp_path)
    if level == "rtl":
        # A tile takes a cycle for each step; draining one overlaps computing the next.
        whole = golden.Size(*size)
        for name, tiles, k in (("long", 1, 700), ("random", 3, 4 * whole.k_parallel)):
            assert passed.cycles[name] <= tiles * whole.steps(k) + whole.rows // whole.drain_rows + 40


@pytest.mark.long
@pytest.mark.parametrize("level", ["interpreter", "csim", "rtl", "structure"])
@pytest.mark.parametrize("size", [(64, 128, 8), (128, 64, 16)])
def test_pooling_at_full_size(size: tuple[int, int, int], level: str, tmp_path: Path) -> None:
    lacking = contract.missing(level)
    if lacking is not None:
        pytest.skip(f"{level} NOT run: {lacking}")
    passed = contract.check(pooling(*size), level, seed=SEED, folder=tmp_path)
    if level == "rtl":  # a word of codes in a cycle; before them the first block's scales, after them its mean
        dim, block, lanes = size
        assert passed.cycles["two_blocks"] <= 2 * block * dim // lanes + 2 * block + 2 * dim + 40


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize("name", CONTRACTS)
def test_rtl_with_other_seeds(name: str, seed: int, tmp_path: Path) -> None:
    """The levels without gaps take more seeds in one run: tests/long."""
    lacking = contract.missing("rtl")
    if lacking is not None:
        pytest.skip(f"rtl NOT run: {lacking}")
    assert contract.check(CONTRACTS[name], "rtl", seed=seed, folder=tmp_path).cases > 0
