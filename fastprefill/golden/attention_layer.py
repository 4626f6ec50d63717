"""One layer's attention from memory to memory, of the golden models of its parts (``kernels/attention_layer.py``).

A memory holds job lists, blocks of queries, blocks of keys and values (``docs/layout.md``); what the system reads and
writes follows from the lists and the KV cache's decisions, and the result is that of ``attention.attend`` and
``sfu.quantise``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fastprefill.errors import FastprefillError
from fastprefill.golden import (
    attention_size,
    kv_cache,
    kv_cache_words,
    layout,
    list_faults,
    sfu,
    walker,
    window_walker,
)
from fastprefill.golden.attention import Heads, attend
from fastprefill.golden.jobs import JobList, job_list, pack
from fastprefill.golden.scale import Codes
from fastprefill.golden.sigu.registers import LONGEST
from fastprefill.golden.walker import command
from fastprefill.system.case import Case
from fastprefill.system.mover import MemoryCase

FIRST = 0x1000
"""Byte address of the first thing in the memories made here."""


@dataclass(frozen=True)
class Size:
    """A system, as ``kernels.attention_layer.system`` takes it.

    Attributes:
        rows, columns, k_parallel, drain_rows, dim, block: of the engine.
        beat_bits: of all ports.
        blocks: most blocks of a prompt.
        group: most query heads of a KV head.
        lines: of the cache.
        look_ahead: requests that the cache looks ahead.
        window: query blocks that are open at a time with all heads of the group; with 1 the heads take turns.
    """

    rows: int
    columns: int
    k_parallel: int
    drain_rows: int
    dim: int
    block: int
    beat_bits: int
    blocks: int
    group: int
    lines: int
    look_ahead: int = 4
    window: int = 1

    def __post_init__(self) -> None:
        if self.blocks * self.block > LONGEST:
            raise FastprefillError(
                f"{self.blocks} blocks of {self.block} tokens; the sums of a state hold {LONGEST:,} tokens: choose at "
                f"most {LONGEST // self.block} blocks"
            )

    @property
    def states(self) -> int:
        """Query blocks, each of one head, that are open at a time."""
        return self.window * self.group if self.window > 1 else 1

    @property
    def engine(self) -> attention_size.Size:
        """Of the attention engine."""
        return attention_size.Size(
            self.rows, self.columns, self.k_parallel, self.drain_rows, self.dim, self.block
        )

    @property
    def record(self) -> layout.KvBlock:
        """A block of keys and values."""
        return layout.KvBlock(self.block, self.dim)

    @property
    def record_stride(self) -> int:
        """Bytes from a block of keys and values to the next."""
        return layout.stride(self.record.size)


@dataclass(frozen=True)
class Memory:
    """Operands in memory, and where they and the result lie.

    Attributes:
        data: from address 0 on, with room for rows and result.
        lists, list_stride: job list of KV head n at `lists` + n * `list_stride`.
        queries: blocks of queries, ``head * blocks + block``.
        keys_values: blocks of keys and values, ``kv_head * blocks + block``.
        rows: int32 [tokens, heads, dim].
        result: rows of codes, ``layout.CodedRows``.
    """

    data: bytearray
    lists: int
    list_stride: int
    queries: int
    keys_values: int
    rows: int
    result: int


@dataclass(frozen=True)
class Prompt:
    """What attention works on.

    Attributes:
        heads: queries, keys, values.
        mask: bool [heads, blocks, blocks], kept (query block, key block), nothing above the diagonal.
        fraction: fraction bits of attention's output.
        scale_group: elements of a token that share a scale in the result.
    """

    heads: Heads
    mask: NDArray[np.bool_]
    fraction: int
    scale_group: int

    @property
    def lists(self) -> list[JobList]:
        """Job lists of the KV heads."""
        together = self.heads.group
        return [job_list(self.mask[at : at + together]) for at in range(0, len(self.mask), together)]

    def rows(self, block: int) -> NDArray[np.int32]:
        """Attention's output, int32 [tokens, heads * dim]."""
        return attend(self.heads, self.fraction, self.mask, block).reshape(self.heads.tokens, -1)

    def result(self, block: int) -> Codes:
        """Codes [tokens, heads * dim], scales [tokens, groups]."""
        return sfu.quantise(self.rows(block), self.fraction, self.scale_group)


