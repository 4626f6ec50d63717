"""Memory on AXI4 that answers late: bursts of different IDs in any order, read data of them interleaved."""

import random
from collections import deque
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiReadBus, AxiWriteBus
from cocotbext.axi.axi_channels import AxiARSink, AxiAWSink, AxiBSource, AxiRSource, AxiWSink

from fastprefill.extern.axi import SLVERR, Port

LATENCY = 64


class Faulty(dict[int, int]):
    """Every address answers with an error."""

    def get(self, address: int, default: Any = None) -> Any:
        return SLVERR


class Far:
    """Memory with a latency: bursts of different IDs are answered in any order, read data of them interleaved."""

    def __init__(self, dut: Any, prefix: str, port: Port, memory: bytearray, chance: random.Random) -> None:
        self.dut, self.port, self.memory, self.chance = dut, port, memory, chance
        self.latency, self.shuffled, self.gap = (LATENCY, LATENCY), False, 0.0
        self.bad: dict[int, int] = {}
        self.cycle = self.beats = self.most = self.open = 0
        self.bursts: list[tuple[int, int]] = []
        self.order: list[int] = []
        if prefix[0] == "r":
            bus = AxiReadBus.from_prefix(dut, f"{prefix}_m_axi")
            self.a, self.r = AxiARSink(bus.ar, dut.clk), AxiRSource(bus.r, dut.clk)
        else:
            bus = AxiWriteBus.from_prefix(dut, f"{prefix}_m_axi")
            self.a, self.w, self.b = (
                AxiAWSink(bus.aw, dut.clk),
                AxiWSink(bus.w, dut.clk),
                AxiBSource(bus.b, dut.clk),
            )
        self.waiting: dict[int, deque[list[int]]] = {i: deque() for i in range(port.ids)}
        self.owed: deque[list[int]] = deque()
        cocotb.start_soon(self._run(prefix[0] == "r"))

    def _arrived(self, kind: str) -> list[int] | None:
        """Due time, address, beats and ID of the next burst, when there is one; it is checked."""
        if self.a.empty():
            return None
        got = self.a.recv_nowait()
        ident, address, beats = (int(getattr(got, f"a{kind}{part}")) for part in ("id", "addr", "len"))
        beats += 1
        size = self.port.beat_bytes
        assert int(getattr(got, f"a{kind}burst")) == 1 and 1 << int(getattr(got, f"a{kind}size")) == size
        assert beats <= self.port.burst and address % size == 0
        assert address // self.port.boundary == (address + beats * size - 1) // self.port.boundary
        assert ident == len(self.bursts) % self.port.ids
        self.bursts.append((address, beats))
        self.open += 1
        self.most = max(self.most, self.open)
        return [self.cycle + self.chance.randint(*self.latency), address, beats, ident]

    async def _run(self, reads: bool) -> None:
        edge = RisingEdge(self.dut.clk)
        while True:
            await edge
            self.cycle += 1
            if reads:
                self._read()
            else:
                self._write()

    def _due(self) -> int | None:
        """An ID whose oldest burst is due: the earliest, or any."""
        due = [i for i, bursts in self.waiting.items() if bursts and bursts[0][0] <= self.cycle]
        if not due or self.chance.random() < self.gap:
            return None
        return self.chance.choice(due) if self.shuffled else min(due, key=lambda i: self.waiting[i][0][4])

    def _read(self) -> None:
        burst = self._arrived("r")
        if burst is not None:
            self.waiting[burst[3]].append([*burst, len(self.bursts)])
        if self.r.count() > 1 or (ident := self._due()) is None:
            return
        oldest = self.waiting[ident][0]
        _, address, beats, _, _ = oldest
        size = self.port.beat_bytes
        beat = self.r._transaction_obj()
        beat.rid, beat.rlast, beat.rresp = ident, beats == 1, self.bad.get(address, 0)
        beat.rdata = int.from_bytes(self.memory[address : address + size], "little")
        self.r.send_nowait(beat)
        self.order.append(ident)
        oldest[1], oldest[2] = address + size, beats - 1
        if beats == 1:
            self.waiting[ident].popleft()
            self.open -= 1

    def _write(self) -> None:
        burst = self._arrived("w")
        if burst is not None:
            self.owed.append([*burst, len(self.bursts)])
        if self.owed and not self.w.empty():
            head = self.owed[0]
            got, size = self.w.recv_nowait(), self.port.beat_bytes
            word, strobe = int(got.wdata), int(got.wstrb)
            for byte in range(size):
                if strobe >> byte & 1:
                    self.memory[head[1] + byte] = word >> (8 * byte) & 0xFF
            self.beats += 1
            head[1], head[2] = head[1] + size, head[2] - 1
            assert int(got.wlast) == (head[2] == 0)
            if head[2] == 0:
                head[0] = self.cycle + self.chance.randint(*self.latency)
                self.waiting[head[3]].append(self.owed.popleft())
        if (ident := self._due()) is not None:
            answered = self.waiting[ident].popleft()
            reply = self.b._transaction_obj()
            reply.bid, reply.bresp = ident, self.bad.get(answered[1], 0)
            self.b.send_nowait(reply)
            self.open -= 1
