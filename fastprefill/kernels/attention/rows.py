"""Rows of the result to memory as int32, in the order of the walk; query blocks without jobs are rows of zeros."""

import allo
import allo.dataflow as df
from allo.ir.types import Int, Stream, UInt, int32, uint32, uint64

from fastprefill.golden.attention_ports import Packing, check
from fastprefill.golden.attention_size import Size
from fastprefill.golden.sfu import ACTIVATION_BITS
from fastprefill.kernels.sfu.size import MOST_ROWS
from fastprefill.system.mover import COMMAND_BITS
from fastprefill.system.unit import Unit


def region(size: Size, beat_bits: int):
    """The dataflow region; ``unit`` says what the streams are."""
    BEAT, C, BLOCK = beat_bits, size.columns, size.block
    PACKING = Packing(32 * C, BEAT)
    SHARE, PIECES = PACKING.share, PACKING.pieces
    DIM_TILES, ROW_BYTES = size.dim_tiles, 4 * size.dim
    OUT = ACTIVATION_BITS
    Beat, Word, Wide, Command = UInt(BEAT), UInt(OUT * C), UInt(32 * C), UInt(COMMAND_BITS)

    @df.region()
    def write_rows(tokens: int32[1], kv_heads: int32[1], group: int32[1], base: uint64[1]):
        y: Stream[Word, 2]
        targets: Stream[uint32, 2]
        commands: Stream[Command, 2]
        beats: Stream[Beat, 2]

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
                        for t in range(BLOCK):
                            token: int32 = r * BLOCK + t
                            shown: UInt(1) = token < ltokens[0]
                            if shown == 1:
                                number: int32 = token * heads + first_head + h
                                command: Command = 0
                                command[0:64] = lbase[0] + number * ROW_BYTES
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
                        if computed == 1:
                            coming = targets.get()
                        window += 1
                first_head += lgroup[0]
            while coming != window:  # query blocks that the walker made up
                for d in range(BLOCK * DIM_TILES):
                    dropped: Word = y.get()
                coming = targets.get()

    return write_rows


def unit(
    rows: int, columns: int, k_parallel: int, drain_rows: int, dim: int, block: int, beat_bits: int
) -> Unit:
    """The result of an engine as the rows of tokens in memory: int32 [tokens, heads, dim].

    Streams in: ``y``, as ``normalise`` gives it; ``targets``, as ``walker`` does; rows of
    `DROPPED` ones come last and go nowhere. Out: a mover's ``commands``, one for
    each token and head, and their ``beats``. Rows beyond the last token are dropped. Scalars: ``tokens``,
    ``kv_heads``, ``group`` (query heads of a KV head), ``base``, byte address of the rows.

    Args:
        rows, columns, k_parallel, drain_rows, dim, block: as for ``golden.attention_size.Size``.
        beat_bits: of the port.

    Raises:
        FastprefillError: a size that the engine cannot serve, or a port that does not fit it.
    """
    size = Size(rows, columns, k_parallel, drain_rows, dim, block)
    check(size, beat_bits)

    def schedule(s) -> None:
        for loop in ("write:p", "write:d"):
            s.pipeline(loop, initiation_interval=1)

    return Unit(
        "write_rows",
        region(size, beat_bits),
        inputs=("y", "targets"),
        outputs=("commands", "beats"),
        schedule=schedule,
        limits={"tokens": (1, MOST_ROWS), "kv_heads": (1, 1 << 16), "group": (1, 16)},
        parameters={
            "rows": rows, "columns": columns, "k_parallel": k_parallel, "drain_rows": drain_rows, "dim": dim,
            "block": block, "beat_bits": beat_bits,
        },
    )  # fmt: skip
