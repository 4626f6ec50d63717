"""From records in memory to the engine's streams: blocks of keys and values for each job, blocks of queries.

A record arrives in the beats of a mover's port. Codes go on as they come; the scales of a block of queries are kept and
given again for each of its jobs.
"""

import allo.dataflow as df
from allo.ir.types import Stream, UInt, int32

from fastprefill.golden.attention_ports import Packing, check
from fastprefill.golden.attention_size import Size
from fastprefill.kernels.sfu.size import MOST_ROWS
from fastprefill.system.unit import Unit


def region(size: Size, beat_bits: int):
    """The dataflow region; ``unit`` says what the streams are."""
    BEAT, C, D = beat_bits, size.columns, size.drain_rows
    CODES, WIDE, ROWS = Packing(8 * C, BEAT), Packing(16 * C, BEAT), Packing(16 * D, BEAT)
    CODE_SHARE, ROW_SHARE = CODES.share, ROWS.share
    SHARE, PIECES = WIDE.share, WIDE.pieces
    PART = min(BEAT, 16 * C)
    CODE_WORDS, TILES, DIM_TILES = size.block * size.dim_tiles, size.key_tiles, size.dim_tiles
    ROW_WORDS, SCALE_BEATS = size.block // D, 16 * size.block // BEAT
    Beat, Codes, Scales, RowScales = UInt(BEAT), UInt(8 * C), UInt(16 * C), UInt(16 * D)

    @df.region()
    def load(jobs: int32[1], blocks: int32[1]):
        kv_beats: Stream[Beat, 2]
        q_beats: Stream[Beat, 2]
        repeats: Stream[UInt(24), 2]
        k: Stream[Codes, 2]
        v: Stream[Codes, 2]
        key_scale: Stream[UInt(32 * C), 2]
        value_sum: Stream[Scales, 2]
        q: Stream[Codes, 2]
        row_scale: Stream[RowScales, 2]
        kept: Stream[Beat[SCALE_BEATS], 2]

        @df.kernel(mapping=[1], args=[jobs])
        def keys_values(ljobs: int32[1]):
            scales: Scales[TILES] = 0
            beat: Beat = 0
            for n in range(ljobs[0]):
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
                                both: UInt(32 * C) = 0
                                for j in range(C, unroll=True):
                                    both[32 * j : 32 * j + 16] = of_keys[16 * j : 16 * j + 16]
                                    both[32 * j + 16 : 32 * j + 32] = wide[16 * j : 16 * j + 16]
                                key_scale.put(both)
                sums: Scales = 0
                for e in range(DIM_TILES):
                    for u in range(PIECES):
                        if e % SHARE == 0:
                            beat = kv_beats.get()
                        base: int32 = PART * (e % SHARE)
                        sums[PART * u : PART * u + PART] = beat[base : base + PART]
                        if u == PIECES - 1:
                            value_sum.put(sums)

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

    return load


def unit(
    rows: int, columns: int, k_parallel: int, drain_rows: int, dim: int, block: int, beat_bits: int
) -> Unit:
    """What lies between the movers, the KV cache and an engine.

    Streams in: ``kv_beats``, for each job the record of its block of keys and values; ``q_beats``, for each query block
    its record; ``repeats``, its jobs. Out, as ``operands``, ``softmax`` and ``accumulate`` take them: ``k``, ``v``,
    ``key_scale``, ``value_sum`` for each job; ``q`` for each query block; ``row_scale`` for each job. Scalars:
    ``jobs``; ``blocks``, query blocks.

    Args:
        rows, columns, k_parallel, drain_rows, dim, block: as for ``golden.attention_size.Size``.
        beat_bits: of the ports.

    Raises:
        FastprefillError: a size that the engine cannot serve, or a port that does not fit it.
    """
    size = Size(rows, columns, k_parallel, drain_rows, dim, block)
    check(size, beat_bits)

    def schedule(s) -> None:
        for loop in ("keys_values:w", "query_codes:w", "query_codes:s", "query_scales:g"):
            s.pipeline(loop, initiation_interval=1)

    return Unit(
        "load",
        region(size, beat_bits),
        inputs=("kv_beats", "q_beats", "repeats"),
        outputs=("k", "v", "key_scale", "value_sum", "q", "row_scale"),
        schedule=schedule,
        limits={"jobs": (1, MOST_ROWS), "blocks": (1, MOST_ROWS)},
        parameters={
            "rows": rows, "columns": columns, "k_parallel": k_parallel, "drain_rows": drain_rows, "dim": dim,
            "block": block, "beat_bits": beat_bits,
        },
    )  # fmt: skip
