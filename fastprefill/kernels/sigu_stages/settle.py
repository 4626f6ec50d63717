"""The cut of pooled weights: the crossing bin of the first histogram, then that of the second and the share in it."""

import allo.dataflow as df
from allo.ir.types import Int, Stream, UInt, int32
from allo.memory import Memory

from fastprefill.golden.sigu.histogram import BINS, GAMMA_FRACTION, SHARE_FRACTION
from fastprefill.golden.sigu.size import Size
from fastprefill.kernels.sigu_stages.choose import CUT_BITS
from fastprefill.kernels.sigu_stages.tally import COUNT_BITS, TOTAL_BITS
from fastprefill.system.unit import Unit


def unit(size: Size) -> Unit:
    """Two histograms for each query-aware head.

    Streams: ``aware`` a bit for each head; ``entries`` as from the unit ``tally``; ``cuts`` a bin and, of the second
    histogram, which share of the values in it is taken, 16 fraction bits.
    """
    group, block = size.group, size.block
    Count, Total, Entry = UInt(COUNT_BITS), UInt(TOTAL_BITS), UInt(TOTAL_BITS + COUNT_BITS)
    Cut, Bin = UInt(CUT_BITS), Int(10)

    @df.region()
    def sigu_settle(tokens: int32[1], min_blocks: int32[1], gamma: int32[1]):
        aware: Stream[UInt(1), 2]
        entries: Stream[Entry, 2]
        cuts: Stream[Cut, 2]

        @df.kernel(mapping=[1], args=[tokens, min_blocks, gamma])
        def walk_twice(ltokens: int32[1], lmin_blocks: int32[1], lgamma: int32[1]):
            histogram: Entry[BINS] @ Memory(resource="BRAM")
            last: UInt(18) = ltokens[0] - 1
            heads: int32 = 0 if last // block + 1 <= max(lmin_blocks[0], 2) else group
            share_of_all: UInt(GAMMA_FRACTION + 1) = lgamma[0]
            for h in range(heads):
                flag: UInt(1) = aware.get()
                turns: int32 = 2 if flag == 1 else 0
                left: Total = 0
                for turn in range(turns):
                    total: Total = 0
                    for i in range(BINS):
                        entry: Entry = entries.get()
                        histogram[i] = entry
                        total += entry[0:TOTAL_BITS]
                    if turn == 0:
                        target = total * share_of_all
                        left = target >> GAMMA_FRACTION
                    at: Bin = -1
                    inner_count: Count = 0
                    inner_mass: Total = 0
                    for down in range(BINS):
                        bin: Entry = histogram[BINS - 1 - down]
                        mass: Total = bin[0:TOTAL_BITS]
                        if at == -1:
                            if mass > left:
                                at = BINS - 1 - down
                                inner_mass = mass
                                inner_count = bin[TOTAL_BITS : TOTAL_BITS + COUNT_BITS]
                            else:
                                left -= mass
                    # share = left * count / mass, then drawn = share * 2**16 / count, both rounded down
                    numerator = left * inner_count
                    low: Count = numerator[0:COUNT_BITS]
                    remainder: UInt(TOTAL_BITS + 1) = numerator >> COUNT_BITS
                    share: Count = 0
                    for digit in range(COUNT_BITS):
                        remainder = (remainder << 1) + low[COUNT_BITS - 1]
                        low = low << 1
                        fits: UInt(1) = at != -1 and remainder >= inner_mass
                        if fits == 1:
                            remainder -= inner_mass
                        share = (share << 1) + fits
                    rest: UInt(COUNT_BITS + 1) = share
                    drawn: UInt(17) = 0
                    for place in range(SHARE_FRACTION):
                        rest = rest << 1
                        goes: UInt(1) = at != -1 and rest >= inner_count
                        if goes == 1:
                            rest -= inner_count
                        drawn = (drawn << 1) + goes
                    cut: Cut = 0
                    cut[0:10] = at
                    cut[10:CUT_BITS] = drawn
                    cuts.put(cut)

    return Unit(
        "sigu_settle", sigu_settle, inputs=("aware", "entries"), outputs=("cuts",),
        schedule=lambda s: s.pipeline("walk_twice:i", initiation_interval=1),
        operators={"walk_twice:target": "dsp", "walk_twice:numerator": "dsp"},
        limits={"gamma": (1, 1 << GAMMA_FRACTION)},
    )  # fmt: skip
