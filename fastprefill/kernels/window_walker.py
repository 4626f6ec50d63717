"""The walker in windows of query blocks: from the entries of job lists to requests, visits, jobs and commands.

The order is that of ``golden.window_walker``: for each key block of a window, ascending, the jobs of all its query
blocks and heads. Two processes. `order` collects the rows of a window, an entry a cycle, in a memory with a word for
each key block: a bit for each state that uses it, and the window of its next use. A pass over these words, from the
last one down, finds the key blocks that are used and which states end there; then each is a request to the cache, and a
visit. `expand` makes jobs of the visits.

The cache takes the `look_ahead` requests after the one that it decides, so visits wait in a stream with room for these;
jobs wait only as long as the engine lets them.

Lists are not trusted: from the first window on that the other units could not do with what they were promised there are
no jobs, and what they still wait for is made up (``golden.list_faults``).
"""

import allo
import allo.dataflow as df
from allo.ir.types import ConstExpr, Stream, UInt, int32, uint16, uint32, uint64

from fastprefill.errors import FastprefillError
from fastprefill.golden.attention_windows import DIAGONAL, FIRST, JOB_BITS, LAST, SLOT, check_window
from fastprefill.golden.jobs import HEADS_SHIFT
from fastprefill.golden.kv_cache_words import NEVER
from fastprefill.golden.list_faults import COUNTS, DROPPED, FAULT
from fastprefill.golden.walker import Walk
from fastprefill.golden.window_walker import TARGET
from fastprefill.kernels.list_reader import WORD, check, place_bits
from fastprefill.kernels.sfu.size import MOST_ROWS
from fastprefill.kernels.walker import RUN_AHEAD
from fastprefill.system.mover import COMMAND_BITS
from fastprefill.system.unit import Unit


