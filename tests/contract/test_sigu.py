"""Streaming index generation: the whole unit at every level, against the golden model's job lists."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fastprefill.checks.contract import Contract, check, missing
from fastprefill.errors import FastprefillError
from fastprefill.golden import mpu, traces
from fastprefill.golden import mpu_sigu as golden
from fastprefill.golden.jobs import job_list, unpack
from fastprefill.golden.sigu import cases, operands, unit
from fastprefill.golden.sigu.registers import Registers
from fastprefill.golden.sigu.size import Size
from fastprefill.kernels import mpu_sigu, sigu
from fastprefill.system.case import Case
from fastprefill.system.system import link

RECORDED = Path(__file__).parents[1] / "data" / "flexprefill" / "flexprefill_1.npz"
SMALL = {"rows": 4, "lanes": 2, "tile_keys": 4, "block": 16, "group": 2, "longest": 256}
UNEVEN = {
    "rows": 6, "lanes": 2, "tile_keys": 8, "block": 16, "group": 3, "longest": 144, "columns": 7, "choices": 3,
}  # fmt: skip
"""Rows that do not divide the block, blocks that are no power of two, unused columns of the matrix unit."""
FEW = ("one_token", "two_blocks", "ragged_aware", "ends")


MIXED = {
    4: [(16, 4, 85, 0.4, [0, 1]), (16, 3, 144, 0.4, [1, 0])],
    6: [(128, 8, 85, 0.1, [1, 0, 0]), (128, 3, 85, 0.3, [0, 1, 0])],
}
"""By query rows: head dimension, seed, tokens and tau of groups with heads of both kinds, and which are query-aware."""


def mixed(**parameters: int) -> list[Case]:
    """Groups with heads of both kinds, in both orders."""
    size, found = Size(**parameters), []
    for dim, seed, tokens, tau, aware in MIXED[size.rows]:
        prompt = cases.Prompt(f"mixed_{tokens}_{aware[0]}", tokens, settings={"tau": tau})
        found.append(cases.make(prompt, size, seed, dim))
        assert list(found[-1].outputs["aware"]) == aware
    return found


def contract(name: str, names: tuple[str, ...] = (), dim: int = 64, **parameters: int) -> Contract:
    return Contract(
        name,
        lambda: link(sigu.system(**parameters)),
        lambda seed: cases.cases(seed, names, dim, **parameters) + mixed(**parameters),
        "u280",
    )


def run(level: str, folder: Path, made: Contract, seed: int = 3) -> None:
    if lacking := missing(level):
        pytest.skip(f"{level} NOT run: {lacking}")
    assert check(made, level, seed=seed, folder=folder).tokens > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("level", "names"),
    [pytest.param("interpreter", FEW, marks=pytest.mark.long), ("csim", ()), ("rtl", ())],
    ids=["interpreter", "csim", "rtl"],
)
def test_all_kinds_of_prompts(level: str, names: tuple[str, ...], tmp_path: Path) -> None:
    run(level, tmp_path, contract("sigu", names, 16, **SMALL))


@pytest.mark.long
@pytest.mark.parametrize(
    ("level", "names", "parameters", "dim"),
    [
        ("interpreter", (), SMALL, 64),
        ("csim", (), SMALL, 64),
        ("structure", FEW, SMALL, 64),
        ("interpreter", FEW, UNEVEN, 128),
        ("csim", (), UNEVEN, 128),
        ("rtl", (), UNEVEN, 128),
    ],
)
def test_other_sizes(
    level: str, names: tuple[str, ...], parameters: dict[str, int], dim: int, tmp_path: Path
) -> None:
    made = contract("sigu", names, dim, **parameters)
    if lacking := missing(level):
        pytest.skip(f"{level} NOT run: {lacking}")
    passed = check(made, level, seed=5, folder=tmp_path)
    assert level == "structure" or passed.tokens > 0


@pytest.mark.long
@pytest.mark.parametrize("level", ["csim", "rtl"])
@pytest.mark.parametrize("block", [64, 128])
def test_whole_blocks(block: int, level: str, tmp_path: Path) -> None:
    """All kinds of prompts, and 16 blocks of both kinds of heads, with both head dimensions."""
    parameters = {"rows": 8, "lanes": 2, "tile_keys": 16, "block": block, "group": 1, "longest": 16 * block}
    size = Size(**parameters)

    def all_cases(seed: int) -> list[Case]:
        settings = [{"tau": tau, "gamma": 0.95} for tau in (0.0, 1.0)]
        sixteen = [
            cases.make(cases.Prompt(f"sixteen_{n}_{dim}", 16 * block, settings=one), size, 9, dim)
            for n, one in enumerate(settings)
            for dim in (64, 128)
        ]
        return cases.cases(seed, (), 64, **parameters) + sixteen

    run(level, tmp_path, Contract("sigu_blocks", lambda: link(sigu.system(**parameters)), all_cases, "u280"))


@pytest.mark.long
@pytest.mark.parametrize("dim", [64, 128])
@pytest.mark.parametrize("block", [64, 128])
def test_whole_blocks_in_the_interpreter(block: int, dim: int, tmp_path: Path) -> None:
    """The shortest prompts of a block's size, which the interpreter can take."""
    parameters = {"rows": 8, "lanes": 2, "tile_keys": 16, "block": block, "group": 1, "longest": 16 * block}
    names = ("one_token", "one_block", "two_blocks", "least_after_two_blocks", "short_by_budget")
    made = Contract(
        "sigu_blocks",
        lambda: link(sigu.system(**parameters)),
        lambda seed: cases.cases(seed, names, dim, **parameters),
        "u280",
    )
    run("interpreter", tmp_path, made)


