"""Cycles, resources and lines of code beside NNgen's matmul, with as many multipliers, on the same product.

Needs NNgen (``pip install 'fastprefill[peer]'``), Verilator, Icarus Verilog and pyosys; without one it says so and is
not met. Both sides get 16 x 64 times 64 x 16 int8 with int32 results, random with full range, and both results are
compared with NumPy. What differs, and cannot be taken apart: NNgen's design fetches its operands from memory over AXI
into block RAM and scales its results; its memory here answers in one cycle and never waits, on ports of 128 bits.
Ours is the matrix unit alone, on streams that never starve. Synthesis of NNgen's module takes some minutes.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
import tempfile
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastprefill import boards, tools
from fastprefill.golden import mpu as golden
from fastprefill.kernels import mpu
from fastprefill.system.build import build_unit
from fastprefill.system.ports import ports
from fastprefill.targets import rtl
from fastprefill.tools import testbench, verilator, yosys

ROWS, DEPTH, COLS = 16, 64, 16  # C [ROWS, COLS] = A [ROWS, DEPTH] . B [DEPTH, COLS]
SIDE = 4  # 16 products a cycle: a tile of 4 x 4 outputs; of NNgen 4 products for each of 4 outputs
SIZES = (golden.Size(SIDE, SIDE), golden.Size(SIDE, SIDE // 2, SIDE // 2))  # on DSP slices; half on LUTs
AXI_BITS = 128
Matrix = NDArray[np.int64]


def lacking() -> str:
    """What is not installed, or an empty text."""
    if importlib.util.find_spec("nngen") is None:
        return "NNgen is not installed: pip install 'fastprefill[peer]'"
    if shutil.which("iverilog") is None:
        return "Icarus Verilog is not installed: apt-get install iverilog"
    if not tools.available("yosys"):
        return f"yosys is not installed: {tools.TOOLS['yosys'].install}"
    return verilator.missing() or ""


def ours(a: Matrix, b: Matrix, size: golden.Size, folder: Path) -> dict[str, Any]:
    """A matrix unit of `SIDE` x `SIDE`, the product cut into tiles that follow each other."""
    tiles = [(i, j) for i in range(0, ROWS, SIDE) for j in range(0, COLS, SIDE)]
    left = np.stack([a[i : i + SIDE] for i, _ in tiles]).astype(np.int8)
    right = np.stack([b[:, j : j + SIDE] for _, j in tiles]).astype(np.int8)
    module = build_unit(mpu.unit(**asdict(size)))
    files = rtl.emit(module, boards.load("kv260"))
    result = testbench.run(
        verilator.build(files, ports(module)), [golden.case("peer", left, right, size)], stall=(0,), resets=0,
        waveform=False,
    )
    cycles = result.cycles("peer")
    if not result.ok or cycles is None:
        sys.exit("the matrix unit's result differs from the golden model's")
    sources = []
    for name, text in files.items():
        (folder / name).write_text(text)
        if name.endswith(".sv"):
            sources.append(folder / name)
    kinds = f"{size.dsp_columns} DSP + {size.lut_columns} LUT columns"
    return measured(f"fastprefill, {kinds}", cycles, sources, "mpu")


def theirs(a: Matrix, b: Matrix, folder: Path) -> dict[str, Any]:
    """NNgen's matmul, its accelerator started through its registers beside a model of memory."""
    import nngen
    import veriloggen.thread as vthread
    from veriloggen import Delay, Module, Not, Seq, Systask, simulation
    from veriloggen.types import axi

    left = nngen.placeholder(nngen.int8, shape=(ROWS, DEPTH), name="left")
    right = nngen.placeholder(nngen.int8, shape=(COLS, DEPTH), name="right")
    product = nngen.matmul(
        left, right, transposed_b=True, dtype=nngen.int32, mul_dtype=nngen.int16, sum_dtype=nngen.int32,
        par_left_col=SIDE, par_out_col=SIDE, name="product",
    )  # fmt: skip
    target = nngen.to_veriloggen([product], "peer", silent=True, config={"maxi_datawidth": AXI_BITS})
    source = folder / "peer.v"
    source.write_text(target.to_verilog())

    expected_at, scratch_at = 1 << 16, 1 << 17
    memory = np.zeros(1 << 16, dtype=np.int64)  # words of 32 bits
    for values, bits, address in (
        (a, 8, left.addr),
        (b.T, 8, right.addr),
        (a @ b, 32, expected_at),
    ):
        axi.set_memory(memory, np.ascontiguousarray(values), 32, bits, address, AXI_BITS // bits)

    bench = Module("bench")
    wires = bench.copy_sim_ports(target)
    reset = bench.Wire("reset")
    reset.assign(Not(wires["RESETN"]))
    model = axi.AxiMemoryModel(
        bench, "memory", wires["CLK"], reset, datawidth=AXI_BITS, mem_addrwidth=18, memimg=memory,
        memimg_name=str(folder / "memory.hex"), memimg_datawidth=32, write_delay=1, read_delay=1, sleep_interval=0,
    )  # fmt: skip
    model.connect(wires, "maxi")
    registers = vthread.AXIMLite(bench, "registers", wires["CLK"], reset, noio=True)
    registers.connect(wires, "saxi")
    cycle = bench.Reg("cycle", 32, initval=0)
    Seq(bench, "counting", wires["CLK"], reset)(cycle.inc())

    def control():  # type: ignore[no-untyped-def]  # becomes a state machine
        nngen.sim.set_global_addrs(registers, scratch_at)
        begin = cycle.value
        nngen.sim.start(registers)
        nngen.sim.wait(registers)
        end = cycle.value
        wrong = 0
        for i in range(ROWS * COLS):
            if vthread.verilog.NotEql(model.read_word(i, product.addr, 32), model.read_word(i, expected_at, 32)):
                wrong += 1
        print("measured %d %d" % (end - begin, wrong))  # noqa: UP031
        vthread.finish()

    vthread.Thread(bench, "control", wires["CLK"], reset, control).start()
    bench.Instance(target, "dut", ports=bench.connect_ports(target))
    simulation.setup_clock(bench, wires["CLK"], hperiod=5)
    start = simulation.setup_reset(bench, wires["RESETN"], bench.make_reset(), period=100, polarity="low")
    start.add(Delay(10_000_000), Systask("finish"))
    printed = simulation.Simulator(bench, sim="iverilog").run(outputfile=str(folder / "peer.out"))
    line = next((line for line in printed.splitlines() if line.startswith("measured")), "measured 0 -1")
    cycles, wrong = map(int, line.split()[1:])
    if wrong:
        sys.exit(f"NNgen's result differs from NumPy's in {wrong} words")
    return measured(f"NNgen {nngen.__version__}", cycles, [source], "peer")


def measured(who: str, cycles: int, sources: list[Path], top: str) -> dict[str, Any]:
    """One side's figures: utilisation is of its multipliers."""
    found = yosys.synthesise(sources, top)
    return {
        "generator": who,
        "multipliers": SIDE * SIDE,
        "cycles": cycles,
        "utilisation": round(ROWS * DEPTH * COLS / (SIDE * SIDE * cycles), 4),
        "lines": sum(source.read_text().count("\n") for source in sources),
        "lut": found.total.lut,
        "ff": found.total.ff,
        "dsp": found.total.dsp,
        "bram36": found.total.bram36,
        "luts_deep": found.depth.luts.luts,
        "carry_bits": found.depth.carry_bits.carry_bits,
        "yosys_seconds": found.seconds,
    }


def main() -> int:
    """Both sides, one after the other."""
    target = "fewer cycles, LUTs and lines than the peer with as many multipliers"
    if why := lacking():
        print(f"peer: SKIPPED: {why}", file=sys.stderr)
        print(json.dumps({"benchmark": "peer", "target": target, "met": False, "results": [], "skipped": why}))
        return 1
    rng = np.random.default_rng(1)
    a = rng.integers(-128, 128, (ROWS, DEPTH))
    b = rng.integers(-128, 128, (DEPTH, COLS))
    with tempfile.TemporaryDirectory() as scratch, redirect_stdout(sys.stderr):
        os.chdir(scratch)  # NNgen's tools leave files where they run
        folders = [Path(scratch) / name for name in ("dsp", "hybrid", "theirs")]
        for folder in folders:
            folder.mkdir()
        results = [ours(a, b, size, folder) for size, folder in zip(SIZES, folders, strict=False)]
        results.append(theirs(a, b, folders[-1]))
    *units, peer = results
    met = all(unit[name] < peer[name] for unit in units for name in ("cycles", "lut", "lines"))
    print(json.dumps({"benchmark": "peer", "target": target, "met": met, "results": results}, indent=1))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
