"""The attention engine's units: a word in every cycle on both boards, and the sizes that they refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from xdsl.dialects.builtin import IntegerAttr, i32

from fastprefill import passes
from fastprefill.build.kernel import builtin_kernels, load_kernel
from fastprefill.checks import contract
from fastprefill.checks.contract import Contract
from fastprefill.errors import FastprefillError
from fastprefill.frontend import load_module
from fastprefill.golden.attention_size import Size
from fastprefill.ir.pipe import BodyOp
from fastprefill.kernels.attention import accumulate, engine, halve, merge, normalise, operands, softmax
from fastprefill.system.build import build_unit
from fastprefill.system.system import System, link
from fastprefill.system.unit import Unit

SIZE = asdict(Size(rows=4, columns=4, k_parallel=2, drain_rows=2, dim=8, block=16))
KERNELS = Path(__file__).parents[2] / "contract" / "kernels"
ATTENTION, WINDOWS = (load_module(KERNELS / f"{name}.py") for name in ("attention", "attention_window"))
UNITS = [
    operands.unit(**SIZE), softmax.unit(**SIZE), accumulate.unit(**SIZE), normalise.unit(4), merge.unit(4),
    operands.unit(**SIZE, window=3), accumulate.unit(**SIZE, window=3),
]  # fmt: skip


@pytest.mark.parametrize("board", ["u280", pytest.param("kv260", marks=pytest.mark.long)])
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: f"{unit.name}_{unit.parameters.get('window', 1)}")
def test_a_word_in_every_cycle(unit: Unit, board: str) -> None:
    bodies = [op for op in passes.run(build_unit(unit), board).walk() if isinstance(op, BodyOp)]
    assert bodies
    for body in bodies:
        assert body.attributes["ii"] == IntegerAttr(1, i32), body.body_name


def test_the_engine_is_a_kernel_that_comes_with_the_package() -> None:
    names = {f"attention.{name}" for name in ("accumulate", "engine", "merge", "normalise", "operands", "softmax")}
    assert names <= set(builtin_kernels())
    assert load_kernel("attention.engine", SIZE).only().name == "attention"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: operands.unit(**{**SIZE, "rows": 16, "drain_rows": 4}),
            "blocks of 16 tokens are 1 row tiles of 16; the engine overlaps 2: choose at most 8 rows",
        ),
        (lambda: merge.unit(5), "merge with 5 lanes; choose a power of two from 1 to 64"),
        (lambda: halve.unit(**SIZE), "halve with drain_rows = 2; it gives words of one row: choose 1"),
        (lambda: normalise.unit(0), "normalise with 0 lanes; choose a power of two from 1 to 64"),
        (lambda: normalise.unit(8, block=0), "normalise of blocks of 0 rows; choose 1 to 256"),
        (lambda: normalise.unit(8, words=-1), "normalise with rows of -1 words; choose 1 to 65536"),
        (
            lambda: engine.system(**{**SIZE, "columns": 3}),
            "a matrix unit with 0 DSP and 3 LUT columns; choose 4 to 64 in all, none negative",
        ),
        (lambda: engine.system(**SIZE, window=0), "a window of 0 open query blocks; choose 1 to 256"),
        (lambda: accumulate.unit(**SIZE, window=257), "a window of 257 open query blocks; choose 1 to 256"),
    ],
)
def test_sizes_that_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(FastprefillError) as caught:
        call()
    assert str(caught.value) == message


BROKEN_WINDOW = [
    ("places[current] = place", "places[current] = slot"),
    ("places[p] = p", "places[p] = 0"),
    ("move[TAKES] = word[FIRST] == 0", "move[TAKES] = word[FIRST]"),
    ("move[KEEPS] = left", "move[KEEPS] = 1"),
    ("move[STAYS] = slot == current", "move[STAYS] = 0"),
    ("move[STAYS] = slot == current", "move[STAYS] = 1"),
    ("found = sums_of[at]", "found = word"),
    ("of_rows = heads_of[row_at]", "of_rows = heads"),
    ("sums_of[at] = word", "sums_of[at] = found"),
    ("heads_of[row_at] = heads", "heads_of[row_at] = of_rows"),
    ("row_at: int32 = place * HEADS", "row_at: int32 = 0 * HEADS"),
    ("at: int32 = place * WORDS +", "at: int32 = 0 * WORDS +"),
    ("flags_of.put(word[0:8])", "flags_of.put(word[1:8])"),
]


@pytest.mark.mutants
@pytest.mark.parametrize(("old", "new"), BROKEN_WINDOW)
def test_a_broken_window_is_noticed(old: str, new: str, tmp_path: Path) -> None:
    source = Path(str(accumulate.__file__))
    text = source.read_text()
    assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {source.name}"
    (tmp_path / source.name).write_text(text.replace(old, new))
    built = build_unit(load_module(tmp_path / source.name).unit(**SIZE, window=3))
    made = Contract("accumulate", lambda: built, lambda seed: WINDOWS.states(seed, 3))
    with pytest.raises((FastprefillError, AssertionError), match="level interpreter"):
        contract.check(made, "interpreter", seed=4, folder=tmp_path)


@pytest.mark.mutants
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("if i % 2 == 0:", "if i % 2 == 1:"),
        ("pair[ROW * (i % 2) : ROW * (i % 2) + ROW]", "pair[ROW - ROW * (i % 2) : ROW - ROW * (i % 2) + ROW]"),
    ],
)
def test_a_broken_pair_is_noticed(old: str, new: str, tmp_path: Path) -> None:
    """Words of one row, of the pairs that the matrix unit drains."""
    size = {**SIZE, "drain_rows": 1}
    text = Path(str(halve.__file__)).read_text()
    assert text.count(old) == 1
    (tmp_path / "halve.py").write_text(text.replace(old, new))
    made_wrong = load_module(tmp_path / "halve.py").unit(**size)
    parts = engine.parts(Size(**size)) | dict.fromkeys(Size(**size).halves, made_wrong)
    built = link(System("attention", parts, engine.connections(Size(**size)), size))
    made = Contract("attention", lambda: built, lambda seed: ATTENTION.cases(seed, 1)[:1])
    with pytest.raises((FastprefillError, AssertionError), match="level interpreter"):
        contract.check(made, "interpreter", seed=4, folder=tmp_path)


@pytest.mark.parametrize(
    "level", ["interpreter", *(pytest.param(level, marks=pytest.mark.long) for level in ("csim", "rtl"))]
)
def test_states_of_three_slots(level: str, tmp_path: Path) -> None:
    """What `test_a_broken_window_is_noticed` breaks is right before."""
    if lacking := contract.missing(level):
        pytest.skip(f"{level} NOT run: {lacking}")
    made = Contract(
        "accumulate",
        lambda: build_unit(accumulate.unit(**SIZE, window=3)),
        lambda seed: WINDOWS.states(seed, 3),
    )
    assert contract.check(made, level, seed=4, folder=tmp_path).tokens > 0
