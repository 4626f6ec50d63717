"""Online softmax of a job: scores in log2 units, their powers of two relative to the row's largest, sums of weights.

A row tile, `rows` queries against all keys of the block, goes through in two passes: one finds each row's largest
exponents while the scores arrive from the matrix unit, one weighs them. The weights of the values leave as operands
of the matrix unit. Exponents are integers, so weighing is a table and a shift.
"""

import allo
import allo.dataflow as df
import numpy as np
from allo.ir.types import Int, Stream, UInt, int32

from fastprefill.golden.attention import CODE_BITS, SCORE_BITS, SCORE_FRACTION
from fastprefill.golden.attention_size import Size
from fastprefill.golden.partial import EMPTY, WEIGHT_FRACTION
from fastprefill.golden.scale import Scales
from fastprefill.kernels import functions
from fastprefill.kernels.functions import exp2
from fastprefill.kernels.sfu.size import MOST_ROWS
from fastprefill.system.unit import Unit

LEFT = 6
"""Most places that a score's product moves to the left: the least product is 2**14, and 2**20 is saturated."""

LOG2_BITS = 17
LOG2_MANTISSA = Scales(np.arange(128, 256), np.zeros(128, np.int64)).log2()
"""log2 of a scale's mantissa, 8 fraction bits."""


