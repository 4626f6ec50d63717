"""The attention engine with heads of 64 on what a layer of the tiny checkpoint attends to, in C++ and RTL."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from fastprefill.checks import contract
from fastprefill.checks.contract import Contract
from fastprefill.golden import attention_streams as streams
from fastprefill.golden import layer
from fastprefill.golden.attention_size import Size
from fastprefill.golden.attention_streams import Row
from fastprefill.kernels.attention import engine
from fastprefill.models import load, read_prompt
from fastprefill.quantisation import quantise
from fastprefill.system.case import Case
from fastprefill.system.system import link

TINY = Path(__file__).parents[2] / "examples" / "tiny-llama"
SIZE = Size(rows=8, columns=8, k_parallel=8, drain_rows=2, dim=64, block=64)
TOKENS = 300


def cases(seed: int) -> list[Case]:
    """Layer 1 on the prompt's first tokens: both heads, dense and sparse, a last block that is not full."""
    model = load(TINY)
    integer = quantise(model)
    weights = integer.layer(1)
    ids = read_prompt(model.config, TINY)[:TOKENS]
    heads = layer.project(layer.layer(integer.embedded(ids), integer.layer(0)), weights)
    dense = [Row(head, block, tuple(range(block + 1))) for head in range(2) for block in (0, 2, 4)]
    sparse = [Row(0, 4, (0, 3, 4)), Row(1, 4, (0, 4)), Row(1, 3, (3,))]
    fraction = weights.value.out.fraction
    return [
        streams.engine(name, streams.blocks(heads, rows, SIZE.block), SIZE, fraction)
        for name, rows in (("dense", dense), ("sparse", sparse))
    ]


@pytest.mark.long
@pytest.mark.parametrize("level", ["csim", "rtl"])
def test_heads_of_a_checkpoint(level: str, tmp_path: Path) -> None:
    lacking = contract.missing(level)
    if lacking is not None:
        pytest.skip(f"{level} NOT run: {lacking}")
    unit = Contract("attention", lambda: link(engine.system(**asdict(SIZE), dsp_columns=4)), cases)
    passed = contract.check(unit, level, seed=1, folder=tmp_path)
    assert passed.tokens > 0
    if level == "rtl":
        jobs = 18
        assert passed.cycles["dense"] < 1.1 * jobs * SIZE.job_cycles + 3000
