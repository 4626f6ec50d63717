"""From records in memory to the engine's streams: blocks of keys and values for each job, blocks of queries.

A record arrives in the beats of a mover's port. Codes go on as they come; the scales of a block of queries are kept and
given again for each of its jobs. With a window of open query blocks a record of keys and values is that of a visit,
whose scales are given again for each of its jobs, and the scales of the queries lie in slots.
"""

import allo
import allo.dataflow as df
from allo.ir.types import Stream, UInt, int32

from fastprefill.golden.attention_ports import Packing, check
from fastprefill.golden.attention_size import Size
from fastprefill.golden.attention_windows import FIRST, JOB_BITS, SLOT, SLOT_BITS, check_window
from fastprefill.kernels.sfu.size import MOST_ROWS
from fastprefill.system.unit import Unit


def region(size: Size, beat_bits: int, window: int = 1):
    """The dataflow region; ``unit`` says what the streams are."""
    BEAT, C, D = beat_bits, size.columns, size.drain_rows
    CODES, WIDE, ROWS = Packing(8 * C, BEAT), Packing(16 * C, BEAT), Packing(16 * D, BEAT)
    CODE_SHARE, ROW_SHARE = CODES.share, ROWS.share
    SHARE, PIECES = WIDE.share, WIDE.pieces
    PART = min(BEAT, 16 * C)
    CODE_WORDS, TILES, DIM_TILES = size.block * size.dim_tiles, size.key_tiles, size.dim_tiles
    ROW_WORDS, SCALE_BEATS = size.block // D, 16 * size.block // BEAT
    Beat, Codes, Scales, RowScales = UInt(BEAT), UInt(8 * C), UInt(16 * C), UInt(16 * D)
    Both, Job, Count = UInt(32 * C), UInt(JOB_BITS), UInt(24)
    WINDOW, SLOT_END = window, SLOT + SLOT_BITS

    @df.region()
    def load(jobs: int32[1], blocks: int32[1], visits: int32[1]):
        kv_beats: Stream[Beat, 2]
        q_beats: Stream[Beat, 2]
        repeats: Stream[Count, 2]
        with allo.meta_if(WINDOW > 1):
            job: Stream[Job, 2]
            visit_scales: Stream[Both[TILES], 2]
            visit_sums: Stream[Scales[DIM_TILES], 2]
        k: Stream[Codes, 2]
        v: Stream[Codes, 2]
        key_scale: Stream[Both, 2]
        value_sum: Stream[Scales, 2]
        q: Stream[Codes, 2]
        row_scale: Stream[RowScales, 2]
        kept: Stream[Beat[SCALE_BEATS], 2]

        @df.kernel(mapping=[1], args=[visits])
        def keys_values(lvisits: int32[1]):
            scales: Scales[TILES] = 0
            beat: Beat = 0
            for n in range(lvisits[0]):
                for half in range(2):
                    for w in range(CODE_WORDS):
                        if w % CODE_SHARE == 0:
                            beat = kv_beats.get()
                        at: int32 = 8 * C * (w % CODE_SHARE)
                        word: Codes = beat[at : at + 8 * C]
                        if half == 0:
                            k.put(word)
                        else:
                            v.put(word)
                wide: Scales = 0
                with allo.meta_if(WINDOW > 1):
                    joined: Both[TILES]
                    kept_sums: Scales[DIM_TILES]
                for t in range(TILES + TILES):
                    for p in range(PIECES):
                        if t % SHARE == 0:
                            beat = kv_beats.get()
                        low: int32 = PART * (t % SHARE)
                        wide[PART * p : PART * p + PART] = beat[low : low + PART]
                        if p == PIECES - 1:
                            if t < TILES:
                                scales[t] = wide
                            else:
                                of_keys: Scales = scales[t - TILES]
                                both: Both = 0
                                for j in range(C, unroll=True):
                                    both[32 * j : 32 * j + 16] = of_keys[16 * j : 16 * j + 16]
                                    both[32 * j + 16 : 32 * j + 32] = wide[16 * j : 16 * j + 16]
                                with allo.meta_if(WINDOW > 1):
                                    joined[t - TILES] = both
                                with allo.meta_else():
                                    key_scale.put(both)
                sums: Scales = 0
                for e in range(DIM_TILES):
                    for u in range(PIECES):
                        if e % SHARE == 0:
                            beat = kv_beats.get()
                        base: int32 = PART * (e % SHARE)
                        sums[PART * u : PART * u + PART] = beat[base : base + PART]
                        if u == PIECES - 1:
                            with allo.meta_if(WINDOW > 1):
                                kept_sums[e] = sums
                            with allo.meta_else():
                                value_sum.put(sums)
                with allo.meta_if(WINDOW > 1):
                    visit_sums.put(kept_sums)
                    visit_scales.put(joined)

        with allo.meta_if(WINDOW > 1):

            @df.kernel(mapping=[1], args=[visits])
            def visit(lvisits: int32[1]):
                for n in range(lvisits[0]):
                    joined: Both[TILES] = visit_scales.get()
                    sums: Scales[DIM_TILES] = visit_sums.get()
                    jobs_of: int32 = repeats.get()
                    for j in range(jobs_of):
                        for t in range(TILES):
                            key_scale.put(joined[t])
                        for e in range(DIM_TILES):
                            value_sum.put(sums[e])

        @df.kernel(mapping=[1], args=[blocks])
        def query_codes(lblocks: int32[1]):
            beat: Beat = 0
            for n in range(lblocks[0]):
                for w in range(CODE_WORDS):
                    if w % CODE_SHARE == 0:
                        beat = q_beats.get()
                    at: int32 = 8 * C * (w % CODE_SHARE)
                    q.put(beat[at : at + 8 * C])
                scales: Beat[SCALE_BEATS]
                for s in range(SCALE_BEATS):
                    scales[s] = q_beats.get()
                kept.put(scales)

        with allo.meta_if(WINDOW == 1):

            @df.kernel(mapping=[1], args=[blocks])
            def query_scales(lblocks: int32[1]):
                for n in range(lblocks[0]):
                    scales: Beat[SCALE_BEATS] = kept.get()
                    jobs_of: int32 = repeats.get()
                    for job in range(jobs_of):
                        for g in range(ROW_WORDS):
                            beat: Beat = scales[g // ROW_SHARE]
                            at: int32 = 16 * D * (g % ROW_SHARE)
                            row_scale.put(beat[at : at + 16 * D])

        with allo.meta_else():

            @df.kernel(mapping=[1], args=[jobs])
            def query_scales(ljobs: int32[1]):
                slots: Beat[WINDOW * SCALE_BEATS]
                for n in range(ljobs[0]):
                    word: Job = job.get()
                    slot: UInt(SLOT_BITS) = word[SLOT:SLOT_END]
                    base: int32 = SCALE_BEATS * (slot if slot < WINDOW else 0)
                    for opened in range(word[FIRST]):
                        scales: Beat[SCALE_BEATS] = kept.get()
                        for w in range(SCALE_BEATS):
                            slots[base + w] = scales[w]
                    for g in range(ROW_WORDS):
                        beat: Beat = slots[base + g // ROW_SHARE]
                        at: int32 = 16 * D * (g % ROW_SHARE)
                        row_scale.put(beat[at : at + 16 * D])

    return load


def unit(
    rows: int,
    columns: int,
    k_parallel: int,
    drain_rows: int,
    dim: int,
    block: int,
    beat_bits: int,
    window: int = 1,
) -> Unit:
    """What lies between the movers, the KV cache and an engine.

    Streams in: ``kv_beats``, for each visit the record of its block of keys and values; ``q_beats``, for each query
    block its record; ``repeats``, its jobs. Out, as ``operands``, ``softmax`` and ``accumulate`` take them: ``k`` and
    ``v`` for each visit, ``key_scale``, ``value_sum`` for each job; ``q`` for each query block; ``row_scale`` for each
    job. Scalars: ``blocks``, query blocks; ``visits`` of blocks of keys and values; with larger windows ``jobs``.

    With a window of 1 a job is a visit. With a larger one ``repeats`` has the jobs of each visit, query blocks come in
    the order of their first jobs, and ``job`` has a word of ``golden.attention_windows`` for each job.

    Args:
        rows, columns, k_parallel, drain_rows, dim, block: as for ``golden.attention_size.Size``.
        beat_bits: of the ports.
        window: query blocks, each of one head, that are open at a time.

    Raises:
        FastprefillError: a size that the engine cannot serve, or a port that does not fit it.
    """
    size = Size(rows, columns, k_parallel, drain_rows, dim, block)
    check(size, beat_bits)
    check_window(window)

    def schedule(s) -> None:
        loops = ["keys_values:w", "query_codes:w", "query_codes:s", "query_scales:g"]
        if window > 1:
            loops += ["visit:t", "visit:e", "query_scales:w"]
        for loop in loops:
            s.pipeline(loop, initiation_interval=1)

    return Unit(
        "load",
        region(size, beat_bits, window),
        inputs=("kv_beats", "q_beats", "repeats", *(("job",) if window > 1 else ())),
        outputs=("k", "v", "key_scale", "value_sum", "q", "row_scale"),
        schedule=schedule,
        limits=(
            {"jobs": (1, MOST_ROWS), "blocks": (1, "jobs"), "visits": (1, "jobs")}
            if window > 1
            else {"blocks": (1, "visits"), "visits": (1, MOST_ROWS)}
        ),
        parameters={
            "rows": rows, "columns": columns, "k_parallel": k_parallel, "drain_rows": drain_rows, "dim": dim,
            "block": block, "beat_bits": beat_bits, "window": window,
        },
    )  # fmt: skip
