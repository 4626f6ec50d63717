"""A layer's attention in RTL behind its movers, against memories; sizes that are refused; broken kernels."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from fastprefill.checks import contract
from fastprefill.checks.contract import Contract
from fastprefill.errors import FastprefillError
from fastprefill.extern.axi import Port
from fastprefill.frontend import load_module
from fastprefill.golden.attention_layer import Size
from fastprefill.golden.attention_layer_cases import Played, faulty, prompt
from fastprefill.kernels import attention_layer, list_reader, walker, window_walker
from fastprefill.kernels.attention import finish, load, rows
from fastprefill.system.build import build_unit
from fastprefill.system.case import Case
from fastprefill.system.system import link
from fastprefill.tools import tiers, verilator
from tests.unit.kernels import layer_in_memory as memory

SMALL = load_module(Path(__file__).parents[2] / "contract" / "kernels" / "attention_layer.py")
LATE = memory.SETTINGS[1:]
PORT = Port(data_bits=64, ids=2, burst=4, outstanding=4, buffer=8)


def behind_movers(test: Callable[..., None]) -> Callable[..., None]:
    """A test that simulates RTL with cocotb and cocotbext-axi."""
    missing = verilator.missing()
    test = pytest.mark.filterwarnings("ignore::DeprecationWarning")(test)
    return pytest.mark.skipif(missing is not None, reason=f"rtl NOT run: {missing}")(test)


def sparse_and_two_kv_heads(rng: np.random.Generator, size: Size) -> list[Played]:
    return [
        Played("sparse", prompt(rng, size, 5 * size.block + 3, (2, 1), 0.4, 16), size.lines, 1),
        Played("kv_heads", prompt(rng, size, 2 * size.block + 1, (4, 2), 0.5, 8), 2, 1),
    ]


@pytest.mark.slow
@behind_movers
@pytest.mark.parametrize(("window", "drain_rows"), [(1, 2), (2, 1)])
def test_from_memory_to_memory(window: int, drain_rows: int, tmp_path: Path) -> None:
    """Every byte of the result is there, no other has changed, and blocks are read as often as the policy says."""
    pytest.importorskip("cocotbext.axi", reason="cocotbext-axi is not installed")
    rng, size = np.random.default_rng(3), replace(SMALL.SIZE, window=window, drain_rows=drain_rows)
    runs = [
        *sparse_and_two_kv_heads(rng, size),
        faulty(rng, size),
        Played("one_job_each", prompt(rng, size, 6 * size.block, (2, 1), 0.0, 8), 1, 0),
    ]
    counts = runs[0].case(size).scalars
    wrong = [{"query_blocks": counts["jobs"] + 1}, {"hot": counts["capacity"] + 1}]
    if window > 1:
        wrong.append({"visits": counts["jobs"] + 1})
    log, measured = memory.simulated(
        SMALL.system(size), size, runs, PORT, tmp_path, settings=LATE, optimise=False, resets=(150, 1100), refused=wrong
    )
    assert "TESTS=1 PASS=1 FAIL=0" in log, log[-6000:]
    assert set(measured) == {run.name for run in runs}
    tiers.note("verilator")


CONTRACTS = Path(__file__).parents[2] / "contract" / "kernels"
WALKER, WINDOW_WALKER = (load_module(CONTRACTS / f"{name}.py") for name in ("walker", "window_walker"))
BROKEN_READER = [
    ("follows < column_end[own]", "follows <= column_end[own]"),
    ("pointer[own] = follows", "pointer[own] = pointer[own]"),
    ("if at % L == 0:", "if e % L == 0:"),
    ("base += lstride[0]", "base += 0"),
    ("follows % L\n", "0\n"),
    ("elif w == HEADS_WORD:", "elif w == 9:"),
    ("told % PAGE != 0", "told % 4 != 0"),
    ("if steps > r:", "if steps > r + 1:"),
    ("(key < lowest or key > q)", "key > q"),
    ("(key < lowest or key > q)", "key < lowest"),
]
BROKEN_WALKER = [
    ("GROUP - 1 - down > h and", "GROUP - 1 - down >= h and"),
    ("later[HEADS_SHIFT + GROUP - 1 - up] == 1", "later[HEADS_SHIFT + up] == 1"),
    ("first_block += blocks", "first_block += 0"),
    ("first_head += lgroup[0]", "first_head += 1"),
    ("if chosen > 0 and found == 0:", "if chosen > 1 and found == 0:"),
    ("rest >= others and", "rest > others and"),
    ("(others > 0 or rest == 0)", "others >= 0"),
    ("made_up: int32 = 1 if m < missing - 1 else left", "made_up: int32 = 1"),
    ("targets.put(DROPPED)", "targets.put(window)"),
    ("earlier if earlier != 0 else found", "found"),
    ("flags[0] = taken[0:16] == r", "flags[0] = taken[0:16] == 0"),
    ("seen == chosen - 1", "seen == length - 1"),
    ("follows if entry[WORD] == 1 else NEVER", "follows"),
]  # fmt: skip
BROKEN_WINDOWS = [
    ("rows: int32 = min(blocks - w * WINDOW, WINDOW)", "rows: int32 = WINDOW"),
    ("later[0:16] // WINDOW", "later[0:16]"),
    ("follows if entry[WORD] == 1 else NEVER", "follows"),
    ("entry[HEADS_SHIFT : HEADS_SHIFT + GROUP] & there", "entry[HEADS_SHIFT : HEADS_SHIFT + GROUP]"),
    ("if heads != 0:", "if length != 0:"),
    ("of_key: Users = users[key]", "of_key: Users = 0"),
    ("chosen += heads[h]", "chosen += 1"),
    ("if by != 0:", "if own != 0:"),
    ("by & (seen ^ all_states)", "by"),
    ("seen = seen | by", "seen = by"),
    ("opened += seen[s]", "opened += 1"),
    ("others == 0 and rest == 0 and more == 0", "others == 0 and rest == 0"),
    ("others > 0 and more > 0 and", "others > 0 and"),
    ("rest >= others and rest >= more", "rest >= more"),
    ("items[count - 1 - n]", "items[n]"),
    ("first_block + taken[0:16]", "taken[0:16]"),
    ("first_window += windows", "first_window += 0"),
    ("visit[KV_AT:MADE_UP] = kv", "visit[KV_AT:MADE_UP] = 0"),
    ("missing: int32 = calls if open_blocks > 0 else 0", "missing: int32 = open_blocks"),
    ("earlier if earlier != 0 else found", "found"),
    ("made_up = 1 if n < lvisits[0] - 1 else left", "made_up = 1"),
    ("word[DIAGONAL] = visit[0:16] == row", "word[DIAGONAL] = visit[0:16] == r"),
    ("(opened | by) & (last_of ^ all_states)", "opened | by"),
    ("first_of: Users = by & (opened ^ all_states)", "first_of: Users = by"),
    ("open_blocks -= ended", "open_blocks -= 0"),
    ("slot: int32 = GROUP * r + h", "slot: int32 = WINDOW * h + r"),
    ("(head + h) * blocks + row", "(head + h) * blocks + r"),
    ("ends: UInt(1) = open_blocks > 1 or left == 1", "ends: UInt(1) = left == 1"),
    ("targets.put((number << TARGET) + slot)", "targets.put((number << TARGET) + h)"),
    ("targets.put(DROPPED)", "targets.put(0)"),
]  # fmt: skip
BROKEN = [
    (load, "both[32 * j : 32 * j + 16] = of_keys", "both[32 * j : 32 * j + 16] = wide"),
    (load, "if half == 0:", "if half == 1:"),
    (load, "for job in range(jobs_of):", "for job in range(jobs_of - jobs_of + 1):"),
    (load, "of_keys: Scales = scales[t - TILES]", "of_keys: Scales = scales[0]"),
    (load, "scales[g // ROW_SHARE]", "scales[0]"),
    (rows, "shown: UInt(1) = token < tokens_of", "shown: UInt(1) = token <= tokens_of"),
    (rows, "word: Word = 0\n", "word: Word = y.get()\n"),
    (rows, "state(r, first_head + h,", "state(r, h,"),
    (rows, "while coming != window:", "while coming < window:"),
    (rows, "wide[BEAT * p : BEAT * p + BEAT]", "wide[0:BEAT]"),
    (finish, "if place == 3 or", "if place == 2 or"),
    (finish, "                        last = 0\n", ""),
    (finish, "code_beats * (BEAT // 8) + lgroups[0]", "code_beats * (BEAT // 8)"),
    (finish, "last[to : to + 16] = held[s]", "last[to : to + 16] = held[0]"),
    (finish, "(bytes_of + (ALIGNMENT - 1))", "bytes_of"),
    (finish, "command[64:96] = token_bytes", "command[64:96] = token_bytes + 4"),
    (finish, "address += token_bytes", "address += 0"),
]  # fmt: skip
BROKEN_IN_WINDOWS = [
    (load, "base: int32 = SCALE_BEATS * (slot if slot < WINDOW else 0)", "base: int32 = 0"),
    (load, "for opened in range(word[FIRST]):", "for opened in range(1):"),
    (load, "for j in range(jobs_of):", "for j in range(jobs_of - jobs_of + 1):"),
    (load, "joined[t - TILES] = both", "joined[t - TILES] = 0"),
    (load, "kept_sums[e] = sums", "kept_sums[DIM_TILES - 1 - e] = sums"),
    (rows, "done[slot] = 1\n", "done[0] = 1\n"),
    (rows, "first_head + slot % GROUP", "slot % GROUP"),
    (rows, "w * WINDOW + slot // GROUP", "slot // GROUP"),
    (rows, "while coming[TARGET:32] != number:", "while coming[TARGET:32] < number:"),
]  # fmt: skip


def broken(source: Path, old: str, new: str, folder: Path) -> ModuleType:
    """A kernel's module with one change to its text."""
    text = source.read_text()
    assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {source.name}"
    (folder / source.name).write_text(text.replace(old, new))
    return load_module(folder / source.name)


