"""Many small units in one Verilator simulation: what a random program costs then is mostly its own C++."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastprefill import resources
from fastprefill.system.case import Case
from fastprefill.system.ports import Ports
from fastprefill.tools import _verilated

PATIENCE = 3000
"""Cycles without a token after which a run counts as hung."""

_MAIN = """
#include "Vtop.h"
#include "verilated.h"
double sc_time_stamp() { return 0; }
int main(int argc, char** argv) {
  VerilatedContext context;
  context.commandArgs(argc, argv);
  context.randReset(2);
  context.randSeed(7);
  Vtop top{&context};
  top.clk = 0;
  top.rst = 1;
  for (long cycle = 0; cycle < 4000000 && (cycle < 10 || !top.finished); ++cycle) {
    top.rst = cycle < 4;
    top.clk = 0;
    top.eval();
    top.clk = 1;
    top.eval();
  }
  if (!top.finished) printf("FAIL all cycles used up\\n");
  top.final();
}
"""

_UNIT = """
module bench_{name} (input wire clk, input wire rst, output logic finished);
  logic [31:0] scalars [0:{scalar_words}];
  logic [31:0] round = 0, index = 0, waited = 0, quiet = 0, cut = 0;
  wire [8:0] stall = round == 0 ? 9'd0 : round == 1 ? 9'd90 : 9'd160;
  wire [31:0] seed = round * 77 + index + 1;
  logic load = 0, start = 0, resetting = 1;
  wire idle, done;
  typedef enum logic [2:0] {{LOAD, SETTLE, START, RUN, DRAIN, RESET, END}} state_t;
  state_t state = LOAD;
  logic cutting = 0;
{wires}
  wire moved = {moved};
  wire offering = {offering};
  wire unit_rst = rst || resetting;
  assign finished = state == END;
  initial $readmemh({scalars_path}, scalars);
  always @(posedge clk) begin
    load <= 0; start <= 0; resetting <= 0;
    waited <= moved ? 0 : waited + 1;
    if (rst) begin resetting <= 1; waited <= 0; end
    else case (state)
      LOAD: begin load <= 1; state <= SETTLE; waited <= 0; quiet <= 0; cut <= 5 + (seed * 37) % 61; end
      SETTLE: begin quiet <= quiet + 1; if (quiet > 3 + round * 7 && idle) begin start <= 1; state <= RUN; waited <= 0; end end
      RUN: begin
        cut <= cut - 1;
        if (done) begin state <= DRAIN; quiet <= 0; end
        else if (cutting && cut == 0) begin state <= RESET; quiet <= 0; resetting <= 1; end
      end
      RESET: begin
        quiet <= quiet + 1; resetting <= quiet < 3; waited <= 0;
        if (quiet == 40) begin cutting <= 0; state <= LOAD; if (!idle) $display("FAIL {name} not idle after reset"); end
      end
      DRAIN: begin
        quiet <= moved || offering ? 0 : quiet + 1;
        if (done) $display("FAIL {name} done twice");
        if (quiet == 40) begin
          if (cutting) begin cutting <= 0; state <= LOAD; end
          else begin
{checks}
            if (index + 1 < {cases}) begin index <= index + 1; state <= LOAD; end
            else if (round < 2) begin index <= 0; round <= round + 1; state <= LOAD; cutting <= 1; end
            else begin state <= END; $display("ENDED {name} "); end
          end
        end
      end
      default: ;
    endcase
    if (!rst && state != END && waited == {patience}) begin
      $display("FAIL {name} hangs in case %0d round %0d state %0d", index, round, state);
      state <= END;
    end
  end
{streams}
  {name} dut (.clk(clk), .rst(unit_rst), .start(start), .idle(idle), .done(done){connections});
