"""The system of matrix unit and index generation: the words that its operands are, and the bytes that they move."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fastprefill.golden import mpu
from fastprefill.golden.jobs import job_list
from fastprefill.golden.scale import Codes
from fastprefill.golden.sigu import cases as prompts
from fastprefill.golden.sigu.operands import pooled
from fastprefill.golden.sigu.registers import Registers
from fastprefill.golden.sigu.size import Size
from fastprefill.golden.sigu.streams import SWEEPS, all_tiles, inputs, pooled_tiles, strip_tiles
from fastprefill.golden.sigu.unit import Group, index_group, list_words, scalars
from fastprefill.system.case import Case

USUAL = {"head_dim": 16, "block": 128, "group": 4, "longest": 131_072, "choices": 0, "resident": 0}


def size_for(array: mpu.Size, block: int, group: int, longest: int, choices: int = 0) -> Size:
    """The unit for index generation behind a matrix unit: as many of its columns as are a multiple of `drain_rows`."""
    lanes = array.drain_rows
    rows = min(array.columns // lanes * lanes, block)
    return Size(rows, lanes, array.rows, block, group, longest, array.columns, choices)


def cases(seed: int, names: tuple[str, ...] = (), **parameters: int) -> list[Case]:
    """The cases of `sigu.cases`, prompts named or all, for `kernels.mpu_sigu.system` with these parameters."""
    given = {**USUAL, **parameters}
    array = mpu.Size(**{name: value for name, value in parameters.items() if name not in USUAL})
    size = size_for(array, *(given[name] for name in ("block", "group", "longest", "choices")))
    found = [
        case(
            prompt.name,
            prompts.group_of(prompt, size, seed, given["head_dim"]),
            prompts.registers_of(prompt, size),
            size,
            array,
            given["resident"],
        )
        for prompt in prompts.prompts(size)
        if (not names or prompt.name in names) and prompt.tokens <= size.longest
    ]
    streams = ("keys", "queries", "pooled_keys", "pooled_queries", "key_scales", "query_scales")
    return found + [replace(bad, inputs={name: [] for name in streams}) for bad in prompts.refusals(size)]


def traffic(
    tokens: int, head_dim: int, size: Size, array: mpu.Size, aware: int, resident: int = 0
) -> dict[str, int]:
    """Bytes that one start reads from memory, by stream.

    Args:
        tokens: of a prompt that does not keep all blocks.
        head_dim: elements of a key.
        size: of the unit for index generation.
        array: of the matrix unit.
        aware: query-aware heads.
        resident: tiles of keys that stay on chip between the passes.
    """
    tile = array.steps(head_dim) * array.k_parallel
    key_tiles, blocks = -(-tokens // size.tile_keys), -(-tokens // size.block)
    row_tiles = -(-blocks // size.rows)
    pooled_rows = aware * SWEEPS * row_tiles
    swept = aware * SWEEPS * _sweep_tiles(blocks, size)
    found = {
        "keys, first pass": key_tiles * tile * size.tile_keys,
        "keys, second pass": max(key_tiles - resident, 0) * tile * size.tile_keys,
        "queries": size.group * size.row_tiles * tile * size.columns,
        "pooled keys": -(-blocks // size.tile_keys) * tile * size.tile_keys * (aware > 0),
        "pooled queries": pooled_rows * tile * size.columns,
        "scales": 2 * (2 * key_tiles + swept) * size.tile_keys
        + 2 * (size.group * size.row_tiles + pooled_rows) * size.rows,
    }
    return {**found, "in all": sum(found.values())}


def _sweep_tiles(blocks: int, size: Size) -> int:
    """Tiles of a sweep over the causal half of the pooled blocks."""
    return sum(-(-min(row + size.rows, blocks) // size.tile_keys) for row in range(0, blocks, size.rows))


def case(
    name: str, group: Group, registers: Registers, size: Size, array: mpu.Size, resident: int = 0
) -> Case:
    """One start of the system.

    Args:
        name: of the case.
        group: codes of a KV head's group.
        registers: of the start.
        size: of the unit for index generation.
        array: of the matrix unit.
        resident: tiles of keys that stay on chip between the passes.
    """
    found = index_group(group, registers)
    aware = [head.query_aware for head in found]
    keys: list[int] = []
    queries: list[int] = []
    pooled_keys: list[int] = []
    pooled_queries: list[int] = []
    if not registers.all_blocks:
        strip = list(strip_tiles(group.q, group.k, size, registers))
        per_tile = size.group * size.row_tiles
        key_tiles = [tile.keys for tile in strip[::per_tile]]
        keys = _a(key_tiles, array) + _a(key_tiles[resident:], array)
        queries = _b([tile.queries for tile in strip[:per_tile]], array)
        if any(aware):
            means = pooled(group.k, size.block)
            rows = list(pooled_tiles(pooled(group.q[0], size.block), means, size))
            tiles = -(-len(means.values) // size.tile_keys)
            last = rows[-tiles:]  # the last row tile meets all keys
            pooled_keys = _a([tile.keys for tile in last], array)
        for q, chosen in zip(group.q, aware, strict=True):
            if chosen:
                swept = pooled_tiles(pooled(q, size.block), pooled(group.k, size.block), size)
                pooled_queries += _b([tile.queries for tile in swept if tile.new_queries], array) * SWEEPS
    scales = inputs(list(all_tiles(group.q, group.k, aware, size, registers)), size)
    outputs = list_words(job_list(np.stack([head.mask for head in found])), size)
    outputs["aware"] = [] if registers.all_blocks else [int(flag) for flag in aware]
    return Case(
        name,
        scalars(registers),
        {
            "keys": keys,
            "queries": queries,
            "pooled_keys": pooled_keys,
            "pooled_queries": pooled_queries,
            "key_scales": scales["key_scales"],
            "query_scales": scales["query_scales"],
        },
        outputs,
    )


def _a(tiles: list[Codes], array: mpu.Size) -> list[int]:
    """Words of A, a tile after the other."""
    return mpu.a_words(np.stack([tile.values for tile in tiles]), array) if tiles else []


def _b(tiles: list[Codes], array: mpu.Size) -> list[int]:
    return mpu.b_words(np.stack([tile.values.T for tile in tiles]), array) if tiles else []
