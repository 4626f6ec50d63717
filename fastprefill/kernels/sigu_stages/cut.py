"""How many lines, largest first, carry gamma of the mass: a walk down their histogram."""

import allo.dataflow as df
from allo.ir.types import Stream, UInt, int32

from fastprefill.golden.sigu.histogram import BINS, GAMMA_FRACTION, SHARE_FRACTION, SPREAD
from fastprefill.golden.sigu.size import Size
from fastprefill.kernels.sigu_stages.tally import COUNT_BITS, TOTAL_BITS
from fastprefill.system.unit import Unit


def unit(size: Size) -> Unit:
    """One histogram after the other.

    Streams: ``entries`` as from the unit ``tally``; ``counts`` a number of lines for each head.
    """
    group, block = size.group, size.block
    Count, Total, Entry = UInt(COUNT_BITS), UInt(TOTAL_BITS), UInt(TOTAL_BITS + COUNT_BITS)
    Share, ONE = UInt(SHARE_FRACTION), 1 << SHARE_FRACTION

    @df.region()
    def sigu_cut(tokens: int32[1], min_blocks: int32[1], gamma: int32[1]):
        entries: Stream[Entry, 2]
        counts: Stream[Count, 2]

        @df.kernel(mapping=[1], args=[tokens, min_blocks, gamma])
        def walk(ltokens: int32[1], lmin_blocks: int32[1], lgamma: int32[1]):
            histogram: Entry[BINS]
            last: UInt(18) = ltokens[0] - 1
            heads: int32 = 0 if last // block + 1 <= max(lmin_blocks[0], 2) else group
            for head in range(heads):
                total: Total = 0
                for i in range(BINS):
                    entry: Entry = entries.get()
                    histogram[i] = entry
                    total += entry[0:TOTAL_BITS]
                share_of_all: UInt(GAMMA_FRACTION + 1) = lgamma[0]
                target = total * share_of_all
                left: Total = target >> GAMMA_FRACTION
                above: Count = 0
                among: Count = 0
                crossing: Total = 0
                found: UInt(1) = 0
                for down in range(BINS):
                    bin: Entry = histogram[BINS - 1 - down]
                    mass: Total = bin[0:TOTAL_BITS]
                    number: Count = bin[TOTAL_BITS : TOTAL_BITS + COUNT_BITS]
                    if found == 0:
                        if mass > left:
                            found = 1
                            among = number
                            crossing = mass
                        else:
                            above += number
                            left -= mass
                # f = left / crossing, which is below 1, bit by bit
                rest: UInt(TOTAL_BITS + 1) = left
                f: Share = 0
                for digit in range(SHARE_FRACTION):
                    rest = rest << 1
                    fits: UInt(1) = found == 1 and rest >= crossing
                    if fits == 1:
                        rest -= crossing
                    f = (f << 1) + fits
                complement: UInt(SHARE_FRACTION + 1) = ONE - f
                curve = f * complement
                bend: Share = curve >> SHARE_FRACTION
                bent = bend * SPREAD
                x: Share = f - (bent >> SHARE_FRACTION)
                part = among * x
                counts.put(above + (part >> SHARE_FRACTION))

    def schedule(s) -> None:
        s.pipeline("walk:i", initiation_interval=1)

    return Unit(
        "sigu_cut", sigu_cut, inputs=("entries",), outputs=("counts",), schedule=schedule,
        operators={f"walk:{name}": "dsp" for name in ("target", "curve", "bent", "part")},
        limits={"gamma": (1, 1 << GAMMA_FRACTION)},
    )  # fmt: skip
