"""Attention of a layer of the tiny checkpoint on real text, in RTL from memory to memory, all heads."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from fastprefill import api, boards
from fastprefill.build import in_memory
from fastprefill.extern.axi import Port
from fastprefill.golden import attention_layer as golden
from fastprefill.golden import layer, selectors
from fastprefill.golden.attention_layer import Prompt, Size
from fastprefill.golden.attention_layer_cases import Played
from fastprefill.kernels import attention_layer
from fastprefill.models import load, read_prompt
from fastprefill.quantisation import quantise
from fastprefill.system.system import link
from fastprefill.tools import csim, tiers, verilator
from tests.unit.kernels import layer_in_memory as memory

TINY = Path(__file__).parents[2] / "examples" / "tiny-llama-4k"
SIZE = Size(
    rows=8, columns=8, k_parallel=8, drain_rows=2, dim=64, block=64, beat_bits=256, blocks=32, group=2, lines=6,
)  # fmt: skip
TOKENS = 1030


def prompt(tokens: int, gamma: float | None) -> Prompt:
    """Layer 0 on the prompt's first tokens; the blocks that SIGU chooses, or all for no `gamma`."""
    model = load(TINY)
    integer = quantise(model)
    weights = integer.layer(0)
    ids = read_prompt(model.config, TINY)[:tokens]
    heads = layer.project(integer.embedded(ids), weights)
    blocks = -(-tokens // SIZE.block)
    if gamma is None:
        mask = np.broadcast_to(np.tri(blocks, dtype=bool), (heads.q.values.shape[1], blocks, blocks)).copy()
    else:
        mask = selectors.streaming(gamma=gamma, tau=0.1, min_budget=128, block=SIZE.block)(0, heads)
    width = weights.output.group
    return Prompt(heads, mask, weights.value.out.fraction, width)


@pytest.mark.long
@pytest.mark.skipif(verilator.missing() is not None, reason=f"rtl NOT run: {verilator.missing()}")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("window", "lines"), [(1, ("all_fit", "two_lines")), (4, ("no_line", "two_lines"))])
def test_a_layer_of_the_checkpoint(window: int, lines: tuple[str, ...], tmp_path: Path, record_property) -> None:
    pytest.importorskip("cocotbext.axi", reason="cocotbext-axi is not installed")
    size = replace(SIZE, window=window)
    chosen = prompt(TOKENS, 0.9)
    assert 0.1 < chosen.mask.mean() < 0.5
    capacities = {"all_fit": (SIZE.lines, 3), "two_lines": (2, 1), "no_line": (0, 0)}
    runs = [Played(name, chosen, *capacities[name]) for name in lines]
    log, measured = memory.simulated(
        attention_layer.system(**asdict(size), dsp_columns=4), size, runs, Port(), tmp_path,
        settings=(((64, 64), False, 0.0),), timeout_s=7200,
    )  # fmt: skip
    assert "TESTS=1 PASS=1 FAIL=0" in log, log[-6000:]
    jobs = sum(listed.jobs for listed in chosen.lists)
    record_property("jobs", jobs)
    for run in runs:
        for what, value in measured[run.name].items():
            record_property(f"{run.name}_{what}", value)
        blocks = golden.blocks_read(chosen, size, run.capacity, run.hot)
        assert measured[run.name]["block_bytes"] == SIZE.record.size * len(blocks)
    tiers.note("verilator")


@pytest.mark.long
@pytest.mark.skipif(csim.missing() is not None, reason=f"g++ NOT run: {csim.missing()}")
@pytest.mark.parametrize(("board", "window"), [("u280", 1), ("kv260", 1), ("u280", 8), ("kv260", 4)])
def test_the_hls_project_of_the_system(board: str, window: int, tmp_path: Path) -> None:
    """The C++ with m_axi ports on memories, a list with a fault among them; the layer of the checkpoint as well."""
    whole = replace(SIZE, window=window)
    size = replace(whole, k_parallel=2, dim=16, block=16, blocks=8, beat_bits=128)
    parameters = {**asdict(size), "dsp_columns": 4}
    api.compile_project("attention_layer", tmp_path / "small", emit="hls", parameters=parameters, board=board)
    small = api.csim(tmp_path / "small")
    assert small.ok and "8 cases from memory to memory as well" in small.found.detail
    module = link(attention_layer.system(**asdict(whole), dsp_columns=4))
    case = Played("layer", prompt(TOKENS, 0.9), whole.lines, 3).in_memory(whole)
    memory_of = attention_layer.system(**asdict(whole)).memory
    for path, content in in_memory.files(module, memory_of, [case], boards.load(board)).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    program = csim.build(tmp_path / in_memory.FOLDER)
    assert csim.run_memory(program, tmp_path / in_memory.VECTORS / "layer") == ""
