"""The movers' model against what a command means, their C++ against the model, and what is refused."""

from __future__ import annotations

import ctypes
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastprefill import resources, tools
from fastprefill.errors import FastprefillError
from fastprefill.extern.axi import Port
from fastprefill.tools import csim, tiers

PORTS = [
    Port(),
    Port(data_bits=32, burst=4, boundary=64),
    Port(data_bits=1024, burst=256),
    Port(data_bits=64, burst=3),
]
WIDTHS = (32, 256, 512)


@settings(deadline=None)
@given(st.sampled_from(PORTS), st.integers(0, 20_000), st.integers(0, 6000))
def test_bursts_cover_the_command(port: Port, address: int, length: int) -> None:
    bursts = list(port.bursts(address, length))
    covered: list[int] = []
    for n, burst in enumerate(bursts):
        size = burst.beats * port.beat_bytes
        assert 1 <= burst.beats <= port.burst and burst.address % port.beat_bytes == 0
        assert burst.address // port.boundary == (burst.address + size - 1) // port.boundary
        end = burst.address + size - ((-burst.end_byte) % port.beat_bytes)
        covered += range(burst.address + burst.first_byte, end)
        assert burst.last == (n == len(bursts) - 1)
    assert covered == list(range(address, address + length))


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(PORTS), st.integers(0, 900), st.integers(0, 900), st.integers(0, 2**32))
def test_beats_hold_the_bytes(port: Port, address: int, length: int, seed: int) -> None:
    memory = random.Random(seed).randbytes(2048)
    beats = port.read(memory, address, length)
    kept = [
        beat.data >> (8 * byte) & 0xFF
        for beat in beats
        for byte in range(port.beat_bytes)
        if beat.keep >> byte & 1
    ]
    assert bytes(kept) == memory[address : address + length]
    assert [beat.last for beat in beats] == [False] * (len(beats) - 1) + [True] * bool(beats)
    there = bytearray(random.Random(seed + 1).randbytes(2048))
    expected = there[:address] + memory[address : address + length] + there[address + length :]
    port.write(there, address, length, [beat.data for beat in beats])
    assert there == expected


def test_a_record_of_the_layout_is_whole_beats_and_long_bursts() -> None:
    bursts = list(Port().bursts(17_408, 17_024))
    assert sum(burst.beats for burst in bursts) == 532
    assert [burst.beats for burst in bursts].count(16) == 33


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Port(data_bits=48), "a mover's port of 48 bits; 32, 64, 128, 256, 512, 1024 are possible"),
        (lambda: Port(burst=257), "bursts of 257 beats; 1 to 256 are possible"),
        (lambda: Port(ids=0), "0 IDs and 32 outstanding bursts; a mover needs at least one of each"),
        (lambda: Port(boundary=8192), "end at multiples of 8192 bytes; it must be a power of two from the 32 bytes"),
        (lambda: Port(boundary=96), "end at multiples of 96 bytes"),
        (lambda: Port(ids=3).reader(), "a reader's buffer of 512 beats for 3 IDs and bursts of 16: each ID needs"),
        (lambda: Port(buffer=32).reader(), "each ID needs a power of two of at least 16 beats"),
        (lambda: Port(buffer=48).writer(), "a writer's buffer of 48 beats for bursts of 16: it takes a power of two"),
        (lambda: Port().write(bytearray(64), 30, 4, [0]), "1 beats for 4 bytes at address 30, which take 2"),
    ],
)  # fmt: skip
def test_bad_parameters_are_refused(call, message) -> None:
    with pytest.raises(FastprefillError, match=message):
        call()


@pytest.mark.skipif(csim.missing() is not None, reason=f"g++ NOT run: {csim.missing()}")
def test_cpp_moves_the_same_bytes(tmp_path: Path) -> None:
    functions = "\n".join(
        f"""extern "C" void read_{bits}(void *memory, uint64_t address, uint64_t bytes, unsigned char *out) {{
    fp_axi_read<{bits}>((ap_uint<{bits}> *)memory, address, bytes, [&](const fp_beat<{bits}> &beat) {{
        for (int i = 0; i < {bits} / 8; ++i) *out++ = beat.data(8 * i + 7, 8 * i).to_uint();
        for (int i = 0; i < {bits} / 8; ++i) *out++ = beat.keep[i];
        *out++ = beat.last;
    }});
}}
extern "C" void write_{bits}(void *memory, uint64_t address, uint64_t bytes, const unsigned char *in) {{
    fp_axi_write<{bits}>((ap_uint<{bits}> *)memory, address, bytes, [&]() {{
        ap_uint<{bits}> word;
        for (int i = 0; i < {bits} / 8; ++i) word(8 * i + 7, 8 * i) = *in++;
        return word;
    }});
}}"""
        for bits in WIDTHS
    )
    source, library = tmp_path / "movers.cpp", tmp_path / "movers.so"
    source.write_text(f'#include "fp_axi_movers.h"\n#include <cstdint>\n{functions}\n')
    folder = resources.path("extern/cpp")
    tools.run(
        [tools.find("g++"), "-std=c++17", "-O1", "-w", "-shared", "-fPIC", *csim.flags(), f"-I{folder}", source, "-o",
         library], timeout_s=300,
    )  # fmt: skip
    loaded = ctypes.CDLL(str(library))
    chance = random.Random(7)
    for bits in WIDTHS:
        port, size = Port(data_bits=bits), bits // 8
        ends = [
            (0, 0),
            (5, 0),
            (0, 1),
            (size - 1, 1),
            (size - 1, 2),
            (0, size),
            (1, size),
            (3, size - 3),
            (size, size),
        ]
        for address, length in ends + [(chance.randrange(900), chance.randrange(900)) for _ in range(60)]:
            memory = bytearray(chance.randbytes(2048))
            beats = port.read(memory, address, length)
            expected = b"".join(
                beat.data.to_bytes(size, "little")
                + bytes(beat.keep >> i & 1 for i in range(size))
                + bytes([beat.last])
                for beat in beats
            )
            got = (ctypes.c_ubyte * (len(expected) + 1))()
            where = (ctypes.c_ubyte * len(memory)).from_buffer(memory)
            command = ctypes.c_uint64(address), ctypes.c_uint64(length)
            getattr(loaded, f"read_{bits}")(where, *command, got)
            assert bytes(got)[:-1] == expected, f"{length} bytes at {address} of {bits} bits"
            words = [chance.getrandbits(bits) for _ in beats]
            after = bytearray(memory)
            port.write(after, address, length, words)
            getattr(loaded, f"write_{bits}")(
                where, *command, b"".join(word.to_bytes(size, "little") for word in words)
            )
            assert memory == after, f"{length} bytes to {address} of {bits} bits"
    tiers.note("g++")
