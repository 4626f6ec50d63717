"""The order of a layer's jobs and the words in which the walker says it (``kernels/walker.py``).

Query blocks come in ascending order, for each of them the heads of the group one after the other, for each head its key
blocks in ascending order. A job is a request to the cache, and a query block of a head is a window of it: requests
ascend within it, so the cache's decisions are those of ``kv_cache.liveness`` on the sequence of blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fastprefill.golden import jobs, layout
from fastprefill.golden.jobs import JobList
from fastprefill.golden.kv_cache_words import NEVER
from fastprefill.system.case import Case


def command(address: int, size: int) -> int:
    """A mover's command as a word."""
    return address | size << 64


@dataclass(frozen=True)
class Walk:
    """Sizes of a walker, as ``kernels.walker.unit`` takes them, and query blocks of a window.

    With a window of 1 the heads of a group take turns, with a larger one the order is that of
    ``golden.window_walker``.
    """

    blocks: int
    group: int
    block: int
    dim: int
    beat_bits: int
    window: int = 1

    @property
    def query_bytes(self) -> int:
        """Bytes of a block of queries."""
        return layout.QueryBlock(self.block, self.dim).size

    @property
    def query_stride(self) -> int:
        """Bytes from a block of queries to the next."""
        return layout.stride(self.query_bytes)


@dataclass(frozen=True)
class Visit:
    """The jobs of one query block of one head.

    Attributes:
        window: number among all query blocks of the layer, in the order of the walk.
        kv_head: number of the KV head.
        head: query head within the group.
        query_block: its number.
        key_blocks: in ascending order; none is possible.
    """

    window: int
    kv_head: int
    head: int
    query_block: int
    key_blocks: tuple[int, ...]


def visits(lists: Sequence[JobList]) -> list[Visit]:
    """All query blocks of a layer in the order in which they are worked on, also those without jobs.

    Args:
        lists: of each KV head, of equally many blocks and heads.
    """
    found: list[Visit] = []
    for kv, listed in enumerate(lists):
        mask = listed.mask()
        for row in range(listed.blocks):
            for head in range(listed.heads):
                chosen = tuple(int(block) for block in np.flatnonzero(mask[head, row]))
                found.append(Visit(len(found), kv, head, row, chosen))
    return found


def requests(lists: Sequence[JobList]) -> list[int]:
    """What the cache is asked for, in order: numbers of blocks of keys and values, ``kv_head * blocks + block``."""
    return [visit.kv_head * lists[0].blocks + block for visit in visits(lists) for block in visit.key_blocks]


def request_words(lists: Sequence[JobList]) -> list[int]:
    """The same as words of 48 bits: block, window, window of the block's next use (0xFFFF: none), 16 bits each."""
    following: dict[int, int] = {}
    words = []
    for visit in reversed(visits(lists)):
        for block in reversed(visit.key_blocks):
            number = visit.kv_head * lists[0].blocks + block
            words.append(number | visit.window << 16 | following.get(number, NEVER) << 32)
            following[number] = visit.window
    return words[::-1]


def list_reads(lists: Sequence[JobList], base: int, stride: int) -> tuple[list[int], list[int]]:
    """Commands by which the lists are read, and those for single entries of the lists by key block.

    Args:
        lists: of each KV head; list n lies at `base` + n * `stride`.
    """
    whole, single = [], []
    for kv, listed in enumerate(lists):
        at = base + kv * stride
        offsets = [int(word) for word in np.frombuffer(jobs.pack(listed), "<u4", 5, 20)]
        starts = 4 * (listed.blocks + 1)
        whole += [
            command(at, 4 * jobs.HEADER_WORDS),
            command(at + offsets[0], starts),
            command(at + offsets[2], starts),
            command(at + offsets[1], 4 * len(listed.row_entries)),
        ]
        pointer = listed.column_start[:-1].astype(int)
        for entry in listed.row_entries:
            key = int(entry) & 0xFFFF
            pointer[key] += 1
            if pointer[key] < listed.column_start[key + 1]:
                single.append(command(at + offsets[3] + 4 * int(pointer[key]), 4))
    return whole, single


def flags(visit: Visit) -> Iterator[int]:
    """A byte for each job: bit 0 the diagonal, bit 1 the first, bit 2 the last of its query block."""
    last = len(visit.key_blocks) - 1
    for n, block in enumerate(visit.key_blocks):
        yield (block == visit.query_block) | (n == 0) << 1 | (n == last) << 2


