"""What the matrix unit works on, and where its results go: tiles of scores and of products with the values in turns.

Row tile n's scores come `LAG` row tiles before its product with the values, so that the softmax of a row tile goes on
while the matrix unit works on others. Blocks of operands are kept and read again for every row tile; they lie in as
many banks as tokens are read at once, so codes come in token by token and leave as the matrix unit's words.

With a window of open query blocks, each has a slot that keeps its queries from its first job to its last one, and a
block of keys and values is kept for all jobs that visit it one after the other.
"""

import allo
import allo.dataflow as df
from allo.ir.types import ConstExpr, Stream, UInt, int32
from allo.memory import Memory

from fastprefill.errors import FastprefillError
from fastprefill.golden.attention_size import Size
from fastprefill.golden.attention_windows import FIRST, JOB_BITS, SLOT, SLOT_BITS, check_window
from fastprefill.kernels.sfu.size import MOST_ROWS
from fastprefill.system.unit import Unit

LAG = 2
"""Row tiles between the scores and the product with the values."""


def region(size: Size, window: int = 1):
    """The dataflow region of an engine of a size; ``unit`` says what the streams are."""
    R, C, P = size.rows, size.columns, size.k_parallel
    ROW_TILES, STEPS, PHASE = size.row_tiles, size.steps, size.key_tiles * size.steps
    DRAINED = size.key_tiles * size.groups
    TILES, DIM_TILES, DEEP = size.key_tiles, size.dim_tiles, size.block // size.k_parallel
    SHARE = C // P  # words of the matrix unit in a word of `columns` codes
    A, B, Codes = UInt(8 * R * P), UInt(8 * C * P), UInt(8 * C)
    Results = UInt(32 * size.drain_rows * C)
    WINDOW, WORDS = window, ROW_TILES * DIM_TILES
    SLOT_END = SLOT + SLOT_BITS
    Job, Count = UInt(JOB_BITS), UInt(24)

    @df.region()
    def operands(jobs: int32[1], blocks: int32[1], visits: int32[1]):
        with allo.meta_if(WINDOW == 1):
            count: Stream[Count, 2]
        with allo.meta_else():
            job: Stream[Job, 2]
            uses: Stream[Count, 2]
            value_uses: Stream[Count, 4]
        q: Stream[Codes, 2]
        k: Stream[Codes, 2]
        v: Stream[Codes, 2]
        weights: Stream[A, 2]
        c: Stream[Results, 2]
        a: Stream[A, 2]
        b: Stream[B, 2]
        scores: Stream[Results, 2]
        products: Stream[Results, 2]
        q_blocks: Stream[Codes[R, ROW_TILES * DIM_TILES], 2]
        k_blocks: Stream[Codes[C, TILES * DIM_TILES], 2]
        v_blocks: Stream[Codes[P, DEEP * DIM_TILES], 2]
        q_words: Stream[A, 2]
        k_words: Stream[B, 2]
        v_words: Stream[B, 2]

        @df.kernel(mapping=[1], args=[blocks])
        def read_q(lblocks: int32[1]):
            for n in range(lblocks[0]):
                held: Codes[R, ROW_TILES * DIM_TILES]
                for t in range(ROW_TILES):
                    for r in range(R):
                        for e in range(DIM_TILES):
                            held[r, DIM_TILES * t + e] = q.get()
                q_blocks.put(held)

        @df.kernel(mapping=[1], args=[visits])
        def read_k(lvisits: int32[1]):
            for n in range(lvisits[0]):
                held: Codes[C, TILES * DIM_TILES]
                for t in range(TILES):
                    for j in range(C):
                        for e in range(DIM_TILES):
                            held[j, DIM_TILES * t + e] = k.get()
                k_blocks.put(held)

        @df.kernel(mapping=[1], args=[visits])
        def read_v(lvisits: int32[1]):
            for n in range(lvisits[0]):
                held: Codes[P, DEEP * DIM_TILES]
                for u in range(DEEP):
                    for i in range(P):
                        for e in range(DIM_TILES):
                            held[i, DIM_TILES * u + e] = v.get()
                v_blocks.put(held)

        with allo.meta_if(WINDOW == 1):

            @df.kernel(mapping=[1], args=[blocks])
            def feed_q(lblocks: int32[1]):
                for n in range(lblocks[0]):
                    held: Codes[R, ROW_TILES * DIM_TILES] = q_blocks.get()
                    of_block: int32 = count.get()
                    for m in range(of_block):
                        for r in range(ROW_TILES):
                            for t in range(TILES):
                                for s in range(STEPS):
                                    word: A = 0
                                    at: int32 = DIM_TILES * r + s // SHARE
                                    part: int32 = 8 * P * (s % SHARE)
                                    for x in range(R, unroll=True):
                                        codes: Codes = held[x, at]
                                        word[8 * P * x : 8 * P * x + 8 * P] = codes[part : part + 8 * P]
                                    q_words.put(word)

        with allo.meta_else():

            @df.kernel(mapping=[1], args=[jobs])
            def feed_q(ljobs: int32[1]):
                slots: Codes[R, WINDOW * WORDS] @ Memory(resource="URAM")
                for n in range(ljobs[0]):
                    flags: Job = job.get()
                    slot: UInt(SLOT_BITS) = flags[SLOT:SLOT_END]
                    base: int32 = WORDS * (slot if slot < WINDOW else 0)
                    for opened in range(flags[FIRST]):
                        held: Codes[R, ROW_TILES * DIM_TILES] = q_blocks.get()
                        for w in range(WORDS):
                            to: int32 = base + w
                            for i in range(R, unroll=True):
                                slots[i, to] = held[i, w]
                    for r in range(ROW_TILES):
                        for t in range(TILES):
                            for s in range(STEPS):
                                word: A = 0
                                at: int32 = base + DIM_TILES * r + s // SHARE
                                part: int32 = 8 * P * (s % SHARE)
                                for x in range(R, unroll=True):
                                    codes: Codes = slots[x, at]
                                    word[8 * P * x : 8 * P * x + 8 * P] = codes[part : part + 8 * P]
                                q_words.put(word)

        @df.kernel(mapping=[1], args=[visits])
        def feed_k(lvisits: int32[1]):
            for n in range(lvisits[0]):
                held: Codes[C, TILES * DIM_TILES] = k_blocks.get()
                with allo.meta_if(WINDOW == 1):
                    row_tiles: ConstExpr[int32] = ROW_TILES
                with allo.meta_else():
                    of_visit: Count = uses.get()
                    value_uses.put(of_visit)
                    row_tiles: int32 = of_visit * ROW_TILES
                for r in range(row_tiles):
                    for t in range(TILES):
                        for s in range(STEPS):
                            word: B = 0
                            at: int32 = DIM_TILES * t + s // SHARE
                            part: int32 = 8 * P * (s % SHARE)
                            for j in range(C, unroll=True):
                                codes: Codes = held[j, at]
                                word[8 * P * j : 8 * P * j + 8 * P] = codes[part : part + 8 * P]
                            k_words.put(word)

        @df.kernel(mapping=[1], args=[visits])
        def feed_v(lvisits: int32[1]):
            for n in range(lvisits[0]):
                held: Codes[P, DEEP * DIM_TILES] = v_blocks.get()
                with allo.meta_if(WINDOW == 1):
                    row_tiles: ConstExpr[int32] = ROW_TILES
                with allo.meta_else():
                    of_visit: Count = value_uses.get()
                    row_tiles: int32 = of_visit * ROW_TILES
                for r in range(row_tiles):
                    for e in range(DIM_TILES):
                        for u in range(DEEP):
                            word: B = 0
                            for i in range(P, unroll=True):
                                codes: Codes = held[i, DIM_TILES * u + e]
                                for j in range(C, unroll=True):
                                    to: int32 = 8 * P * j + 8 * i
                                    word[to : to + 8] = codes[8 * j : 8 * j + 8]
                            v_words.put(word)

        @df.kernel(mapping=[1], args=[jobs])
        def left(ljobs: int32[1]):
            for n in range(ljobs[0]):
                for r in range(ROW_TILES):
                    for phase in range(2):
                        for i in range(PHASE):
                            word: A = 0
                            if phase == 0:
                                word = q_words.get()
                            elif n > 0 or r >= LAG:
                                word = weights.get()
                            if phase == 0 or n > 0 or r >= LAG:
                                a.put(word)
            for last in range(LAG * PHASE):
                a.put(weights.get())

        @df.kernel(mapping=[1], args=[jobs])
        def right(ljobs: int32[1]):
            for n in range(ljobs[0]):
                for r in range(ROW_TILES):
                    for phase in range(2):
                        for i in range(PHASE):
                            word: B = 0
                            if phase == 0:
                                word = k_words.get()
                            elif n > 0 or r >= LAG:
                                word = v_words.get()
                            if phase == 0 or n > 0 or r >= LAG:
                                b.put(word)
            for last in range(LAG * PHASE):
                b.put(v_words.get())

        @df.kernel(mapping=[1], args=[jobs])
        def results(ljobs: int32[1]):
            for n in range(ljobs[0]):
                for r in range(ROW_TILES):
                    for phase in range(2):
                        for i in range(DRAINED):
                            if phase == 0 or n > 0 or r >= LAG:
                                word: Results = c.get()
                                if phase == 0:
                                    scores.put(word)
                                else:
                                    products.put(word)
            for last in range(LAG * DRAINED):
                products.put(c.get())

    return operands