endmodule
"""


@dataclass(frozen=True)
class Simulated:
    """A unit with its RTL and its cases; the cases hold exactly the tokens that are read and written."""

    ports: Ports
    files: Mapping[str, str]
    cases: Sequence[Case]


def _bench(unit: Simulated, folder: Path) -> str:
    ports, name = unit.ports, unit.ports.name
    wires, streams, checks = [], [], []
    connections = [
        f".{s}(start ? scalars[index * {len(ports.scalars)} + {k}][{w - 1}:0] : ~scalars[0][{w - 1}:0])"
        for k, (s, w) in enumerate(ports.scalars.items())
    ]
    for number, (stream, width) in enumerate(ports.widths.items()):
        wires.append(f"  wire {stream}_valid, {stream}_ready; wire [{width - 1}:0] {stream}_data;")
        connections += [f".{stream}_{p}({stream}_{p})" for p in ("valid", "ready", "data")]
        common = (
            f'.WIDTH({width}), .INDEX({number}), .NAME("{name}_{stream}")) s_{stream} (.clk(clk), .rst(unit_rst), '
            f".load(load), .index(index), .seed(seed), .stall(stall), .valid({stream}_valid), .data({stream}_data), "
            f".ready({stream}_ready)"
        )
        if stream in ports.inputs:
            wires.append(f"  wire [31:0] {stream}_taken;")
            streams.append(f"  fp_source #({common}, .taken({stream}_taken), .missing());")
            counts = ", ".join(str(len(case.inputs[stream])) for case in reversed(unit.cases))
            wires.append(f"  wire [{32 * len(unit.cases) - 1}:0] {stream}_all = {{{_words(counts)}}};")
            checks.append(
                f'            if ({stream}_taken != {stream}_all[index * 32 +: 32]) $display("FAIL {name} case %0d round '
                f'%0d: %0d of %0d tokens of {stream} read", index, round, {stream}_taken, {stream}_all[index * 32 +: 32]);'
            )
        else:
            wires.append(
                f"  wire [31:0] {stream}_seen, {stream}_bad, {stream}_first; wire {stream}_unstable;"
            )
            wires.append(f"  wire [{width - 1}:0] {stream}_expected, {stream}_actual;")
            streams.append(
                f"  fp_sink #({common}, .seen({stream}_seen), .mismatches({stream}_bad), .first({stream}_first), .wanted(), "
                f".expected({stream}_expected), .actual({stream}_actual), .unstable({stream}_unstable), .unknown(), .missing());"
            )
            counts = ", ".join(str(len(case.outputs[stream])) for case in reversed(unit.cases))
            wires.append(f"  wire [{32 * len(unit.cases) - 1}:0] {stream}_all = {{{_words(counts)}}};")
            checks.append(
                f"            if ({stream}_bad != 0 || {stream}_unstable || {stream}_seen != {stream}_all[index * 32 +: 32]) "
                f'$display("FAIL {name} case %0d round %0d: {stream} %0d tokens of %0d, first difference %0d: %0h not %0h", '
                f"index, round, {stream}_seen, {stream}_all[index * 32 +: 32], {stream}_first, {stream}_actual, {stream}_expected);"
            )
    moved = " || ".join([f"({s}_valid && {s}_ready)" for s in ports.widths] or ["1'b0"])
    offering = " || ".join([f"{s}_valid" for s in ports.outputs] or ["1'b0"])
    values = [value & 0xFFFFFFFF for case in unit.cases for value in (case.scalars[s] for s in ports.scalars)]
    path = folder / f"{name}.scalars"
    path.write_text("\n".join(f"{v:08x}" for v in values or [0]) + "\n")
    return _UNIT.format(
        name=name,
        wires="\n".join(wires),
        streams="\n".join(streams),
        checks="\n".join(checks),
        moved=moved,
        offering=offering,
        connections="".join(f", {c}" for c in connections),
        cases=len(unit.cases),
        patience=PATIENCE,
        scalar_words=max(0, len(values) - 1),
        scalars_path=f'"{path}"',
    )


def _words(counts: str) -> str:
    return ", ".join(f"32'd{c.strip()}" for c in counts.split(","))


def simulate(units: Sequence[Simulated]) -> list[str]:
    """Run all cases of all units: without stalls, with some, and with many, with a reset in flight before these.

    Returns:
        One line for each failure, with the unit's name in it.
    """
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        for unit in units:
            for number, case in enumerate(unit.cases):
                _save(unit, case, folder / "cases" / str(number))
        sources = {name: text for unit in units for name, text in unit.files.items()}
        for path in (resources.path("sim") / "tb").glob("fp_*.sv"):
            sources[path.name] = path.read_text()
        instances = "".join(
            f"  bench_{u.ports.name} b{k} (.clk(clk), .rst(rst), .finished(all[{k}]));\n"
            for k, u in enumerate(units)
        )
        sources["top.sv"] = (
            f"module top (input wire clk, input wire rst, output wire finished);\n  wire [{len(units) - 1}:0] all;\n"
            f"  assign finished = &all;\n{instances}endmodule\n" + "".join(_bench(u, folder) for u in units)
        )
        for name, text in sources.items():
            (folder / name).write_text(text)
        _verilated.verilate(
            [
                "--cc",
                "-O3",
                "--x-assign",
                "unique",
                "--x-initial",
                "unique",
                "--prefix",
                "Vtop",
                "--top-module",
                "top",
                "--no-timing",
                "--timescale-override",
                "1ns/1ps",
                "-Wno-fatal",
                "-Wno-lint",
                "-Wno-style",
                "--assert",
                "-DFP_CHECKS",
                "--quiet",
                "--quiet-stats",
                "-Mdir",
                "obj",
                *sorted(sources),
            ],
            cwd=folder,
            what="verilating",
        )
        executable = _compile(folder)
        done = subprocess.run(
            [executable, f"+cases={folder}/cases"], capture_output=True, text=True, timeout=600, cwd=folder
        )
        text = done.stdout + done.stderr
        bad = [line for line in text.splitlines() if "FAIL" in line or "rror" in line]
        ended = {f"ENDED {unit.ports.name}" for unit in units} - {line.strip() for line in text.splitlines()}
        bad += [
            f"FAIL {line.split()[1]} did not end"
            for line in sorted(ended)
            if not any(f" {line.split()[1]} " in b for b in bad)
        ]
        if done.returncode != 0 and not bad:
            bad.append(f"the simulation ended with status {done.returncode}: {text[-300:]}")
        return bad
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _save(unit: Simulated, case: Case, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for stream, tokens in {**case.inputs, **case.outputs}.items():
        width = unit.ports.widths[stream]
        size, mask = (width + 7) // 8, (1 << width) - 1
        data = b"".join((token & mask).to_bytes(size, "big") for token in tokens)
        (folder / f"{unit.ports.name}_{stream}.bin").write_bytes(data)


def _compile(folder: Path) -> Path:
    """Compile at -O0 with the runtime that the project's own simulations use."""
    runtime = _verilated._runtime(trace=False)
    flags = _verilated._flags(trace=False)
    objects = _verilated._unity(
        folder / "obj", "design", sorted((folder / "obj").glob("Vtop*.cpp")), runtime, flags, "-O0"
    )
    (folder / "obj/main.cpp").write_text(_MAIN)
    target = folder / "simulation"
    compiler = _verilated.compiler()
    assert compiler is not None
    subprocess.run(
        [
            compiler,
            *flags,
            "-O0",
            "-include",
            runtime / "runtime-O0.h",
            f"-I{folder / 'obj'}",
            folder / "obj/main.cpp",
            *objects,
            *sorted(runtime.glob("*.o")),
            "-lpthread",
            "-o",
            target,
        ],
        check=True,
    )
    return target
