"""The end of a layer's attention: when all rows are in memory they are read again, whole tokens, and quantised.

The scales of `sfu.quantise` are over whole tokens or groups of their elements, so they need all heads.
"""

import allo.dataflow as df
from allo.ir.types import Stream, UInt, int32, uint32, uint64

from fastprefill.errors import FastprefillError
from fastprefill.kernels.sfu.size import MOST_GROUPS, MOST_ROWS
from fastprefill.system.mover import COMMAND_BITS
from fastprefill.system.unit import Unit

ALIGNMENT = 64
"""Bytes: rows of codes start on multiples of it."""


def region(beat_bits: int):
    """The dataflow region; ``unit`` says what the streams are."""
    BEAT = beat_bits
    QUARTER, SHARE = BEAT // 4, BEAT // 16
    Beat, Command = UInt(BEAT), UInt(COMMAND_BITS)

    @df.region()
    def finish(
        tokens: int32[1],
        kv_heads: int32[1],
        group: int32[1],
        groups: int32[1],
        words: int32[1],
        base: uint64[1],
        result: uint64[1],
    ):
        written: Stream[UInt(1), 2]
        row_commands: Stream[Command, 2]
        codes: Stream[UInt(QUARTER), 2]
        scales: Stream[UInt(16), 2]
        commands: Stream[Command, 2]
        beats: Stream[Beat, 2]

        @df.kernel(mapping=[1], args=[tokens, kv_heads, group, groups, words, base])
        def after(
            ltokens: int32[1],
            lkv_heads: int32[1],
            lgroup: int32[1],
            lgroups: int32[1],
            lwords: int32[1],
            lbase: uint64[1],
        ):
            heads: int32 = lkv_heads[0] * lgroup[0]
            for n in range(ltokens[0] * heads):
                done: UInt(1) = written.get()
            token_bytes: uint32 = lgroups[0] * lwords[0] * (BEAT // 8)
            address: uint64 = lbase[0]
            for t in range(ltokens[0]):
                command: Command = 0
                command[0:64] = address
                command[64:96] = token_bytes
                row_commands.put(command)
                address += token_bytes

        @df.kernel(mapping=[1], args=[tokens, groups, words, result])
        def pack(ltokens: int32[1], lgroups: int32[1], lwords: int32[1], lresult: uint64[1]):
            held: UInt(16)[MOST_GROUPS]
            words_of: uint32 = lgroups[0] * lwords[0]
            code_beats: uint32 = (words_of + 3) >> 2
            bytes_of: uint32 = code_beats * (BEAT // 8) + lgroups[0] + lgroups[0]
            stride: uint32 = (bytes_of + (ALIGNMENT - 1)) // ALIGNMENT * ALIGNMENT
            address: uint64 = lresult[0]
            for t in range(ltokens[0]):
                command: Command = 0
                command[0:64] = address
                command[64:96] = bytes_of
                commands.put(command)
                address += stride
                beat: Beat = 0
                place: UInt(2) = 0
                for g in range(lgroups[0]):
                    held[g] = scales.get()
                    for w in range(lwords[0]):
                        at: int32 = QUARTER * place
                        beat[at : at + QUARTER] = codes.get()
                        # the last word is the fourth of a beat when `groups` and `words` are those of a token
                        if place == 3 or (g == lgroups[0] - 1 and w == lwords[0] - 1):
                            beats.put(beat)
                        place += 1
                last: Beat = 0
                for s in range(lgroups[0]):
                    to: int32 = 16 * (s % SHARE)
                    last[to : to + 16] = held[s]
                    if s % SHARE == SHARE - 1 or s == lgroups[0] - 1:
                        beats.put(last)
                        last = 0

    return finish


def unit(dim: int, beat_bits: int) -> Unit:
    """Waits for the rows, has them read, and writes what ``sfu.quantise`` makes of them (``golden.layout.CodedRows``).

    Streams in: ``written``, a word for each row that is in memory; ``codes``, words of `beat_bits` / 32 codes, and
    ``scales``, of ``sfu.quantise``. Out: ``row_commands``, one for the rows of each token; ``commands``, one for each
    token, and their ``beats``. Scalars: ``tokens``, ``kv_heads``, ``group``; ``groups``, scales of a token, and
    ``words`` of ``codes`` for each; ``base`` of the rows and ``result`` of the codes, byte addresses.

    Args:
        dim: width of a head.
        beat_bits: of the ports; the codes of a token must fill whole beats.

    Raises:
        FastprefillError: a port that is not possible.
    """
    if beat_bits not in (32, 64, 128, 256, 512, 1024) or dim % (beat_bits // 8):
        raise FastprefillError(
            f"ports of {beat_bits} bits with heads of {dim}; a beat is a power of two from 32 to 1024 bits, and a "
            "head's codes are whole beats"
        )

    def schedule(s) -> None:
        for loop in ("after:n", "after:t", "pack:w", "pack:s"):
            s.pipeline(loop, initiation_interval=1)

    return Unit(
        "finish",
        region(beat_bits),
        inputs=("written", "codes", "scales"),
        outputs=("row_commands", "commands", "beats"),
        schedule=schedule,
        limits={
            "tokens": (1, MOST_ROWS), "kv_heads": (1, 1 << 16), "group": (1, 16), "groups": (1, MOST_GROUPS),
            "words": (1, 1 << 16),
        },
        parameters={"dim": dim, "beat_bits": beat_bits},
    )  # fmt: skip
