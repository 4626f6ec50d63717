"""The KV cache: for each request, whether its block is there, where it goes, and what is read ahead; and the blocks.

The policy is that of ``golden/kv_cache.py``; a decision needs the requests alone, never the time at which data arrive,
so what the unit says is the same at any latency of memory. It holds a tag, a key and a kind for each line; one pass
over the lines, a line a cycle, finds the block asked for, the lowest free line and the cold block that is used last of
all. Reading ahead takes a pass for each block that is read, and one more.

`store` holds the blocks in URAM. It carries out the decisions in order: a block that is there is read from its line,
any other one comes from the mover, whose commands `decide` gives, and is kept on the way if it has a line. Commands run
ahead of that as far as the streams' depths and the mover's buffer allow.

Words are those of ``golden.kv_cache_words``.
"""

import allo
import allo.dataflow as df
from allo.ir.types import Stream, UInt, int32, uint16, uint32, uint64
from allo.memory import Memory

from fastprefill.errors import FastprefillError
from fastprefill.system.unit import Unit

MOST_LINES = 4096
MOST_AHEAD = 8
NEVER, NO_LINE = 0xFFFF, 0xFFFF
FREE, HOT, COLD, AHEAD = 0, 1, 2, 3
HIT, FIRST, MISS, READ = 0, 1, 2, 3


def region(lines: int, look_ahead: int, beats: int, beat_bits: int, stride: int, depth: int):
    Request = UInt(48)
    Decision = UInt(52)
    Kind = UInt(2)
    Present = UInt(look_ahead)
    Blocks = UInt(16 * look_ahead)
    Beat = UInt(beat_bits)
    stores = beats > 0
    words = lines * beats

    @df.region()
    def kv_cache(n: int32[1], capacity: int32[1], hot: int32[1], base: uint64[1]):
        requests: Stream[Request, 2]
        decisions: Stream[Decision, depth]
        addresses: Stream[uint64, 2]
        statistics: Stream[uint32, 2]

        @df.kernel(mapping=[1], args=[n, capacity, hot, base])
        def decide(ln: int32[1], lcapacity: int32[1], lhot: int32[1], lbase: uint64[1]):
            tag: uint16[lines] = 0
            later: uint32[lines] = 0
            kind: Kind[lines] = 0
            window: Request[look_ahead + 1] = 0
            hits: uint32 = 0
            firsts: uint32 = 0
            evictions: uint32 = 0
            streamed: uint32 = 0
            for p in range(look_ahead):
                if p < ln[0]:
                    window[p + 1] = requests.get()
            for r in range(ln[0]):
                for s in range(look_ahead, unroll=True):
                    window[s] = window[s + 1]
                if r + look_ahead < ln[0]:
                    window[look_ahead] = requests.get()
                own: Request = window[0]
                coming: Blocks = 0  # in a register, to be compared with every line
                for u in range(look_ahead, unroll=True):
                    after: Request = window[u + 1]
                    coming[16 * u : 16 * u + 16] = after[0:16]
                block: uint16 = own[0:16]
                now: uint16 = own[16:32]
                follows: uint16 = own[32:48]
                key: uint32 = 0
                key[0:16] = block
                key[16:32] = follows

                where: int32 = -1
                was: Kind = FREE
                free: int32 = -1
                last: int32 = -1
                last_key: uint32 = 0
                hots: int32 = 0
                for i in range(lcapacity[0]):
                    k: Kind = kind[i]
                    used: uint32 = later[i]
                    if k != FREE and tag[i] == block:
                        where = i
                        was = k
                    elif k == FREE and free < 0:
                        free = i
                    elif k == HOT:
                        hots += 1
                    elif k == COLD and (last < 0 or used > last_key):
                        last = i
                        last_key = used

                uses: UInt(1) = follows != NEVER
                evicts: UInt(1) = uses == 1 and where < 0 and free < 0 and last >= 0 and last_key > key
                line: int32 = where
                if where < 0:
                    line = free
                    if evicts == 1:
                        line = last
                kept: UInt(1) = uses == 1 and line >= 0
                word: Decision = 0
                word[0:16] = block
                word[16:32] = NO_LINE
                if where >= 0 or kept == 1:
                    word[16:32] = line
                word[32:34] = MISS
                if where >= 0:
                    word[32:34] = HIT
                    if was == AHEAD:
                        word[32:34] = FIRST
                word[34] = kept
                word[35] = evicts
                if evicts == 1:
                    word[36:52] = tag[last]
                decisions.put(word)
                if where < 0:
                    addresses.put(lbase[0] + block * stride)

                if where >= 0:
                    if was == AHEAD:
                        firsts += 1
                    else:
                        hits += 1
                elif kept == 0:
                    streamed += 1
                if evicts == 1:
                    evictions += 1
                next_window: int32 = now + 1
                tier: Kind = COLD
                if follows <= next_window and hots < lhot[0]:
                    tier = HOT
                if kept == 1:
                    tag[line] = block
                    later[line] = key
                    kind[line] = tier
                elif where >= 0:
                    kind[where] = FREE

                more: UInt(1) = 1
                while more == 1:
                    there: Present = 0
                    room: int32 = -1
                    for j in range(lcapacity[0]):
                        kj: Kind = kind[j]
                        tj: uint16 = tag[j]
                        if kj == FREE:
                            if room < 0:
                                room = j
                        else:
                            for a in range(look_ahead, unroll=True):
                                if tj == coming[16 * a : 16 * a + 16]:
                                    there[a] = 1
                    more = 0
                    wanted: uint16 = 0
                    if room >= 0:
                        for b in range(look_ahead, unroll=True):
                            future: Request = window[b + 1]
                            if more == 0 and there[b] == 0 and r + 1 + b < ln[0]:
                                more = 1
                                wanted = future[0:16]
                    if more == 1:
                        tag[room] = wanted
                        kind[room] = AHEAD
                        read: Decision = 0
                        read[0:16] = wanted
                        read[16:32] = room
                        read[32:34] = READ
                        decisions.put(read)
                        addresses.put(lbase[0] + wanted * stride)
            statistics.put(hits)
            statistics.put(firsts)
            statistics.put(evictions)
            statistics.put(streamed)

        with allo.meta_if(stores):
            fetched: Stream[Beat, 2]
            blocks: Stream[Beat, 2]

            @df.kernel(mapping=[1], args=[n])
            def store(mn: int32[1]):
                data: Beat[words] @ Memory(resource="URAM")
                used: int32 = 0
                while used < mn[0]:
                    decision: Decision = decisions.get()
                    at: uint16 = decision[16:32]
                    op: Kind = decision[32:34]
                    first: int32 = at * beats
                    held: int32 = beats if op < MISS else 0
                    comes: int32 = beats - held
                    for h in range(held):
                        blocks.put(data[first + h])
                    for c in range(comes):
                        beat: Beat = fetched.get()
                        if at != NO_LINE:
                            data[first + c] = beat
                        if op != READ:
                            blocks.put(beat)
                    if op != READ:
                        used += 1

    return kv_cache


