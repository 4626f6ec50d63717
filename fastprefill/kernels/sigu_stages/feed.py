"""Operands for the matrix unit: keys twice, queries as often as they are needed, pooled keys and queries."""

import allo
import allo.dataflow as df
from allo.ir.types import Stream, UInt, int32
from allo.memory import Memory

from fastprefill.golden import mpu
from fastprefill.golden.sigu.size import Size
from fastprefill.kernels.sigu_stages.turns import END, REST, TILE
from fastprefill.system.unit import Unit


def unit(size: Size, array: mpu.Size, head_dim: int, resident: int = 0) -> Unit:
    """What the matrix unit multiplies for a start.

    Args:
        size: of the unit for index generation.
        array: of the matrix unit: `tile_keys` rows, `lanes` of which leave in a cycle, and `columns` columns.
        head_dim: elements of a key.
        resident: tiles of keys that are kept on chip from the first pass to the second.

    Streams: ``keys`` words of A, a tile after the other, in both passes, without the resident ones in the second;
    ``queries`` words of B for the rows of the last block, every head's row tiles; ``pooled_keys`` words of A for all
    pooled keys, once, when a head needs them; ``pooled_queries`` words of B, a row tile for every sweep; ``aware``
    a bit for each head. ``a`` and ``b`` go to the matrix unit, ``tiles`` to the unit ``turns``.
    """
    STEPS = array.steps(head_dim)
    AWord, BWord = UInt(8 * array.k_parallel * array.rows), UInt(8 * array.k_parallel * array.columns)
    group, block, rows, KEYS = size.group, size.block, size.rows, size.tile_keys
    SLOTS = group * size.row_tiles
    POOLED_TILES = -(-size.blocks // KEYS)

    @df.region()
    def sigu_feed(tokens: int32[1], min_blocks: int32[1]):
        keys: Stream[AWord, 2]
        queries: Stream[BWord, 2]
        pooled_keys: Stream[AWord, 2]
        pooled_queries: Stream[BWord, 2]
        aware: Stream[UInt(1), 2]
        tiles: Stream[UInt(2), 2]
        a: Stream[AWord, 2]
        b: Stream[BWord, 2]
        tile: Stream[AWord[STEPS], 2]

        @df.kernel(mapping=[1], args=[tokens, min_blocks])
        def fetch(ltokens: int32[1], lmin_blocks: int32[1]):
            with allo.meta_if(resident > 0):
                held: AWord[resident * STEPS] @ Memory(resource="URAM")
            last: UInt(18) = ltokens[0] - 1
            passes: int32 = 0 if last // block + 1 <= max(lmin_blocks[0], 2) else 2
            key_tiles: int32 = last // KEYS + 1
            for p in range(passes):
                for t in range(key_tiles):
                    buffer: AWord[STEPS] @ Memory(resource="LUTRAM")
                    for s in range(STEPS):
                        word: AWord = 0
                        with allo.meta_if(resident > 0):
                            if p == 1 and t < resident:
                                word = held[t * STEPS + s]
                            else:
                                word = keys.get()
                            if p == 0 and t < resident:
                                held[t * STEPS + s] = word
                        with allo.meta_else():
                            word = keys.get()
                        buffer[s] = word
                    tile.put(buffer)

        @df.kernel(mapping=[1], args=[tokens, min_blocks])
        def hand_out(ltokens: int32[1], lmin_blocks: int32[1]):
            rows_of_b: BWord[SLOTS * STEPS] @ Memory(resource="BRAM")
            pooled: AWord[POOLED_TILES * STEPS] @ Memory(resource="BRAM")
            pooled_row: BWord[STEPS] @ Memory(resource="LUTRAM")
            last: UInt(18) = ltokens[0] - 1
            last_block: UInt(18) = last // block
            blocks: int32 = last_block + 1
            brief: UInt(1) = blocks <= max(lmin_blocks[0], 2)
            passes: int32 = 0 if brief == 1 else 2
            heads: int32 = 0 if brief == 1 else group
            strip_tiles: int32 = last // KEYS + 1
            words: int32 = 0 if brief == 1 else SLOTS * STEPS
            for w in range(words):
                rows_of_b[w] = queries.get()
            for p in range(passes):
                for t in range(strip_tiles):
                    of_keys: AWord[STEPS] = tile.get()
                    for u in range(SLOTS):
                        for s in range(STEPS):
                            if s == 0:
                                tiles.put(TILE)
                            a.put(of_keys[s])
                            b.put(rows_of_b[u * STEPS + s])
            tiles.put(REST)  # what is query-aware is known when the last tile has left
            loaded: UInt(1) = 0
            row_tiles: int32 = last_block // rows + 1
            pooled_words: int32 = (last_block // KEYS + 1) * STEPS
            for h in range(heads):
                flag: UInt(1) = aware.get()
                missing: int32 = pooled_words if flag == 1 and loaded == 0 else 0
                loaded = loaded | flag
                for m in range(missing):
                    pooled[m] = pooled_keys.get()
                sweeps: int32 = 4 if flag == 1 else 0
                for sweep in range(sweeps):
                    for row_tile in range(row_tiles):
                        lowest: UInt(18) = min(row_tile * rows + rows, blocks) - 1
                        key_tiles: int32 = lowest // KEYS + 1
                        for key_tile in range(key_tiles):
                            for step in range(STEPS):
                                b_word: BWord = 0
                                if key_tile == 0:
                                    b_word = pooled_queries.get()
                                    pooled_row[step] = b_word
                                else:
                                    b_word = pooled_row[step]
                                if step == 0:
                                    tiles.put(TILE)
                                a.put(pooled[key_tile * STEPS + step])
                                b.put(b_word)
            tiles.put(REST)
            tiles.put(END)

    def schedule(s) -> None:
        s.pipeline("fetch:s", initiation_interval=1)
        for loop in ("w", "s", "m", "step"):
            s.pipeline(f"hand_out:{loop}", initiation_interval=1)

    return Unit(
        "sigu_feed", sigu_feed,
        inputs=("keys", "queries", "pooled_keys", "pooled_queries", "aware"), outputs=("tiles", "a", "b"),
        schedule=schedule,
    )  # fmt: skip
