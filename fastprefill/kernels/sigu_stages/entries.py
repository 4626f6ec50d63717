"""One half of a job list from words of blocks: an entry for each block that some head keeps, one a cycle."""

import allo
import allo.dataflow as df
import numpy as np
from allo.ir.types import Stream, UInt, int32

from fastprefill.golden import jobs
from fastprefill.golden.sigu.size import Size
from fastprefill.golden.sigu.unit import offsets
from fastprefill.kernels.sigu_stages.scan import INDEX_BITS, word_bits
from fastprefill.system.unit import Unit


def unit(size: Size, name: str, by_key: bool) -> Unit:
    """The half by query block or, `by_key`, by key block. A start that is refused gives an empty list.

    Streams: ``words`` as from the unit ``scan``; ``starts`` and ``entries`` as in docs/layout.md; by key ``uses``, by
    query ``header``: the first 16 words of the list, after all entries.
    """
    width = size.rows if by_key else size.lanes
    group, block, BITS = size.group, size.block, width * size.group
    Word, Blocks, Heads, Union = UInt(word_bits(size, width)), UInt(BITS), UInt(group), UInt(width)
    Index = UInt(INDEX_BITS)
    REST_AT, UNION_END = BITS + width, BITS + 2 * width
    INDEX_END = UNION_END + INDEX_BITS
    HEADER = np.array([jobs.MAGIC, jobs.VERSION, 0, size.group, 0, *offsets(size), *[0] * 6])
    HEADER_WORDS, SHIFT = jobs.HEADER_WORDS, jobs.HEADS_SHIFT
    BLOCKS_WORD, ENTRIES_WORD = jobs.BLOCKS_WORD, jobs.ENTRIES_WORD
    lead = not by_key

    @df.region()
    def sigu_entries(tokens: int32[1]):
        words: Stream[Word, 2]
        starts: Stream[UInt(32), 2]
        entries: Stream[UInt(32), 2]
        with allo.meta_if(by_key):
            uses: Stream[UInt(32), 2]
        with allo.meta_else():
            header: Stream[UInt(32), 2]

        @df.kernel(mapping=[1], args=[tokens])
        def list_jobs(ltokens: int32[1]):
            held: Blocks = 0
            left: Union = 0  # blocks of the word that have no entry yet
            empty: UInt(1) = 1
            first: Index = 0
            ends: UInt(1) = 0
            more: UInt(1) = 0
            running: UInt(1) = ltokens[0] != 0
            total: UInt(32) = 0
            jobs_of: UInt(32) = 0
            starts.put(0)
            while running == 1:
                now: Union = left
                others: Union = left & (left - 1)
                if empty == 1:
                    word: Word = words.get()
                    held = word[0:BITS]
                    now = word[BITS:REST_AT]
                    others = word[REST_AT:UNION_END]
                    first = word[UNION_END:INDEX_END]
                    ends = word[INDEX_END]
                    more = word[INDEX_END + 1]
                some: UInt(1) = now != 0
                lowest: Union = now ^ others
                left = others
                running = others != 0 or more == 1
                empty = others == 0
                heads: Heads = 0
                place: UInt(8) = 0
                for j in range(width, unroll=True):
                    if lowest[j] == 1:
                        heads = heads | held[group * j : group * j + group]
                        place = place | j
                if some == 1:
                    entry: UInt(32) = first + place
                    entry[SHIFT : SHIFT + group] = heads
                    entries.put(entry)
                    total += 1
                with allo.meta_if(by_key):
                    jobs_here: UInt(5) = 0
                    for n in range(group, unroll=True):
                        jobs_here += heads[n]
                    jobs_of += jobs_here
                if others == 0 and ends == 1:
                    starts.put(total)
                    with allo.meta_if(by_key):
                        uses.put(jobs_of)
                        jobs_of = 0
            with allo.meta_if(lead):
                constants: UInt(32)[HEADER_WORDS] = HEADER
                filled_up: UInt(18) = ltokens[0] + (block - 1)
                for w in range(HEADER_WORDS):
                    text: UInt(32) = constants[w]
                    if w == BLOCKS_WORD:
                        text = filled_up // block
                    if w == ENTRIES_WORD:
                        text = total
                    header.put(text)

    def schedule(s) -> None:
        s.pipeline("list_jobs:while", initiation_interval=1)

    return Unit(
        name, sigu_entries, inputs=("words",), outputs=("starts", "entries", "uses" if by_key else "header"),
        schedule=schedule, refused={"tokens": 0},
    )  # fmt: skip
