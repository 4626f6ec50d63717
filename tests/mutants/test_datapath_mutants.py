"""Small wrong changes to the units of the SFU and of attention, which their cases must notice in the interpreter."""

from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from fastprefill import kernels
from fastprefill.checks import contract
from fastprefill.checks.contract import Contract
from fastprefill.errors import FastprefillError
from fastprefill.frontend import load_module
from fastprefill.kernels.attention import engine
from fastprefill.system.build import build_unit
from fastprefill.system.case import Case
from fastprefill.system.system import System, link

KERNELS = Path(kernels.__file__).parent
CONTRACTS = Path(__file__).parents[1] / "contract" / "kernels"
SFU, STATES, SOFTMAX, ATTENTION, SHARED, TURNS = (
    load_module(CONTRACTS / f"{name}.py")
    for name in ("sfu", "attention_states", "attention_softmax", "attention", "mpu_shared", "attention_turns")
)

OF_SFU = {
    "dequantise": (
        ("-(left_exponent + exponent + lfraction[0])", "-(left_exponent + exponent)"),
        ("max(amount, -LEFT)", "max(amount, 0)"),
        ("here: Channels = held[w]", "here: Channels = held[0]"),
        ("left_mantissa * mantissa", "left_mantissa * left_mantissa"),
    ),
    "residual": (
        ("saturate(a + b)", "a + b"),
        ("b: Element = right[", "b: Element = left["),
    ),
    "rms_norm": (
        ("size: Magnitude = -v if v < 0 else v", "size: Magnitude = v"),
        ("max(length, LEAST_LENGTH)", "length"),
        ("near: Int(17) = (z + 128) >> 8", "near: Int(17) = z >> 8"),
        ("total + (whole >> doubled)", "total"),
        ("half + lshift[0] + 8", "half + 8"),
        ("(scaled + 32768) >> 16", "scaled >> 16"),
        ("here: Gains = gains[i]", "here: Gains = gains[0]"),
    ),
    "rope": (
        ("(turned << 1) + more", "turned + more"),
        ("position[POSITION_BITS - 1 - place]", "position[place]"),
        ("(phase + (1 << CUT - 1)) >> CUT", "phase >> CUT"),
        ("p - q if second == 1 else p + q", "p + q"),
        ("saturate((both + 32768) >> 16)", "(both + 32768) >> 16"),
        ("if turn > 0 and head == 0:", "if turn > 0:"),
    ),
    "silu_up": (
        ("to_argument(g, lfraction[0] - FRACTION)", "to_argument(g, 0)"),
        ("(product + HALF) >> FRACTION", "product >> FRACTION"),
        ("gated = activated * u", "gated = activated * activated"),
        ("saturate(to_result(gated, lshift[0]))", "to_result(gated, lshift[0])"),
    ),
    "quantise": (
        ("top = max(top, largest(sizes))", "top = largest(sizes)"),
        ("mantissa: UInt(8) = far if wide == 1 else near", "mantissa: UInt(8) = near"),
        ("length - 15 + wide - lfraction[0]", "length - 15 - lfraction[0]"),
        ("128 if top == 0 else mantissa", "mantissa"),
        ("near >> 1 if factor[23] == 1 else near", "near"),
        ("(product + (1 << 30)) >> 31", "product >> 31"),
        ("(aligned[0:32] + 65535) >> 16", "aligned[0:32] >> 16"),
    ),
}
OF_STATES = {
    "normalise": (
        ("m - n + exponent", "n - m + exponent"),
        ("max(amount, -LEFT)", "max(amount, 0)"),
        ("+ LEAST - lfraction[0]", "+ LEAST"),
        ("saturate(to_result(product, amount))", "to_result(product, amount)"),
    ),
    "merge": (
        ("shifted_sum(x, both[0:6])", "x"),
        ("shifted_sum(y, both[6:12])", "shifted_sum(y, both[0:6])"),
        ("merged_head(a, b)", "merged_head(a, a)"),
        ("sum_shifts(a, b)", "sum_shifts(b, a)"),
    ),
}
OF_SOFTMAX = (
    ("log: Log = mantissas[place] + (wide << SCORE_FRACTION)", "log: Log = mantissas[place]"),
    ("behind > d - j", "behind >= d - j"),
    ("max(amount, -LEFT)", "max(amount, 0)"),
    ("m: Top = EMPTY if hidden == 1 else (s >> SCORE_FRACTION) + 1", "m: Top = (s >> SCORE_FRACTION) + 1"),
    ("m_before: Top = EMPTY if t == 0 else before_word", "m_before: Top = before_word"),
    ("m_shift: UInt(5) = min(m_places, 31)", "m_shift: UInt(5) = m_places"),
    ("((m_part >> m_shift) + 1) >> 1", "(m_part >> m_shift) >> 1"),
    ("((n_part >> n_shift) + 1) >> 1", "(n_part >> n_shift) >> 1"),
    ("16 * j + 16] = 0 if hidden == 1 else weight", "16 * j + 16] = weight"),
    ("= shown ^ 128", "= shown"),
    ("so_far: Count = 0 if t == 0 else", "so_far: Count = 0 if t == 1 else"),
    ("part: int32 = s % SHARE", "part: int32 = 0"),
)
OF_OPERANDS = (
    ("at: int32 = DIM_TILES * r + s // SHARE", "at: int32 = s // SHARE"),
    ("held[j, DIM_TILES * t + e] = k.get()", "held[j, e] = k.get()"),
    ("held[i, DIM_TILES * u + e] = v.get()", "held[i, e] = v.get()"),
    ("to: int32 = 8 * P * j + 8 * i", "to: int32 = 8 * P * j"),
    ("for last in range(LAG * DRAINED):", "for last in range(DRAINED):"),
)
OF_TURNS = (
    ("(n > 0 or tile > 0) and step < GROUPS", "step < GROUPS"),
    ("turn[CLEAR] = step == STEPS - 1", "turn[CLEAR] = 0"),
    ("turn[PUT] = selected", "turn[PUT] = leaves"),
    ("range(GROUPS + 2)", "range(GROUPS + 1)"),
    ("select(1, extra)", "select(0, extra)"),
)
OF_SHARING = (
    ("turns.put(turn)", "turns.put(0)"),
    ("fed[WORD] = turn[FEED]", "fed[WORD] = turn[PUT]"),
    ("given[WORD] = turn[PUT]", "given[WORD] = turn[FEED]"),
    ("fed[LAST] = turn[OVER]", "fed[LAST] = turn[FEED]"),
    ("given[LAST] = turn[OVER]", "given[LAST] = turn[PUT]"),
    ("word = a_of[n].get()", "word = a_of[1 - n].get()"),
    ("word = b_of[n].get()", "word = b_of[1 - n].get()"),
    ("turn = turns_of[n].get()", "turn = turns_of[1 - n].get()"),
    ("c_of[n].put(word)", "c_of[1 - n].put(word)"),
)