@pytest.mark.mutants
@pytest.mark.parametrize(
    ("of", "unit", "old", "new"),
    [
        *((WALKER, list_reader, *change) for change in BROKEN_READER),
        *((WALKER, walker, *change) for change in BROKEN_WALKER),
        *((WINDOW_WALKER, window_walker, *change) for change in BROKEN_WINDOWS),
    ],
)
def test_a_broken_walker_is_noticed(
    of: ModuleType, unit: ModuleType, old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = broken(Path(str(unit.__file__)), old, new, tmp_path)
    monkeypatch.setattr(of, unit.__name__.split(".")[-1], module)
    built = link(of.system())  # what does not compile shows nothing
    made = Contract("walker", lambda: built, of.cases)
    with pytest.raises((FastprefillError, AssertionError), match="level interpreter"):
        contract.check(made, "interpreter", seed=4, folder=tmp_path)


@pytest.mark.mutants
@pytest.mark.parametrize(
    ("window", "unit", "old", "new"),
    [*((1, *change) for change in BROKEN), *((2, *change) for change in BROKEN_IN_WINDOWS)],
)
def test_a_broken_part_is_noticed(
    window: int, unit: ModuleType, old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, size = broken(Path(str(unit.__file__)), old, new, tmp_path), replace(SMALL.SIZE, window=window)
    name = unit.__name__.split(".")[-1]
    monkeypatch.setattr(attention_layer, "write_rows" if name == "rows" else name, module)
    built = link(SMALL.system(size))

    def cases(seed: int) -> list[Case]:
        made: list[Case] = SMALL.cases(seed, size)
        return [case for case in made if case.name in ("scales", "kv_heads", "one_kv_head", "faulty")]

    with pytest.raises((FastprefillError, AssertionError), match="level interpreter"):
        contract.check(Contract("attention_layer", lambda: built, cases), "interpreter", seed=4, folder=tmp_path)


@pytest.mark.long
@behind_movers
def test_two_parts_of_a_block_from_memory_to_memory(tmp_path: Path) -> None:
    pytest.importorskip("cocotbext.axi", reason="cocotbext-axi is not installed")
    rng, size = np.random.default_rng(3), SMALL.LARGER
    runs = [
        *sparse_and_two_kv_heads(rng, size),
        Played("no_line", prompt(rng, size, 3 * size.block, (2, 1), 1.0, 16), 0, 0),
    ]
    log, measured = memory.simulated(SMALL.system(size), size, runs, PORT, tmp_path, resets=(900, 7000), lint=True)
    assert "TESTS=1 PASS=1 FAIL=0" in log, log[-6000:]
    assert set(measured) == {run.name for run in runs}
    tiers.note("verilator")


@pytest.mark.mutants
@behind_movers
def test_reading_before_the_rows_are_written_is_noticed(tmp_path: Path) -> None:
    """What no other level can see: there is an order between the movers."""
    pytest.importorskip("cocotbext.axi", reason="cocotbext-axi is not installed")
    size = SMALL.SIZE
    runs = [Played("early", prompt(np.random.default_rng(3), size, 5 * size.block + 3, (2, 1), 0.4, 16), 3, 1)]
    early = ("assign written_valid = w_rows_waiting != '0;", "assign written_valid = 1'b1;")
    log, _ = memory.simulated(
        SMALL.system(), size, runs, PORT, tmp_path, settings=LATE, optimise=False, broken=early
    )
    assert "bytes differ" in log and "TESTS=1 PASS=0 FAIL=1" in log, log[-6000:]


@pytest.mark.long
@pytest.mark.parametrize("level", ["csim", "rtl"])
def test_two_parts_of_a_block(level: str, tmp_path: Path) -> None:
    if lacking := contract.missing(level):
        pytest.skip(f"{level} NOT run: {lacking}")
    made = Contract(
        "attention_layer",
        lambda: link(SMALL.system(SMALL.LARGER)),
        lambda seed: SMALL.cases(seed, SMALL.LARGER),
    )
    assert contract.check(made, level, seed=7, folder=tmp_path).tokens > 0


def test_groups_that_are_not_those_of_a_token_end_all_the_same(tmp_path: Path) -> None:
    """Three words of codes where a head has four: the last beat is not full, and all that was asked for is written."""
    codes, scales = [[1, 2, 3], [4, 5, 6]], [7, 8]

    def command(address: int, count: int) -> int:
        return address | count << 64

    scalars = {"tokens": 2, "kv_heads": 1, "group": 1, "groups": 1, "words": 3, "base": 4096, "result": 8192}
    case = Case(
        "three_words",
        scalars,
        {"written": [1, 1], "codes": [word for row in codes for word in row], "scales": scales},
        {
            "row_commands": [command(4096, 24), command(4096 + 24, 24)],
            "commands": [command(8192, 8 + 2), command(8192 + 64, 8 + 2)],
            "beats": [
                beat
                for row, scale in zip(codes, scales, strict=True)
                for beat in (sum(word << 16 * n for n, word in enumerate(row)), scale)
            ],
        },
    )
    made = Contract("finish", lambda: build_unit(finish.unit(8, 64)), lambda seed: [case])
    assert contract.check(made, "interpreter", seed=0, folder=tmp_path).tokens > 0


SIZES = {"blocks": 8, "group": 2, "block": 16, "dim": 8, "beat_bits": 64}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: window_walker.unit(**SIZES, window=1),
            "a walker in windows of 1 query blocks; choose at least 2, or 'walker' for windows of 1",
        ),
        (
            lambda: attention_layer.system(**{**asdict(SMALL.SIZE), "window": 129}),
            "a window of 258 open query blocks; choose 1 to 256",
        ),
        (
            lambda: attention_layer.system(**{**asdict(SMALL.SIZE), "window": 0}),
            "a walker in windows of 0 query blocks",
        ),
        (
            lambda: walker.unit(**{**SIZES, "group": 17}),
            "a walker of 8 blocks and 17 heads; a group has 1 to 16 heads",
        ),
        (lambda: walker.unit(**{**SIZES, "blocks": 40_000}), "all its query blocks are at most 65534"),
        (lambda: walker.unit(**{**SIZES, "beat_bits": 48}), "a walker with ports of 48 bits"),
        (lambda: load.unit(4, 4, 2, 2, 8, 16, 256), "ports of 256 bits with heads of 8 and blocks of 16"),
        (
            lambda: load.unit(4, 8, 2, 2, 8, 16, 32),
            "ports of 32 bits for an engine of 8 columns that drains 2 rows",
        ),
        (lambda: finish.unit(8, 128), "ports of 128 bits with heads of 8; a beat is"),
        (
            lambda: attention_layer.system(**{**asdict(SMALL.SIZE), "lines": 0}),
            "a cache of 0 lines that looks 6 requests ahead",
        ),
        (
            lambda: attention_layer.system(**{**asdict(SMALL.SIZE), "blocks": 16_385}),
            "16385 blocks of 8 tokens; the sums of a state hold 131,072 tokens: choose at most 16384 blocks",
        ),
    ],
)
def test_bad_parameters_are_refused(call, message) -> None:
    with pytest.raises(FastprefillError, match=message):
        call()
