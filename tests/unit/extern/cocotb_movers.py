"""Movers against cocotbext-axi's memory, and against one that answers late, out of order and interleaved."""

import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotbext.axi import AxiReadBus, AxiSlaveRead, AxiSlaveWrite, AxiWriteBus
from cocotbext.axi.stream import define_stream
from far import LATENCY, Far, Faulty
from movers import READERS, WRITERS

from fastprefill.extern.axi import DECERR, SLVERR

CmdBus, Command, CmdSource, _, _ = define_stream("Cmd", signals=["valid", "ready", "address", "bytes"])
OutBus, _, _, OutSink, _ = define_stream("Out", signals=["valid", "ready", "data", "keep", "last"])
InBus, Word, InSource, _, _ = define_stream("In", signals=["valid", "ready", "data"])

MEMORY = 1 << 16
ALL = str(cocotb.plusargs["movers"]).split(",")
INPUTS = {
    "r": ("cmd_valid", "clear_error", "m_axi_arready", "m_axi_rvalid", "out_ready"),
    "w": ("cmd_valid", "clear_error", "m_axi_awready", "m_axi_wready", "m_axi_bvalid", "in_valid"),
}


def gaps(chance: random.Random, share: float) -> Any:
    while True:
        yield chance.random() < share


class Target:
    """Memory behind cocotbext-axi's slave: random latency in front of every access, errors where they are asked for."""

    def __init__(self, dut: Any, memory: bytearray, chance: random.Random, slow: float) -> None:
        self.dut, self.memory, self.chance, self.slow = dut, memory, chance, slow
        self.bad = range(0)

    async def wait(self, address: int) -> None:
        if self.chance.random() < self.slow:
            await ClockCycles(self.dut.clk, self.chance.randint(1, 40))
        if address in self.bad:
            raise ValueError("no memory there")

    async def read(self, address: int, length: int) -> bytes:
        await self.wait(address)
        return bytes(self.memory[address : address + length])

    async def write(self, address: int, data: bytes) -> None:
        await self.wait(address)
        self.memory[address : address + len(data)] = data