def broken(file: str, old: str, new: str, folder: Path) -> ModuleType:
    """A kernel's module with one change to its text."""
    text = (KERNELS / file).read_text()
    assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {file}"
    (folder / Path(file).name).write_text(text.replace(old, new))
    return load_module(folder / Path(file).name)


@cache
def alone(of: ModuleType, unit: str) -> list[Case]:
    """What a unit of a system of unconnected units does in its cases."""

    def own(values: dict[str, object]) -> dict[str, object]:
        return {name.removeprefix(f"{unit}_"): value for name, value in values.items() if name.startswith(f"{unit}_")}

    return [
        Case(case.name, own(case.scalars), own(case.inputs), own(case.outputs))
        for case in of.cases(4)
        if f"refused_{unit}_" in case.name or "refused" not in case.name  # a start that is refused for another unit
    ]


def notices(made: Contract, folder: Path) -> None:
    with pytest.raises((FastprefillError, AssertionError), match="level interpreter"):
        contract.check(made, "interpreter", seed=4, folder=folder)


@pytest.mark.mutants
@pytest.mark.parametrize(
    ("of", "folder", "unit", "old", "new"),
    [
        *((SFU, "sfu", unit, *change) for unit, changes in OF_SFU.items() for change in changes),
        *((STATES, "attention", unit, *change) for unit, changes in OF_STATES.items() for change in changes),
    ],
)
def test_a_broken_unit_is_noticed(
    of: ModuleType, folder: str, unit: str, old: str, new: str, tmp_path: Path
) -> None:
    parameters = of.system().units[unit].parameters
    built = build_unit(broken(f"{folder}/{unit}.py", old, new, tmp_path).unit(**parameters))
    notices(Contract(unit, lambda: built, lambda seed: alone(of, unit)), tmp_path)


@pytest.mark.mutants
@pytest.mark.parametrize(("old", "new"), OF_SOFTMAX)
def test_a_broken_softmax_is_noticed(old: str, new: str, tmp_path: Path) -> None:
    parameters = SOFTMAX.unit().parameters
    built = build_unit(broken("attention/softmax.py", old, new, tmp_path).unit(**parameters))
    notices(Contract("softmax", lambda: built, SOFTMAX.cases), tmp_path)


@pytest.mark.mutants
@pytest.mark.parametrize(("old", "new"), OF_OPERANDS)
def test_broken_operands_are_noticed(old: str, new: str, tmp_path: Path) -> None:
    whole = ATTENTION.system()
    changed = broken("attention/operands.py", old, new, tmp_path).unit(**whole.units["operands"].parameters)
    parts = {**whole.units, "operands": changed}
    built = link(System("attention", parts, engine.connections(ATTENTION.SIZE), whole.parameters))
    notices(Contract("attention", lambda: built, lambda seed: ATTENTION.cases(seed)[:1]), tmp_path)


@pytest.mark.mutants
@pytest.mark.parametrize(("old", "new"), OF_TURNS)
def test_broken_turns_are_noticed(old: str, new: str, tmp_path: Path) -> None:
    built = build_unit(broken("attention/turns.py", old, new, tmp_path).unit(**TURNS.unit().parameters))
    notices(Contract("turns", lambda: built, TURNS.cases), tmp_path)


@pytest.mark.mutants
@pytest.mark.parametrize(("old", "new"), OF_SHARING)
def test_broken_sharing_is_noticed(old: str, new: str, tmp_path: Path) -> None:
    built = link(broken("mpu_shared.py", old, new, tmp_path).system(*SHARED.SIZE))
    notices(Contract("mpu_shared", lambda: built, SHARED.cases), tmp_path)


@pytest.mark.mutants
@pytest.mark.parametrize(
    ("of", "unit"), [*((SFU, unit) for unit in OF_SFU), *((STATES, unit) for unit in OF_STATES)]
)
def test_the_units_as_they_are_pass(of: ModuleType, unit: str, tmp_path: Path) -> None:
    built = build_unit(of.system().units[unit])
    made = Contract(unit, lambda: built, lambda seed: alone(of, unit))
    assert contract.check(made, "interpreter", seed=4, folder=tmp_path).tokens > 0