def region(size: Size):
    """The dataflow region of an engine of a size."""
    R, C, D, P = size.rows, size.columns, size.drain_rows, size.k_parallel
    GROUPS, TILES, ROW_TILES, PASSES = size.groups, size.key_tiles, size.row_tiles, size.dim_tiles
    STEPS = size.block // P  # words of P of a row tile
    SHARE = C // P  # of them in a word of C keys
    LANES = D * C
    WORDS = TILES * GROUPS
    SCORE, HELD = SCORE_BITS, SCORE_BITS + 1  # with a bit for what the query does not see
    Scores, Held = UInt(32 * LANES), UInt(HELD * LANES)
    RowScales, KeyScales = UInt(16 * D), UInt(32 * C)
    Keys, Logs = UInt((16 + LOG2_BITS) * C), UInt(LOG2_BITS * C)
    KEY = 16 + LOG2_BITS
    LOG = LOG2_BITS
    Tops, Rows = UInt(32 * D), UInt(64 * D)
    Codes, Operand = UInt(8 * LANES), UInt(8 * R * P)
    Score, Log, Raised, Top = Int(SCORE), Int(LOG), Int(SCORE + 2), Int(16)
    Count = UInt(32)
    W_SHIFT, P_SHIFT = 14 - WEIGHT_FRACTION, 14 - CODE_BITS
    to_score = functions.shift_round(40, -LEFT, 511)
    saturate = functions.saturate(40 + LEFT, SCORE)
    largest = functions.largest(C, 16, signed=True)
    total = functions.total(C, 16)

    @df.region()
    def softmax(jobs: int32[1]):
        job: Stream[UInt(8), 2]
        row_scale: Stream[RowScales, 2]
        key_scale: Stream[KeyScales, 2]
        c: Stream[Scores, 2]
        a: Stream[Operand, 2]
        row: Stream[Rows, GROUPS]
        keys: Stream[Keys[TILES], 2]
        logs: Stream[Logs[TILES], 2]
        held: Stream[Held[WORDS], 2]
        tops: Stream[Tops[GROUPS], 2]
        codes: Stream[Codes[GROUPS, TILES], 2]

        @df.kernel(mapping=[1], args=[jobs])
        def scales(ljobs: int32[1]):
            mantissas: UInt(11)[128] = LOG2_MANTISSA
            for n in range(ljobs[0]):
                these: Keys[TILES]
                of_values: Logs[TILES]
                for t in range(TILES):
                    word: KeyScales = key_scale.get()
                    both: Keys = 0
                    alone: Logs = 0
                    for j in range(C, unroll=True):
                        place: UInt(7) = word[32 * j + 16 : 32 * j + 23]
                        exponent: Int(8) = word[32 * j + 24 : 32 * j + 32]
                        wide: Log = exponent
                        log: Log = mantissas[place] + (wide << SCORE_FRACTION)
                        both[KEY * j : KEY * j + 16] = word[32 * j : 32 * j + 16]
                        both[KEY * j + 16 : KEY * j + KEY] = log
                        alone[LOG * j : LOG * j + LOG] = log
                    these[t] = both
                    of_values[t] = alone
                logs.put(of_values)
                keys.put(these)

        @df.kernel(mapping=[1], args=[jobs])
        def score(ljobs: int32[1]):
            of_rows: RowScales[GROUPS] = 0
            highest: Tops[GROUPS] = 0
            for n in range(ljobs[0]):
                here: Keys[TILES] = keys.get()
                flags: UInt(8) = job.get()
                for r in range(ROW_TILES):
                    out: Held[WORDS]
                    top: Tops[GROUPS]
                    for t in range(TILES):
                        for g in range(GROUPS):
                            word: Scores = c.get()
                            if t == 0:
                                of_rows[g] = row_scale.get()
                            scale_word: RowScales = of_rows[g]
                            key_word: Keys = here[t]
                            before_word: Tops = highest[g]
                            # how far the tile's first key is behind the group's first query
                            behind: Int(12) = t * C - r * R - g * D
                            kept: Held = 0
                            after_word: Tops = 0
                            with allo.meta_for(D) as d:
                                m_of: UInt(16 * C) = 0
                                n_of: UInt(16 * C) = 0
                                row_mantissa: UInt(8) = scale_word[16 * d : 16 * d + 8]
                                row_exponent: Int(8) = scale_word[16 * d + 8 : 16 * d + 16]
                                with allo.meta_for(C) as j:
                                    x: Int(24) = word[32 * (C * d + j) : 32 * (C * d + j) + 24]
                                    key_mantissa: UInt(8) = key_word[KEY * j : KEY * j + 8]
                                    key_exponent: Int(8) = key_word[KEY * j + 8 : KEY * j + 16]
                                    log: Log = key_word[KEY * j + 16 : KEY * j + KEY]
                                    mantissa: UInt(16) = row_mantissa * key_mantissa
                                    scaled = x * mantissa
                                    amount: Int(10) = -(row_exponent + key_exponent + SCORE_FRACTION)
                                    s: Score = saturate(to_score(scaled, max(amount, -LEFT)))
                                    u: Raised = s + log
                                    hidden: UInt(1) = flags[0] == 1 and behind > d - j
                                    m: Top = EMPTY if hidden == 1 else (s >> SCORE_FRACTION) + 1
                                    v: Top = EMPTY if hidden == 1 else (u >> SCORE_FRACTION) + 1
                                    m_of[16 * j : 16 * j + 16] = m
                                    n_of[16 * j : 16 * j + 16] = v
                                    kept[HELD * (C * d + j) : HELD * (C * d + j) + SCORE] = s
                                    kept[HELD * (C * d + j) + SCORE] = hidden
                                m_before: Top = EMPTY if t == 0 else before_word[32 * d : 32 * d + 16]
                                n_before: Top = EMPTY if t == 0 else before_word[32 * d + 16 : 32 * d + 32]
                                m_now: Top = largest(m_of)
                                n_now: Top = largest(n_of)
                                after_word[32 * d : 32 * d + 16] = max(m_before, m_now)
                                after_word[32 * d + 16 : 32 * d + 32] = max(n_before, n_now)
                            highest[g] = after_word
                            top[g] = after_word
                            out[GROUPS * t + g] = kept
                    tops.put(top)
                    held.put(out)

        @df.kernel(mapping=[1], args=[jobs])
        def weigh(ljobs: int32[1]):
            sums: UInt(32 * D)[GROUPS] = 0
            for n in range(ljobs[0]):
                here: Logs[TILES] = logs.get()
                for r in range(ROW_TILES):
                    scored: Held[WORDS] = held.get()
                    top: Tops[GROUPS] = tops.get()
                    out: Codes[GROUPS, TILES]
                    for t in range(TILES):
                        for g in range(GROUPS):
                            word: Held = scored[GROUPS * t + g]
                            log_word: Logs = here[t]
                            top_word: Tops = top[g]
                            before_word: UInt(32 * D) = sums[g]
                            after_word: UInt(32 * D) = 0
                            code_word: Codes = 0
                            row_word: Rows = 0
                            with allo.meta_for(D) as d:
                                weights: UInt(16 * C) = 0
                                m: Top = top_word[32 * d : 32 * d + 16]
                                v: Top = top_word[32 * d + 16 : 32 * d + 32]
                                with allo.meta_for(C) as j:
                                    s: Score = word[HELD * (C * d + j) : HELD * (C * d + j) + SCORE]
                                    hidden: UInt(1) = word[HELD * (C * d + j) + SCORE]
                                    log: Log = log_word[LOG * j : LOG * j + LOG]
                                    u: Raised = s + log
                                    m_places: Int(18) = m - (s >> SCORE_FRACTION) + W_SHIFT
                                    n_places: Int(18) = v - (u >> SCORE_FRACTION) + P_SHIFT
                                    m_shift: UInt(5) = min(m_places, 31)
                                    n_shift: UInt(5) = min(n_places, 31)
                                    m_part: UInt(16) = exp2(s[0:8])
                                    n_part: UInt(16) = exp2(u[0:8])
                                    weight: UInt(16) = ((m_part >> m_shift) + 1) >> 1
                                    code: UInt(8) = ((n_part >> n_shift) + 1) >> 1
                                    weights[16 * j : 16 * j + 16] = 0 if hidden == 1 else weight
                                    # the matrix unit is signed: codes go in less 128
                                    shown: UInt(8) = 0 if hidden == 1 else code
                                    code_word[8 * (C * d + j) : 8 * (C * d + j) + 8] = shown ^ 128
                                so_far: Count = 0 if t == 0 else before_word[32 * d : 32 * d + 32]
                                count: Count = so_far + total(weights)
                                after_word[32 * d : 32 * d + 32] = count
                                row_word[64 * d : 64 * d + 16] = m
                                row_word[64 * d + 16 : 64 * d + 32] = v
                                row_word[64 * d + 32 : 64 * d + 64] = count
                            sums[g] = after_word
                            out[g, t] = code_word
                            if t == TILES - 1:
                                row.put(row_word)
                    codes.put(out)

        @df.kernel(mapping=[1], args=[jobs])
        def operand(ljobs: int32[1]):
            for n in range(ljobs[0]):
                for r in range(ROW_TILES):
                    here: Codes[GROUPS, TILES] = codes.get()
                    for e in range(PASSES):
                        for s in range(STEPS):
                            word: Operand = 0
                            tile: int32 = s // SHARE
                            part: int32 = s % SHARE
                            for g in range(GROUPS, unroll=True):
                                of_group: Codes = here[g, tile]
                                with allo.meta_for(D) as d:
                                    at: int32 = 8 * (C * d) + 8 * P * part
                                    to: int32 = 8 * P * (D * g + d)
                                    word[to : to + 8 * P] = of_group[at : at + 8 * P]
                            a.put(word)

    return softmax


