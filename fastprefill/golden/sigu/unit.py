"""A start of the hardware unit: its registers, the streams that come in, and the job list that must come out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastprefill.golden import jobs
from fastprefill.golden.jobs import JobList, job_list
from fastprefill.golden.scale import Codes
from fastprefill.golden.sigu.registers import FIXED_BLOCK, Registers
from fastprefill.golden.sigu.select import HeadIndex, index_head
from fastprefill.golden.sigu.size import Size
from fastprefill.golden.sigu.streams import all_tiles, inputs
from fastprefill.system.case import Case


@dataclass(frozen=True)
class Group:
    """The query heads that share a KV head.

    Attributes:
        q: of each head, codes of all tokens; log2(e) / sqrt(dim) is part of them.
        k: codes of all tokens.
    """

    q: list[Codes]
    k: Codes


def scalars(registers: Registers) -> dict[str, int]:
    """Run-time registers of the unit."""
    return {
        "tokens": registers.tokens,
        "gamma": registers.gamma,
        "threshold": registers.divergence_threshold,
        "min_blocks": registers.min_blocks,
        "max_blocks": registers.max_blocks,
        "line_block": registers.line_block,
    }


def index_group(group: Group, registers: Registers) -> list[HeadIndex]:
    """What is selected for each head."""
    return [index_head(q, group.k, registers) for q in group.q]


def list_words(found: JobList, size: Size) -> dict[str, list[int]]:
    """Words of the streams that hold a job list."""
    header = [jobs.MAGIC, jobs.VERSION, found.blocks, found.heads, len(found.row_entries), *offsets(size)]
    return {
        "header": header + [0] * (jobs.HEADER_WORDS - len(header)),
        "row_start": found.row_start.tolist(),
        "row_entries": found.row_entries.tolist(),
        "column_start": found.column_start.tolist(),
        "column_entries": found.column_entries.tolist(),
        "use_count": found.use_count.tolist(),
    }


def offsets(size: Size) -> list[int]:
    """Byte offsets of a job list's arrays where each has room for the longest prompt."""
    pairs = size.blocks * (size.blocks + 1) // 2
    found, end = [], jobs.PAGE
    for length in (size.blocks + 1, pairs, size.blocks + 1, pairs, size.blocks):
        found.append(end)
        end += -(-4 * length // jobs.PAGE) * jobs.PAGE
    return found


def image(outputs: dict[str, list[int]]) -> bytes:
    """The job list in memory, from the words of its streams; `jobs.unpack` reads it."""
    header = outputs["header"]
    arrays = [
        outputs[name] for name in ("row_start", "row_entries", "column_start", "column_entries", "use_count")
    ]
    places = header[5:10]
    data = np.zeros((places[-1] + 4 * len(arrays[-1])) // 4, "<u4")
    for place, words in zip((0, *places), (header, *arrays), strict=True):
        data[place // 4 : place // 4 + len(words)] = words
    return data.tobytes()


def case(name: str, group: Group, registers: Registers, size: Size) -> Case:
    """One start with the streams of `group`, and the job list that is expected."""
    found = index_group(group, registers)
    aware = [head.query_aware for head in found]
    tiles = list(all_tiles(group.q, group.k, aware, size, registers))
    outputs = list_words(job_list(np.stack([head.mask for head in found])), size)
    outputs["aware"] = [] if registers.all_blocks else [int(flag) for flag in aware]
    return Case(name, scalars(registers), inputs(tiles, size), outputs)


def refused(name: str, size: Size, **wrong: int) -> Case:
    """A start with a scalar outside its limits: an empty list comes out."""
    good = {"tokens": size.longest, "gamma": 1, "threshold": 0, "min_blocks": 1, "max_blocks": 1}
    streams = ("products", "key_scales", "query_scales")
    return Case(
        name,
        {**good, "line_block": FIXED_BLOCK, **wrong},
        {stream: [] for stream in streams},
        {**list_words(jobs.empty(size.group), size), "aware": []},
    )