def test_the_streams_make_a_job_list_in_memory() -> None:
    """What the golden model expects on the streams is what `unpack` reads."""
    size = Size(**SMALL)
    prompt = cases.Prompt("ragged", 85, settings={"tau": 0.0})
    made = cases.make(prompt, size, 4, 16)
    found = unpack(unit.image(made.outputs))
    assert found == job_list(found.mask())
    assert found.heads == 2
    assert found.blocks == 6
    assert 0 < found.jobs < 42


ARRAY = {"rows": 4, "dsp_columns": 2, "lut_columns": 2, "k_parallel": 4, "drain_rows": 2}
SYSTEM = {"head_dim": 16, "block": 16, "group": 2, "longest": 256, "resident": 3}


@pytest.mark.slow
@pytest.mark.parametrize("level", ["interpreter"])
def test_with_the_matrix_unit(level: str, tmp_path: Path) -> None:
    made = Contract(
        "mpu_sigu",
        lambda: link(mpu_sigu.system(**ARRAY, **SYSTEM)),
        lambda seed: golden.cases(seed, ("one_token", "ragged_aware"), **ARRAY, **SYSTEM),
        "u280",
    )
    run(level, tmp_path, made)


@pytest.mark.long
@pytest.mark.parametrize("level", ["csim", "rtl"])
def test_with_the_matrix_unit_at_all_levels(level: str, tmp_path: Path) -> None:
    made = Contract(
        "mpu_sigu",
        lambda: link(mpu_sigu.system(**ARRAY, **SYSTEM)),
        lambda seed: golden.cases(seed, **ARRAY, **SYSTEM),
        "u280",
    )
    run(level, tmp_path, made)


def test_a_head_dimension_that_does_not_fit_is_refused() -> None:
    with pytest.raises(FastprefillError, match="head_dim is 256; scores take products of 1 to 255 elements"):
        mpu_sigu.system(**ARRAY, **{**SYSTEM, "head_dim": 256})


def test_tiles_of_one_step_are_refused() -> None:
    with pytest.raises(FastprefillError, match=r"a head dimension of 4 is one step of 4 elements; .* 2 steps or more"):
        mpu_sigu.system(**{**ARRAY, "drain_rows": 4}, **{**SYSTEM, "head_dim": 4})


def fast(names: tuple[str, ...]) -> Contract:
    """Tiles whose rows leave in exactly the steps that the next one takes, as those of the boards' arrays do."""
    array = {**ARRAY, "k_parallel": 8}
    assert mpu.Size(**array).steps(SYSTEM["head_dim"]) == ARRAY["rows"] // ARRAY["drain_rows"]
    return Contract(
        "mpu_sigu_fast",
        lambda: link(mpu_sigu.system(**array, **SYSTEM)),
        lambda seed: golden.cases(seed, names, **array, **SYSTEM),
        "u280",
    )


