"""The walker: from the entries of job lists to the cache's requests, the engine's jobs and the movers' commands.

Query blocks are worked on in ascending order, the heads of a group one after the other, key blocks ascending: the order
of ``golden.walker``. Each is a window of the cache of its own. ``list_reader`` gives a list's rows, and with each entry
the next query block that uses its key block; `order` takes a row, and goes through it once for each head.
``window_walker`` is for windows of several query blocks.

The cache takes the `look_ahead` requests after the one that it decides, and a job ends while the next one begins. What
goes with the jobs to other units therefore runs ahead of them, and has room for that.

Lists are not trusted: where they have other numbers of jobs and query blocks than was said, the query blocks that are
left have no jobs, jobs that the other units still wait for are made up, and ``fault`` says what was wrong, with the
lists as well (``golden.list_faults``).
"""

import allo
import allo.dataflow as df
from allo.ir.types import Stream, UInt, int32, uint16, uint32, uint64

from fastprefill.errors import FastprefillError
from fastprefill.golden.jobs import HEADS_SHIFT
from fastprefill.golden.list_faults import COUNTS, DROPPED, FAULT
from fastprefill.golden.walker import NEVER, Walk
from fastprefill.kernels.list_reader import WORD, check, place_bits
from fastprefill.kernels.sfu.size import MOST_ROWS
from fastprefill.system.mover import COMMAND_BITS
from fastprefill.system.unit import Unit

RUN_AHEAD = 4
"""Room of the streams that go with the jobs beyond the cache's look-ahead: job, the one it ends in, two more."""


def region(walk: Walk, ahead: int):
    """The dataflow region; ``unit`` says what the streams are."""
    BLOCKS, GROUP, BLOCK, BEAT = walk.blocks, walk.group, walk.block, walk.beat_bits
    PLACE = place_bits(BEAT)
    QUERY_STRIDE, QUERY_BYTES = walk.query_stride, walk.query_bytes
    Beat, Command, Entry = UInt(BEAT), UInt(COMMAND_BITS), UInt(WORD + 1 + PLACE)
    Item, Counts, Request = UInt(48 + GROUP), UInt(16 * GROUP), UInt(48)
    NEXT_AT = 16 + GROUP

    @df.region()
    def walker(
        tokens: int32[1],
        kv_heads: int32[1],
        group: int32[1],
        queries: uint64[1],
        jobs: int32[1],
        query_blocks: int32[1],
    ):
        next_beats: Stream[Beat, 2]
        query_commands: Stream[Command, ahead]
        requests: Stream[Request, 2]
        count: Stream[UInt(24), ahead]
        repeats: Stream[UInt(24), ahead]
        score_job: Stream[UInt(8), ahead]
        state_job: Stream[UInt(8), ahead]
        targets: Stream[uint32, ahead]
        entries: Stream[Entry, 2]
        lengths: Stream[uint32, 2]
        in_lists: Stream[uint32, 2]
        fault: Stream[uint32, 2]

        @df.kernel(mapping=[1], args=[tokens, kv_heads, group, queries, jobs, query_blocks])
        def order(
            ltokens: int32[1],
            lkv_heads: int32[1],
            lgroup: int32[1],
            lqueries: uint64[1],
            ljobs: int32[1],
            lquery_blocks: int32[1],
        ):
            items: Item[BLOCKS]
            last: UInt(24) = ltokens[0] - 1
            blocks: int32 = last // BLOCK + 1
            window: int32 = 0  # query blocks of all heads, in the order in which they are worked on
            first_head: int32 = 0
            first_block: int32 = 0
            left: int32 = ljobs[0]
            open_blocks: int32 = lquery_blocks[0]
            found: uint32 = 0
            for kv in range(lkv_heads[0]):
                for r in range(blocks):
                    length: int32 = lengths.get()
                    counts: Counts = 0
                    for e in range(length):
                        entry: Entry = entries.get()
                        beat: Beat = 0
                        if entry[WORD] == 1:
                            beat = next_beats.get()
                        place: UInt(PLACE) = entry[WORD + 1 : WORD + 1 + PLACE]
                        later: uint32 = beat[WORD * place : WORD * place + WORD]
                        lowest: UInt(5) = 0
                        with allo.meta_for(GROUP) as up:
                            if later[HEADS_SHIFT + GROUP - 1 - up] == 1:
                                lowest = GROUP - 1 - up
                            if entry[HEADS_SHIFT + up] == 1:
                                counts[16 * up : 16 * up + 16] = counts[16 * up : 16 * up + 16] + 1
                        follows: uint16 = (first_block + later[0:16]) * lgroup[0] + lowest
                        item: Item = 0
                        item[0:16] = entry[0:16]
                        item[16:NEXT_AT] = entry[HEADS_SHIFT : HEADS_SHIFT + GROUP]
                        item[NEXT_AT : NEXT_AT + 16] = follows if entry[WORD] == 1 else NEVER
                        items[e] = item
                    for h in range(lgroup[0]):
                        chosen: int32 = counts[16 * h : 16 * h + 16]
                        rest: int32 = left - chosen
                        others: int32 = open_blocks - 1
                        visited: UInt(1) = 0
                        if chosen > 0 and found == 0:
                            if rest >= others and (others > 0 or rest == 0):
                                visited = 1
                            else:
                                found = FAULT + (COUNTS << 8) + (kv << 16)
                        if visited == 1:
                            left = rest
                            open_blocks = others
                            count.put(chosen)
                            repeats.put(chosen)
                            targets.put(window)
                            record: int32 = (first_head + h) * blocks + r
                            command: Command = 0
                            command[0:64] = lqueries[0] + record * QUERY_STRIDE
                            command[64:96] = QUERY_BYTES
                            query_commands.put(command)
                        seen: int32 = 0
                        for n in range(length):
                            taken: Item = items[n]
                            if visited == 1 and taken[16 + h] == 1:
                                after: uint16 = taken[NEXT_AT : NEXT_AT + 16]
                                with allo.meta_for(GROUP) as down:
                                    if GROUP - 1 - down > h and taken[16 + GROUP - 1 - down] == 1:
                                        after = window - h + (GROUP - 1 - down)
                                request: Request = 0
                                request[0:16] = first_block + taken[0:16]
                                request[16:32] = window
                                request[32:48] = after
                                requests.put(request)
                                flags: UInt(8) = 0
                                flags[0] = taken[0:16] == r
                                flags[1] = seen == 0
                                flags[2] = seen == chosen - 1
                                score_job.put(flags)
                                state_job.put(flags)
                                seen += 1
                        window += 1
                first_head += lgroup[0]
                first_block += blocks
            missing: int32 = open_blocks
            if missing > 0 and found == 0:
                found = FAULT + (COUNTS << 8) + (lkv_heads[0] << 16)
            for m in range(missing):
                made_up: int32 = 1 if m < missing - 1 else left
                left -= made_up
                count.put(made_up)
                repeats.put(made_up)
                targets.put(DROPPED)
                query: Command = 0
                query[0:64] = lqueries[0]
                query[64:96] = QUERY_BYTES
                query_commands.put(query)
                for j in range(made_up):
                    asked: Request = 0
                    asked[16:32] = window
                    asked[32:48] = NEVER
                    requests.put(asked)
                    marks: UInt(8) = 0
                    marks[1] = j == 0
                    marks[2] = j == made_up - 1
                    score_job.put(marks)
                    state_job.put(marks)
            targets.put(window)
            earlier: uint32 = in_lists.get()
            fault.put(earlier if earlier != 0 else found)

    return walker


