"""Small wrong changes to the stages of index generation, which cases must notice: short ones in the interpreter, or
else long ones in C++."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from xdsl.dialects.memref import GlobalOp

from fastprefill.checks import contract
from fastprefill.checks.contract import Contract
from fastprefill.errors import FastprefillError
from fastprefill.frontend import load_module
from fastprefill.golden import mpu_sigu as golden
from fastprefill.golden.sigu import cases
from fastprefill.golden.sigu.size import Size
from fastprefill.ir.query import processes
from fastprefill.kernels import mpu_sigu, sigu, sigu_stages
from fastprefill.system.build import build_unit
from fastprefill.system.case import Case
from fastprefill.system.system import link
from fastprefill.system.unit import Unit
from fastprefill.targets.interpreter.process import compile_process
from fastprefill.targets.interpreter.program import Program

STAGES = Path(sigu_stages.__file__).parent
SMALL = {"rows": 4, "lanes": 2, "tile_keys": 4, "block": 16, "group": 2, "longest": 256}
LONG = {**SMALL, "longest": 2048}
PROMPTS = (
    cases.Prompt("long", 1500),
    cases.Prompt("long_aware", 1500, settings={"tau": 1.0, "gamma": 0.95}),
    cases.Prompt("long_half", 2000, settings={"gamma": 0.5, "tau": 0.4}),
    cases.Prompt("long_fine", 1500, settings={"compat": False}),
    cases.Prompt(
        "long_at_most",
        1203,
        settings={"tau": 0.0, "gamma": 0.95, "min_budget": 48, "max_budget": 160, "compat": False},
    ),
)
ARRAY = {"rows": 4, "dsp_columns": 2, "lut_columns": 2, "k_parallel": 4, "drain_rows": 2}
TOGETHER = {"head_dim": 16, "block": 16, "group": 2, "longest": 256, "resident": 3}
QUICK = ("two_blocks", "three_blocks", "least_after_two_blocks", "at_most", "equal_keys", "ragged_aware")
SLOW = ("lowest", "half", "everything", "at_least", "ends")
"""Cases, those that notice most changes first; between them starts that are refused."""
MORE = {
    4: ("least_after_two_blocks", "equal_keys", "uniform_aware", "highest", "one_hot", "everything"),
    5: ("at_least",),
}
"""By seed: cases that notice what the others do not."""

BROKEN = {
    "order": (
        ("blocks <= max(lmin_blocks[0], 2)", "blocks <= lmin_blocks[0]"),
        ("STATISTICS if p == 0 else WEIGHTS", "STATISTICS"),
        ("max(distance, -lanes)", "max(distance, 0)"),
        ("pooled[END:END_END] = min(blocks - above, rows)", "pooled[END:END_END] = rows"),
        ("word[OPEN] = 1 if u == 0 and g == 0 else 0", "word[OPEN] = 1 if g == 0 else 0"),
        ("sweeps: int32 = 4 if chosen == 1 else 0", "sweeps: int32 = 3 if chosen == 1 else 0"),
    ),
    "score": (
        ("query_exponent + key_exponent + SCORE_FRACTION", "query_exponent + key_exponent"),
        ("query[0:8] * key[0:8]", "query[0:8] * key[8:16]"),
        ("min(max(-exponent, NEAR), FAR)", "max(-exponent, NEAR)"),
        ("if word[OPEN] == 0:", "if word[OPEN] == 1:"),
        ("return limited(rounded(scaled, amount))", "return rounded(scaled, amount)"),
    ),
    "weigh": (
        ("ceiling: Maximum = (top + 255) >> 8", "ceiling: Maximum = top >> 8"),
        ("exists: UInt(1) = r >= first_row and r < end_row", "exists: UInt(1) = r < end_row"),
        ("sees: UInt(1) = exists == 1 and base + lane - r <= 0", "sees: UInt(1) = exists == 1 and base + lane - r < 0"),
        ("previous = EMPTY if first == 1 else previous", "previous = previous"),
        ("growth: UInt(6) = 63 if first == 1 or difference > 63 else difference", "growth: UInt(6) = difference"),
        ("terms += weight >> TERM", "terms += weight >> TERM + 1"),
        ("fetched_slot: Slot = 0 if slot == OWN_SLOTS - 1 else slot + 1", "fetched_slot: Slot = slot"),
    ),
    "logs": (
        ("((fine + 128) >> 8)", "(fine >> 8)"),
        ("log2_of_sum(total) - START", "log2_of_sum(total)"),
        ("if row == rows - 1:", "if row == rows - 2:"),
    ),
    "means": (
        ("if t > 0:", "if t > 1:"),
        ("ragged if b == blocks - 1 else block", "block"),
        ("(scaled + HALF) >> RECIPROCAL_FRACTION", "scaled >> RECIPROCAL_FRACTION"),
    ),
    "lines": (
        ("if u > 0:", "if u > 1:"),
        ("on: int32 = WEIGHT_BITS * (rows * key + OPEN - d + key)", "on: int32 = WEIGHT_BITS * (rows * key + d - key)"),
        ("before_word = 0\n", "before_word = window\n"),
        ("(ROW_TILES - 1 - u) * STEP", "u * STEP"),
        ("opening: UInt(1) = 1 if u == 0 or t * TILE + g * lanes < rows else 0", "opening: UInt(1) = u == 0"),
    ),
    "tally": (
        ("if key <= last:", "if key < last:"),
        ("counts[bin] += 1", "counts[bin] += 2"),
        ("masses.put(mass[head * NB + j] >> DOWN)", "masses.put(mass[head * NB + j] >> DOWN + 1)"),
        ("bin: int32 = h * BINS + place[0:8]", "bin: int32 = place[0:8]"),
    ),
    "cut": (
        ("if mass > left:", "if mass >= left:"),
        ("bend: Share = curve >> SHARE_FRACTION", "bend: Share = 0"),
        ("counts.put(above + (part >> SHARE_FRACTION))", "counts.put(above)"),
        ("histogram[BINS - 1 - down]", "histogram[down]"),
    ),
    "decide": (
        ("middle = logarithm - ONE", "middle = logarithm"),
        ("distance < lthreshold[0]", "distance <= lthreshold[0]"),
        ("most: int32 = min(lmax[0], blocks)", "most: int32 = blocks"),
        ("return min(max(enough, least), most)", "return max(enough, least)"),
        ("enough: int32 = (lines >> shift) + 1", "enough: int32 = lines >> shift"),
        ("columns.put(least if chosen == 1 else wide)", "columns.put(wide)"),
        ("total = (total >> growth) + term", "total = total + term"),
        ("FIXED_SHIFT if lline[0] == FIXED_BLOCK else BLOCK_SHIFT", "FIXED_SHIFT"),
    ),
    "largest": (
        ("foremost: int32 = (blocks - 1) * AT_END", "foremost: int32 = 0"),
        ("if down == DIGITS - 1 or count >= needed:", "if down == DIGITS - 1 or count > needed:"),
        ("if candidate == threshold and needed > 0:", "if candidate == threshold:"),
        ("digits[place_of] = 0", "digits[place_of] = digits[place_of]"),
        ("agrees: UInt(1) = above == threshold", "agrees: UInt(1) = above >= threshold"),
    ),
    "choose": (
        ("crosses: UInt(1) = bin == crossing", "crosses: UInt(1) = bin >= crossing"),
        ("tie: UInt(1) = level == finest and here < drawn", "tie: UInt(1) = level == finest"),
        ("taken[w] = counted == 1 and kept == 1", "taken[w] = kept == 1"),
        ("here: UInt(16) = base + w * ALONG_ROWS", "here: UInt(16) = base"),
        ("sums[w, i] = 0", "sums[w, i] = sums[w, i]"),
    ),
    "settle": (
        ("if mass > left:", "if mass >= left:"),
        ("left = target >> GAMMA_FRACTION", "left = target >> GAMMA_FRACTION + 1"),
        ("turns: int32 = 2 if flag == 1 else 0", "turns: int32 = 2"),
        ("goes: UInt(1) = at != -1 and rest >= inner_count", "goes: UInt(1) = 0"),
    ),
    "scan": (
        ("if q * lanes + lane <= r and seen[lane] == 1 else 0", "if seen[lane] == 1 else 0"),
        ("seen = seen | (distant >> (offset % lanes))", "seen = seen | distant"),
        ("near[m, index] >> ahead", "near[m, index]"),
        ("index: int32 = k + 1 if column_row == 0 else k", "index: int32 = k + 1"),
        ("keys[h, b // lanes] = key_word >> (lanes - 1 - low)", "keys[h, b // lanes] = key_word"),
        ("1 if query >= c and query <= last_block and kept[e] == 1 else 0", "1 if query >= c and kept[e] == 1 else 0"),
        ("kept = kept | (square >> ((c % lanes) * rows))", "kept = kept | square"),
    ),
    "entries": (
        ("others: Union = left & (left - 1)", "others: Union = 0"),
        ("empty = others == 0", "empty = 1"),
        ("jobs_of = 0\n", "jobs_of = jobs_of\n"),
        ("heads = heads | held[group * j : group * j + group]", "heads = held[group * j : group * j + group]\n"),
        ("running: UInt(1) = ltokens[0] != 0", "running: UInt(1) = 1"),
        ("ltokens[0] + (block - 1)", "ltokens[0]"),
    ),
}  # fmt: skip
"""File of a stage -> text in it, and what stands there instead."""

UNNOTICED = {
    "score": ("min(max(-exponent, NEAR), FAR)",),
    "weigh": ("exists: UInt(1) = r >= first_row and r < end_row",),
    "means": ("(scaled + HALF) >> RECIPROCAL_FRACTION",),
    "cut": ("if mass > left:", "bend: Share = curve >> SHARE_FRACTION"),
    "decide": ("distance < lthreshold[0]", "total = (total >> growth) + term"),
    "largest": (
        "if down == DIGITS - 1 or count >= needed:", "if candidate == threshold and needed > 0:",
    ),
    "choose": ("taken[w] = counted == 1 and kept == 1",),
    "settle": ("if mass > left:",),
    "scan": ("keys[h, b // lanes] = key_word >> (lanes - 1 - low)",),
    "entries": ("heads = heads | held[group * j : group * j + group]",),
}  # fmt: skip
"""Of these the ones that no case notices: which blocks are chosen does not hang on them in any of the prompts, or they
change nothing at all. Nobody has shown which."""

BROKEN_BEFORE = {
    "feed": (
        ("if p == 1 and t < resident:", "if t < resident:"),
        ("if key_tile == 0:", "if key_tile <= 1:"),
        ("flag == 1 and loaded == 0", "flag == 1"),
        ("tiles.put(REST)  #", "tiles.put(TILE)  #"),
        ("a.put(pooled[key_tile * STEPS + step])", "a.put(pooled[step])"),
    ),
    "turns": (
        ("leaves: UInt(1) = leaving == 1 and step < GROUPS", "leaves: UInt(1) = step < GROUPS"),
        ("turn[CLEAR] = tile_ends", "turn[CLEAR] = 0"),
        ("what == TILE and step == STEPS - 1", "what == TILE and step == STEPS"),
        ("what == REST and step == GROUPS + 1", "what == REST and step == GROUPS"),
        ("leaving = tile_ends", "leaving = 1"),
        ("turn[PUT] = selected", "turn[PUT] = leaving"),
    ),
}
"""The same of the stages around the matrix unit."""


UNITS = {
    "tally": ("column_tally",),
    "cut": ("column_cut",),
    "largest": ("vertical", "slash"),
    "entries": ("rows", "columns"),
}
"""Units made from a file that has another name than its unit."""


@cache
def unbroken(together: bool) -> tuple[Program, list[Case]]:
    """The system, with the matrix unit or without, and its starts."""
    if together:
        program = Program(link(mpu_sigu.system(**ARRAY, **TOGETHER)))
        return program, golden.cases(3, ("three_blocks", "ragged_aware"), **ARRAY, **TOGETHER)
    found = {case.name: case for case in cases.cases(3, (*QUICK, *SLOW), 16, **SMALL)}
    quick = [found.pop(name) for name in QUICK]
    slow = [found.pop(name) for name in SLOW]
    more = [case for seed, names in MORE.items() for case in cases.cases(seed, names, 16, **SMALL)]
    return Program(link(sigu.system(**SMALL))), [*quick, *found.values(), *slow, *more]


@contextmanager
def instead(program: Program, units: Iterable[Unit]) -> Iterator[None]:
    """The program with other processes of these units."""
    kept = dict(program.processes)
    try:
        for unit in units:
            module = build_unit(unit)
            constants = {op.sym_name.data: op for op in module.ops if isinstance(op, GlobalOp)}
            for func in processes(module):
                assert func.sym_name.data in kept
                program.processes[func.sym_name.data] = compile_process(func, constants)
        yield
    finally:
        program.processes.clear()
        program.processes.update(kept)


def notices(program: Program, given: list[Case]) -> bool:
    """Whether a case comes out differently, or a run ends with an error."""
    try:
        return any(program.run(case, max_tokens=10_000) != case.outputs for case in given)
    except FastprefillError:
        return True


@cache
def long_prompts() -> list[Case]:
    """Prompts of some hundred blocks, whose lists of jobs depend on what does not change those of a few."""
    return [cases.make(prompt, Size(**LONG), 3, 64) for prompt in PROMPTS]


def long_prompts_notice(folder: Path) -> bool:
    """Whether the system as it is now differs in C++ on long prompts."""
    if lacking := contract.missing("csim"):
        pytest.skip(f"csim NOT run: {lacking}")
    built = link(sigu.system(**LONG))
    try:
        contract.check(
            Contract("sigu", lambda: built, lambda seed: long_prompts(), "u280"),
            "csim",
            seed=3,
            folder=folder,
        )
    except (FastprefillError, AssertionError) as differs:
        assert "level csim" in str(differs)
        return True
    return False


def broken(stage: str, old: str, new: str, folder: Path) -> ModuleType:
    """The module of a stage with a change."""
    text = (STAGES / f"{stage}.py").read_text()
    assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in the stage '{stage}'"
    (folder / "broken.py").write_text(text.replace(old, new))
    return load_module(folder / "broken.py")


def mutant(stage: str, old: str, new: str) -> object:
    unnoticed = pytest.mark.xfail(raises=AssertionError, strict=True, reason="no list of jobs hangs on it")
    return pytest.param(stage, old, new, marks=unnoticed if old in UNNOTICED.get(stage, ()) else ())


@pytest.mark.mutants
@pytest.mark.parametrize(
    ("stage", "old", "new"), [mutant(stage, *pair) for stage, pairs in BROKEN.items() for pair in pairs]
)
def test_a_broken_stage_is_noticed(
    stage: str, old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, given = unbroken(False)  # before the change: it is kept for all tests
    monkeypatch.setattr(sigu, stage, broken(stage, old, new, tmp_path))
    units = sigu.units(Size(**SMALL))
    with instead(program, [units[name] for name in UNITS.get(stage, (stage,))]):
        if notices(program, given):
            return
    assert long_prompts_notice(tmp_path)


@pytest.mark.mutants
@pytest.mark.parametrize(
    ("stage", "old", "new"), [(stage, *pair) for stage, pairs in BROKEN_BEFORE.items() for pair in pairs]
)
def test_a_broken_stage_in_front_of_the_matrix_unit_is_noticed(
    stage: str, old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, given = unbroken(True)
    monkeypatch.setattr(mpu_sigu, stage, broken(stage, old, new, tmp_path))
    with instead(program, [mpu_sigu.system(**ARRAY, **TOGETHER).units[stage]]):
        assert notices(program, given)


@pytest.mark.mutants
@pytest.mark.parametrize("together", [False, True])
def test_the_stages_as_they_are_pass(together: bool) -> None:
    assert not notices(*unbroken(together))


@pytest.mark.mutants
def test_the_stages_as_they_are_pass_on_long_prompts(tmp_path: Path) -> None:
    assert not long_prompts_notice(tmp_path)
