"""Mean score of every key block, from the sums of its tiles."""

import allo.dataflow as df
import numpy as np
from allo.ir.types import Int, Stream, UInt, int32

from fastprefill.golden.sigu.operands import RECIPROCAL_FRACTION, reciprocals
from fastprefill.golden.sigu.size import Size
from fastprefill.kernels.sigu_stages.score import sum_bits
from fastprefill.kernels.sigu_stages.weigh import LOG_BITS
from fastprefill.system.unit import Unit


def unit(size: Size) -> Unit:
    """Means of a start.

    Streams: ``sums`` of a tile's scores, head by head; ``means`` of a key block's, head by head, 8 fraction bits.
    """
    block, group, TILE, TILES = size.block, size.group, size.tile_keys, size.block // size.tile_keys
    Sum, Total, Mean = Int(sum_bits(size)), Int(sum_bits(size) + TILES.bit_length()), Int(LOG_BITS)
    ROWS, HALF = block.bit_length() - 1, 1 << RECIPROCAL_FRACTION - 1
    FACTORS = np.concatenate([[0], reciprocals(np.arange(1, block + 1))])

    @df.region()
    def sigu_means(tokens: int32[1], min_blocks: int32[1]):
        sums: Stream[Sum, 2]
        means: Stream[Mean, 2]

        @df.kernel(mapping=[1], args=[tokens, min_blocks])
        def average(ltokens: int32[1], lmin_blocks: int32[1]):
            factors: UInt(RECIPROCAL_FRACTION + 1)[block + 1] = FACTORS
            totals: Total[group] = 0
            last: UInt(18) = ltokens[0] - 1
            blocks: int32 = last // block + 1
            tiles: int32 = last // TILE + 1
            ragged: UInt(8) = last % block + 1
            needed: int32 = 0 if blocks <= max(lmin_blocks[0], 2) else blocks
            for b in range(needed):
                count: int32 = min(tiles - b * TILES, TILES)
                for t in range(count):
                    for h in range(group):
                        total: Total = sums.get()
                        if t > 0:
                            total += totals[h]
                        totals[h] = total
                        if t == count - 1:
                            length: UInt(8) = ragged if b == blocks - 1 else block
                            rows_mean: Total = total >> ROWS
                            scaled = rows_mean * factors[length]
                            means.put((scaled + HALF) >> RECIPROCAL_FRACTION)

    return Unit(
        "sigu_means", sigu_means, inputs=("sums",), outputs=("means",),
        schedule=lambda s: s.pipeline("average:h", initiation_interval=1),
        operators={"average:scaled": "dsp"},
    )  # fmt: skip