def region(walk: Walk, ahead: int):
    """The dataflow region; ``unit`` says what the streams are."""
    BLOCKS, GROUP, BLOCK, BEAT, WINDOW = walk.blocks, walk.group, walk.block, walk.beat_bits, walk.window
    STATES = WINDOW * GROUP
    PLACE = place_bits(BEAT)
    QUERY_STRIDE, QUERY_BYTES = walk.query_stride, walk.query_bytes
    Beat, Command, Entry, Request = UInt(BEAT), UInt(COMMAND_BITS), UInt(WORD + 1 + PLACE), UInt(48)
    Users, Heads, Job, Count = UInt(STATES), UInt(GROUP), UInt(JOB_BITS), UInt(24)
    ENDS, NEXT_AT = 16 + STATES, 16 + 2 * STATES  # in an item: key block, users, states that end, next window
    Item = UInt(NEXT_AT + 16)
    WINDOW_AT, KV_AT, MADE_UP = ENDS + STATES, ENDS + STATES + 16, ENDS + STATES + 32  # in a visit, instead of that
    Visit = UInt(MADE_UP + 1)
    ALL = 2**STATES - 1

    @df.region()
    def window_walker(
        tokens: int32[1],
        kv_heads: int32[1],
        group: int32[1],
        queries: uint64[1],
        jobs: int32[1],
        query_blocks: int32[1],
        visits: int32[1],
    ):
        next_beats: Stream[Beat, 2]
        entries: Stream[Entry, 2]
        lengths: Stream[uint32, 2]
        in_lists: Stream[uint32, 2]
        fault: Stream[uint32, 2]
        requests: Stream[Request, 2]
        visited: Stream[Visit, ahead]
        query_commands: Stream[Command, RUN_AHEAD]
        uses: Stream[Count, RUN_AHEAD]
        repeats: Stream[Count, RUN_AHEAD]
        query_job: Stream[Job, RUN_AHEAD]
        scale_job: Stream[Job, RUN_AHEAD]
        score_job: Stream[UInt(8), RUN_AHEAD]
        state_job: Stream[Job, RUN_AHEAD]
        targets: Stream[uint32, RUN_AHEAD]

        @df.kernel(mapping=[1], args=[tokens, kv_heads, group, jobs, query_blocks, visits])
        def order(
            ltokens: int32[1],
            lkv_heads: int32[1],
            lgroup: int32[1],
            ljobs: int32[1],
            lquery_blocks: int32[1],
            lvisits: int32[1],
        ):
            users: Users[BLOCKS] = 0
            later_window: uint16[BLOCKS]
            items: Item[BLOCKS]
            all_states: ConstExpr[Users] = ALL
            last: UInt(24) = ltokens[0] - 1
            last_block: UInt(24) = last // BLOCK
            blocks: int32 = last_block + 1
            windows: int32 = last_block // WINDOW + 1
            there: Heads = 0  # heads that the group has
            with allo.meta_for(GROUP) as g:
                there[g] = g < lgroup[0]
            first_block: int32 = 0
            first_window: int32 = 0
            left: int32 = ljobs[0]
            open_blocks: int32 = lquery_blocks[0]
            calls: int32 = lvisits[0]
            found: uint32 = 0
            for kv in range(lkv_heads[0]):
                for w in range(windows):
                    rows: int32 = min(blocks - w * WINDOW, WINDOW)
                    chosen: int32 = 0
                    for r in range(rows):
                        length: int32 = lengths.get()
                        for e in range(length):
                            entry: Entry = entries.get()
                            beat: Beat = 0
                            if entry[WORD] == 1:
                                beat = next_beats.get()
                            place: UInt(PLACE) = entry[WORD + 1 : WORD + 1 + PLACE]
                            later: uint32 = beat[WORD * place : WORD * place + WORD]
                            key: uint16 = entry[0:16]
                            heads: Heads = entry[HEADS_SHIFT : HEADS_SHIFT + GROUP] & there
                            follows: uint16 = first_window + later[0:16] // WINDOW
                            with allo.meta_for(GROUP) as h:
                                chosen += heads[h]
                            if heads != 0:
                                of_key: Users = users[key]
                                of_key[GROUP * r : GROUP * r + GROUP] = heads
                                users[key] = of_key
                                later_window[key] = follows if entry[WORD] == 1 else NEVER
                    count: int32 = 0
                    seen: Users = 0
                    span: int32 = w * WINDOW + rows
                    for k in range(span):
                        own: int32 = span - 1 - k
                        by: Users = users[own]
                        users[own] = 0
                        ending: Users = by & (seen ^ all_states)
                        seen = seen | by
                        item: Item = 0
                        item[0:16] = own
                        item[16:ENDS] = by
                        item[ENDS:NEXT_AT] = ending
                        if by != 0:
                            item[NEXT_AT : NEXT_AT + 16] = later_window[own]
                            items[count] = item
                            count += 1
                    opened: int32 = 0
                    for s in range(STATES):
                        opened += seen[s]
                    rest: int32 = left - chosen
                    others: int32 = open_blocks - opened
                    more: int32 = calls - count
                    ends: UInt(1) = others == 0 and rest == 0 and more == 0
                    goes_on: UInt(1) = others > 0 and more > 0 and rest >= others and rest >= more
                    requested: int32 = 0
                    if count > 0 and found == 0:
                        if ends == 1 or goes_on == 1:
                            requested = count
                            left = rest
                            open_blocks = others
                            calls = more
                        else:
                            found = FAULT + (COUNTS << 8) + (kv << 16)
                    for n in range(requested):
                        taken: Item = items[count - 1 - n]
                        request: Request = 0
                        request[0:16] = first_block + taken[0:16]
                        request[16:32] = first_window + w
                        request[32:48] = taken[NEXT_AT : NEXT_AT + 16]
                        requests.put(request)
                        visit: Visit = taken[0:NEXT_AT]
                        visit[WINDOW_AT:KV_AT] = w
                        visit[KV_AT:MADE_UP] = kv
                        visited.put(visit)
                first_window += windows
                first_block += blocks
            if open_blocks > 0 and found == 0:
                found = FAULT + (COUNTS << 8) + (lkv_heads[0] << 16)
            missing: int32 = calls if open_blocks > 0 else 0
            for m in range(missing):
                asked: Request = 0
                asked[16:32] = first_window
                asked[32:48] = NEVER
                requests.put(asked)
                made_up: Visit = 0
                made_up[MADE_UP] = 1
                visited.put(made_up)
            earlier: uint32 = in_lists.get()
            fault.put(earlier if earlier != 0 else found)

        @df.kernel(mapping=[1], args=[tokens, kv_heads, group, queries, jobs, query_blocks, visits])
        def expand(
            ltokens: int32[1],
            lkv_heads: int32[1],
            lgroup: int32[1],
            lqueries: uint64[1],
            ljobs: int32[1],
            lquery_blocks: int32[1],
            lvisits: int32[1],
        ):
            last: UInt(24) = ltokens[0] - 1
            last_block: UInt(24) = last // BLOCK
            blocks: int32 = last_block + 1
            windows: int32 = last_block // WINDOW + 1
            left: int32 = ljobs[0]
            open_blocks: int32 = lquery_blocks[0]
            all_states: ConstExpr[Users] = ALL
            opened: Users = 0
            begins: UInt(1) = 1  # the next job that is made up, its query block
            for n in range(lvisits[0]):
                visit: Visit = visited.get()
                by: Users = visit[16:ENDS]
                last_of: Users = visit[ENDS:WINDOW_AT]
                count: Count = 0
                ended: Count = 0
                for s in range(STATES):
                    count += by[s]
                    ended += last_of[s]
                left -= count
                open_blocks -= ended
                first_of: Users = by & (opened ^ all_states)
                opened = (opened | by) & (last_of ^ all_states)
                made_up: Count = 0
                if visit[MADE_UP] == 1:
                    made_up = 1 if n < lvisits[0] - 1 else left
                    count = made_up
                uses.put(count)
                repeats.put(count)
                window: uint16 = visit[WINDOW_AT:KV_AT]
                kv: uint16 = visit[KV_AT:MADE_UP]
                first_row: int32 = window * WINDOW
                number: uint32 = kv * windows + window
                head: int32 = kv * lgroup[0]
                for r in range(WINDOW):
                    row: int32 = first_row + r
                    for h in range(GROUP):
                        slot: int32 = GROUP * r + h
                        if by[slot] == 1:
                            word: Job = 0
                            word[DIAGONAL] = visit[0:16] == row
                            word[FIRST] = first_of[slot]
                            word[LAST] = last_of[slot]
                            word[SLOT:JOB_BITS] = slot
                            if word[FIRST] == 1:
                                record: int32 = (head + h) * blocks + row
                                command: Command = 0
                                command[0:64] = lqueries[0] + record * QUERY_STRIDE
                                command[64:96] = QUERY_BYTES
                                query_commands.put(command)
                            scale_job.put(word)
                            query_job.put(word)
                            score_job.put(word[0:8])
                            state_job.put(word)
                            if word[LAST] == 1:
                                targets.put((number << TARGET) + slot)
                for j in range(made_up):
                    mark: Job = 0
                    mark[FIRST] = begins
                    ends: UInt(1) = open_blocks > 1 or left == 1
                    mark[LAST] = ends
                    if begins == 1:
                        query: Command = 0
                        query[0:64] = lqueries[0]
                        query[64:96] = QUERY_BYTES
                        query_commands.put(query)
                    begins = ends
                    scale_job.put(mark)
                    query_job.put(mark)
                    score_job.put(mark[0:8])
                    state_job.put(mark)
                    left -= 1
                    if ends == 1:
                        open_blocks -= 1
                        targets.put(DROPPED)
            all_windows: uint32 = lkv_heads[0] * windows
            targets.put(all_windows << TARGET)

    return window_walker


