"""Drives ``rtl/parts.sv`` with random traffic and compares every output with the models in every cycle."""

import random
from typing import Any

import cocotb
from cocotb.triggers import Timer

from fastprefill.extern.credit import Credit
from fastprefill.extern.dsp_cascade import DspCascade
from fastprefill.extern.fifo import Fifo, WideFifo
from fastprefill.extern.relay import Relay


def bits(values: Any) -> int:
    return sum(int(value) << i for i, value in enumerate(values))


def on_the_way(fifo: Fifo) -> int:
    return int(isinstance(fifo, WideFifo) and fifo.in_front is not None)


@cocotb.test()
async def random_traffic(dut: Any) -> None:
    chance = random.Random(11)
    fifos = [Fifo(1), Fifo(2), Fifo(3), Fifo(8), Fifo(2, 1), Fifo(5, 1), WideFifo(5), WideFifo(6, 1)]
    relays = [Relay(1), Relay(3)]
    counter, single = Credit(7, 12), Credit(2, 5)
    filled = [0] * len(fifos)
    delivered = [0, 0]
    likely = 0.5
    for cycle in range(2500):
        if cycle % 50 == 0:
            likely = chance.choice([0.1, 0.5, 0.9, 1.0])
        reset = cycle < 2 or chance.random() < 0.004
        token = chance.getrandbits(16)
        puts = [on_the_way(f) + len(f.tokens) + f.credit < f.depth and chance.random() < likely for f in fifos]
        readies = [chance.random() < 1.05 - likely or likely == 1.0 for _ in fifos]
        offers = [chance.random() < likely for _ in relays]
        takes = [chance.random() < 1.05 - likely or likely == 1.0 for _ in relays]
        take = chance.randint(0, min(7, counter.count))
        back = chance.randint(0, min(3, 12 - counter.count + take))
        freed = counter.count - take + back < 12 and chance.random() < 0.5
        take_one = single.some and chance.random() < likely
        back_some = chance.randint(0, min(3, 5 - single.count + take_one))
        freed_one = single.count - take_one + back_some < 5 and chance.random() < 0.3

        dut.clk.value = 0
        dut.rst.value = reset
        dut.token.value = token
        dut.put.value = bits(puts)
        dut.ready.value = bits(readies)
        dut.relay_valid.value = bits(offers)
        dut.relay_out_ready.value = bits(takes)
        dut.take.value = take
        dut.back.value = back
        dut.freed.value = freed
        dut.take_one.value = take_one
        dut.back_some.value = back_some
        dut.freed_one.value = freed_one
        await Timer(5, unit="ns")
        if cycle >= 2:
            where = f"cycle {cycle}"
            assert int(dut.credit.value) == bits(f.credit for f in fifos), where
            assert int(dut.valid.value) == bits(f.valid for f in fifos), where
            data = int(dut.data.value)
            for i, fifo in enumerate(fifos):
                assert fifo.data is None or (data >> (16 * i)) & 0xFFFF == fifo.data, f"{where}, FIFO {i}"
                filled[i] += len(fifo.tokens) == fifo.depth
            assert int(dut.relay_ready.value) == bits(r.in_ready for r in relays), where
            assert int(dut.relay_out_valid.value) == bits(r.out_valid for r in relays), where
            data = int(dut.relay_data.value)
            for i, relay in enumerate(relays):
                assert relay.out_data is None or (data >> (16 * i)) & 0xFFFF == relay.out_data, f"{where}, relay {i}"
                delivered[i] += relay.out_valid and takes[i]
            assert (int(dut.count.value), bool(dut.some.value)) == (counter.count, counter.some), where
            assert (int(dut.few.value), bool(dut.any_few.value)) == (single.count, single.some), where
        dut.clk.value = 1
        await Timer(5, unit="ns")

        for i, fifo in enumerate(fifos):
            fifo.step(token if puts[i] else None, readies[i])
        for i, relay in enumerate(relays):
            relay.step(token if offers[i] else None, takes[i])
        counter.step(take, back, freed)
        single.step(take_one, back_some, freed_one)
        if reset:
            for part in (*fifos, *relays, counter, single):
                part.reset()
    assert min(filled) > 100, f"cycles in which each FIFO was full: {filled}"
    assert min(delivered) > 500, f"tokens that each relay delivered: {delivered}"


@cocotb.test()
async def random_operands(dut: Any) -> None:
    chance = random.Random(12)
    cascades = [DspCascade(1), DspCascade(3), DspCascade(8)]
    compared = 0
    dut.rst.value = 1
    dut.put.value = 0

    def number(width: int) -> int:
        lowest, highest = -(1 << (width - 1)), (1 << (width - 1)) - 1
        return chance.choice([lowest, highest, 0, -1, chance.randint(lowest, highest), chance.randint(-128, 127)])

    def packed(values: list[int], width: int) -> int:
        return sum((value & ((1 << width) - 1)) << (width * i) for i, value in enumerate(values))

    for cycle in range(1500):
        a, b, c = [number(27) for _ in range(8)], [number(18) for _ in range(8)], number(48)
        dut.clk.value = 0
        dut.cascade_a.value = packed(a, 27)
        dut.cascade_b.value = packed(b, 18)
        dut.cascade_c.value = c & ((1 << 48) - 1)
        await Timer(5, unit="ns")
        sums = int(dut.cascade_p.value)
        for i, cascade in enumerate(cascades):
            if cascade.p is not None:
                assert (sums >> (48 * i)) & ((1 << 48) - 1) == cascade.p, f"cycle {cycle}, cascade {i}"
                compared += 1
        dut.clk.value = 1
        await Timer(5, unit="ns")
        for cascade in cascades:
            cascade.step(a[: cascade.slices], b[: cascade.slices], c)
    assert compared > 4000
