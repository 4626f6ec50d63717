"""Job lists: which (query block, key block) pairs of a KV head's group are computed, and in which order.

A job is one query head's block of queries against one block of keys. The list holds the jobs of all query heads
that share a KV head, twice: by query block for the attention engine, by key block for the KV cache.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from fastprefill.errors import FastprefillError

MAGIC = 0x4C4A_5046  # "FPJL"
VERSION = 1
HEADER_WORDS = 16
BLOCKS_WORD, HEADS_WORD, ENTRIES_WORD = 2, 3, 4
ROW_START_WORD, ROW_ENTRIES_WORD, COLUMN_START_WORD, COLUMN_ENTRIES_WORD = 5, 6, 7, 8
"""Of the header: sizes, and the byte offsets of arrays; the columns' two words behind the rows'."""
PAGE = 4096
#: An entry is the other block's number in its low half and a bit per query head in its high half.
HEADS_SHIFT = 16
LARGEST_GROUP = 16
LARGEST_BLOCKS = 1 << HEADS_SHIFT

Words = NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class JobList:
    """Jobs of one KV head's group, all uint32.

    Attributes:
        heads: query heads of the group, 1 to 16.
        row_start: [blocks + 1]; the entries of query block r are row_start[r] to row_start[r + 1] - 1.
        row_entries: [entries], key block + (query heads << 16), key blocks ascending within a row.
        column_start: [blocks + 1]; the same by key block.
        column_entries: [entries], query block + (query heads << 16), query blocks ascending within a column.
        use_count: [blocks], jobs of each key block, over all query heads.
    """

    heads: int
    row_start: Words
    row_entries: Words
    column_start: Words
    column_entries: Words
    use_count: Words

    @property
    def blocks(self) -> int:
        """Blocks of the prompt."""
        return len(self.use_count)

    @property
    def jobs(self) -> int:
        """Jobs of all heads."""
        return int(self.use_count.sum())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, JobList):
            return NotImplemented
        return self.heads == other.heads and all(
            np.array_equal(mine, theirs) for mine, theirs in zip(self._arrays(), other._arrays(), strict=True)
        )

    def mask(self) -> NDArray[np.bool_]:
        """bool [heads, blocks, blocks]: what `job_list` was made from."""
        row = np.repeat(np.arange(self.blocks), self.row_start[1:] - self.row_start[:-1])
        return self._spread(row, self.row_entries & (LARGEST_BLOCKS - 1), self.row_entries)

    def _spread(
        self, row: NDArray[np.integer], column: NDArray[np.integer], entries: Words
    ) -> NDArray[np.bool_]:
        mask = np.zeros((self.heads, self.blocks, self.blocks), np.bool_)
        for head in range(self.heads):
            mask[head, row, column] = (entries >> (HEADS_SHIFT + head)) & 1
        return mask

    def _arrays(self) -> list[Words]:
        return [getattr(self, field.name) for field in fields(self) if field.name != "heads"]


def job_list(mask: NDArray[np.bool_]) -> JobList:
    """The jobs of a group, of one block or more.

    Args:
        mask: bool [heads, blocks, blocks], query block by key block; nothing above the diagonal.

    Raises:
        FastprefillError: another shape, more than 16 heads or 65,536 blocks, a job above the diagonal.
    """
    if mask.ndim != 3 or mask.shape[1] != mask.shape[2] or 0 in mask.shape:
        raise FastprefillError(
            f"a block mask has shape {list(mask.shape)}; it must be [heads, blocks, blocks]"
        )
    heads, blocks, _ = mask.shape
    if heads > LARGEST_GROUP or blocks > LARGEST_BLOCKS:
        raise FastprefillError(
            f"a job list of {heads} heads and {blocks} blocks; a group has at most {LARGEST_GROUP} heads and a prompt "
            f"{LARGEST_BLOCKS} blocks"
        )
    bits = np.zeros((blocks, blocks), np.uint32)
    for head in range(heads):
        bits |= mask[head].astype(np.uint32) << np.uint32(HEADS_SHIFT + head)
    row, column = np.nonzero(bits)
    if (column > row).any():
        first = int(np.flatnonzero(column > row)[0])
        raise FastprefillError(
            f"query block {row[first]} has a job with key block {column[first]}, which is after it; jobs are causal"
        )
    # column by column: the same pairs, sorted by key block and within it by query block
    key, query = np.nonzero(bits.T)
    return JobList(
        heads,
        _starts(row, blocks),
        (bits[row, column] | column).astype(np.uint32),
        _starts(key, blocks),
        (bits[query, key] | query).astype(np.uint32),
        mask.sum(axis=(0, 1)).astype(np.uint32),
    )


def empty(heads: int) -> JobList:
    """The list of a start that was refused: no blocks, so no jobs."""
    nothing, start = np.zeros(0, np.uint32), np.zeros(1, np.uint32)
    return JobList(heads, start, nothing, start, nothing, nothing)


def requests(
    jobs: JobList, window: int, *, together: bool = True, alternate: bool = False
) -> NDArray[np.int64]:
    """Key blocks in the order in which the attention engine asks for them: int64 [visits].

    `window` query blocks are open at a time; their key blocks come in ascending order, each once, and serve all jobs
    of the window.

    Args:
        jobs: of one KV head.
        window: open query blocks, at least 1.
        together: all heads of the group share a visit; otherwise they run one after the other, each by itself.
        alternate: every other window takes its key blocks in descending order.

    Raises:
        FastprefillError: a window below 1.
    """
    if window < 1:
        raise FastprefillError(f"a window has {window} query blocks; it needs at least 1")
    mask = jobs.mask()
    passes: list[NDArray[np.bool_]] = [np.logical_or.reduce(mask)] if together else list(mask)
    order: list[NDArray[np.int64]] = []
    for needed in passes:
        for number, first in enumerate(range(0, jobs.blocks, window)):
            blocks = np.flatnonzero(np.logical_or.reduce(needed[first : first + window]))
            order.append(blocks[::-1] if alternate and number % 2 else blocks)
    return np.concatenate(order)


def pack(jobs: JobList) -> bytes:
    """The list as it lies in memory (docs/layout.md): a header page, then each array on a page of its own."""
    arrays = jobs._arrays()
    offsets, end = [], PAGE
    for array in arrays:
        offsets.append(end)
        end += _pages(len(array))
    header = np.zeros(HEADER_WORDS, "<u4")
    header[:5] = MAGIC, VERSION, jobs.blocks, jobs.heads, len(jobs.row_entries)
    header[5 : 5 + len(offsets)] = offsets
    image = bytearray(end)
    image[: header.nbytes] = header.tobytes()
    for offset, array in zip(offsets, arrays, strict=True):
        image[offset : offset + 4 * len(array)] = array.astype("<u4").tobytes()
    return bytes(image)


def unpack(image: bytes) -> JobList:
    """Read a list back.

    Raises:
        FastprefillError: not a job list, another version, an array outside the image, or two halves that do not
            hold the same jobs.
    """
    if len(image) < 4 * HEADER_WORDS:
        raise FastprefillError(f"a job list of {len(image)} bytes; its header alone has {4 * HEADER_WORDS}")
    magic, version, blocks, heads, entries, *offsets = (
        int(word) for word in np.frombuffer(image, "<u4", HEADER_WORDS)
    )
    if magic != MAGIC:
        raise FastprefillError(f"not a job list: it begins with {magic:#010x} instead of {MAGIC:#010x}")
    if version != VERSION:
        raise FastprefillError(f"a job list of version {version}; this program reads version {VERSION}")
    if not (1 <= heads <= LARGEST_GROUP and 0 <= blocks <= LARGEST_BLOCKS):
        raise FastprefillError(f"a job list of {heads} heads and {blocks} blocks, which cannot be")
    arrays: list[Words] = []
    for offset, length in zip(offsets, (blocks + 1, entries, blocks + 1, entries, blocks), strict=False):
        if offset % PAGE or offset + 4 * length > len(image):
            raise FastprefillError(
                f"the job list has {len(image)} bytes; its array of {length} words at byte {offset} does not fit there"
            )
        arrays.append(np.frombuffer(image, "<u4", length, offset).astype(np.uint32))
    jobs = JobList(heads, *arrays)
    if not _consistent(jobs):
        raise FastprefillError("the job list is damaged: its halves by query and by key block differ")
    return jobs


def _consistent(jobs: JobList) -> bool:
    for starts, entries in (
        (jobs.row_start.astype(np.int64), jobs.row_entries),
        (jobs.column_start.astype(np.int64), jobs.column_entries),
    ):
        if starts[0] or starts[-1] != len(entries) or (np.diff(starts) < 0).any():
            return False
        if (entries & (LARGEST_BLOCKS - 1) >= jobs.blocks).any():
            return False
    mask = jobs.mask()
    if not jobs.blocks:
        return jobs == empty(jobs.heads)
    # a list that is made anew from its rows must be the same in every word
    return not (np.triu(mask.any(axis=0), 1)).any() and job_list(mask) == jobs


def _starts(sorted_blocks: NDArray[np.integer], blocks: int) -> Words:
    return np.searchsorted(sorted_blocks, np.arange(blocks + 1)).astype(np.uint32)


def _pages(words: int) -> int:
    return -(-4 * words // PAGE) * PAGE