def unit(
    rows: int, columns: int, k_parallel: int, drain_rows: int, dim: int, block: int, window: int = 1
) -> Unit:
    """The operands of an engine; the arguments are those of ``golden.attention_size.Size``, and `window`.

    Streams in: ``count``, the jobs of each query block; ``q``, its codes for each query block, and ``k`` and ``v``, the
    codes of keys and values for each visit, all token by token in words of `columns` codes, as records in memory are;
    ``weights``, from the softmax; ``c``, from the matrix unit. Out: ``a`` and ``b``, to it; ``scores``, to the softmax;
    ``products``, to the states. Scalars: ``jobs``; ``blocks``, query blocks; ``visits`` of blocks of keys.

    With a window of 1 a job is a visit. With a larger one ``job``, a word of ``golden.attention_windows`` for each job,
    takes the place of ``count``, blocks of queries come in the order of their first jobs, and ``uses`` gives the jobs
    of each visit.

    Args:
        window: query blocks, each of one head, that are open at a time.

    Raises:
        FastprefillError: a size that the engine cannot serve.
    """
    size = Size(rows, columns, k_parallel, drain_rows, dim, block)
    if size.row_tiles < LAG:
        raise FastprefillError(
            f"blocks of {block} tokens are {size.row_tiles} row tiles of {rows}; the engine overlaps {LAG}: choose "
            f"at most {block // LAG} rows"
        )
    check_window(window)

    def schedule(s) -> None:
        for array in ("read_q:held", "read_k:held", "read_v:held"):
            s.partition(array, dim=1)
        if window > 1:
            s.partition("feed_q:slots", dim=1)
            s.pipeline("feed_q:w", initiation_interval=1)
        loops = [f"{kernel}:e" for kernel in ("read_q", "read_k", "read_v")]
        for kernel in ("left", "right", "results"):
            loops += [f"{kernel}:i", f"{kernel}:last"]
        for loop in (*loops, "feed_q:s", "feed_k:s", "feed_v:u"):
            s.pipeline(loop, initiation_interval=1)

    return Unit(
        "operands",
        region(size, window),
        inputs=(*(("count",) if window == 1 else ("job", "uses")), "q", "k", "v", "weights", "c"),
        outputs=("a", "b", "scores", "products"),
        schedule=schedule,
        limits={"jobs": (1, MOST_ROWS), "blocks": (1, "jobs"), "visits": (1, "jobs")},
        parameters={
            "rows": rows, "columns": columns, "k_parallel": k_parallel, "drain_rows": drain_rows, "dim": dim,
            "block": block, "window": window,
        },
    )  # fmt: skip
