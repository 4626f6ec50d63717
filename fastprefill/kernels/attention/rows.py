"""Rows of the result to memory as int32, in the order of the walk; query blocks without jobs are rows of zeros.

With windows the states of a window come in the order of their last jobs, and those without jobs follow.
"""

import allo
import allo.dataflow as df
from allo.ir.types import Int, Stream, UInt, int32, uint32, uint64

from fastprefill.golden.attention_ports import Packing, check
from fastprefill.golden.attention_size import Size
from fastprefill.golden.attention_windows import check_window
from fastprefill.golden.jobs import LARGEST_GROUP
from fastprefill.golden.sfu import ACTIVATION_BITS
from fastprefill.golden.window_walker import TARGET
from fastprefill.kernels.sfu.size import MOST_ROWS
from fastprefill.system.mover import COMMAND_BITS
from fastprefill.system.unit import Unit


def region(size: Size, beat_bits: int, group_at_most: int, window: int):
    """The dataflow region; ``unit`` says what the streams are."""
    BEAT, C, BLOCK = beat_bits, size.columns, size.block
    PACKING = Packing(32 * C, BEAT)
    SHARE, PIECES = PACKING.share, PACKING.pieces
    DIM_TILES, ROW_BYTES = size.dim_tiles, 4 * size.dim
    OUT = ACTIVATION_BITS
    WINDOW, GROUP, STATES = window, group_at_most, window * group_at_most
    Beat, Word, Wide, Command = UInt(BEAT), UInt(OUT * C), UInt(32 * C), UInt(COMMAND_BITS)
    States, Slot = UInt(STATES), UInt(TARGET)

    @df.region()
    def write_rows(tokens: int32[1], kv_heads: int32[1], group: int32[1], base: uint64[1]):
        y: Stream[Word, 2]
        targets: Stream[uint32, 2]
        commands: Stream[Command, 2]
        beats: Stream[Beat, 2]

        def state(row: int32, head: int32, heads: int32, tokens_of: int32, to: uint64, computed: UInt(1)):
            """Rows of a query block of a head: those of the engine, or zeros."""
            for t in range(BLOCK):
                token: int32 = row * BLOCK + t
                shown: UInt(1) = token < tokens_of
                if shown == 1:
                    number: int32 = token * heads + head
                    command: Command = 0
                    command[0:64] = to + number * ROW_BYTES
                    command[64:96] = ROW_BYTES
                    commands.put(command)
                wide: Wide = 0
                gathered: Beat = 0
                for e in range(DIM_TILES):
                    for p in range(PIECES):
                        if p == 0:
                            word: Word = 0
                            if computed == 1:
                                word = y.get()
                            for j in range(C, unroll=True):
                                value: Int(OUT) = word[OUT * j : OUT * j + OUT]
                                extended: int32 = value
                                wide[32 * j : 32 * j + 32] = extended
                        with allo.meta_if(PIECES > 1):
                            gathered = wide[BEAT * p : BEAT * p + BEAT]
                        with allo.meta_else():
                            at: int32 = 32 * C * (e % SHARE)
                            gathered[at : at + 32 * C] = wide
                        if shown == 1 and e % SHARE == SHARE - 1:
                            beats.put(gathered)

        with allo.meta_if(WINDOW == 1):

            @df.kernel(mapping=[1], args=[tokens, kv_heads, group, base])
            def write(ltokens: int32[1], lkv_heads: int32[1], lgroup: int32[1], lbase: uint64[1]):
                last: UInt(24) = ltokens[0] - 1
                blocks: int32 = last // BLOCK + 1
                heads: int32 = lkv_heads[0] * lgroup[0]
                window: int32 = 0
                first_head: int32 = 0
                coming: int32 = targets.get()
                for kv in range(lkv_heads[0]):
                    for r in range(blocks):
                        for h in range(lgroup[0]):
                            computed: UInt(1) = window == coming
                            state(r, first_head + h, heads, ltokens[0], lbase[0], computed)
                            if computed == 1:
                                coming = targets.get()
                            window += 1
                    first_head += lgroup[0]
                while coming != window:  # query blocks that the walker made up
                    for d in range(BLOCK * DIM_TILES):
                        dropped: Word = y.get()
                    coming = targets.get()

        with allo.meta_else():

            @df.kernel(mapping=[1], args=[tokens, kv_heads, group, base])
            def write(ltokens: int32[1], lkv_heads: int32[1], lgroup: int32[1], lbase: uint64[1]):
                last: UInt(24) = ltokens[0] - 1
                last_block: UInt(24) = last // BLOCK
                windows: int32 = last_block // WINDOW + 1
                heads: int32 = lkv_heads[0] * lgroup[0]
                absent: States = 0  # states of heads that the group does not have
                with allo.meta_for(STATES) as x:
                    absent[x] = x % GROUP >= lgroup[0]
                number: int32 = 0
                first_head: int32 = 0
                coming: uint32 = targets.get()
                for kv in range(lkv_heads[0]):
                    for w in range(windows):
                        rows_of: int32 = min(last_block + 1 - w * WINDOW, WINDOW)
                        done: States = absent
                        for n in range(rows_of * lgroup[0]):
                            computed: UInt(1) = coming[TARGET:32] == number
                            slot: Slot = coming[0:TARGET]
                            if computed == 0:  # all that have jobs are done
                                slot = 0
                                while done[slot] == 1:
                                    slot += 1
                            done[slot] = 1
                            row: int32 = w * WINDOW + slot // GROUP
                            state(row, first_head + slot % GROUP, heads, ltokens[0], lbase[0], computed)
                            if computed == 1:
                                coming = targets.get()
                        number += 1
                    first_head += lgroup[0]
                while coming[TARGET:32] != number:  # query blocks that the walker made up
                    for d in range(BLOCK * DIM_TILES):
                        dropped: Word = y.get()
                    coming = targets.get()

    return write_rows