def coded_rows(prompt: Prompt) -> layout.CodedRows:
    """How the result lies in memory."""
    width = prompt.mask.shape[0] * prompt.heads.q.values.shape[2]
    return layout.CodedRows(width, width // prompt.scale_group)


def memory_of(prompt: Prompt, size: Size) -> Memory:
    """Everything in memory, each part on a page of its own; where the result will be there is 0xA5."""
    heads, block = prompt.heads, size.block
    tokens, count, dim = heads.q.values.shape
    kv_count, blocks = heads.k.values.shape[1], -(-tokens // block)
    images = [pack(listed) for listed in prompt.lists]
    list_stride = max(len(image) for image in images)
    query, record = layout.QueryBlock(block, dim), size.record
    query_stride = layout.stride(query.size)
    sizes = (
        list_stride * kv_count, query_stride * count * blocks, size.record_stride * kv_count * blocks,
        4 * tokens * count * dim, coded_rows(prompt).stride * tokens,
    )  # fmt: skip
    places = [FIRST]
    for length in sizes:
        places.append(-(-(places[-1] + length) // layout.PAGE) * layout.PAGE)
    lists, queries, keys_values, rows, result, end = places
    data = bytearray(b"\xa5" * end)

    def put(at: int, record_bytes: bytes) -> None:
        data[at : at + len(record_bytes)] = record_bytes

    for n, image in enumerate(images):
        put(lists + n * list_stride, image)
    for n in range(blocks):
        part = slice(n * block, min((n + 1) * block, tokens))
        for head in range(count):
            put(queries + (head * blocks + n) * query_stride, query.pack(heads.q[part, head]))
        for kv in range(kv_count):
            at = keys_values + (kv * blocks + n) * size.record_stride
            put(at, record.pack(heads.k[part, kv], heads.v[part, kv]))
    return Memory(data, lists, list_stride, queries, keys_values, rows, result)


def change_lists(memory: Memory, changes: Mapping[int, int]) -> None:
    """Put words into the lists: by byte from the first one on."""
    for at, word in changes.items():
        memory.data[memory.lists + at : memory.lists + at + 4] = word.to_bytes(4, "little")


def walked(prompt: Prompt, memory: Memory, size: Size) -> dict[str, list[int]]:
    """What the walker makes of the lists in memory, which may have faults."""
    made = window_walker.outputs if size.window > 1 else list_faults.outputs
    return made(memory.data, scalars(prompt, memory, size, 0, 0), _walk(size))


def reached(prompt: Prompt, requests: Sequence[int], size: Size) -> Prompt:
    """The prompt with the jobs of a walk alone: its requests but for those that were made up.

    With windows the list has a fault before its first row or none, so that rows are whole.
    """
    group, mask = prompt.heads.group, np.zeros_like(prompt.mask)
    blocks = -(-prompt.heads.tokens // size.block)
    together = size.window > 1
    windows = -(-blocks // size.window) if together else blocks * group
    for word in requests:
        kv, rest = divmod(word >> 16 & 0xFFFF, windows)
        if kv < len(mask) // group:
            head, row = kv * group + rest % group, rest // group
            heads, rows = slice(head, head + 1), slice(row, row + 1)
            if together:
                heads = slice(kv * group, (kv + 1) * group)
                rows = slice(rest * size.window, (rest + 1) * size.window)
            key = (word & 0xFFFF) - kv * blocks
            mask[heads, rows, key] = prompt.mask[heads, rows, key]
    return replace(prompt, mask=mask)


def requests(prompt: Prompt, size: Size) -> list[int]:
    """What the cache is asked for, in order."""
    if size.window > 1:
        return window_walker.requests(prompt.lists, size.window)
    return walker.requests(prompt.lists)


def blocks_read(prompt: Prompt, size: Size, capacity: int, hot: int) -> list[int]:
    """Blocks of keys and values that the cache reads from memory, in order."""
    words = kv_cache_words.decision_words(requests(prompt, size), capacity, hot, size.look_ahead)
    return [word & 0xFFFF for word in words if word >> 32 & 3 >= 2]


def statistics(prompt: Prompt, size: Size, capacity: int, hot: int) -> list[int]:
    """The cache's: hits, first uses of blocks read ahead, evictions, streamed."""
    decided = kv_cache.liveness(requests(prompt, size), capacity, hot=hot, look_ahead=size.look_ahead)
    return [
        sum(decision.found == "hit" for decision in decided),
        sum(decision.found == "ahead" for decision in decided),
        sum(decision.victim is not None for decision in decided),
        sum(decision.found == "miss" and not decision.kept for decision in decided),
    ]


def scalars(prompt: Prompt, memory: Memory, size: Size, capacity: int, hot: int) -> dict[str, int]:
    """The run-time scalars of the system."""
    if not prompt.mask.any():
        raise FastprefillError("a prompt without a job; at least one query block needs a key block")
    tokens, count, dim = prompt.heads.q.values.shape
    groups = count * dim // prompt.scale_group
    windows = size.window > 1
    counts = window_walker.totals(prompt.lists, size.window) if windows else walker.totals(prompt.lists)
    return {
        "tokens": tokens, "kv_heads": count // prompt.heads.group, "group": prompt.heads.group,
        "lists": memory.lists, "list_stride": memory.list_stride, "queries": memory.queries,
        "keys_values": memory.keys_values, "rows": memory.rows, "result": memory.result,
        "fraction": prompt.fraction, "groups": groups, "group_words": prompt.scale_group // (size.beat_bits // 32),
        "capacity": capacity, "hot": hot, **counts,
    }  # fmt: skip


def after(prompt: Prompt, memory: Memory, size: Size) -> bytearray:
    """What the memory holds after the run: the rows and their codes are added, nothing else has changed."""
    data, layout_of = bytearray(memory.data), coded_rows(prompt)
    rows, codes = layout.pack_words(prompt.rows(size.block)), prompt.result(size.block)
    data[memory.rows : memory.rows + len(rows)] = rows
    coded = layout_of.pack(codes)
    for token in range(prompt.heads.tokens):
        at, written = token * layout_of.stride, layout_of.k + 2 * layout_of.groups
        data[memory.result + at : memory.result + at + written] = coded[at : at + written]
    return data


def case(name: str, prompt: Prompt, size: Size, capacity: int, hot: int) -> Case:
    """A run of the system: what goes over its ports, and with ``written`` that all rows are in memory."""
    memory = memory_of(prompt, size)
    words, given = walked(prompt, memory, size), scalars(prompt, memory, size, capacity, hot)
    read, counted = blocks_read(prompt, size, capacity, hot), statistics(prompt, size, capacity, hot)
    return _case(name, prompt, memory, size, given, words, read, counted)


def faulty_case(name: str, prompt: Prompt, size: Size, changes: Mapping[int, int]) -> Case:
    """A run on job lists with changed words, without a line in the cache: every job reads its block."""
    memory = memory_of(prompt, size)
    change_lists(memory, changes)
    words, given = walked(prompt, memory, size), scalars(prompt, memory, size, 0, 0)
    read = [word & 0xFFFF for word in words["requests"]]
    left = reached(prompt, words["requests"], size)
    return _case(name, left, memory, size, given, words, read, [0, 0, 0, len(read)])


def _walk(size: Size) -> walker.Walk:
    return walker.Walk(size.blocks, size.group, size.block, size.dim, size.beat_bits, size.window)


def _row_order(prompt: Prompt, size: Size) -> list[tuple[int, int, int]]:
    """KV head, query block and head in the order in which rows are written."""
    if size.window > 1:
        return window_walker.row_order(prompt.lists, size.window)
    return [(visit.kv_head, visit.query_block, visit.head) for visit in walker.visits(prompt.lists)]


def _case(
    name: str, prompt: Prompt, memory: Memory, size: Size, given: Mapping[str, int], words: Mapping[str, list[int]],
    read: Sequence[int], counted: list[int],
) -> Case:  # fmt: skip
    """A run with the walker's `words` and the cache's blocks from memory and statistics."""
    result = coded_rows(prompt)
    tokens, count, dim = prompt.heads.q.values.shape
    data = after(prompt, memory, size)
    coded = result.pack(prompt.result(size.block))  # the bytes behind a row are zeros on the stream
    data[memory.result : memory.result + len(coded)] = coded
    addresses = [memory.keys_values + block * size.record_stride for block in read]
    row_commands = [
        command(
            memory.rows + 4 * dim * (token * count + kv * prompt.heads.group + head), 4 * dim
        )
        for kv, row, head in _row_order(prompt, size)
        for token in range(row * size.block, min((row + 1) * size.block, tokens))
    ]
    again = [command(memory.rows + 4 * count * dim * token, 4 * count * dim) for token in range(tokens)]
    written = result.k + 2 * result.groups
    result_commands = [command(memory.result + token * result.stride, written) for token in range(tokens)]

    def beats(commands: Sequence[int]) -> list[int]:
        return walker.beats(data, commands, size.beat_bits)

    outputs = {
        **{name: words[name] for name in ("list_commands", "next_commands", "query_commands", "fault")},
        "block_addresses": addresses,
        "statistics": counted,
        "row_commands": row_commands,
        "row_beats": beats(row_commands),
        "again_commands": again,
        "result_commands": result_commands,
        "result_beats": beats(result_commands),
    }
    inputs = {
        "list_beats": beats(words["list_commands"]),
        "next_beats": beats(words["next_commands"]),
        "query_beats": beats(words["query_commands"]),
        "block_beats": beats([command(at, size.record.size) for at in addresses]),
        "written": [0] * len(row_commands),
        "again_beats": beats(again),
    }
    return Case(name, given, inputs, outputs)


def cases(seed: int, dsp_columns: int = 0, most_words: int = 1024, **size: int) -> list[Case]:
    """Runs of a system of these parameters: what goes over its ports."""
    from fastprefill.golden.attention_layer_cases import played

    return [one.case(Size(**size)) for one in played(seed, Size(**size), most_words)]


def memory_cases(seed: int, dsp_columns: int = 0, most_words: int = 1024, **size: int) -> list[MemoryCase]:
    """The same runs with the movers: what is in memory before and after."""
    from fastprefill.golden.attention_layer_cases import played

    return [one.in_memory(Size(**size)) for one in played(seed, Size(**size), most_words)]