@pytest.mark.long
@pytest.mark.parametrize("level", ["interpreter", "csim", "rtl"])
def test_with_a_matrix_unit_as_fast_as_it_drains(level: str, tmp_path: Path) -> None:
    run(level, tmp_path, fast(("one_token", "three_blocks", "ragged_aware")))


@pytest.mark.parametrize("name", ["ragged", "ragged_aware"])
def test_bytes_that_are_read(name: str) -> None:
    """The formula of the table in docs/sigu.md is the words that a start of the system takes."""
    array = mpu.Size(**ARRAY)
    size = golden.size_for(array, SYSTEM["block"], SYSTEM["group"], SYSTEM["longest"])
    case = next(case for case in golden.cases(3, (name,), **ARRAY, **SYSTEM) if case.name == name)
    aware = sum(case.outputs["aware"])
    found = golden.traffic(case.scalars["tokens"], SYSTEM["head_dim"], size, array, aware, SYSTEM["resident"])
    a_bytes, b_bytes = array.rows * array.k_parallel, array.columns * array.k_parallel
    counted = {
        "keys": len(case.inputs["keys"]) * a_bytes,
        "queries": len(case.inputs["queries"]) * b_bytes,
        "pooled keys": len(case.inputs["pooled_keys"]) * a_bytes,
        "pooled queries": len(case.inputs["pooled_queries"]) * b_bytes,
        "scales": 2 * size.lanes * len(case.inputs["key_scales"])
        + 2 * size.rows * len(case.inputs["query_scales"]),
    }
    assert aware == (2 if name == "ragged_aware" else 0)
    assert found.pop("keys, first pass") + found.pop("keys, second pass") == counted.pop("keys")
    assert found.pop("in all") == sum(counted.values()) + len(case.inputs["keys"]) * a_bytes
    assert found == counted


@pytest.mark.long
def test_the_first_recorded_case_at_full_size(tmp_path: Path) -> None:
    """2,048 tokens, all heads, from the real q and k; RTL's job lists are close to what FlexPrefill's authors got."""
    recorded = np.load(RECORDED)
    given = json.loads(str(recorded["params"]))
    shape = tuple(recorded["mask_shape"])
    theirs = np.unpackbits(recorded["mask"], count=int(np.prod(shape))).reshape(shape).astype(bool)
    made = traces.tensors(*(given[name] for name in ("seed", "tokens", "heads", "kv_heads", "head_dim")))
    array = mpu.Size(16, 11, 5, 8, 4)
    together = given["heads"] // given["kv_heads"]
    size = golden.size_for(array, given["block"], together, given["tokens"])
    settings = {name: given[name] for name in ("gamma", "tau", "min_budget", "block")}
    registers = Registers.of(given["tokens"], lanes=size.lanes, **settings)
    found = []
    for head in range(given["kv_heads"]):
        q = [operands.queries(made.q[:, head * together + n]) for n in range(together)]
        group = unit.Group(q, operands.keys(made.k[:, head]))
        found.append(golden.case(f"kv_head_{head}", group, registers, size, array))
    system = {
        "head_dim": given["head_dim"],
        "block": given["block"],
        "group": together,
        "longest": given["tokens"],
    }
    made_of = {"rows": 16, "dsp_columns": 11, "lut_columns": 5, "k_parallel": 8, "drain_rows": 4}
    run(
        "rtl",
        tmp_path,
        Contract("recorded", lambda: link(mpu_sigu.system(**made_of, **system)), lambda seed: found),
    )
    ours = np.concatenate([unpack(unit.image(case.outputs)).mask() for case in found])
    common, either = (ours & theirs).sum(axis=(1, 2)), (ours | theirs).sum(axis=(1, 2))
    assert (common >= 0.98 * either).all()
    assert (ours.sum(axis=(1, 2)) <= 1.02 * theirs.sum(axis=(1, 2))).all()