def unit(
    rows: int,
    columns: int,
    k_parallel: int,
    drain_rows: int,
    dim: int,
    block: int,
    beat_bits: int,
    group: int = LARGEST_GROUP,
    window: int = 1,
) -> Unit:
    """The result of an engine as the rows of tokens in memory: int32 [tokens, heads, dim].

    Streams in: ``y``, as ``normalise`` gives it; ``targets``, as ``walker`` does, or with windows ``window_walker``;
    rows of `DROPPED` ones come last and go nowhere. Out: a mover's ``commands``, one for each token and head, and their
    ``beats``. Rows beyond the last token are dropped. Scalars: ``tokens``, ``kv_heads``, ``group`` (query heads of a KV
    head), ``base``, byte address of the rows.

    Args:
        rows, columns, k_parallel, drain_rows, dim, block: as for ``golden.attention_size.Size``.
        beat_bits: of the port.
        group: most query heads of a KV head.
        window: query blocks of a window.

    Raises:
        FastprefillError: a size that the engine cannot serve, or a port that does not fit it.
    """
    size = Size(rows, columns, k_parallel, drain_rows, dim, block)
    check(size, beat_bits)
    if window > 1:
        check_window(window * group)

    def schedule(s) -> None:
        for loop in ("write:p", "write:d"):
            s.pipeline(loop, initiation_interval=1)

    return Unit(
        "write_rows",
        region(size, beat_bits, group, window),
        inputs=("y", "targets"),
        outputs=("commands", "beats"),
        schedule=schedule,
        limits={"tokens": (1, MOST_ROWS), "kv_heads": (1, 1 << 16), "group": (1, group)},
        parameters={
            "rows": rows, "columns": columns, "k_parallel": k_parallel, "drain_rows": drain_rows, "dim": dim,
            "block": block, "beat_bits": beat_bits, "group": group, "window": window,
        },
    )  # fmt: skip
