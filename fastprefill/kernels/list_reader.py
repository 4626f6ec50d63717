"""The reader of job lists: the entries of each row, checked, with what tells the next use of their key block.

It reads a list's rows, and for each entry, through the pointer of its key block into the list by key block, asks for
the next entry of that key block. ``walker`` and ``window_walker`` make an order of jobs of what it says.

Lists are not trusted: from the first word on that contradicts what is known no list is read, rows have no entries, and
``in_lists`` says what was wrong (``golden.list_faults``).
"""

import allo.dataflow as df
from allo.ir.types import Stream, UInt, int32, uint16, uint32, uint64

from fastprefill.errors import FastprefillError
from fastprefill.golden.jobs import (
    BLOCKS_WORD,
    COLUMN_ENTRIES_WORD,
    ENTRIES_WORD,
    HEADER_WORDS,
    HEADS_SHIFT,
    HEADS_WORD,
    LARGEST_BLOCKS,
    LARGEST_GROUP,
    MAGIC,
    PAGE,
    ROW_ENTRIES_WORD,
    ROW_START_WORD,
    VERSION,
)  # fmt: skip
from fastprefill.golden.list_faults import ENTRY, FAULT, HEADER, STARTS
from fastprefill.kernels.sfu.size import MOST_ROWS
from fastprefill.system.mover import COMMAND_BITS
from fastprefill.system.unit import Unit

WORD = 32
"""Bits of a word of a job list; in a word of ``entries`` the entry, above it whether its key block has a next entry."""


