"""A system with its movers as a Vitis kernel: its C simulation on a memory, and its link to a board's memory."""

import fnmatch
import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from fastprefill import boards
from fastprefill.build import in_memory
from fastprefill.build.kernel import build
from fastprefill.errors import FastprefillError
from fastprefill.frontend import load_module
from fastprefill.system.mover import Memory, MemoryCase, Mover
from fastprefill.targets.vitis_hls.in_memory import emit_in_memory
from fastprefill.tools import csim, tiers

COPY = load_module(Path(__file__).parent / "in_memory_copy.py")
KINDS = {"lists": 0, "queries": 4, "keys_values": 2, "rows": 16, "result": 4}


def case(words: int, source: int, target: int) -> MemoryCase:
    before = bytearray(bytes(range(1, 256)) * 4)
    given = before[source : source + 8 * words]
    values = [int.from_bytes(given[at : at + 8], "little") for at in range(0, 8 * words, 8)]
    after = bytearray(before)
    made = b"".join(((value + 1) % 2**64).to_bytes(8, "little") for value in values)[: 8 * words - 3]
    after[target : target + len(made)] = made
    total = sum(value % 2**32 for value in values) % 2**32
    return MemoryCase("copy", {"n": words, "source": source, "target": target}, bytes(before), bytes(after), (total,))


def saved(folder: Path, played: MemoryCase) -> Path:
    folder.mkdir()
    for name, content in played.files().items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.skipif(csim.missing() is not None, reason=f"g++ NOT run: {csim.missing()}")
def test_the_kernel_turns_one_memory_into_the_other(tmp_path: Path) -> None:
    made = in_memory.files(build(COPY.system()), COPY.MEMORY, [], boards.load("u280"))
    for path, content in made.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    program = csim.build(tmp_path / "memory")
    for number, words in enumerate((1, 2, 40)):
        assert csim.run_memory(program, saved(tmp_path / f"case{number}", case(words, 16, 512))) == ""
    good = case(5, 0, 512)
    nothing = replace(good, name="refused", scalars={**good.scalars, "n": 101}, after=good.before, status=(0,))
    assert csim.run_memory(program, saved(tmp_path / "refused", nothing)) == ""
    wrong = bytearray(good.after)
    wrong[700] ^= 1
    found = csim.run_memory(program, saved(tmp_path / "wrong", replace(good, after=bytes(wrong))))
    assert found == f"byte 0x2bc of memory: expected {wrong[700]:#04x}, got {good.after[700]:#04x}"
    found = csim.run_memory(program, saved(tmp_path / "status", replace(good, status=(1,))))
    assert found == f"status word 0: expected 0x1, got {good.status[0]:#x}"
    with pytest.raises(FastprefillError, match='has no scalar "target"'):
        given = {"n": 1, "source": 0}
        csim.run_memory(program, saved(tmp_path / "lacking", replace(good, scalars=given)))
    tiers.note("g++")


@pytest.mark.parametrize(
    ("memory", "message"),
    [
        (replace(COPY.MEMORY, status={}), "stream 'total' of 'copying' has no mover and is no status output"),
        (replace(COPY.MEMORY, status={"totals": 1}), "stream 'total' of 'copying' has no mover"),
        (replace(COPY.MEMORY, status={"total": 1, "sum": 1}), "'copying' has no output 'sum' of at most 32 bits"),
        (
            replace(COPY.MEMORY, movers={"source": Mover("reads", "in_beats")}),
            "mover 'source': 'copying' has no stream 'reads'",
        ),
        (
            replace(COPY.MEMORY, movers={"source": Mover("read", "in_beats", bytes=8)}),
            "mover 'source': commands of 96 bits in 'read' of 'copying'",
        ),
    ],
)
def test_movers_that_do_not_fit_are_refused(memory: Memory, message: str) -> None:
    with pytest.raises(FastprefillError, match=message):
        emit_in_memory(build(COPY.system()), memory, board=boards.load("u280"))


def layer() -> Memory:
    movers = {
        "lists": Mover("a", "b", "lists"), "next": Mover("a", "b", "lists"), "queries": Mover("a", "b", "queries"),
        "blocks": Mover("a", "b", "keys_values"), "rows": Mover("a", "b", "rows", writes=True),
        "again": Mover("a", "b", "rows"), "result": Mover("a", "b", "result", writes=True),
    }  # fmt: skip
    return Memory(movers, KINDS, {"fault": 1})


def test_each_buffer_has_channels_of_its_own_by_its_share_of_the_bytes() -> None:
    found = in_memory.buffers(layer(), boards.load("u280").memories[0])
    assert {one.name: one.memory for one in found} == {
        "lists": "HBM[0]", "queries": "HBM[1:5]", "keys_values": "HBM[6:8]", "rows": "HBM[9:25]",
        "result": "HBM[26:30]",
    }  # fmt: skip
    assert [one.ports for one in found] == [
        ("r_lists", "r_next"), ("r_queries",), ("r_blocks",), ("w_rows", "r_again"), ("w_result", "w_status"),
    ]  # fmt: skip
    with pytest.raises(FastprefillError, match="5 buffers and 4 channels of DDR; each needs one of its own"):
        in_memory.buffers(layer(), replace(boards.load("kv260").memories[0], name="DDR"))


def test_ports_of_one_memory_are_shared_by_load() -> None:
    assert in_memory.shared_ports(layer(), 4) == {
        "r_lists": 3, "r_next": 3, "r_queries": 2, "r_blocks": 2, "w_rows": 0, "r_again": 1, "w_result": 3,
        "w_status": 2,
    }  # fmt: skip


@pytest.mark.parametrize("board", ["u280", "kv260"])
def test_link_and_steps_name_what_is_there(board: str) -> None:
    files = in_memory.files(build(COPY.system()), COPY.MEMORY, [case(2, 0, 64)], boards.load(board))
    made = {path: content.decode() for path, content in files.items() if not path.endswith(".bin")}
    steps = tomllib.loads(made["bitstream/steps.toml"])
    products = {step["makes"] for step in steps["step"]}
    for step in steps["step"]:
        for need in step["needs"]:
            there = need.removeprefix("../") if need.startswith("../") else f"bitstream/{need}"
            assert fnmatch.filter(made, there) or need in products, need
    assert steps["result"] in products and steps["result"] in made["bitstream/Makefile"]
    assert json.loads(made["memory/vectors/copy/case.json"])["scalars"]["n"] == 2
    kernel = made["memory/copying_in_memory.cpp"]
    for port in ("r_source", "w_target", "w_status"):
        assert f"mode=m_axi port={port} bundle={port}" in kernel
        if board == "u280":
            assert f"sp=copying_in_memory_1.{port}:HBM[" in made["bitstream/link.cfg"]
        else:
            assert f"$unit/m_axi_{port}]" in made["bitstream/block_design.tcl"]
    if board == "u280":
        assert "nk=copying_in_memory:1" in made["bitstream/link.cfg"]
