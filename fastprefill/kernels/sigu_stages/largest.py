"""The heaviest blocks: the threshold digit by digit, from the top, by counting."""

import allo.dataflow as df
from allo.ir.types import ConstExpr, Stream, UInt, int32
from allo.memory import Memory

from fastprefill.golden.sigu.histogram import DIGIT_BITS, VALUE_BITS
from fastprefill.golden.sigu.size import Size
from fastprefill.kernels.sigu_stages.decide import NUMBER_BITS
from fastprefill.kernels.sigu_stages.tally import MASS_BITS
from fastprefill.system.unit import Unit


def unit(size: Size, name: str, forced_last: bool) -> Unit:
    """So many blocks of every head.

    Args:
        size: of the unit.
        name: of this part.
        forced_last: the last block comes first whatever its mass; otherwise the first one.

    Streams: ``masses`` of the blocks of a head; ``number`` of those to keep; ``kept`` a bit for each block.
    """
    group, block, NB = size.group, size.block, size.blocks
    Mass, Number, Value, Count = UInt(MASS_BITS), UInt(NUMBER_BITS), UInt(VALUE_BITS), UInt(18)
    Long = UInt(VALUE_BITS + DIGIT_BITS)
    DIGITS, ROUNDS = 1 << DIGIT_BITS, VALUE_BITS // DIGIT_BITS
    ALL = (1 << VALUE_BITS) - 1
    AT_END = 1 if forced_last else 0

    @df.region()
    def sigu_largest(tokens: int32[1], min_blocks: int32[1]):
        masses: Stream[Mass, 2]
        number: Stream[Number, 2]
        kept: Stream[UInt(1), 2]

        @df.kernel(mapping=[1], args=[tokens, min_blocks])
        def pick(ltokens: int32[1], lmin_blocks: int32[1]):
            HIGHEST: ConstExpr[Value] = ALL
            values: Value[NB] @ Memory(resource="BRAM")
            digits: Count[DIGITS] @ Memory(resource="BRAM") = 0
            last: UInt(18) = ltokens[0] - 1
            blocks: int32 = last // block + 1
            heads: int32 = 0 if blocks <= max(lmin_blocks[0], 2) else group
            foremost: int32 = (blocks - 1) * AT_END
            for h in range(heads):
                for b in range(blocks):
                    value: Value = masses.get()
                    if b == foremost:
                        value = HIGHEST
                    values[b] = value
                # bits of the threshold that are known, above a digit
                threshold: Long = 0
                needed: Count = number.get()
                for turn in range(ROUNDS):
                    place: UInt(6) = VALUE_BITS - DIGIT_BITS - turn * DIGIT_BITS
                    for i in range(blocks):
                        long_value: Long = values[i]
                        above: Long = long_value >> (place + DIGIT_BITS)
                        agrees: UInt(1) = above == threshold
                        if agrees == 1:
                            digits[(long_value >> place)[0:DIGIT_BITS]] += 1
                    found: UInt(1) = 0
                    digit: UInt(DIGIT_BITS) = 0
                    for down in range(DIGITS):
                        place_of: UInt(DIGIT_BITS) = DIGITS - 1 - down
                        count: Count = digits[place_of]
                        digits[place_of] = 0
                        if found == 0:
                            if down == DIGITS - 1 or count >= needed:
                                found = 1
                                digit = place_of
                            else:
                                needed -= count
                    threshold = (threshold << DIGIT_BITS) + digit
                for j in range(blocks):
                    candidate: Long = values[j]
                    chosen: UInt(1) = candidate > threshold
                    if candidate == threshold and needed > 0:
                        chosen = 1
                        needed -= 1
                    kept.put(chosen)

    def schedule(s) -> None:
        for loop in ("b", "i", "down", "j"):
            s.pipeline(f"pick:{loop}", initiation_interval=1)

    return Unit(name, sigu_largest, inputs=("masses", "number"), outputs=("kept",), schedule=schedule)