class Mover:
    """A reader or writer with its command and data streams, after a reset."""

    def __init__(self, dut: Any, prefix: str, seed: int) -> None:
        self.dut, self.prefix, self.reads = dut, prefix, prefix[0] == "r"
        self.port = (READERS if self.reads else WRITERS)[prefix[1]]
        self.chance = random.Random(seed)
        self.memory = bytearray(self.chance.randbytes(MEMORY))
        self.reset = getattr(dut, f"{prefix}_rst")
        self.reset.value = 1
        self.cmd = CmdSource(CmdBus.from_prefix(dut, f"{prefix}_cmd"), dut.clk, self.reset)
        if self.reads:
            self.out = OutSink(OutBus.from_prefix(dut, f"{prefix}_out"), dut.clk, self.reset)
        else:
            self.data = InSource(InBus.from_prefix(dut, f"{prefix}_in"), dut.clk, self.reset)
            self.done = 0
            cocotb.start_soon(self._count())

    def signal(self, name: str) -> Any:
        return getattr(self.dut, f"{self.prefix}_{name}")

    async def _count(self) -> None:
        while True:
            await RisingEdge(self.dut.clk)
            self.done += int(self.signal("done").value)

    async def power_up(self) -> None:
        for prefix in ALL:  # those that are not under test stay in reset, and their inputs at 0
            getattr(self.dut, f"{prefix}_rst").value = 1
            for name in INPUTS[prefix[0]]:
                getattr(self.dut, f"{prefix}_{name}").value = 0
        self.dut.bus_rst.value = 1
        cocotb.start_soon(Clock(self.dut.clk, 10, unit="ns").start())
        await ClockCycles(self.dut.clk, 3)
        self.dut.bus_rst.value = 0
        self.reset.value = 0
        await ClockCycles(self.dut.clk, 2)

    def far(self) -> Far:
        return Far(self.dut, self.prefix, self.port, self.memory, self.chance)

    def near(self, slow: float) -> Target:
        """cocotbext-axi's memory, with gaps on all channels."""
        target = Target(self.dut, self.memory, self.chance, slow)
        prefix = f"{self.prefix}_m_axi"
        if self.reads:
            slave = AxiSlaveRead(AxiReadBus.from_prefix(self.dut, prefix), self.dut.clk, target=target)
            channels = [slave.ar_channel, slave.r_channel]
        else:
            slave = AxiSlaveWrite(AxiWriteBus.from_prefix(self.dut, prefix), self.dut.clk, target=target)
            channels = [slave.aw_channel, slave.w_channel, slave.b_channel]
        for channel in channels:
            channel.set_pause_generator(gaps(self.chance, slow))
        return target

    def hold(self, share: float) -> None:
        """Gaps on the stream: the consumer's of a reader, the producer's of a writer."""
        (self.out if self.reads else self.data).set_pause_generator(gaps(self.chance, share))

    def command(self, most: int) -> tuple[int, int]:
        """A random one: short, of whole records, or across a page; often unaligned at both ends."""
        kind = self.chance.randrange(5)
        length = self.chance.choice((0, 1, self.port.beat_bytes, self.chance.randint(1, most)))
        if kind == 0:  # from just below a page
            address = 4096 * self.chance.randint(1, 14) - self.chance.randint(1, 2 * self.port.beat_bytes)
        elif kind == 1:  # a record
            address = 512 * self.chance.randrange((MEMORY - most) // 512)
        else:
            address = self.chance.randrange(MEMORY - most)
        return address, length

    async def read(self, commands: list[tuple[int, int]], cycles: int) -> None:
        """Send commands, compare every beat."""
        for address, length in commands:
            await self.cmd.send(Command(address=address, bytes=length))
        for address, length in commands:
            for n, beat in enumerate(self.port.read(self.memory, address, length)):
                got = await with_timeout(self.out.recv(), 10 * cycles, "ns")
                where = f"{self.prefix}, {length} bytes at {address:#x}, beat {n}"
                assert int(got.data) == beat.data and int(got.keep) == beat.keep, where
                assert bool(int(got.last)) == beat.last, where
        await self.finished(cycles)
        assert self.out.empty()

    async def write(self, commands: list[tuple[int, int]], cycles: int) -> None:
        """Send commands and beats, compare the whole memory and the pulses."""
        expected, done = bytearray(self.memory), self.done
        for address, length in commands:
            words = [
                self.chance.getrandbits(self.port.data_bits)
                for _ in self.port.read(expected, address, length)
            ]
            self.port.write(expected, address, length, words)
            await self.cmd.send(Command(address=address, bytes=length))
            for word in words:
                await self.data.send(Word(data=word))
        await self.finished(cycles)
        assert self.memory == expected, f"{self.prefix}: first at {_differs(self.memory, expected):#x}"
        assert self.done - done == sum(length > 0 for _, length in commands)

    async def finished(self, cycles: int) -> None:
        for _ in range(cycles):
            await RisingEdge(self.dut.clk)
            if self.cmd.idle() and int(self.signal("idle").value):
                await ClockCycles(self.dut.clk, 8)
                if self.cmd.idle() and int(self.signal("idle").value):
                    return
        raise AssertionError(f"{self.prefix} is not idle after {cycles} cycles")

    async def run(self, commands: list[tuple[int, int]], cycles: int = 20_000) -> None:
        await (self.read if self.reads else self.write)(commands, cycles)


def _differs(left: bytearray, right: bytearray) -> int:
    return next(i for i in range(len(left)) if left[i] != right[i])


EVERY = cocotb.parametrize(prefix=ALL)


@EVERY
@cocotb.test()
async def every_byte(dut: Any, prefix: str) -> None:
    """cocotbext-axi's memory with latency and gaps everywhere; then the far one, out of order."""
    mover = Mover(dut, prefix, seed=1)
    await mover.power_up()
    mover.near(slow=0.2)
    mover.hold(0.3)
    most = 20 * mover.port.beat_bytes
    await mover.run([mover.command(most) for _ in range(25)])
    assert int(mover.signal("error").value) == 0


@EVERY
@cocotb.test()
async def out_of_order(dut: Any, prefix: str) -> None:
    mover = Mover(dut, prefix, seed=2)
    await mover.power_up()
    memory = mover.far()
    memory.latency, memory.shuffled = (1, 60), True
    most = 24 * mover.port.beat_bytes
    commands = [mover.command(most) for _ in range(20)]
    for share in (0.0, 0.4):
        mover.hold(share)
        memory.gap = share / 2
        await mover.run(commands)
    bursts = [(b.address, b.beats) for c in commands for b in mover.port.bursts(*c)]
    assert memory.bursts == 2 * bursts
    assert memory.most <= mover.port.outstanding
    if (
        mover.reads and mover.port.ids > 1
    ):  # it did happen that data of an ID overtook others or broke into a burst
        assert memory.order != [
            n % mover.port.ids for n, (_, beats) in enumerate(2 * bursts) for _ in range(beats)
        ]


@EVERY
@cocotb.test()
async def errors_are_kept_and_beats_delivered(dut: Any, prefix: str) -> None:
    mover = Mover(dut, prefix, seed=3)
    await mover.power_up()
    memory = mover.far()
    size = mover.port.beat_bytes
    await mover.run([(0, 8 * size)])
    assert int(mover.signal("error").value) == 0
    # a read's error belongs to a beat, a write's to a burst, known by where it ends
    length = 3 * mover.port.burst * size
    ends = [burst.address + burst.beats * size for burst in mover.port.bursts(4096, length)]
    first, second = (4096 + size, 4096 + length - size) if mover.reads else (ends[0], ends[-1])
    memory.bad = {first: DECERR, second: SLVERR}
    await mover.run([(4096, length), (8192, 4 * size)])
    assert int(mover.signal("error").value) == DECERR
    await mover.run([(0, size)])
    assert int(mover.signal("error").value) == DECERR
    mover.signal("clear_error").value = 1
    await ClockCycles(dut.clk, 1)
    mover.signal("clear_error").value = 0
    await mover.run([(second if mover.reads else second - size, size)])
    assert int(mover.signal("error").value) == SLVERR


@EVERY
@cocotb.test()
async def a_bad_memory_gives_an_error(dut: Any, prefix: str) -> None:
    """The same against cocotbext-axi, whose memory refuses addresses: what it answers is SLVERR."""
    mover = Mover(dut, prefix, seed=4)
    await mover.power_up()
    target = mover.near(slow=0.1)
    size = mover.port.beat_bytes
    target.bad = range(8192, 8192 + 4 * size)
    if mover.reads:
        mover.memory[8192 : 8192 + 4 * size] = bytes(4 * size)  # what it gives for them
        await mover.run([(8192 - 2 * size, 8 * size)])
    else:
        await mover.cmd.send(Command(address=8192, bytes=3 * size))
        for _ in range(3):
            await mover.data.send(Word(data=1))
        await mover.finished(2000)
        assert mover.done == 1
    assert int(mover.signal("error").value) == SLVERR


@EVERY
@cocotb.test()
async def reset_under_traffic(dut: Any, prefix: str) -> None:
    """Outstanding bursts are finished first; nothing of before comes out after."""
    mover = Mover(dut, prefix, seed=5)
    await mover.power_up()
    memory = mover.far()
    memory.latency, memory.shuffled = (1, 60), True
    memory.a.set_pause_generator(gaps(mover.chance, 0.4))
    if not mover.reads:
        memory.w.set_pause_generator(gaps(mover.chance, 0.4))
    interrupted = 0
    for round_number in range(12):
        mover.hold(0.3)
        memory.gap = 0.2
        for _ in range(6):
            mover.cmd.send_nowait(Command(address=mover.command(512)[0], bytes=16 * mover.port.beat_bytes))
        if not mover.reads:
            for _ in range(60):
                mover.data.send_nowait(Word(data=mover.chance.getrandbits(mover.port.data_bits)))
        await ClockCycles(dut.clk, mover.chance.randint(3, 120))
        memory.bad = Faulty()  # what answers after the reset is nobody's error
        mover.reset.value = 1
        mover.cmd.clear()
        if not mover.reads:
            mover.data.clear()
        await ClockCycles(dut.clk, mover.chance.randint(1, 3))
        interrupted += memory.open > 0
        if mover.reads:
            mover.out.clear()
        mover.reset.value = 0
        await RisingEdge(dut.clk)
        if mover.reads:
            assert int(mover.signal("out_valid").value) == 0
        at_reset, done = len(memory.bursts), 0 if mover.reads else mover.done
        for _ in range(2000):
            if int(mover.signal("idle").value):
                break
            assert not int(mover.signal("cmd_ready").value)
            await RisingEdge(dut.clk)
        await mover.finished(2000)
        # an address that was on offer when the reset came may be taken later, no other
        assert memory.open == 0 and len(memory.bursts) <= at_reset + 1
        if not mover.reads:
            assert not memory.owed and mover.done == done
        memory.bad = {}
        assert int(mover.signal("error").value) == 0
        await mover.run([mover.command(256) for _ in range(2)])
        if not mover.reads:  # beats that wait fill the buffer: is as much of it free as before?
            mover.hold(0.0)
            memory.w.set_pause_generator(gaps(mover.chance, 0.9))
            await mover.run([(4096 * round_number, 64 * mover.port.beat_bytes)])
            memory.w.set_pause_generator(gaps(mover.chance, 0.4))
    assert interrupted > 4


@cocotb.parametrize(prefix=[prefix for prefix in ALL if prefix[1] == "a"])
@cocotb.test()
async def at_least_95_percent_of_the_beats(dut: Any, prefix: str) -> None:
    """Records of the layout, 64 cycles of latency: from the first beat on the stream to the last one."""
    mover = Mover(dut, prefix, seed=6)
    await mover.power_up()
    mover.far()
    record, stride = 17_024, 17_408
    commands = [(stride * n, record) for n in range(3)]
    beats = sum(-(-record // mover.port.beat_bytes) for _ in commands)
    valid, ready = ("out_valid", "out_ready") if mover.reads else ("m_axi_wvalid", "m_axi_wready")
    cycles: list[int] = []

    async def watch() -> None:
        cycle = 0
        while True:
            await RisingEdge(dut.clk)
            cycle += 1
            if int(mover.signal(valid).value) and int(mover.signal(ready).value):
                cycles.append(cycle)

    cocotb.start_soon(watch())
    await mover.run(commands)
    assert len(cycles) == beats
    taken = cycles[-1] - cycles[0] + 1
    print(
        f"{prefix}: {beats} beats in {taken} cycles, {beats / taken:.4f} of peak, {LATENCY} cycles of latency"
    )
    assert beats / taken >= 0.95
