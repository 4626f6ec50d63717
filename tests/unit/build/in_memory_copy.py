"""A system with two movers: it copies words, adds one to each, and says their sum when they are in memory."""

import allo.dataflow as df
from allo.ir.types import Stream, UInt, int32, uint32, uint64

from fastprefill.system.mover import Memory, Mover
from fastprefill.system.system import System
from fastprefill.system.unit import Unit

Command, Beat = UInt(96), UInt(64)


@df.region()
def copier(n: int32[1], source: uint64[1], target: uint64[1]):
    read: Stream[Command, 2]
    in_beats: Stream[Beat, 2]
    write: Stream[Command, 2]
    out_beats: Stream[Beat, 2]
    written: Stream[UInt(1), 2]
    total: Stream[uint32, 2]

    @df.kernel(mapping=[1], args=[n, source, target])
    def copy(ln: int32[1], lsource: uint64[1], ltarget: uint64[1]):
        come: Command = 0
        come[0:64] = lsource[0]
        come[64:96] = ln[0] * 8 - 3
        read.put(come)
        go: Command = 0
        go[0:64] = ltarget[0]
        go[64:96] = ln[0] * 8 - 3
        write.put(go)
        together: uint32 = 0
        for i in range(ln[0]):
            beat: Beat = in_beats.get()
            together += beat[0:32]
            out_beats.put(beat + 1)
        failed: UInt(1) = written.get()
        total.put(together + failed)


MEMORY = Memory(
    {
        "source": Mover("read", "in_beats", "source"),
        "target": Mover("write", "out_beats", "target", writes=True, done="written"),
    },
    buffers={"source": 0, "target": 1},
    status={"total": 1},
)


def system() -> System:
    streams = ("in_beats", "written"), ("read", "write", "out_beats", "total")
    unit = Unit("copier", copier, inputs=streams[0], outputs=streams[1], limits={"n": (1, 100)})
    names = {f"copier.{name}": name for name in ("n", "source", "target", *streams[0], *streams[1])}
    return System("copying", {"copier": unit}, names=names, memory=MEMORY)