def unit(rows: int, columns: int, k_parallel: int, drain_rows: int, dim: int, block: int) -> Unit:
    """The softmax of an engine; the arguments are those of ``golden.attention_size.Size``.

    Streams in: ``job``, a byte for each job, bit 0 set where query block and key block are the same; ``row_scale``, for
    each row tile its groups' words of `drain_rows` scales; ``key_scale``, for each job and tile of `columns` keys, a
    word of the keys' scales (low half of 32 bits) and their values' (high half); ``c``, scores as the matrix unit
    drains them. Out: ``a``, for each row tile and each tile across a head the weights less 128 as operands of the
    matrix unit; ``row``, for each row tile its groups' words of M, N (int16) and l (uint32) of each row. Scalar
    ``jobs``.

    Raises:
        FastprefillError: a size that the engine cannot serve.
    """
    size = Size(rows, columns, k_parallel, drain_rows, dim, block)

    def schedule(s) -> None:
        s.partition("weigh:out", dim=1)
        for loop in ("scales:t", "score:g", "weigh:g", "operand:s"):
            s.pipeline(loop, initiation_interval=1)

    return Unit(
        "softmax",
        region(size),
        inputs=("job", "row_scale", "key_scale", "c"),
        outputs=("a", "row"),
        schedule=schedule,
        operators={"score:mantissa": "fabric", "score:scaled": "dsp"},
        limits={"jobs": (1, MOST_ROWS)},
        parameters={
            "rows": rows, "columns": columns, "k_parallel": k_parallel, "drain_rows": drain_rows, "dim": dim,
            "block": block,
        },
    )  # fmt: skip