def unit(blocks: int, group: int, block: int, dim: int, beat_bits: int, look_ahead: int = 4) -> Unit:
    """The walker of prompts of up to `blocks` blocks; words are those of ``golden.walker``.

    Streams in: ``lengths``, ``entries`` and ``in_lists`` of ``list_reader``, ``next_beats``, what the mover delivers
    for its commands. Out: ``query_commands``, addresses (64 bits) and bytes (32 bits above); for each query block with
    jobs ``count`` and ``repeats``, its jobs, and ``targets``, its number among all query blocks, with the number of all
    at the end; for each job ``requests``, to the cache, and ``score_job`` and ``state_job``, to the engine. At the end
    ``fault``, a word: 0, or what was wrong with the lists (``golden.list_faults.status``); then rows of query blocks
    whose ``targets`` are `DROPPED` mean nothing.

    Scalars: ``tokens``, ``kv_heads``, ``group`` (query heads of a KV head); ``queries``, byte address of the first
    block of queries; ``jobs`` and ``query_blocks`` of all lists, which the other units rely on: a start with more query
    blocks than jobs is refused.

    Args:
        blocks: most blocks of a prompt; the entries of a row are held on chip.
        group: most query heads of a group.
        block: tokens of a block.
        dim: width of a head.
        beat_bits: of the movers' ports.
        look_ahead: requests that the cache looks ahead.

    Raises:
        FastprefillError: a size that the walker cannot serve.
    """
    walk = Walk(blocks, group, block, dim, beat_bits)
    check(blocks, group, beat_bits)
    most_kv_heads = (NEVER - 1) // (blocks * group)
    if most_kv_heads < 1:
        raise FastprefillError(
            f"a walker of {blocks} blocks and {group} heads; all its query blocks are at most {NEVER - 1}"
        )

    def schedule(s) -> None:
        for loop in ("order:e", "order:n", "order:j"):
            s.pipeline(loop)

    return Unit(
        "walker",
        region(walk, look_ahead + RUN_AHEAD),
        inputs=("next_beats", "entries", "lengths", "in_lists"),
        outputs=(
            "query_commands", "requests", "count", "repeats", "score_job", "state_job", "targets", "fault",
        ),
        schedule=schedule,
        limits={
            "tokens": (1, min(blocks * block, MOST_ROWS)), "kv_heads": (1, most_kv_heads), "group": (1, group),
            "jobs": (1, MOST_ROWS), "query_blocks": (1, "jobs"),
        },
        parameters={
            "blocks": blocks, "group": group, "block": block, "dim": dim, "beat_bits": beat_bits,
            "look_ahead": look_ahead,
        },
    )  # fmt: skip