def place_bits(beat_bits: int) -> int:
    """Bits of a word's place in a beat, above those in a word of ``entries``."""
    return max((beat_bits // WORD - 1).bit_length(), 1)


def region(blocks_at_most: int, block: int, beat_bits: int):
    """The dataflow region; ``unit`` says what the streams are."""
    BLOCKS, BLOCK, BEAT = blocks_at_most, block, beat_bits
    L, PLACE = beat_bits // WORD, place_bits(beat_bits)
    Beat, Command, Entry = UInt(BEAT), UInt(COMMAND_BITS), UInt(WORD + 1 + PLACE)

    @df.region()
    def list_reader(
        tokens: int32[1], kv_heads: int32[1], group: int32[1], lists: uint64[1], list_stride: uint32[1]
    ):
        list_beats: Stream[Beat, 2]
        list_commands: Stream[Command, 2]
        next_commands: Stream[Command, 2]
        entries: Stream[Entry, 2]
        lengths: Stream[uint32, 2]
        in_lists: Stream[uint32, 2]

        @df.kernel(mapping=[1], args=[tokens, kv_heads, group, lists, list_stride])
        def read(
            ltokens: int32[1], lkv_heads: int32[1], lgroup: int32[1], llists: uint64[1], lstride: uint32[1]
        ):
            row_start: int32[BLOCKS + 1]
            pointer: int32[BLOCKS]
            column_end: int32[BLOCKS]
            header: uint32[HEADER_WORDS] = 0
            last: UInt(24) = ltokens[0] - 1
            blocks: int32 = last // BLOCK + 1
            base: uint64 = llists[0]
            beat: Beat = 0
            found: uint32 = 0
            for kv in range(lkv_heads[0]):
                if found == 0:
                    first: Command = 0
                    first[0:64] = base
                    first[64:96] = 4 * HEADER_WORDS
                    list_commands.put(first)
                heads_of: int32 = HEADER_WORDS if found == 0 else 0
                wrong: UInt(1) = 0
                for w in range(heads_of):
                    if w % L == 0:
                        beat = list_beats.get()
                    told: uint32 = beat[WORD * (w % L) : WORD * (w % L) + WORD]
                    header[w] = told
                    wanted: uint32 = MAGIC
                    if w == 1:
                        wanted = VERSION
                    elif w == BLOCKS_WORD:
                        wanted = blocks
                    elif w == HEADS_WORD:
                        wanted = lgroup[0]
                    if w < ENTRIES_WORD and told != wanted:
                        wrong = 1
                    if w >= ROW_START_WORD and w <= COLUMN_ENTRIES_WORD and told % PAGE != 0:
                        wrong = 1
                if wrong == 1:
                    found = FAULT + (HEADER << 8) + (kv << 16)
                entries_of: uint32 = header[ENTRIES_WORD]
                starts: int32 = blocks + 1 if found == 0 else 0
                for part in range(2):
                    command: Command = 0
                    command[0:64] = base + header[ROW_START_WORD + part + part]
                    command[64:96] = starts << 2
                    if found == 0:
                        list_commands.put(command)
                previous: uint32 = 0
                for r in range(starts):
                    if r % L == 0:
                        beat = list_beats.get()
                    row: uint32 = beat[WORD * (r % L) : WORD * (r % L) + WORD]
                    row_start[r] = row
                    steps: uint32 = row - previous
                    if steps > r:  # also where it is below the one in front of it
                        wrong = 1
                    previous = row
                if previous != entries_of:
                    wrong = 1
                previous = 0
                for c in range(starts):
                    if c % L == 0:
                        beat = list_beats.get()
                    start: uint32 = beat[WORD * (c % L) : WORD * (c % L) + WORD]
                    if c < blocks:
                        pointer[c] = start
                    longest: int32 = 0
                    if c > 0:
                        column_end[c - 1] = start
                        longest = blocks
                    grown: uint32 = start - previous
                    if grown > longest:
                        wrong = 1
                    previous = start
                if previous != entries_of:
                    wrong = 1
                if found == 0 and wrong == 1:
                    found = FAULT + (STARTS << 8) + (kv << 16)
                if found == 0:
                    list_of: Command = 0
                    list_of[0:64] = base + header[ROW_ENTRIES_WORD]
                    list_of[64:96] = entries_of << 2
                    list_commands.put(list_of)
                readable: UInt(1) = found == 0
                columns: uint64 = base + header[COLUMN_ENTRIES_WORD]
                begins: int32 = 0
                for q in range(blocks):
                    ends: int32 = 0
                    if readable == 1:
                        ends = row_start[q + 1]
                    length: int32 = ends - begins
                    lengths.put(length)
                    lowest: uint32 = 0  # that the next key block may be
                    for e in range(length):
                        at: uint32 = begins + e
                        if at % L == 0:
                            beat = list_beats.get()
                        entry: uint32 = beat[WORD * (at % L) : WORD * (at % L) + WORD]
                        key: uint16 = entry[0:16]
                        if found == 0 and (key < lowest or key > q):
                            found = FAULT + (ENTRY << 8) + (kv << 16)
                        good: UInt(1) = found == 0
                        own: uint16 = key if good == 1 else 0
                        lowest = own + 1
                        follows: uint32 = pointer[own] + 1
                        pointer[own] = follows
                        more: UInt(1) = follows < column_end[own] and good == 1
                        word: Entry = own
                        if good == 1:
                            word[HEADS_SHIFT:WORD] = entry[HEADS_SHIFT:WORD]
                        word[WORD] = more
                        word[WORD + 1 : WORD + 1 + PLACE] = follows % L
                        entries.put(word)
                        if more == 1:
                            lookup: Command = 0
                            lookup[0:64] = columns + (follows << 2)
                            lookup[64:96] = 4
                            next_commands.put(lookup)
                    begins = ends
                base += lstride[0]
            in_lists.put(found)

    return list_reader


def check(blocks: int, group: int, beat_bits: int) -> None:
    """Refuse prompts and ports that a walker cannot serve.

    Raises:
        FastprefillError: one of them is outside its limits.
    """
    if not 1 <= group <= LARGEST_GROUP or not 1 <= blocks < LARGEST_BLOCKS:
        raise FastprefillError(
            f"a walker of {blocks} blocks and {group} heads; a group has 1 to {LARGEST_GROUP} heads, and a prompt 1 to "
            f"{LARGEST_BLOCKS - 1} blocks"
        )
    if beat_bits not in (32, 64, 128, 256, 512, 1024):
        raise FastprefillError(
            f"a walker with ports of {beat_bits} bits; choose a power of two from 32 to 1024"
        )


def unit(blocks: int, group: int, block: int, beat_bits: int) -> Unit:
    """The reader of the job lists of prompts of up to `blocks` blocks.

    Streams in: ``list_beats``, what the mover delivers for ``list_commands``. Out: these, addresses (64 bits) and bytes
    (32 bits above); for each row of each list ``lengths``, its entries, and for each of these ``entries``: the entry
    (32 bits), above it a bit that is set when its key block has a later entry in the list by key block, then that
    word's place in a beat; that beat is asked for by ``next_commands``. At the end ``in_lists``: 0, or what was wrong
    with the lists (``golden.list_faults.status``); entries from there on are zeros, and rows have none.

    Scalars: ``tokens``, ``kv_heads``, ``group`` (query heads of a KV head); ``lists``, byte address of the first KV
    head's job list; ``list_stride`` to the next one.

    Args:
        blocks: most blocks of a prompt; their pointers are held on chip.
        group: most query heads of a group.
        block: tokens of a block.
        beat_bits: of the movers' ports.

    Raises:
        FastprefillError: a size that it cannot serve.
    """
    check(blocks, group, beat_bits)

    def schedule(s) -> None:
        for loop in ("read:w", "read:r", "read:c", "read:e"):
            s.pipeline(loop)

    return Unit(
        "list_reader",
        region(blocks, block, beat_bits),
        inputs=("list_beats",),
        outputs=("list_commands", "next_commands", "entries", "lengths", "in_lists"),
        schedule=schedule,
        limits={
            "tokens": (1, min(blocks * block, MOST_ROWS)), "kv_heads": (1, LARGEST_BLOCKS // blocks),
            "group": (1, group),
        },
        parameters={"blocks": blocks, "group": group, "block": block, "beat_bits": beat_bits},
    )  # fmt: skip