def beats(memory: bytes | bytearray, commands: Sequence[int], bits: int) -> list[int]:
    """What a reader with a port of `bits` delivers for commands: whole beats of a memory that begins at address 0."""
    size = bits // 8
    found = []
    for word in commands:
        address, length = word & (1 << 64) - 1, word >> 64
        for at in range(address - address % size, address + length, size):
            found.append(int.from_bytes(memory[at : at + size], "little"))
    return found


def memory_of(lists: Sequence[JobList], base: int) -> tuple[bytearray, int]:
    """The lists in memory from `base` on, and their stride."""
    images = [jobs.pack(listed) for listed in lists]
    stride = max(len(image) for image in images)
    memory = bytearray(base + stride * len(images))
    for n, image in enumerate(images):
        memory[base + n * stride : base + n * stride + len(image)] = image
    return memory, stride


def outputs(
    lists: Sequence[JobList], walk: Walk, base: int, stride: int, queries: int
) -> dict[str, list[int]]:
    """Words of all outputs of the unit."""
    whole, single = list_reads(lists, base, stride)
    all_visits = visits(lists)
    busy = [visit for visit in all_visits if visit.key_blocks]
    heads, blocks = lists[0].heads, lists[0].blocks
    return {
        "list_commands": whole,
        "next_commands": single,
        "query_commands": [
            command(
                queries + ((v.kv_head * heads + v.head) * blocks + v.query_block) * walk.query_stride,
                walk.query_bytes,
            )
            for v in busy
        ],
        "requests": request_words(lists),
        "count": [len(visit.key_blocks) for visit in busy],
        "repeats": [len(visit.key_blocks) for visit in busy],
        "score_job": [flag for visit in busy for flag in flags(visit)],
        "state_job": [flag for visit in busy for flag in flags(visit)],
        "targets": [*(visit.window for visit in busy), len(all_visits)],
        "fault": [0],
    }


def totals(lists: Sequence[JobList]) -> dict[str, int]:
    """The scalars ``jobs`` and ``query_blocks``, those with jobs, of lists; at least 1, as the limits want it."""
    busy = [len(visit.key_blocks) for visit in visits(lists) if visit.key_blocks]
    return {"jobs": max(1, sum(busy)), "query_blocks": max(1, len(busy))}


def case(name: str, lists: Sequence[JobList], tokens: int, walk: Walk) -> Case:
    """A run of the unit on lists in memory."""
    base, queries = 0x3000, 0x1_0000_0000
    memory, stride = memory_of(lists, base)
    expected = outputs(lists, walk, base, stride, queries)
    scalars = {
        "tokens": tokens, "kv_heads": len(lists), "group": lists[0].heads, "lists": base, "list_stride": stride,
        "queries": queries, **totals(lists),
    }  # fmt: skip
    inputs = {
        "list_beats": beats(memory, expected["list_commands"], walk.beat_bits),
        "next_beats": beats(memory, expected["next_commands"], walk.beat_bits),
    }
    return Case(name, scalars, inputs, expected)


def prompts(seed: int, walk: Walk) -> list[tuple[str, list[JobList], int]]:
    """Lists of prompts and their tokens: random masks, one token, all blocks, only the first key block, holes."""
    random = np.random.default_rng(seed)

    def listed(mask: np.ndarray) -> JobList:
        return jobs.job_list(mask & np.tri(mask.shape[1], dtype=bool))

    def sparse(heads: int, blocks: int, density: float) -> JobList:
        return listed(random.random((heads, blocks, blocks)) < density)

    most, block, group = walk.blocks, walk.block, walk.group
    first = np.zeros((group, 4, 4), bool)
    first[:, :, 0] = True
    one = np.zeros((group, most, most), bool)
    one[group - 1, most - 1, 1] = True
    return [
        ("one_token", [listed(np.ones((1, 1, 1), bool))], 1),
        ("all", [listed(np.ones((group, most, most), bool))], most * block),
        ("one_key_block", [listed(first)], 3 * block + 1),
        ("one_job", [listed(one)], most * block),
        ("sparse", [sparse(group, most, 0.3), sparse(group, most, 0.1)], most * block - 3),
        ("one_head", [sparse(1, 5, 0.5) for _ in range(3)], 5 * block),
    ]


def cases(seed: int, walk: Walk) -> list[Case]:
    """Runs on these prompts."""
    return [case(name, lists, tokens, walk) for name, lists, tokens in prompts(seed, walk)]