def unit(
    blocks: int, group: int, block: int, dim: int, beat_bits: int, window: int, look_ahead: int = 4
) -> Unit:
    """The walker of prompts of up to `blocks` blocks in windows; words are those of ``golden.window_walker``.

    Streams in: ``lengths``, ``entries`` and ``in_lists`` of ``list_reader``, ``next_beats``, what the mover delivers
    for its commands. Out: for each visit ``requests``, to the cache, ``uses`` and ``repeats``, its jobs; for each job
    ``query_job``, ``scale_job``, ``score_job`` and ``state_job``, its word, of which ``score_job`` has the low byte;
    for the first job of each state ``query_commands``, addresses (64 bits) and bytes (32 bits above) of its queries;
    for its last job ``targets``, its slot (8 bits) below its window's number, with the number of all windows at the
    end. At the end ``fault``, a word: 0, or what was wrong with the lists (``golden.list_faults.status``); then rows of
    states whose ``targets`` are `DROPPED` mean nothing.

    Scalars: ``tokens``, ``kv_heads``, ``group`` (query heads of a KV head); ``queries``, byte address of the first
    block of queries; ``jobs``, ``query_blocks`` (those with jobs, of each head) and ``visits`` of all lists, which the
    other units rely on: a start with more query blocks or visits than jobs is refused.

    Args:
        blocks: most blocks of a prompt; three words for each of them are held on chip.
        group: most query heads of a group.
        block: tokens of a block.
        dim: width of a head.
        beat_bits: of the movers' ports.
        window: query blocks of a window; with the group at most 256 states.
        look_ahead: requests that the cache looks ahead.

    Raises:
        FastprefillError: a size that the walker cannot serve.
    """
    walk = Walk(blocks, group, block, dim, beat_bits, window)
    check(blocks, group, beat_bits)
    if window < 2:
        raise FastprefillError(
            f"a walker in windows of {window} query blocks; choose at least 2, or 'walker' for windows of 1"
        )
    check_window(window * group)

    def schedule(s) -> None:
        for loop in ("order:e", "order:k", "order:n", "order:m", "expand:h", "expand:j"):
            s.pipeline(loop)

    return Unit(
        "window_walker",
        region(walk, look_ahead + RUN_AHEAD),
        inputs=("next_beats", "entries", "lengths", "in_lists"),
        outputs=(
            "query_commands", "requests", "uses", "repeats", "query_job", "scale_job", "score_job", "state_job",
            "targets", "fault",
        ),
        schedule=schedule,
        limits={
            "tokens": (1, min(blocks * block, MOST_ROWS)), "kv_heads": (1, (NEVER - 1) // blocks), "group": (1, group),
            "jobs": (1, MOST_ROWS), "query_blocks": (1, "jobs"), "visits": (1, "jobs"),
        },
        parameters={
            "blocks": blocks, "group": group, "block": block, "dim": dim, "beat_bits": beat_bits, "window": window,
            "look_ahead": look_ahead,
        },
    )  # fmt: skip