def _schedule_decide(s) -> None:
    for loop in ("decide:i", "decide:j"):
        s.pipeline(loop)


def _limits(lines: int) -> dict[str, tuple[int, int | str]]:
    return {"n": (0, 2**31 - 1), "capacity": (0, lines), "hot": (0, "capacity")}


def _check(lines: int, look_ahead: int) -> None:
    if not 1 <= lines <= MOST_LINES or not 1 <= look_ahead <= MOST_AHEAD:
        raise FastprefillError(
            f"a cache of {lines} lines that looks {look_ahead} requests ahead; 1 to {MOST_LINES} lines and 1 to "
            f"{MOST_AHEAD} requests are possible"
        )


def decisions(lines: int = 16, look_ahead: int = 4, stride: int = 17_408) -> Unit:
    """The decisions alone, for blocks that are stored elsewhere. Parameters as for `unit`."""
    _check(lines, look_ahead)

    def schedule(s) -> None:
        _schedule_decide(s)

    return Unit(
        "kv_cache",
        region(lines, look_ahead, 0, 32, stride, 2),
        inputs=("requests",),
        outputs=("decisions", "addresses", "statistics"),
        schedule=schedule,
        limits=_limits(lines),
    )


def unit(
    lines: int = 16,
    look_ahead: int = 4,
    beats: int = 532,
    beat_bits: int = 256,
    stride: int = 17_408,
    depth: int = 8,
) -> Unit:
    """The cache: requests in, blocks out, with commands to a mover and what it delivers.

    Args:
        lines: blocks that it can hold, 1 to 4,096; at run time `capacity` may be any number up to it, 0 included,
            and `hot` any up to `capacity`.
        look_ahead: requests that it looks ahead, 1 to 8.
        beats: of a block, 532 of 256 bits for 128 tokens of 64.
        beat_bits: width of the mover's port.
        stride: bytes from a block to the next, in memory.
        depth: decisions that may wait for the store.

    Raises:
        FastprefillError: a parameter outside its range.
    """
    _check(lines, look_ahead)
    if beats < 1 or beats * beat_bits > 8 * stride or depth < 1:
        raise FastprefillError(
            f"blocks of {beats} beats of {beat_bits} bits at a stride of {stride} bytes, {depth} decisions waiting; "
            "each must be at least 1 and a block must fit into its stride"
        )

    def schedule(s) -> None:
        _schedule_decide(s)
        for loop in ("store:h", "store:c"):
            s.pipeline(loop)

    return Unit(
        "kv_cache",
        region(lines, look_ahead, beats, beat_bits, stride, depth),
        inputs=("requests", "fetched"),
        outputs=("addresses", "blocks", "statistics"),
        schedule=schedule,
        limits=_limits(lines),
        parameters={
            "lines": lines, "look_ahead": look_ahead, "beats": beats, "beat_bits": beat_bits, "stride": stride,
            "depth": depth,
        },
    )  # fmt: skip
